/*
 * One request and its answer on the wire: how long it may take, what of its body is kept, what is sent when, and whether the client
 * is still there. It belongs to its message and goes with it.
 */
#ifndef SERVER_EXCHANGE_H
#define SERVER_EXCHANGE_H

#include "pool.h"

#include <libsoup/soup.h>

typedef struct _Exchange Exchange;

/* All requests together. */
typedef struct
{
  guint n_open;     /* whose headers are there, and whose answer is not sent yet */
  gsize body_bytes; /* of bodies that are coming in, or not answered yet */
} Traffic;

/* A request begins. All borrowed. */
void exchange_begin (SoupServerMessage *message, gpointer owner, const Settings *settings, Metrics *metrics, Traffic *traffic);
Exchange *exchange_of (SoupServerMessage *message);
SoupServerMessage *exchange_get_message (const Exchange *exchange);
gpointer exchange_get_owner (const Exchange *exchange);

/* Its headers are there. */
void exchange_expect_body (Exchange *exchange);
/* (transfer full) */
GBytes *exchange_take_body (Exchange *exchange);
/* Whether a body of so many bytes may be, and may be now. */
gboolean exchange_check_size (const Exchange *exchange, gsize n_bytes, Refusal *refusal);

/* The answer will be sent later, by what the job sends. Without its client it is cancelled. job: taken */
void exchange_wait (Exchange *exchange, Job *job);
/* All of the answer. type, text: nullable. What is still to come of the body is passed over. */
void exchange_send (Exchange *exchange, guint status, const gchar *type, const gchar *text);
void exchange_refuse (Exchange *exchange, const Refusal *refusal);
/* An event of an answer that is a stream. */
void exchange_stream (Exchange *exchange, const gchar *event, gboolean last);

#endif
