#include "frame.h"

#include <string.h>

Frame *
frame_ref (Frame *frame)
{
  g_atomic_int_inc (&frame->refs);
  return frame;
}

void
frame_unref (Frame *frame)
{
  if (frame == NULL || !g_atomic_int_dec_and_test (&frame->refs))
    return;
  if (frame->picture != NULL)
    frame->backend->picture_unref (frame->picture);
  g_clear_error (&frame->error);
  g_free (frame->pixels);
  g_free (frame);
}

void
frame_drop_pixels (Frame *frame)
{
  g_clear_pointer (&frame->pixels, g_free);
  frame->image.data[0] = NULL;
  frame->size = 0;
}

void
frame_copier_init (FrameCopier *copier, const GstVideoInfo *info)
{
  frame_copier_clear (copier);
  copier->in = *info;
  gst_video_info_set_interlaced_format (&copier->out, GST_VIDEO_FORMAT_RGB, GST_VIDEO_INFO_INTERLACE_MODE (info),
      GST_VIDEO_INFO_WIDTH (info), GST_VIDEO_INFO_HEIGHT (info));
  /* the converter refuses to change the rate */
  copier->out.fps_n = info->fps_n;
  copier->out.fps_d = info->fps_d;
  if (GST_VIDEO_INFO_FORMAT (info) != GST_VIDEO_FORMAT_RGB) {
    /* No dither: the same picture gives the same bytes whatever came before it. */
    GstStructure *config = gst_structure_new (
        "GstVideoConverter", GST_VIDEO_CONVERTER_OPT_DITHER_METHOD, GST_TYPE_VIDEO_DITHER_METHOD, GST_VIDEO_DITHER_NONE, NULL);

    copier->converter = gst_video_converter_new (&copier->in, &copier->out, config);
  }
}

void
frame_copier_clear (FrameCopier *copier)
{
  g_clear_pointer (&copier->converter, gst_video_converter_free);
}

static void
copy_rows (const GstVideoFrame *from, GstVideoFrame *to)
{
  for (gint y = 0; y < GST_VIDEO_FRAME_HEIGHT (to); y++)
    memcpy ((guint8 *)GST_VIDEO_FRAME_PLANE_DATA (to, 0) + (gsize)y * GST_VIDEO_FRAME_PLANE_STRIDE (to, 0),
        (const guint8 *)GST_VIDEO_FRAME_PLANE_DATA (from, 0) + (gssize)y * GST_VIDEO_FRAME_PLANE_STRIDE (from, 0),
        3 * (gsize)GST_VIDEO_FRAME_WIDTH (to));
}

Frame *
frame_copier_copy (FrameCopier *copier, GstBuffer *buffer, guint64 time, const Backend *backend)
{
  gsize size = GST_VIDEO_INFO_SIZE (&copier->out);
  GstVideoFrame from, to;
  GstBuffer *out;
  Frame *frame;

  if (!gst_video_frame_map (&from, &copier->in, buffer, GST_MAP_READ))
    return NULL;

  frame = g_new0 (Frame, 1);
  frame->refs = 1;
  frame->time = time;
  frame->backend = backend;
  frame->size = size;
  frame->pixels = g_malloc (size);
  frame->image = (MinivlImage){
    .data = { frame->pixels },
    .width = GST_VIDEO_INFO_WIDTH (&copier->out),
    .height = GST_VIDEO_INFO_HEIGHT (&copier->out),
    .stride = { GST_VIDEO_INFO_PLANE_STRIDE (&copier->out, 0) },
  };

  out = gst_buffer_new_wrapped_full (0, frame->pixels, size, 0, size, NULL, NULL);
  if (!gst_video_frame_map (&to, &copier->out, out, GST_MAP_WRITE))
    g_assert_not_reached (); /* memory of our own, of the right size */
  if (copier->converter != NULL)
    gst_video_converter_frame (copier->converter, &from, &to);
  else
    copy_rows (&from, &to);
  gst_video_frame_unmap (&to);
  gst_buffer_unref (out);
  gst_video_frame_unmap (&from);
  return frame;
}
