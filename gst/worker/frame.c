#include "frame.h"

#include <string.h>

/* Blocks that are kept for reuse; more are freed. */
#define MOST_KEPT 8
/* Blocks that are made ahead, since an allocation may have to wait for other threads' ones. */
#define READY 4

/* For pixels that are still coming. There are few at any time, so one lock serves all frames. */
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

void
frame_pool_restock (FramePool *pool)
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

FramePool *
frame_pool_new (gsize size)
{
  FramePool *pool = g_new0 (FramePool, 1);

  pool->refs = 1;
  pool->size = size;
  g_mutex_init (&pool->lock);
  pool->blocks = g_ptr_array_new_with_free_func (g_free);
  frame_pool_restock (pool);
  return pool;
}

FramePool *
frame_pool_ref (FramePool *pool)
{
  g_atomic_int_inc (&pool->refs);
  return pool;
}

void
frame_pool_unref (FramePool *pool)
{
  if (!g_atomic_int_dec_and_test (&pool->refs))
    return;
  g_ptr_array_unref (pool->blocks);
  g_mutex_clear (&pool->lock);
  g_free (pool);
}

static guint8 *
frame_pool_take (FramePool *pool)
{
  guint8 *block = NULL;

  g_mutex_lock (&pool->lock);
  if (pool->blocks->len > 0)
    block = g_ptr_array_steal_index_fast (pool->blocks, pool->blocks->len - 1);
  g_mutex_unlock (&pool->lock);
  return block != NULL ? block : g_malloc (pool->size);
}

static void
frame_pool_give (FramePool *pool, guint8 *block)
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

/* The pool's own block, if it is of that size. */
static void
take_pixels (Frame *frame, FramePool *pool, gsize size)
{
  frame->size = size;
  if (size == pool->size) {
    frame->pool = frame_pool_ref (pool);
    frame->pixels = frame_pool_take (pool);
  } else {
    frame->pixels = g_malloc (size);
  }
}

/* --- frames ------------------------------------------------------------------------------------------------------------------ */

Frame *
frame_new (FramePool *pool, gsize size, guint64 time, const Backend *backend)
{
  Frame *frame = g_new0 (Frame, 1);

  frame->refs = 1;
  frame->time = time;
  frame->par_n = frame->par_d = 1;
  frame->backend = backend;
  take_pixels (frame, pool, size);
  return frame;
}

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
    frame_pool_give (frame->pool, frame->pixels);
  else
    g_free (frame->pixels);
  g_clear_pointer (&frame->pool, frame_pool_unref);
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
