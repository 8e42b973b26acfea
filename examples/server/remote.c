/* Media by URL: see remote.h. */
#include "remote.h"

#include "address.h"

#include <libsoup/soup.h>
#include <string.h>

#define MOST_REDIRECTS 5
#define CHUNK (1 << 16)

/* --- one request ----------------------------------------------------------------------------------------------------------- */

typedef struct
{
  const RemoteLimits *limits;
  GCancellable *cancellable; /* of the caller */
  GCancellable *stop;        /* it, or an address that is not public */
  const gchar *param;
  Refusal *refusal;
  gboolean not_public;
} Fetch;

static gboolean
fail (Fetch *f, const GError *error)
{
  if (g_cancellable_is_cancelled (f->cancellable))
    return refuse (f->refusal, 499, "cancelled", NULL, "cancelled");
  if (f->not_public)
    return refuse_value (f->refusal, f->param, "the host has an address that is private, link-local or reserved");
  return refuse_value (f->refusal, f->param, "it cannot be fetched: %s", error->message);
}

/* What the name stood for a moment ago it may not stand for now. */
static void
check_connection (SoupMessage *message, GSocketClientEvent event, GIOStream *stream, gpointer user_data)
{
  Fetch *f = user_data;
  g_autoptr (GSocketAddress) address = NULL;

  if (event != G_SOCKET_CLIENT_CONNECTED || !G_IS_SOCKET_CONNECTION (stream))
    return;
  address = g_socket_connection_get_remote_address (G_SOCKET_CONNECTION (stream), NULL);
  if (G_IS_INET_SOCKET_ADDRESS (address) && address_is_public (g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (address))))
    return;
  f->not_public = TRUE;
  g_cancellable_cancel (f->stop);
}

static gboolean
check_addresses (Fetch *f, const gchar *host)
{
  g_autoptr (GResolver) resolver = g_resolver_get_default ();
  g_autoptr (GError) error = NULL;
  GList *addresses = g_resolver_lookup_by_name (resolver, host, f->stop, &error);
  gboolean fine = addresses != NULL;

  for (GList *l = addresses; l; l = l->next)
    fine = fine && address_is_public (l->data);
  if (addresses && !fine)
    f->not_public = TRUE;
  g_resolver_free_addresses (addresses);
  return fine || fail (f, error);
}

static gboolean
check_uri (Fetch *f, GUri *uri)
{
  const gchar *host = uri ? g_uri_get_host (uri) : NULL, *scheme = uri ? g_uri_get_scheme (uri) : NULL;

  if (!host || !*host || !(g_str_equal (scheme, "http") || g_str_equal (scheme, "https")))
    return refuse_value (f->refusal, f->param, "no data: URI, nor one of http or https");
  for (const gchar *const *allowed = f->limits->hosts; allowed && *allowed; allowed++)
    if (g_ascii_strcasecmp (*allowed, host) == 0)
      return check_addresses (f, host);
  return refuse (f->refusal, 400, "remote_media_not_allowed", f->param,
      "%s: media are taken as data: URIs, for the server was not allowed to fetch from %s", f->param, host);
}

static GBytes *
read_body (Fetch *f, GInputStream *stream)
{
  g_autoptr (GByteArray) all = g_byte_array_new ();
  g_autofree guint8 *chunk = g_malloc (CHUNK);
  g_autoptr (GError) error = NULL;
  gssize n;

  while ((n = g_input_stream_read (stream, chunk, CHUNK, f->stop, &error)) > 0) {
    if (all->len + n > f->limits->most_bytes) {
      refuse_value (f->refusal, f->param, "it has more than %" G_GSIZE_FORMAT " bytes", f->limits->most_bytes);
      return NULL;
    }
    g_byte_array_append (all, chunk, n);
  }
  if (n < 0) {
    fail (f, error);
    return NULL;
  }
  return g_byte_array_free_to_bytes (g_steal_pointer (&all));
}

/* next (out): where it is instead, when NULL is returned and nothing is refused */
static GBytes *
get (Fetch *f, SoupSession *session, GUri *uri, GUri **next)
{
  g_autoptr (SoupMessage) message = soup_message_new_from_uri (SOUP_METHOD_GET, uri);
  g_autoptr (GInputStream) stream = NULL;
  g_autoptr (GError) error = NULL;
  const gchar *location;
  guint status;

  soup_message_add_flags (message, SOUP_MESSAGE_NO_REDIRECT);
  g_signal_connect (message, "network-event", G_CALLBACK (check_connection), f);
  stream = soup_session_send (session, message, f->stop, &error);
  if (!stream) {
    fail (f, error);
    return NULL;
  }
  status = soup_message_get_status (message);
  location = soup_message_headers_get_one (soup_message_get_response_headers (message), "Location");
  if (SOUP_STATUS_IS_REDIRECTION (status) && location) {
    *next = g_uri_parse_relative (uri, location, SOUP_HTTP_URI_FLAGS, NULL);
    if (!*next)
      refuse_value (f->refusal, f->param, "a redirect to what is no URL");
    return NULL;
  }
  if (status != SOUP_STATUS_OK) {
    refuse_value (f->refusal, f->param, "it cannot be fetched: status %u", status);
    return NULL;
  }
  return read_body (f, stream);
}

/* --- all of it ------------------------------------------------------------------------------------------------------------- */

static void
pass_on (GCancellable *cancellable, gpointer stop)
{
  g_cancellable_cancel (stop);
}

static GBytes *
follow (Fetch *f, const gchar *url)
{
  g_autoptr (SoupSession) session = soup_session_new_with_options (
      "proxy-resolver", NULL, "user-agent", "minivl-server", "timeout", f->limits->idle_seconds, NULL);
  g_autoptr (GUri) uri = g_uri_parse (url, SOUP_HTTP_URI_FLAGS, NULL);

  for (guint i = 0; i <= MOST_REDIRECTS; i++) {
    g_autoptr (GUri) next = NULL;
    GBytes *bytes;

    if (!check_uri (f, uri))
      return NULL;
    bytes = get (f, session, uri, &next);
    if (bytes || !next)
      return bytes;
    g_uri_unref (uri);
    uri = g_steal_pointer (&next);
  }
  refuse_value (f->refusal, f->param, "more than %u redirects", MOST_REDIRECTS);
  return NULL;
}

GBytes *
remote_fetch (const gchar *url, const RemoteLimits *limits, GCancellable *cancellable, const gchar *param, Refusal *refusal)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GCancellable) stop = g_cancellable_new ();
  Fetch f = { .limits = limits, .cancellable = cancellable, .stop = stop, .param = param, .refusal = refusal };
  gulong id = g_cancellable_connect (cancellable, G_CALLBACK (pass_on), stop, NULL);
  GBytes *bytes;

  /* The session belongs to this thread, not to the main loop's. */
  g_main_context_push_thread_default (context);
  bytes = follow (&f, url);
  g_main_context_pop_thread_default (context);
  g_cancellable_disconnect (cancellable, id);
  return bytes;
}
