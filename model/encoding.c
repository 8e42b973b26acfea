#include "encoding.h"

#include "device-error.h"

struct _PictureRequest
{
  gint ref_count;
  const MinivlImage *image;
  guint max_tiles;
  gint priority; /* atomic */
  const gint *cancel;

  /* The scheduler's thread's own. */
  VisionPicture *picture; /* NULL: not begun, or done */
  guint next;             /* tile */

  /* Under the lock until the request is done; nothing changes after that. */
  GMutex lock;
  GCond changed;
  VisionResult result;
  GError *error;
  gboolean done;
};

/* --- the asker ------------------------------------------------------------------------------------------------------------- */

PictureRequest *
picture_request_new (const MinivlImage *image, guint max_tiles, gint priority, const gint *cancel)
{
  PictureRequest *p = g_new0 (PictureRequest, 1);

  p->ref_count = 1;
  p->image = image;
  p->max_tiles = max_tiles;
  p->priority = priority;
  p->cancel = cancel;
  g_mutex_init (&p->lock);
  g_cond_init (&p->changed);
  return p;
}

PictureRequest *
picture_request_ref (PictureRequest *p)
{
  g_atomic_int_inc (&p->ref_count);
  return p;
}

void
picture_request_unref (PictureRequest *p)
{
  if (!p || !g_atomic_int_dec_and_test (&p->ref_count))
    return;
  g_assert (!p->picture);
  g_free (p->result.features);
  g_clear_error (&p->error);
  g_mutex_clear (&p->lock);
  g_cond_clear (&p->changed);
  g_free (p);
}

void
picture_request_raise (PictureRequest *p, gint priority)
{
  gint before;

  do
    before = g_atomic_int_get (&p->priority);
  while (before < priority && !g_atomic_int_compare_and_exchange (&p->priority, before, priority));
}

gboolean
picture_request_end (PictureRequest *p, VisionResult *result, GError **error)
{
  g_mutex_lock (&p->lock);
  while (!p->done)
    g_cond_wait (&p->changed, &p->lock);
  g_mutex_unlock (&p->lock);
  if (p->error) {
    device_error_propagate (error, g_steal_pointer (&p->error));
    return FALSE;
  }
  *result = p->result;
  p->result.features = NULL;
  return TRUE;
}

/* --- the scheduler --------------------------------------------------------------------------------------------------------- */

/* Tiles that go through the transformer together. */
struct _Batch
{
  Encoding *encoding;
  VisionTile tiles[VISION_BATCH];
  PictureRequest *owners[VISION_BATCH]; /* NULL: has given up meanwhile */
  guint n;
};

void
encoding_add (Encoding *c, PictureRequest *p)
{
  g_queue_push_tail (&c->pictures, p);
}

static gboolean
has_given_up (gpointer request)
{
  const PictureRequest *p = request;

  return p->cancel && g_atomic_int_get (p->cancel);
}

static GError *
cancelled (void)
{
  return g_error_new (DEVICE_ERROR, DEVICE_ERROR_CANCELLED, "encoding was cancelled");
}

/* error: (nullable) (transfer full) */
static void
finish (Encoding *c, PictureRequest *p, GError *error)
{
  VisionPicture *picture = g_steal_pointer (&p->picture);
  VisionResult result = { 0 };

  if (picture && !error)
    result = vision_picture_finish (picture);
  else
    vision_picture_free (picture);
  g_queue_remove (&c->pictures, p);
  g_mutex_lock (&p->lock);
  p->result = result;
  p->error = error;
  p->done = TRUE;
  g_cond_broadcast (&p->changed);
  g_mutex_unlock (&p->lock);
  picture_request_unref (p);
}

static gboolean
batch_has (const Batch *b, const PictureRequest *p)
{
  for (guint i = 0; i < b->n; i++)
    if (b->owners[i] == p)
      return TRUE;
  return FALSE;
}

void
encoding_end_unwanted (Encoding *c)
{
  GList *next;

  for (GList *l = c->pictures.head; l; l = next) {
    next = l->next;
    if (has_given_up (l->data) && !(c->batch && batch_has (c->batch, l->data)))
      finish (c, l->data, cancelled ());
  }
}

/* The picture to go on with: of those with the highest priority the one that came first. */
static PictureRequest *
next_picture (Encoding *c)
{
  PictureRequest *best = NULL;
  gint highest = 0;

  for (GList *l = c->pictures.head; l; l = l->next) {
    PictureRequest *p = l->data;
    gint priority = g_atomic_int_get (&p->priority);

    if (p->picture && p->next == vision_picture_tiles (p->picture))
      continue;
    if (!best || priority > highest) {
      best = p;
      highest = priority;
    }
  }
  return best;
}

/* FALSE: it is done with. */
static gboolean
begin (Encoding *c, PictureRequest *p)
{
  const OpCancel cancel = { has_given_up, p };
  GError *error = NULL;

  if (has_given_up (p))
    error = cancelled ();
  else if (!p->picture)
    p->picture = vision_picture_new (c->vision, p->image, p->max_tiles, &cancel, &error);
  if (error)
    finish (c, p, error);
  return error == NULL;
}

/* Ends the part that a request has in the batch. */
static void
batch_let_go (Batch *b, PictureRequest *p, GError *error)
{
  for (guint i = 0; i < b->n; i++)
    if (b->owners[i] == p)
      b->owners[i] = NULL;
  finish (b->encoding, p, error);
}

/* Lets go at once of those who give up. Their tiles are still encoded, because the others wait for the same batch. */
static gboolean
nobody_waits (gpointer batch)
{
  Batch *b = batch;
  guint waiting = 0;

  b->encoding->look_around (b->encoding->data);
  for (guint i = 0; i < b->n; i++) {
    PictureRequest *p = b->owners[i];

    if (p && has_given_up (p)) {
      p->picture = NULL; /* the batch's own now */
      batch_let_go (b, p, cancelled ());
    } else if (p) {
      waiting++;
    }
  }
  return waiting == 0;
}

/* Pictures whose askers have given up during the batch. */
static void
free_orphans (Batch *b)
{
  for (guint i = 0; i < b->n; i++) {
    VisionPicture *picture = b->owners[i] ? NULL : b->tiles[i].picture;

    for (guint k = i + 1; picture && k < b->n; k++)
      if (b->tiles[k].picture == picture)
        picture = NULL; /* with its last tile */
    vision_picture_free (picture);
  }
}

void
encoding_run (Encoding *c)
{
  Batch b = { .encoding = c };
  const OpCancel cancel = { nobody_waits, &b };
  g_autoptr (GError) error = NULL;
  PictureRequest *p;

  while (b.n < VISION_BATCH && (p = next_picture (c)) != NULL) {
    if (!batch_has (&b, p) && !begin (c, p)) /* a request that has a tile in the batch is let go of there */
      continue;
    b.owners[b.n] = p;
    b.tiles[b.n++] = (VisionTile){ p->picture, p->next++ };
  }
  if (b.n == 0)
    return;

  c->batch = &b;
  vision_encode (c->vision, b.tiles, b.n, &cancel, &error);
  c->batch = NULL;
  free_orphans (&b);
  for (guint i = 0; i < b.n; i++) {
    p = b.owners[i];
    if (p && (error || p->next == vision_picture_tiles (p->picture)))
      batch_let_go (&b, p, error ? g_error_copy (error) : NULL);
  }
}
