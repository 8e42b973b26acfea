#include "log.h"

GST_DEBUG_CATEGORY (gst_minivl_debug);

void
log_init (void)
{
  GST_DEBUG_CATEGORY_INIT (gst_minivl_debug, "minivl", 0, "video to text by a vision-language model");
}
