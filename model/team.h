/*
 * Threads that share the pieces of one job after the other. A team is used by the thread that made it.
 */
#ifndef MODEL_TEAM_H
#define MODEL_TEAM_H

#include <glib.h>

typedef struct _Team Team;

/* A thread for each processor, the caller's own among them. */
Team *team_new (void);
void team_free (Team *team);

/* Called with every number below that of the pieces, in rising order, by any thread. */
typedef void (*TeamFunc) (guint piece, gpointer data);
/* Called by the thread that runs the job before each of its own pieces; begun: pieces that were handed out. FALSE ends the job. */
typedef gboolean (*TeamPoll) (guint begun, gpointer data);

/* Waits for all pieces. FALSE: poll said so, and some were left out. */
gboolean team_run (Team *team, guint n_pieces, TeamFunc func, TeamPoll poll, gpointer data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Team, team_free)

#endif
