/* A request on the wire: see exchange.h. */
#define _GNU_SOURCE
#include "exchange.h"

#include "listener.h"

#include <glib-unix.h>
#include <poll.h>
#include <string.h>

#define KEY "minivl-exchange"

struct _Exchange
{
  SoupServerMessage *message; /* not referenced: the exchange is the message's */
  GSocket *socket;            /* nullable */
  gpointer owner;
  const Settings *settings;
  Metrics *metrics;
  Traffic *traffic;
  Job *job;                     /* NULL: none, or all is sent */
  guint timer;                  /* 0: none */
  guint hang_up;                /* watches the client; likewise */
  gsize n_body;                 /* bytes of it that are there */
  guint status;                 /* of the answer; 0: none yet */
  gboolean waiting, sent, gone; /* gone: the client has closed its side */
  gboolean open;                /* counts for traffic */
};

static void
stop_watching (Exchange *e)
{
  g_clear_handle_id (&e->timer, g_source_remove);
  g_clear_handle_id (&e->hang_up, g_source_remove);
}

static void
let_go_of_body (Exchange *e)
{
  e->traffic->body_bytes -= e->n_body;
  e->n_body = 0;
}

static void
set_open (Exchange *e, gboolean open)
{
  e->traffic->n_open += open - e->open;
  e->open = open;
}

static void
exchange_free (gpointer data)
{
  Exchange *e = data;

  stop_watching (e);
  let_go_of_body (e);
  set_open (e, FALSE);
  job_free (e->job);
  g_clear_object (&e->socket);
  g_free (e);
}

/* --- time ------------------------------------------------------------------------------------------------------------------ */

/* The time is over: of an answer that is waited for, or of a client that sends or reads too slowly. */
static gboolean
on_time (gpointer data)
{
  Exchange *e = data;

  e->timer = 0;
  if (e->job)
    job_cancel (e->job, JOB_LATE);
  else if (e->socket)
    g_socket_shutdown (e->socket, TRUE, TRUE, NULL);
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
    job_cancel (e->job, JOB_UNWANTED);
  return G_SOURCE_REMOVE;
}

/* --- the body -------------------------------------------------------------------------------------------------------------- */

gboolean
exchange_check_size (const Exchange *e, gsize n_bytes, Refusal *refusal)
{
  gsize others = e->traffic->body_bytes - e->n_body;

  if (n_bytes > e->settings->most_body)
    return refuse (
        refusal, 413, "body_too_large", NULL, "the body has more than %" G_GSIZE_FORMAT " bytes", e->settings->most_body);
  return n_bytes <= e->settings->most_bodies - MIN (others, e->settings->most_bodies)
         || refuse (refusal, 429, "bodies_full", NULL,
             "the bodies of requests that are not answered yet have %" G_GSIZE_FORMAT " bytes, and %" G_GSIZE_FORMAT
             " are possible: try again later",
             others, e->settings->most_bodies);
}

static void
on_chunk (SoupServerMessage *message, GBytes *chunk, gpointer data)
{
  Exchange *e = data;
  gsize size = g_bytes_get_size (chunk);
  g_auto (Refusal) refusal = { 0 };

  if (e->sent)
    return;
  if (!exchange_check_size (e, e->n_body + size, &refusal)) {
    exchange_refuse (e, &refusal);
    return;
  }
  e->n_body += size;
  e->traffic->body_bytes += size;
}

void
exchange_expect_body (Exchange *exchange)
{
  set_open (exchange, TRUE);
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

/* What became of it. libsoup refuses some by itself, and says 500 of those whose connection broke. */
static guint
outcome (const Exchange *e)
{
  guint status = soup_server_message_get_status (e->message);

  if (e->sent)
    return e->gone ? 499 : e->status;
  return e->waiting || status >= 500 ? 499 : status;
}

static void
on_finished (SoupServerMessage *message, gpointer data)
{
  Exchange *e = data;

  metrics_add_request (e->metrics, outcome (e));
  stop_watching (e);
  let_go_of_body (e);
  set_open (e, FALSE);
  g_clear_pointer (&e->job, job_free);
}

/* The answer to what libsoup cannot read, and refuses by itself. */
static void
preset_answer (SoupServerMessage *message)
{
  g_auto (Refusal) refusal = { 0 };
  g_autofree gchar *json = NULL;

  refuse (&refusal, 400, "bad_request", NULL, "this is no request of HTTP");
  json = refusal_to_json (&refusal);
  soup_server_message_set_response (message, "application/json", SOUP_MEMORY_COPY, json, strlen (json));
}

void
exchange_begin (SoupServerMessage *message, gpointer owner, const Settings *settings, Metrics *metrics, Traffic *traffic)
{
  Exchange *e = g_new0 (Exchange, 1);

  *e = (Exchange){ .message = message, .owner = owner, .settings = settings, .metrics = metrics, .traffic = traffic };
  g_object_set_data_full (G_OBJECT (message), KEY, e, exchange_free);
  g_signal_connect (message, "got-chunk", G_CALLBACK (on_chunk), e);
  g_signal_connect (message, "finished", G_CALLBACK (on_finished), e);
  /* Of what does nothing; the timer is for what does little. */
  e->socket = listener_get_socket (message);
  if (e->socket)
    g_socket_set_timeout (e->socket, settings->idle_seconds);
  set_timer (e, settings->idle_seconds);
  preset_answer (message);
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
  exchange->job = job;
  exchange->waiting = TRUE;
  set_timer (exchange, exchange->settings->request_seconds);
  if (exchange->socket && !g_socket_is_closed (exchange->socket))
    exchange->hang_up =
        g_unix_fd_add (g_socket_get_fd (exchange->socket), (GIOCondition)POLLRDHUP | G_IO_HUP | G_IO_ERR, on_hang_up, exchange);
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
  let_go_of_body (e);
  e->sent = TRUE;
}

/* libsoup before 3.3 never lets go of a connection that its client closes between two requests: there each has one. */
static void
set_status (Exchange *e, guint status)
{
  if (!soup_check_version (3, 3, 0))
    soup_message_headers_replace (soup_server_message_get_response_headers (e->message), "Connection", "close");
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
  soup_message_body_truncate (soup_server_message_get_response_body (exchange->message));
  soup_server_message_set_response (exchange->message, type, SOUP_MEMORY_COPY, text, text ? strlen (text) : 0);
  if (status == 429 || status == 503) /* a place is free sooner than a model is loaded */
    soup_message_headers_replace (
        soup_server_message_get_response_headers (exchange->message), "Retry-After", status == 429 ? "1" : "5");
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
  gboolean old = soup_server_message_get_http_version (exchange->message) == SOUP_HTTP_1_0; /* knows no chunks */

  if (exchange->status == 0) {
    set_status (exchange, 200);
    soup_message_body_truncate (body);
    soup_message_headers_set_encoding (headers, old ? SOUP_ENCODING_EOF : SOUP_ENCODING_CHUNKED);
    if (old)
      soup_message_headers_replace (headers, "Connection", "close");
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
