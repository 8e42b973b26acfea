/* The server's face: see front.h. */
#define _GNU_SOURCE
#include "front.h"

#include "exchange.h"
#include "keys.h"
#include "listener.h"
#include "page.h"
#include "reply.h"

#include <libsoup/soup.h>
#include <string.h>

struct _Front
{
  const Settings *settings;
  Metrics *metrics;
  Pool *pool;
  GFunc on_lost;
  gpointer user_data;
  SoupServer *server;
  Listener *listener; /* NULL: not yet, or no more */
  Keys *keys;
  Traffic traffic;
  double progress;
  gint64 created;
};

/* --- who may ask ----------------------------------------------------------------------------------------------------------- */

static gboolean
check_key (const Front *f, SoupServerMessage *message, Refusal *refusal)
{
  const gchar *header = soup_message_headers_get_one (soup_server_message_get_request_headers (message), "Authorization");

  if (f->settings->keys->len == 0)
    return TRUE;
  if (header && g_ascii_strncasecmp (header, "Bearer ", strlen ("Bearer ")) == 0
      && keys_count (f->keys, header + strlen ("Bearer ")) > 0)
    return TRUE;
  soup_message_headers_replace (soup_server_message_get_response_headers (message), "WWW-Authenticate", "Bearer");
  return refuse (
      refusal, 401, "invalid_api_key", NULL, header ? "this key does not open" : "a key is wanted: Authorization: Bearer KEY");
}

/* Lets pages from elsewhere read answers, where the command line says so. */
static void
allow_origin (const Front *f, SoupServerMessage *message)
{
  const gchar *origin = soup_message_headers_get_one (soup_server_message_get_request_headers (message), "Origin");
  SoupMessageHeaders *out = soup_server_message_get_response_headers (message);
  const gchar *const *origins = (const gchar *const *)f->settings->origins;

  if (!origin || !origins || !(g_strv_contains (origins, origin) || g_strv_contains (origins, "*")))
    return;
  soup_message_headers_replace (out, "Access-Control-Allow-Origin", origin);
  soup_message_headers_replace (out, "Access-Control-Allow-Methods", "GET, POST");
  soup_message_headers_replace (out, "Access-Control-Allow-Headers", "Authorization, Content-Type");
  soup_message_headers_replace (out, "Vary", "Origin");
}

/* --- what is asked for ----------------------------------------------------------------------------------------------------- */

typedef void (*Answerer) (Front *f, Exchange *exchange);

typedef struct
{
  const gchar *path, *method;
  gboolean open; /* without a key too */
  Answerer answer;
} Route;

static gboolean
check_loaded (const Front *f, Refusal *refusal)
{
  if (pool_is_lost (f->pool))
    return refuse (refusal, 503, "device_lost", NULL, "the device was lost");
  if (pool_is_ending (f->pool))
    return refuse (refusal, 503, "shutting_down", NULL, "the server is being stopped");
  if (pool_get_engine (f->pool))
    return TRUE;
  return refuse (refusal, 503, "loading", NULL, "the model is being loaded: %.0f %%", f->progress * 100);
}

static void
answer_page (Front *f, Exchange *e)
{
  page_send (e, f->settings);
}

static void
answer_health (Front *f, Exchange *e)
{
  gboolean lost = pool_is_lost (f->pool), loaded = pool_get_engine (f->pool) != NULL && !lost;
  gchar progress[G_ASCII_DTOSTR_BUF_SIZE];
  g_autofree gchar *json = NULL;

  g_ascii_formatd (progress, sizeof progress, "%.2f", f->progress);
  json = g_strdup_printf ("{\"status\":\"%s\",\"progress\":%s}", lost ? "device lost" : loaded ? "ok" : "loading", progress);
  exchange_send (e, loaded ? 200 : 503, "application/json", json);
}

static void
answer_models (Front *f, Exchange *e)
{
  g_auto (Refusal) refusal = { 0 };
  g_autofree gchar *json = NULL;

  if (!check_loaded (f, &refusal)) {
    exchange_refuse (e, &refusal);
    return;
  }
  json = reply_models (f->settings->model_name, f->created, minivl_engine_get_info (pool_get_engine (f->pool))->context_size);
  exchange_send (e, 200, "application/json", json);
}

