#define _GNU_SOURCE /* SCHED_BATCH */
#include "frame-copier.h"

#include <sched.h>
#include <string.h>

/* --- layouts ----------------------------------------------------------------------------------------------------------------- */

/* FALSE: of another format than its caps, or smaller. */
static gboolean
is_of_caps (const FrameCopier *copier, const GstVideoMeta *meta)
{
  return meta->format == GST_VIDEO_INFO_FORMAT (&copier->info) && meta->n_planes == GST_VIDEO_INFO_N_PLANES (&copier->info)
         && meta->width >= (guint)GST_VIDEO_INFO_WIDTH (&copier->info)
         && meta->height >= (guint)GST_VIDEO_INFO_HEIGHT (&copier->info);
}

static void
crop (MinivlImage *image, GstBuffer *buffer)
{
  const GstVideoCropMeta *meta = gst_buffer_get_video_crop_meta (buffer);

  if (meta == NULL || meta->x >= image->width || meta->y >= image->height)
    return;
  image->crop_x = meta->x;
  image->crop_y = meta->y;
  image->crop_width = MIN (meta->width, image->width - meta->x);
  image->crop_height = MIN (meta->height, image->height - meta->y);
}

GstVideoInfo
frame_copier_info (const FrameCopier *copier, GstBuffer *buffer)
{
  const GstVideoMeta *meta = gst_buffer_get_video_meta (buffer);
  GstVideoInfo info = copier->info, laid;

  if (meta == NULL || !is_of_caps (copier, meta))
    return info;
  /* which forgets all but these, the colours too */
  gst_video_info_set_interlaced_format (&laid, meta->format, GST_VIDEO_INFO_INTERLACE_MODE (&info), meta->width, meta->height);
  info.width = laid.width;
  info.height = laid.height;
  info.size = laid.size;
  memcpy (info.offset, laid.offset, sizeof info.offset);
  memcpy (info.stride, laid.stride, sizeof info.stride);
  return info;
}

MinivlImage
frame_copier_layout (const FrameCopier *copier, GstBuffer *buffer)
{
  GstVideoInfo info = frame_copier_info (copier, buffer);
  MinivlImage image = pixels_layout (&info);

  image.orientation = copier->orientation;
  crop (&image, buffer);
  return image;
}

Frame *
frame_copier_make (FrameCopier *copier, GstBuffer *buffer, const GstVideoInfo *info, guint64 time, const Backend *backend)
{
  Frame *frame = frame_new (copier->pool, pixels_size (info), time, backend);

  frame->image = frame_copier_layout (copier, buffer);
  pixels_place (&frame->image, info, frame->pixels);
  frame->par_n = MAX (GST_VIDEO_INFO_PAR_N (info), 1); /* caps may say 0/1 */
  frame->par_d = GST_VIDEO_INFO_PAR_D (info);
  frame->coming = TRUE;
  return frame;
}

/* --- copies ------------------------------------------------------------------------------------------------------------------ */

typedef struct
{
  Frame *frame; /* NULL: nothing follows */
  GstBuffer *buffer;
} Copy;

/* Maps the buffer here, for memory of a device may have to be waited for. */
static gboolean
fill (FrameCopier *copier, const Copy *copy)
{
  const GstVideoMeta *meta = gst_buffer_get_video_meta (copy->buffer);
  GstVideoInfo info = frame_copier_info (copier, copy->buffer);
  GstVideoFrame from;
  gboolean filled;

  if ((meta != NULL && !is_of_caps (copier, meta)) || !gst_video_frame_map (&from, &copier->info, copy->buffer, GST_MAP_READ))
    return FALSE;
  filled = pixels_fill (&copy->frame->image, &info, &from);
  gst_video_frame_unmap (&from);
  return filled;
}

static gpointer
copy_frames (gpointer data)
{
  FrameCopier *copier = data;
  Copy *copy;

  /* As SCHED_BATCH it does not preempt the streaming thread, which has just woken it up and still has to push the buffer. */
  sched_setscheduler (0, SCHED_BATCH, &(struct sched_param){ 0 });
  while ((copy = g_async_queue_pop (copier->jobs))->frame != NULL) {
    gboolean filled = fill (copier, copy);

    gst_buffer_unref (copy->buffer);
    frame_arrived (copy->frame,
        filled ? NULL
               : g_error_new_literal (MINIVL_ERROR, MINIVL_ERROR_IMAGES, "its memory cannot be mapped, or not be converted"));
    frame_unref (copy->frame);
    g_free (copy);
    frame_pool_restock (copier->pool);
  }
  g_free (copy);
  return NULL;
}

void
frame_copier_init (FrameCopier *copier, const GstVideoInfo *info)
{
  frame_copier_clear (copier);
  copier->info = *info;
  copier->pool = frame_pool_new (pixels_size (info));
  copier->jobs = g_async_queue_new ();
  copier->thread = g_thread_new ("minivl-copy", copy_frames, copier);
}

void
frame_copier_clear (FrameCopier *copier)
{
  if (copier->thread == NULL)
    return;
  g_async_queue_push (copier->jobs, g_new0 (Copy, 1));
  g_thread_join (g_steal_pointer (&copier->thread));
  g_clear_pointer (&copier->jobs, g_async_queue_unref);
  g_clear_pointer (&copier->pool, frame_pool_unref);
}

Frame *
frame_copier_copy (FrameCopier *copier, GstBuffer *buffer, guint64 time, const Backend *backend)
{
  GstVideoInfo info = frame_copier_info (copier, buffer);
  Frame *frame = frame_copier_make (copier, buffer, &info, time, backend);
  Copy *copy = g_new (Copy, 1);

  copy->frame = frame_ref (frame);
  copy->buffer = gst_buffer_ref (buffer);
  g_async_queue_push (copier->jobs, copy);
  return frame;
}

guint
frame_orientation_of_tag (const gchar *tag)
{
  static const gchar *const names[] = { "rotate-0", "flip-rotate-0", "rotate-180", "flip-rotate-180", "flip-rotate-270",
    "rotate-90", "flip-rotate-90", "rotate-270" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_strcmp0 (tag, names[i]) == 0)
      return i + 1;
  return 1;
}
