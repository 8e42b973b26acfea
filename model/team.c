#include "team.h"

#define MOST_THREADS 16 /* memory is no faster for more */

struct _Team
{
  GPtrArray *threads;
  GMutex lock;
  GCond begun, done;
  guint job; /* number of the present one */
  guint busy;
  gboolean ends;

  TeamFunc func;
  gpointer data;
  guint n_pieces;
  guint next; /* atomic */
};

static gboolean
run_piece (Team *team)
{
  guint piece = g_atomic_int_add (&team->next, 1);

  if (piece >= team->n_pieces)
    return FALSE;
  team->func (piece, team->data);
  return TRUE;
}

static gpointer
work (gpointer data)
{
  Team *team = data;
  guint seen = 0;

  g_mutex_lock (&team->lock);
  while (TRUE) {
    while (!team->ends && team->job == seen)
      g_cond_wait (&team->begun, &team->lock);
    if (team->ends)
      break;
    seen = team->job;
    g_mutex_unlock (&team->lock);
    while (run_piece (team))
      continue;
    g_mutex_lock (&team->lock);
    if (--team->busy == 0)
      g_cond_signal (&team->done);
  }
  g_mutex_unlock (&team->lock);
  return NULL;
}

Team *
team_new (void)
{
  Team *team = g_new0 (Team, 1);
  guint n = MIN (g_get_num_processors (), MOST_THREADS);

  team->threads = g_ptr_array_new ();
  g_mutex_init (&team->lock);
  g_cond_init (&team->begun);
  g_cond_init (&team->done);
  /* Where the system gives no more of them, the work is done by those that there are. */
  for (guint i = 1; i < n; i++) {
    GThread *thread = g_thread_try_new ("minivl-load", work, team, NULL);

    if (thread)
      g_ptr_array_add (team->threads, thread);
  }
  return team;
}

void
team_free (Team *team)
{
  if (!team)
    return;
  g_mutex_lock (&team->lock);
  team->ends = TRUE;
  g_cond_broadcast (&team->begun);
  g_mutex_unlock (&team->lock);
  for (guint i = 0; i < team->threads->len; i++)
    g_thread_join (g_ptr_array_index (team->threads, i));
  g_ptr_array_unref (team->threads);
  g_mutex_clear (&team->lock);
  g_cond_clear (&team->begun);
  g_cond_clear (&team->done);
  g_free (team);
}

gboolean
team_run (Team *team, guint n_pieces, TeamFunc func, TeamPoll poll, gpointer data)
{
  gboolean goes_on = TRUE;

  g_mutex_lock (&team->lock);
  team->func = func;
  team->data = data;
  team->n_pieces = n_pieces;
  team->next = 0;
  team->busy = team->threads->len;
  team->job++;
  g_cond_broadcast (&team->begun);
  g_mutex_unlock (&team->lock);

  do
    goes_on = poll (MIN ((guint)g_atomic_int_get (&team->next), n_pieces), data);
  while (goes_on && run_piece (team));
  if (!goes_on)
    g_atomic_int_set (&team->next, n_pieces);

  g_mutex_lock (&team->lock);
  while (team->busy > 0)
    g_cond_wait (&team->done, &team->lock);
  g_mutex_unlock (&team->lock);
  return goes_on;
}
