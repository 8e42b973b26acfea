/* A request on the wire: see exchange.h. */
#define _GNU_SOURCE
#include "exchange.h"

#include <glib-unix.h>
#include <poll.h>
#include <string.h>

#define KEY "minivl-exchange"

struct _Exchange
{
  SoupServerMessage *message; /* not referenced: the exchange is the message's */
  gpointer owner;
  const Settings *settings;
  Metrics *metrics;
  Job *job;      /* NULL: none, or all is sent */
  guint timer;   /* 0: none */
  guint hang_up; /* watches the client; likewise */
  gsize n_body;
  guint status;                 /* of the answer; 0: none yet */
  gboolean waiting, sent, gone; /* gone: the client has closed its side */
};

static void
stop_watching (Exchange *e)
{
  g_clear_handle_id (&e->timer, g_source_remove);
  g_clear_handle_id (&e->hang_up, g_source_remove);
}

static void
exchange_free (gpointer data)
{
  Exchange *e = data;

  stop_watching (e);
  job_free (e->job);
  g_free (e);
}

/* --- time ------------------------------------------------------------------------------------------------------------------ */

/* The time is over: of an answer that is waited for, or of a client that sends or reads too slowly. */
static gboolean
on_time (gpointer data)
{
  Exchange *e = data;
  GSocket *socket = soup_server_message_get_socket (e->message);

  e->timer = 0;
  if (e->job)
    job_cancel (e->job, TRUE);
  else if (socket)
    g_socket_shutdown (socket, TRUE, TRUE, NULL);
  return G_SOURCE_REMOVE;
}

static void
set_timer (Exchange *e, guint seconds)
{
  g_clear_handle_id (&e->timer, g_source_remove);
  e->timer = g_timeout_add_seconds (seconds, on_time, e);
}

/* The client has closed its side, while libsoup does not look. */
static gboolean
on_hang_up (gint fd, GIOCondition condition, gpointer data)
{
  Exchange *e = data;

  e->hang_up = 0;
  e->gone = TRUE;
  if (e->job)
    job_cancel (e->job, FALSE);
  return G_SOURCE_REMOVE;
}

/* --- the body -------------------------------------------------------------------------------------------------------------- */

gboolean
exchange_refuse_size (gsize most_bytes, Refusal *refusal)
{
  return refuse (refusal, 413, "body_too_large", NULL, "the body has more than %" G_GSIZE_FORMAT " bytes", most_bytes);
}

static void
on_chunk (SoupServerMessage *message, GBytes *chunk, gpointer data)
{
  Exchange *e = data;
  g_auto (Refusal) refusal = { 0 };

  e->n_body += g_bytes_get_size (chunk);
  if (e->sent || e->n_body <= e->settings->most_body)
    return;
  exchange_refuse_size (e->settings->most_body, &refusal);
  exchange_refuse (e, &refusal);
}

void
exchange_expect_body (Exchange *exchange)
{
  set_timer (exchange, exchange->settings->request_seconds);
}

GBytes *
exchange_take_body (Exchange *exchange)
{
  SoupMessageBody *body = soup_server_message_get_request_body (exchange->message);
  GBytes *bytes = soup_message_body_flatten (body);

  soup_message_body_truncate (body);
  return bytes;
}

/* --- from beginning to end ------------------------------------------------------------------------------------------------- */

static void
on_finished (SoupServerMessage *message, gpointer data)
{
  Exchange *e = data;

  if (e->sent && !e->gone)
    metrics_add_request (e->metrics, e->status);
  else
    metrics_add_request (e->metrics, e->waiting ? 499 : soup_server_message_get_status (message));
  stop_watching (e);
  g_clear_pointer (&e->job, job_free);
}

void
exchange_begin (SoupServerMessage *message, gpointer owner, const Settings *settings, Metrics *metrics)
{
  Exchange *e = g_new0 (Exchange, 1);
  GSocket *socket = soup_server_message_get_socket (message);

  *e = (Exchange){ .message = message, .owner = owner, .settings = settings, .metrics = metrics };
  g_object_set_data_full (G_OBJECT (message), KEY, e, exchange_free);
  g_signal_connect (message, "got-chunk", G_CALLBACK (on_chunk), e);
  g_signal_connect (message, "finished", G_CALLBACK (on_finished), e);
  /* Of what does nothing; the timer is for what does little. */
  if (socket)
    g_socket_set_timeout (socket, settings->idle_seconds);
  set_timer (e, settings->idle_seconds);
}

Exchange *
exchange_of (SoupServerMessage *message)
{
  return g_object_get_data (G_OBJECT (message), KEY);
}

SoupServerMessage *
exchange_get_message (const Exchange *exchange)
{
  return exchange->message;
}

gpointer
exchange_get_owner (const Exchange *exchange)
{
  return exchange->owner;
}

void
exchange_wait (Exchange *exchange, Job *job)
{
  GSocket *socket = soup_server_message_get_socket (exchange->message);

  exchange->job = job;
  exchange->waiting = TRUE;
  set_timer (exchange, exchange->settings->request_seconds);
  if (socket)
    exchange->hang_up =
        g_unix_fd_add (g_socket_get_fd (socket), (GIOCondition)POLLRDHUP | G_IO_HUP | G_IO_ERR, on_hang_up, exchange);
  soup_server_message_pause (exchange->message);
}

/* What was paused goes on. */
static void
go_on (Exchange *e)
{
  if (e->waiting)
    soup_server_message_unpause (e->message);
}

/* Nothing more will come: the job has sent its last piece, and the client has so much time to take it. */
static void
set_sent (Exchange *e)
{
  g_clear_handle_id (&e->hang_up, g_source_remove);
  g_clear_pointer (&e->job, job_free);
  e->sent = TRUE;
}

static void
set_status (Exchange *e, guint status)
{
  e->status = status;
  soup_server_message_set_status (e->message, status, status == 499 ? "Client Closed Request" : NULL);
}

void
exchange_send (Exchange *exchange, guint status, const gchar *type, const gchar *text)
{
  SoupMessageBody *body = soup_server_message_get_request_body (exchange->message);

  soup_message_body_set_accumulate (body, FALSE);
  soup_message_body_truncate (body);
  set_status (exchange, status);
  if (text)
    soup_server_message_set_response (exchange->message, type, SOUP_MEMORY_COPY, text, strlen (text));
  set_sent (exchange);
  /* The rest of a body that is not wanted, or a client that does not read */
  set_timer (exchange, exchange->settings->idle_seconds);
  go_on (exchange);
}

void
exchange_refuse (Exchange *exchange, const Refusal *refusal)
{
  g_autofree gchar *json = refusal_to_json (refusal);

  exchange_send (exchange, refusal->status, "application/json", json);
}

void
exchange_stream (Exchange *exchange, const gchar *event, gboolean last)
{
  SoupMessageBody *body = soup_server_message_get_response_body (exchange->message);
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (exchange->message);

  if (exchange->status == 0) {
    set_status (exchange, 200);
    soup_message_headers_set_encoding (headers, SOUP_ENCODING_CHUNKED);
    soup_message_headers_set_content_type (headers, "text/event-stream", NULL);
    soup_message_headers_replace (headers, "Cache-Control", "no-cache");
    soup_message_body_set_accumulate (body, FALSE);
  }
  soup_message_body_append (body, SOUP_MEMORY_COPY, event, strlen (event));
  if (last) {
    soup_message_body_complete (body);
    set_sent (exchange);
    set_timer (exchange, exchange->settings->request_seconds);
  }
  go_on (exchange);
}
