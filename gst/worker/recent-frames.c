#include "recent-frames.h"

void
recent_init (Recent *recent)
{
  recent->frames = g_ptr_array_new ();
  recent->run = 0;
}

void
recent_clear (Recent *recent, GPtrArray *gone)
{
  g_ptr_array_extend_and_steal (gone, recent->frames);
  recent->frames = g_ptr_array_new ();
}

/* Behind those of the same time. */
static void
insert (GPtrArray *frames, Frame *frame)
{
  guint i = frames->len;

  while (i > 0 && ((Frame *)g_ptr_array_index (frames, i - 1))->time > frame->time)
    i--;
  g_ptr_array_insert (frames, i, frame_ref (frame));
}

void
recent_keep (Recent *recent, Frame *frame, guint run, guint most, GPtrArray *gone)
{
  if (recent->run != run)
    recent_clear (recent, gone);
  recent->run = run;
  insert (recent->frames, frame);
  while (recent->frames->len > most)
    g_ptr_array_add (gone, g_ptr_array_steal_index (recent->frames, 0));
}

static void
add_frames (GPtrArray *frames, const Segment *s)
{
  for (guint i = 0; i < s->frames->len; i++) {
    Frame *frame = g_ptr_array_index (s->frames, i);

    if (frame->error == NULL && !g_ptr_array_find (frames, frame, NULL))
      insert (frames, frame);
  }
}

GPtrArray *
recent_choose (const Recent *recent, const GQueue *segments, guint run, guint64 from, guint n)
{
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func ((GDestroyNotify)frame_unref);
  GPtrArray *chosen = g_ptr_array_new_with_free_func ((GDestroyNotify)frame_unref);
  guint first = 0;

  for (guint i = 0; recent->run == run && i < recent->frames->len; i++)
    g_ptr_array_add (all, frame_ref (g_ptr_array_index (recent->frames, i)));
  for (GList *l = segments->head; l != NULL; l = l->next) {
    const Segment *s = l->data;

    if (s->run == run)
      add_frames (all, s);
  }
  while (first + 1 < all->len && ((Frame *)g_ptr_array_index (all, first))->time < from)
    first++;
  n = MIN (n, all->len - first);
  for (guint i = 0; i < n; i++)
    g_ptr_array_add (chosen, frame_ref (g_ptr_array_index (all, all->len - 1 - (n - 1 - i) * (all->len - first) / n)));
  return chosen;
}
