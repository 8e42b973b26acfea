#include "gst/element/gstminivl.h"
#include "gst/overlay/gstminivloverlay.h"

static gboolean
plugin_init (GstPlugin *plugin)
{
  return gst_minivl_register (plugin, &backend_local) && gst_minivl_overlay_register (plugin);
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, minivl, "Video to text by a vision-language model on Vulkan", plugin_init,
    MINIVL_VERSION, "MIT", "minivl", "minivl")
