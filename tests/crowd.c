#include "crowd.h"
#include "model/model_testing.h"

typedef struct
{
  GThreadFunc func;
  gpointer item;
  gint *returned; /* atomic; a reference */
} Member;

static gpointer
run (gpointer data)
{
  g_autofree Member *m = data;

  m->func (m->item);
  g_atomic_int_inc (m->returned);
  g_atomic_rc_box_release (m->returned);
  return NULL;
}

void
crowd_hand_in (Scheduler *s, GThreadFunc func, gpointer items, gsize size, guint n, GThread **threads)
{
  gint *returned = g_atomic_rc_box_new0 (gint);

  for (guint i = 0; i < n; i++) {
    Member *m = g_new (Member, 1);

    *m = (Member){ func, (gchar *)items + i * size, g_atomic_rc_box_acquire (returned) };
    threads[i] = g_thread_new ("crowd", run, m);
    while (scheduler_waiting (s) + g_atomic_int_get (returned) <= i)
      g_thread_yield ();
  }
  g_atomic_rc_box_release (returned);
}

typedef struct
{
  Scheduler *scheduler;
  GThreadFunc func;
  gpointer items;
  gsize size;
  guint n;
  GThread **threads;
} Crowd;

static gboolean
hand_in (gpointer data, GError **error)
{
  const Crowd *c = data;

  crowd_hand_in (c->scheduler, c->func, c->items, c->size, c->n, c->threads);
  return TRUE;
}

void
crowd_begin (Scheduler *s, GThreadFunc func, gpointer items, gsize size, guint n, GThread **threads)
{
  Crowd crowd = { s, func, items, size, n, threads };

  scheduler_run (s, hand_in, &crowd, NULL);
}

void
crowd_end (GThread **threads, guint n)
{
  for (guint i = 0; i < n; i++)
    g_thread_join (threads[i]);
}
