#define _GNU_SOURCE /* SCHED_BATCH */
#include "frame.h"

#include <sched.h>
#include <string.h>

/* Blocks that wait for reuse; more are freed. */
#define MOST_KEPT 8
/* So many wait for the next frames, for asking the system for one may have to wait for whoever else does. */
#define READY 4

/* Of pixels that were still coming. Few are at any time, so that one lock serves all. */
static GMutex arrival_lock;
static GCond arrival;

/* --- memory ------------------------------------------------------------------------------------------------------------------ */

struct _FramePool
{
  gint refs;
  gsize size; /* of each block */
  GMutex lock;
  GPtrArray *blocks;
};

static void
pool_restock (FramePool *pool)
{
  g_mutex_lock (&pool->lock);
  while (pool->blocks->len < READY) {
    guint8 *block;

    g_mutex_unlock (&pool->lock);
    block = g_malloc (pool->size);
    g_mutex_lock (&pool->lock);
    g_ptr_array_add (pool->blocks, block);
  }
  g_mutex_unlock (&pool->lock);
}

static FramePool *
pool_new (gsize size)
{
  FramePool *pool = g_new0 (FramePool, 1);

  pool->refs = 1;
  pool->size = size;
  g_mutex_init (&pool->lock);
  pool->blocks = g_ptr_array_new_with_free_func (g_free);
  pool_restock (pool);
  return pool;
}

static FramePool *
pool_ref (FramePool *pool)
{
  g_atomic_int_inc (&pool->refs);
  return pool;
}

static void
pool_unref (FramePool *pool)
{
  if (!g_atomic_int_dec_and_test (&pool->refs))
    return;
  g_ptr_array_unref (pool->blocks);
  g_mutex_clear (&pool->lock);
  g_free (pool);
}

static guint8 *
pool_take (FramePool *pool)
{
  guint8 *block = NULL;

  g_mutex_lock (&pool->lock);
  if (pool->blocks->len > 0)
    block = g_ptr_array_steal_index_fast (pool->blocks, pool->blocks->len - 1);
  g_mutex_unlock (&pool->lock);
  return block != NULL ? block : g_malloc (pool->size);
}

static void
pool_give (FramePool *pool, guint8 *block)
{
  gboolean kept;

  g_mutex_lock (&pool->lock);
  kept = pool->blocks->len < MOST_KEPT;
  if (kept)
    g_ptr_array_add (pool->blocks, block);
  g_mutex_unlock (&pool->lock);
  if (!kept)
    g_free (block);
}

/* --- frames ------------------------------------------------------------------------------------------------------------------ */

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
  g_clear_error (&frame->lost);
  frame_drop_pixels (frame);
  g_free (frame);
}

void
frame_drop_pixels (Frame *frame)
{
  if (frame->pool != NULL)
    pool_give (frame->pool, frame->pixels);
  else
    g_free (frame->pixels);
  g_clear_pointer (&frame->pool, pool_unref);
  g_clear_pointer (&frame->picture_of, frame_unref);
  frame->pixels = NULL;
  memset (frame->image.data, 0, sizeof frame->image.data);
  frame->size = 0;
}

void
frame_arrived (Frame *frame, GError *error)
{
  g_mutex_lock (&arrival_lock);
  frame->lost = error;
  frame->coming = FALSE;
  g_cond_broadcast (&arrival);
  g_mutex_unlock (&arrival_lock);
}

gboolean
frame_await (Frame *frame, GError **error)
{
  const Frame *picture = frame->picture_of != NULL ? frame->picture_of : frame;

  g_mutex_lock (&arrival_lock);
  while (picture->coming)
    g_cond_wait (&arrival, &arrival_lock);
  g_mutex_unlock (&arrival_lock);
  if (picture->lost != NULL)
    g_propagate_error (error, g_error_copy (picture->lost));
  return picture->lost == NULL;
}

Frame *
frame_share (Frame *frame, guint n)
{
  Frame *part = g_new0 (Frame, 1);

  part->refs = 1;
  part->time = frame->time;
  part->image = frame->image;
  part->size = frame->size / n;
  part->picture_of = frame_ref (frame);
  part->backend = frame->backend;
  return part;
}

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
    case GST_VIDEO_COLOR_MATRIX_SMPTE240M: /* within two levels of it */
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

  /* As a batch it does not put the streaming thread aside, which has just woken it up and is to hand the buffer on. */
  sched_setscheduler (0, SCHED_BATCH, &(struct sched_param){ 0 });
  while ((copy = g_async_queue_pop (copier->jobs))->frame != NULL) {
    for (guint p = 0; p < GST_VIDEO_FRAME_N_PLANES (&copy->from); p++)
      copy_plane ((guint8 *)copy->frame->image.data[p], &copy->from, p);
    gst_video_frame_unmap (&copy->from);
    frame_arrived (copy->frame, NULL);
    frame_unref (copy->frame);
    g_free (copy);
    pool_restock (copier->pool);
  }
  g_free (copy);
  return NULL;
}

void
frame_copier_init (FrameCopier *copier, const GstVideoInfo *info)
{
  frame_copier_clear (copier);
  copier->info = *info;
  copier->pool = pool_new (packed_size (info));
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
  g_clear_pointer (&copier->pool, pool_unref);
}

static void
take_pixels (Frame *frame, FrameCopier *copier, const GstVideoInfo *info)
{
  frame->size = packed_size (info);
  if (frame->size == copier->pool->size) {
    frame->pool = pool_ref (copier->pool);
    frame->pixels = pool_take (copier->pool);
  } else {
    frame->pixels = g_malloc (frame->size);
  }
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
  Frame *frame = g_new0 (Frame, 1);
  gsize offset = 0;

  frame->refs = 1;
  frame->time = time;
  frame->backend = backend;
  take_pixels (frame, copier, info);
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