static void
answer_metrics (Front *f, Exchange *e)
{
  MinivlEngine *engine = pool_get_engine (f->pool);
  MetricsNow now = { .n_waiting = pool_count_waiting (f->pool),
    .n_running = pool_count_running (f->pool),
    .body_bytes = f->traffic.body_bytes,
    .n_connections = f->listener ? listener_count (f->listener) : 0 };
  g_autofree gchar *text = NULL;
  MinivlWork work = { 0 };

  if (engine) {
    now.device_bytes = minivl_engine_get_info (engine)->device_bytes;
    minivl_engine_get_work (engine, &work);
  }
  now.steps = work.steps;
  now.step_answers = work.step_answers;
  text = metrics_to_text (f->metrics, &now);
  exchange_send (e, 200, "text/plain; version=0.0.4", text);
}

/* Also asked before the body is there. */
static gboolean
check_room (const Front *f, Refusal *refusal)
{
  return !pool_is_full (f->pool)
         || refuse (refusal, 429, "queue_full", NULL, "%u requests are being answered and %u wait: try again later",
             pool_count_running (f->pool), pool_count_waiting (f->pool));
}

static void
on_piece (gpointer user_data, const Piece *piece)
{
  Exchange *e = user_data;
  Front *f = exchange_get_owner (e);

  if (piece->event)
    exchange_stream (e, piece->text, piece->last);
  else
    exchange_send (e, piece->status, "application/json", piece->text);
  if (pool_is_lost (f->pool))
    f->on_lost (f, f->user_data);
}

static void
answer_completions (Front *f, Exchange *e)
{
  g_autoptr (GBytes) body = exchange_take_body (e);
  g_auto (Refusal) refusal = { 0 };
  Job *job = NULL;

  if (check_loaded (f, &refusal) && check_room (f, &refusal))
    job = pool_submit (f->pool, body, on_piece, e);
  if (job)
    exchange_wait (e, job);
  else
    exchange_refuse (e, &refusal);
}

static const Route routes[] = {
  { "/", "GET", TRUE, answer_page },
  { "/health", "GET", TRUE, answer_health },
  { "/v1/models", "GET", FALSE, answer_models },
  { "/v1/chat/completions", "POST", FALSE, answer_completions },
  { "/metrics", "GET", FALSE, answer_metrics },
};

/* NULL: refused */
static const Route *
find_route (SoupServerMessage *message, const gchar *path, Refusal *refusal)
{
  const gchar *method = soup_server_message_get_method (message);
  const Route *route = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (routes); i++)
    if (g_str_equal (routes[i].path, path))
      route = &routes[i];
  if (!route) {
    refuse (refusal, 404, "unknown_url", NULL, "there is no such address here");
    return NULL;
  }
  if (g_str_equal (method, route->method) || g_str_equal (method, "OPTIONS")
      || (g_str_equal (method, "HEAD") && g_str_equal (route->method, "GET")))
    return route;
  soup_message_headers_replace (
      soup_server_message_get_response_headers (message), "Allow", g_str_equal (route->method, "GET") ? "GET, HEAD" : "POST");
  refuse (refusal, 405, "method_not_allowed", NULL, "%s is asked for by %s", route->path, route->method);
  return NULL;
}

/* --- limits ---------------------------------------------------------------------------------------------------------------- */

static void
add_size (const gchar *name, const gchar *value, gpointer size)
{
  *(gsize *)size += strlen (name) + strlen (value) + strlen (": \r\n");
}

static gboolean
check_headers (const Front *f, SoupServerMessage *message, Refusal *refusal)
{
  gsize size = 0;

  soup_message_headers_foreach (soup_server_message_get_request_headers (message), add_size, &size);
  return size <= f->settings->most_header
         || refuse (refusal, 431, "headers_too_large", NULL, "the headers have more than %" G_GSIZE_FORMAT " bytes",
             f->settings->most_header);
}

