#define _GNU_SOURCE /* SCHED_BATCH */
#include "frame-copier.h"

#include <sched.h>
#include <string.h>

/* --- layouts ----------------------------------------------------------------------------------------------------------------- */

static MinivlFormat
image_format (GstVideoFormat format)
{
  switch (format) {
    case GST_VIDEO_FORMAT_BGR:
      return MINIVL_FORMAT_BGR;
    case GST_VIDEO_FORMAT_RGBx:
    case GST_VIDEO_FORMAT_RGBA:
      return MINIVL_FORMAT_RGBX;
    case GST_VIDEO_FORMAT_BGRx:
    case GST_VIDEO_FORMAT_BGRA:
      return MINIVL_FORMAT_BGRX;
    case GST_VIDEO_FORMAT_GRAY8:
      return MINIVL_FORMAT_GRAY8;
    case GST_VIDEO_FORMAT_NV12:
      return MINIVL_FORMAT_NV12;
    case GST_VIDEO_FORMAT_I420:
      return MINIVL_FORMAT_I420;
    default:
      return MINIVL_FORMAT_RGB;
  }
}

static MinivlMatrix
image_matrix (const GstVideoInfo *info)
{
  switch (info->colorimetry.matrix) {
    case GST_VIDEO_COLOR_MATRIX_BT709:
    case GST_VIDEO_COLOR_MATRIX_SMPTE240M: /* differs by two levels at most */
      return MINIVL_MATRIX_BT709;
    case GST_VIDEO_COLOR_MATRIX_BT2020:
      return MINIVL_MATRIX_BT2020;
    default:
      return MINIVL_MATRIX_BT601;
  }
}

static MinivlRange
image_range (const GstVideoInfo *info)
{
  if (GST_VIDEO_INFO_IS_RGB (info) || info->colorimetry.range == GST_VIDEO_COLOR_RANGE_UNKNOWN)
    return MINIVL_RANGE_DEFAULT;
  return info->colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255 ? MINIVL_RANGE_FULL : MINIVL_RANGE_LIMITED;
}

static guint
component_of_plane (const GstVideoInfo *info, guint plane)
{
  guint c = 0;

  while (GST_VIDEO_INFO_COMP_PLANE (info, c) != plane)
    c++;
  return c;
}

static gsize
row_bytes (const GstVideoInfo *info, guint plane)
{
  guint c = component_of_plane (info, plane);

  return (gsize)GST_VIDEO_INFO_COMP_WIDTH (info, c) * GST_VIDEO_INFO_COMP_PSTRIDE (info, c);
}

static guint
rows (const GstVideoInfo *info, guint plane)
{
  return GST_VIDEO_INFO_COMP_HEIGHT (info, component_of_plane (info, plane));
}

static gsize
packed_size (const GstVideoInfo *info)
{
  gsize size = 0;

  for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES (info); p++)
    size += row_bytes (info, p) * rows (info, p);
  return size;
}

static void
copy_plane (guint8 *to, const GstVideoFrame *from, guint plane)
{
  const guint8 *row = GST_VIDEO_FRAME_PLANE_DATA (from, plane);
  gssize stride = GST_VIDEO_FRAME_PLANE_STRIDE (from, plane);
  gsize bytes = row_bytes (&from->info, plane);
  guint n = rows (&from->info, plane);

  if (stride == (gssize)bytes) {
    memcpy (to, row, n * bytes);
    return;
  }
  for (guint y = 0; y < n; y++)
    memcpy (to + y * bytes, row + y * stride, bytes);
}

/* --- copies ------------------------------------------------------------------------------------------------------------------ */

typedef struct
{
  Frame *frame;       /* NULL: nothing follows */
  GstVideoFrame from; /* mapped, which keeps its buffer */
} Copy;

static gpointer
copy_frames (gpointer data)
{
  FrameCopier *copier = data;
  Copy *copy;

  /* As SCHED_BATCH it does not preempt the streaming thread, which has just woken it up and still has to push the buffer. */
  sched_setscheduler (0, SCHED_BATCH, &(struct sched_param){ 0 });
  while ((copy = g_async_queue_pop (copier->jobs))->frame != NULL) {
    for (guint p = 0; p < GST_VIDEO_FRAME_N_PLANES (&copy->from); p++)
      copy_plane ((guint8 *)copy->frame->image.data[p], &copy->from, p);
    gst_video_frame_unmap (&copy->from);
    frame_arrived (copy->frame, NULL);
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
  copier->pool = frame_pool_new (packed_size (info));
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
  GstVideoInfo info = copier->info;

  if (meta != NULL)
    gst_video_info_set_format (&info, meta->format, meta->width, meta->height);
  return info;
}

MinivlImage
frame_copier_layout (const FrameCopier *copier, GstBuffer *buffer)
{
  GstVideoInfo info = frame_copier_info (copier, buffer);
  MinivlImage image = {
    .width = GST_VIDEO_INFO_WIDTH (&info),
    .height = GST_VIDEO_INFO_HEIGHT (&info),
    .format = image_format (GST_VIDEO_INFO_FORMAT (&info)),
    .matrix = image_matrix (&copier->info),
    .range = image_range (&copier->info),
    .orientation = copier->orientation,
  };

  crop (&image, buffer);
  return image;
}

Frame *
frame_copier_make (FrameCopier *copier, GstBuffer *buffer, const GstVideoInfo *info, guint64 time, const Backend *backend)
{
  Frame *frame = frame_new (copier->pool, packed_size (info), time, backend);
  gsize offset = 0;

  frame->image = frame_copier_layout (copier, buffer);
  for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES (info); p++) {
    frame->image.data[p] = frame->pixels + offset;
    frame->image.stride[p] = row_bytes (info, p);
    offset += row_bytes (info, p) * rows (info, p);
  }
  return frame;
}

Frame *
frame_copier_copy (FrameCopier *copier, GstBuffer *buffer, guint64 time, const Backend *backend)
{
  Copy *copy = g_new (Copy, 1);
  Frame *frame;

  if (!gst_video_frame_map (&copy->from, &copier->info, buffer, GST_MAP_READ)) {
    g_free (copy);
    return NULL;
  }
  frame = frame_copier_make (copier, buffer, &copy->from.info, time, backend);
  frame->coming = TRUE;
  copy->frame = frame_ref (frame);
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
