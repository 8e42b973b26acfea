#include "gst/element/gstminivl.h"
#include "gst/overlay/gstminivloverlay.h"

static gboolean
plugin_init (GstPlugin *plugin)
{
  return GST_ELEMENT_REGISTER (minivl, plugin) && GST_ELEMENT_REGISTER (minivloverlay, plugin);
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, minivl, "Video to text by a vision-language model on Vulkan", plugin_init,
    MINIVL_VERSION, "MIT/X11", "minivl", "https://huggingface.co/OpenGVLab/Mini-InternVL-Chat-4B-V1-5")
