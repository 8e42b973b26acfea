/* The server's face: see front.h. */
#define _GNU_SOURCE
#include "front.h"

#include "exchange.h"
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
  GPtrArray *key_digests; /* GBytes of settings' keys */
  double progress;
  gint64 created;
};

/* --- who may ask ----------------------------------------------------------------------------------------------------------- */

#define DIGEST_SIZE 32

static GBytes *
digest (const gchar *key)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  guint8 bytes[DIGEST_SIZE];
  gsize size = sizeof bytes;

  g_checksum_update (sum, (const guchar *)key, strlen (key));
  g_checksum_get_digest (sum, bytes, &size);
  return g_bytes_new (bytes, size);
}

/* Takes as long whatever the key is, and whichever of them it is. */
static gboolean
is_key (const Front *f, const gchar *text)
{
  g_autoptr (GBytes) asked = digest (text);
  const guint8 *a = g_bytes_get_data (asked, NULL);
  gboolean found = FALSE;

  for (guint i = 0; i < f->key_digests->len; i++) {
    const guint8 *b = g_bytes_get_data (f->key_digests->pdata[i], NULL);
    volatile guint8 differ = 0;

    for (guint k = 0; k < DIGEST_SIZE; k++)
      differ |= a[k] ^ b[k];
    found |= differ == 0;
  }
  return found;
}

static gboolean
check_key (const Front *f, SoupServerMessage *message, Refusal *refusal)
{
  const gchar *header = soup_message_headers_get_one (soup_server_message_get_request_headers (message), "Authorization");

  if (f->key_digests->len == 0)
    return TRUE;
  if (header && g_ascii_strncasecmp (header, "Bearer ", strlen ("Bearer ")) == 0 && is_key (f, header + strlen ("Bearer ")))
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
check_loaded (const Front *f, SoupServerMessage *message, Refusal *refusal)
{
  if (pool_is_lost (f->pool))
    return refuse (refusal, 503, "device_lost", NULL, "the device was lost");
  if (pool_get_engine (f->pool))
    return TRUE;
  soup_message_headers_replace (soup_server_message_get_response_headers (message), "Retry-After", "5");
  return refuse (refusal, 503, "loading", NULL, "the model is being loaded: %.0f %%", f->progress * 100);
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

  if (!check_loaded (f, exchange_get_message (e), &refusal)) {
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
  g_autofree gchar *text = metrics_to_text (f->metrics, pool_count_waiting (f->pool), pool_count_running (f->pool),
      engine ? minivl_engine_get_info (engine)->device_bytes : 0);

  exchange_send (e, 200, "text/plain; version=0.0.4", text);
}

/* Also asked before the body is there. */
static gboolean
check_room (const Front *f, SoupServerMessage *message, Refusal *refusal)
{
  if (!pool_is_full (f->pool))
    return TRUE;
  soup_message_headers_replace (soup_server_message_get_response_headers (message), "Retry-After", "1");
  return refuse (refusal, 429, "queue_full", NULL, "%u requests are being answered and %u wait: try again later",
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

  if (check_loaded (f, exchange_get_message (e), &refusal) && check_room (f, exchange_get_message (e), &refusal))
    job = pool_submit (f->pool, body, on_piece, e);
  if (job)
    exchange_wait (e, job);
  else
    exchange_refuse (e, &refusal);
}

static const Route routes[] = {
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
  if (g_str_equal (method, route->method) || g_str_equal (method, "OPTIONS"))
    return route;
  soup_message_headers_replace (soup_server_message_get_response_headers (message), "Allow", route->method);
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
check_body (const Front *f, SoupServerMessage *message, Refusal *refusal)
{
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (message);
  const gchar *type = soup_message_headers_get_content_type (headers, NULL);

  if (g_strcmp0 (type, "application/json") != 0)
    return refuse (refusal, 415, "not_json", NULL, "the body is to be JSON: Content-Type: application/json");
  if (soup_message_headers_get_encoding (headers) == SOUP_ENCODING_CONTENT_LENGTH
      && soup_message_headers_get_content_length (headers) > (goffset)f->settings->most_body)
    return exchange_refuse_size (f->settings->most_body, refusal);
  return TRUE;
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
  return check_body (f, message, refusal) && check_loaded (f, message, refusal) && check_room (f, message, refusal) ? route : NULL;
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

  exchange_begin (message, f, f->settings, f->metrics);
}

/* --- all of it ------------------------------------------------------------------------------------------------------------- */

Front *
front_new (const Settings *settings, Metrics *metrics, Pool *pool, GFunc on_lost, gpointer user_data)
{
  Front *f = g_new0 (Front, 1);

  *f = (Front){ .settings = settings, .metrics = metrics, .pool = pool, .on_lost = on_lost, .user_data = user_data };
  f->created = g_get_real_time () / G_USEC_PER_SEC;
  f->key_digests = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
  for (guint i = 0; i < settings->keys->len; i++)
    g_ptr_array_add (f->key_digests, digest (settings->keys->pdata[i]));
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
  soup_server_disconnect (front->server);
  g_object_unref (front->server);
  g_ptr_array_unref (front->key_digests);
  g_free (front);
}

gboolean
front_listen (Front *front, GError **error)
{
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new_from_string (front->settings->host, front->settings->port);

  return soup_server_listen (front->server, address, 0, error);
}

gchar *
front_get_url (const Front *front)
{
  GSList *uris = soup_server_get_uris (front->server);
  gchar *text = g_uri_to_string (uris->data);

  g_slist_free_full (uris, (GDestroyNotify)g_uri_unref);
  if (g_str_has_suffix (text, "/"))
    text[strlen (text) - 1] = '\0';
  return text;
}

void
front_set_progress (Front *front, double progress)
{
  front->progress = progress;
}
