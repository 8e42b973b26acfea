#include "formats.h"

#include "pixels.h"
#include "vulkan-input.h"

#if GST_CHECK_VERSION(1, 24, 0)
/* The formats that DMA buffers of drm-format have in memory: linear ones, whose names have no modifier. */
static void
append_drm (GstCaps *caps)
{
  GstCaps *drm = gst_caps_from_string (GST_VIDEO_DMA_DRM_CAPS_MAKE);
  GValue names = G_VALUE_INIT;
  const GstVideoFormat *formats;
  guint n;

  g_value_init (&names, GST_TYPE_LIST);
  formats = gst_video_formats_raw (&n);
  for (guint i = 0; i < n; i++) {
    guint32 fourcc = gst_video_dma_drm_fourcc_from_format (formats[i]);
    GValue name = G_VALUE_INIT;

    if (fourcc == 0) /* none */
      continue;
    g_value_init (&name, G_TYPE_STRING);
    g_value_take_string (&name, gst_video_dma_drm_fourcc_to_string (fourcc, 0));
    gst_value_list_append_and_take_value (&names, &name);
  }
  gst_caps_set_value (drm, "drm-format", &names);
  g_value_unset (&names);
  gst_caps_append (caps, drm);
}

gboolean
formats_parse (const GstCaps *caps, GstVideoInfo *info)
{
  GstVideoInfoDmaDrm drm;

  if (!gst_video_is_dma_drm_caps (caps))
    return gst_video_info_from_caps (info, caps);
  return gst_video_info_dma_drm_from_caps (&drm, caps) && gst_video_info_dma_drm_to_video_info (&drm, info);
}
#else
static void
append_drm (GstCaps *caps)
{
}

gboolean
formats_parse (const GstCaps *caps, GstVideoInfo *info)
{
  return gst_video_info_from_caps (info, caps);
}
#endif

GstCaps *
formats_make_caps (void)
{
  /* Of devices; what cannot be mapped is not described. */
  static const gchar *const memories[] = { "memory:DMABuf", "memory:VAMemory", "memory:GLMemory" };
  GstCaps *caps = gst_caps_from_string (GST_VIDEO_CAPS_MAKE (PIXELS_COPIED) "; " GST_VIDEO_CAPS_MAKE (GST_VIDEO_FORMATS_ALL));

  for (guint i = 0; i < G_N_ELEMENTS (memories); i++) {
    GstCaps *mapped = gst_caps_from_string (GST_VIDEO_CAPS_MAKE (GST_VIDEO_FORMATS_ALL));

    gst_caps_set_features_simple (mapped, gst_caps_features_new (memories[i], NULL));
    gst_caps_append (caps, mapped);
  }
  append_drm (caps);
  gst_caps_append (caps, gst_caps_from_string (VULKAN_INPUT_CAPS));
  return caps;
}
