/*
 * The server's face: what is asked for over HTTP, who may ask, how much of it and how fast. It computes nothing and never waits.
 */
#ifndef SERVER_FRONT_H
#define SERVER_FRONT_H

#include "pool.h"

typedef struct _Front Front;

/* All borrowed. on_lost: the device was lost, and the answer that says so is under way. */
Front *front_new (const Settings *settings, Metrics *metrics, Pool *pool, GFunc on_lost, gpointer user_data);
/* Closes all connections. */
void front_free (Front *front);

/* To be called once. FALSE: the address cannot be had. */
gboolean front_listen (Front *front, GError **error);
/* Where it listens: `http://127.0.0.1:23333`. (transfer full) */
gchar *front_get_url (const Front *front);

/* No further connection is taken. */
void front_end (Front *front);
/* Whether every request that has come has its answer. */
gboolean front_is_quiet (const Front *front);

/* How much of the model is there, 0..1; /health tells. */
void front_set_progress (Front *front, double progress);

#endif