/* A page from elsewhere may send other types without being asked whether it may; this one it may not. */
static gboolean
check_body (SoupServerMessage *message, Refusal *refusal)
{
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (message);
  const gchar *type = soup_message_headers_get_content_type (headers, NULL);
  const gchar *coding = soup_message_headers_get_one (headers, "Content-Encoding");

  if (g_strcmp0 (type, "application/json") != 0)
    return refuse (refusal, 415, "not_json", NULL, "the body is to be JSON: Content-Type: application/json");
  if (coding && g_ascii_strcasecmp (coding, "identity") != 0)
    return refuse (refusal, 415, "content_encoding", NULL, "the body is to be as it is, without Content-Encoding");
  return soup_message_headers_get_encoding (headers) != SOUP_ENCODING_CONTENT_LENGTH
         || exchange_check_size (exchange_of (message), soup_message_headers_get_content_length (headers), refusal);
}

/* What can be told before the body is there. NULL: refused */
static const Route *
check (Front *f, SoupServerMessage *message, const gchar *path, Refusal *refusal)
{
  const Route *route = check_headers (f, message, refusal) ? find_route (message, path, refusal) : NULL;

  if (!route || g_str_equal (soup_server_message_get_method (message), "OPTIONS"))
    return route;
  if (!route->open && !check_key (f, message, refusal))
    return NULL;
  if (!g_str_equal (route->method, "POST"))
    return route;
  return check_body (message, refusal) && check_loaded (f, refusal) && check_room (f, refusal) ? route : NULL;
}

/* --- libsoup's calls ------------------------------------------------------------------------------------------------------- */

static void
on_headers (SoupServer *server, SoupServerMessage *message, const gchar *path, GHashTable *query, gpointer user_data)
{
  Front *f = user_data;
  Exchange *e = exchange_of (message);
  g_auto (Refusal) refusal = { 0 };

  allow_origin (f, message);
  exchange_expect_body (e);
  if (!check (f, message, path, &refusal))
    exchange_refuse (e, &refusal);
}

static void
on_request (SoupServer *server, SoupServerMessage *message, const gchar *path, GHashTable *query, gpointer user_data)
{
  Front *f = user_data;
  Exchange *e = exchange_of (message);
  g_auto (Refusal) refusal = { 0 };
  const Route *route = find_route (message, path, &refusal);

  allow_origin (f, message); /* again, for `100 Continue` takes the headers that were there */
  if (g_str_equal (soup_server_message_get_method (message), "OPTIONS"))
    exchange_send (e, 204, NULL, NULL);
  else
    route->answer (f, e);
}

static void
on_started (SoupServer *server, SoupServerMessage *message, gpointer user_data)
{
  Front *f = user_data;

  exchange_begin (message, f, f->settings, f->metrics, &f->traffic);
}

/* --- all of it ------------------------------------------------------------------------------------------------------------- */

Front *
front_new (const Settings *settings, Metrics *metrics, Pool *pool, GFunc on_lost, gpointer user_data)
{
  Front *f = g_new0 (Front, 1);

  *f = (Front){ .settings = settings, .metrics = metrics, .pool = pool, .on_lost = on_lost, .user_data = user_data };
  f->created = g_get_real_time () / G_USEC_PER_SEC;
  f->keys = keys_new (settings->keys);
  f->server = soup_server_new ("server-header", "minivl-server", NULL);
  soup_server_add_early_handler (f->server, NULL, on_headers, f, NULL);
  soup_server_add_handler (f->server, NULL, on_request, f, NULL);
  g_signal_connect (f->server, "request-started", G_CALLBACK (on_started), f);
  return f;
}

void
front_free (Front *front)
{
  if (!front)
    return;
  listener_free (front->listener);
  soup_server_disconnect (front->server);
  g_object_unref (front->server);
  keys_free (front->keys);
  g_free (front);
}

gboolean
front_listen (Front *front, GError **error)
{
  const Settings *s = front->settings;

  front->listener = listener_new (front->server, s->host, s->port, s->connections, error);
  return front->listener != NULL;
}

gchar *
front_get_url (const Front *front)
{
  const gchar *host = front->settings->host;

  return g_strdup_printf (strchr (host, ':') ? "http://[%s]:%u" : "http://%s:%u", host, listener_get_port (front->listener));
}

void
front_end (Front *front)
{
  g_clear_pointer (&front->listener, listener_free);
}

gboolean
front_is_quiet (const Front *front)
{
  return front->traffic.n_open == 0;
}

void
front_set_progress (Front *front, double progress)
{
  front->progress = progress;
}
