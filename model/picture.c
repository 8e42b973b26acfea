/* Pictures of an engine: equal ones are encoded once. */
#include "engine.h"

#include <math.h>

#include "image.h"

/* How often one who waits for another's picture looks at whether it is still wanted. */
#define POLL_INTERVAL (20 * G_TIME_SPAN_MILLISECOND)

static gboolean
check_picture (const MinivlImage *image, guint max_tiles, GError **error)
{
  if (max_tiles >= 1 && max_tiles <= 40)
    return image_check (image, error);
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE, "%u tiles a picture: 1 to 40 are possible", max_tiles);
  return FALSE;
}

/* The picture of this content that is alive; one that is on its way is waited for. NULL: the caller is to make it by p, unless it
 * is cancelled. (transfer full) */
static MinivlPicture *
find_picture (MinivlEngine *engine, guint64 content, PictureRequest *p, gint priority, const gint *cancel, gboolean *cancelled)
{
  MinivlPicture *picture;
  PictureRequest *other;

  g_mutex_lock (&engine->lock);
  /* Who sets the flag wakes nobody. */
  while (!(*cancelled = cancel && g_atomic_int_get (cancel)) && (other = g_hash_table_lookup (engine->asked, &content))) {
    picture_request_raise (other, priority);
    g_cond_wait_until (&engine->encoded, &engine->lock, g_get_monotonic_time () + POLL_INTERVAL);
  }
  picture = *cancelled ? NULL : g_hash_table_lookup (engine->pictures, &content);
  if (picture)
    minivl_picture_ref (picture);
  else if (!*cancelled)
    g_hash_table_insert (engine->asked, g_memdup2 (&content, sizeof content), p);
  g_mutex_unlock (&engine->lock);
  return picture;
}

/* picture NULL: it was not to be made. */
static void
register_picture (MinivlEngine *engine, guint64 content, MinivlPicture *picture)
{
  g_mutex_lock (&engine->lock);
  g_hash_table_remove (engine->asked, &content);
  if (picture)
    g_hash_table_insert (engine->pictures, g_memdup2 (&content, sizeof content), picture);
  g_cond_broadcast (&engine->encoded);
  g_mutex_unlock (&engine->lock);
}

static MinivlPicture *
make_picture (MinivlEngine *engine, guint64 content, PictureRequest *p, GError **error)
{
  MinivlPicture *picture;
  VisionResult result;

  scheduler_encode (engine->scheduler, p);
  if (!picture_request_end (p, &result, error))
    return NULL;
  picture = g_new0 (MinivlPicture, 1);
  picture->ref_count = 1;
  picture->content = content;
  picture->result = result;
  picture->engine = minivl_engine_ref (engine);
  return picture;
}

MinivlPicture *
engine_encode (MinivlEngine *engine, const MinivlImage *image, guint max_tiles, gint priority, const gint *cancel, GError **error)
{
  g_autoptr (PictureRequest) p = NULL;
  MinivlPicture *picture;
  gboolean cancelled;
  guint64 content;

  if (!check_picture (image, max_tiles, error))
    return NULL;
  content = image_hash (image, max_tiles);
  p = picture_request_new (image, max_tiles, priority, cancel);
  picture = find_picture (engine, content, p, priority, cancel, &cancelled);
  if (cancelled)
    g_set_error_literal (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED, "encoding was cancelled");
  if (cancelled || picture)
    return picture;
  picture = make_picture (engine, content, p, error);
  register_picture (engine, content, picture);
  return picture;
}

MinivlPicture *
minivl_picture_new (MinivlEngine *engine, const MinivlImage *image, guint max_tiles, const gint *cancel, GError **error)
{
  return engine_encode (engine, image, max_tiles, 0, cancel, error);
}

typedef struct
{
  MinivlEngine *engine;
  const MinivlImage *image;
  guint max_tiles, n_tiles;
  guint8 *tiles;
} Look;

static gboolean
look (gpointer data, GError **error)
{
  Look *l = data;
  g_autoptr (VisionPicture) picture = vision_picture_new (l->engine->vision, l->image, l->max_tiles, NULL, error);

  if (!picture)
    return FALSE;
  l->n_tiles = vision_picture_tiles (picture);
  l->tiles = vision_picture_read (picture, error);
  return l->tiles != NULL;
}

guint8 *
minivl_engine_read_tiles (MinivlEngine *engine, const MinivlImage *image, guint max_tiles, guint *n_tiles, GError **error)
{
  Look l = { .engine = engine, .image = image, .max_tiles = max_tiles };

  if (!check_picture (image, max_tiles, error) || !scheduler_run (engine->scheduler, look, &l, error))
    return NULL;
  *n_tiles = l.n_tiles;
  return l.tiles;
}

MinivlPicture *
minivl_picture_ref (MinivlPicture *picture)
{
  g_atomic_int_inc (&picture->ref_count);
  return picture;
}

void
minivl_picture_unref (MinivlPicture *picture)
{
  MinivlEngine *engine;
  gboolean last;

  if (!picture)
    return;
  engine = picture->engine;
  /* Under the lock, or another thread could find a picture that is going. */
  g_mutex_lock (&engine->lock);
  last = g_atomic_int_dec_and_test (&picture->ref_count);
  if (last)
    g_hash_table_remove (engine->pictures, &picture->content);
  g_mutex_unlock (&engine->lock);
  if (!last)
    return;
  g_free (picture->result.features);
  g_free (picture);
  minivl_engine_unref (engine);
}

void
minivl_picture_get_info (MinivlPicture *picture, MinivlPictureInfo *info)
{
  *info = (MinivlPictureInfo){
    .columns = picture->result.columns,
    .rows = picture->result.rows,
    .tiles = picture->result.tiles,
    .preprocess_ns = picture->result.preprocess_ns,
    .encode_ns = picture->result.encode_ns,
  };
}

static double
cosine (const float *a, const float *b, guint n)
{
  double ab = 0, aa = 0, bb = 0;

  for (guint i = 0; i < n; i++) {
    ab += (double)a[i] * b[i];
    aa += (double)a[i] * a[i];
    bb += (double)b[i] * b[i];
  }
  return ab / sqrt (aa * bb);
}

double
minivl_picture_similarity (MinivlPicture *a, MinivlPicture *b)
{
  const VisionResult *left = &a->result, *right = &b->result;
  guint hidden = a->engine->config.language.hidden;
  double least = 1;

  if (a == b)
    return 1;
  if (a->engine != b->engine || left->columns != right->columns || left->rows != right->rows)
    return -1;
  for (guint i = 0; i < left->n_tokens; i++) {
    double here = cosine (left->features + (gsize)i * hidden, right->features + (gsize)i * hidden, hidden);

    if (isnan (here)) /* a place of nothing, or of no number */
      return -1;
    least = MIN (least, here);
  }
  return MAX (least, -1);
}
