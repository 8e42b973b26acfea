/* Media by URL: from where, at which addresses, behind which redirects, and how much. The hosts are this program's; where a test
 * needs one of them to be on the Internet, address_is_public() is played. */
#include "examples/server/address.h"
#include "examples/server/remote.h"

#include <libsoup/soup.h>
#include <string.h>

gboolean __real_address_is_public (GInetAddress *address);
gboolean __wrap_address_is_public (GInetAddress *address);

static gboolean on_the_internet; /* this machine is */
static guint n_public;           /* calls until it is not any more */

gboolean
__wrap_address_is_public (GInetAddress *address)
{
  if (!on_the_internet)
    return __real_address_is_public (address);
  return n_public > 0 && n_public-- > 0;
}

/* --- addresses ------------------------------------------------------------------------------------------------------------- */

static void
test_addresses (void)
{
  static const gchar *const public[] = { "1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.255.255", "172.32.0.1",
    "192.167.0.1", "192.169.0.1", "198.17.255.255", "198.20.0.1", "223.255.255.255", "2a00:1450::1", "2606:4700::1111" };
  static const gchar *const not_public[] = { "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255",
    "127.0.0.1", "127.1.2.3", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.1.1",
    "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::7f00:1", "64:ff9b::7f00:1", "100::1", "2001::1", "2001:db8::1",
    "2002:7f00:1::", "3fff::1", "fc00::1", "fd12::1", "fe80::1", "fec0::1", "ff02::1" };

  for (guint i = 0; i < G_N_ELEMENTS (public); i++) {
    g_autoptr (GInetAddress) address = g_inet_address_new_from_string (public[i]);

    if (!__real_address_is_public (address))
      g_error ("%s is public", public[i]);
  }
  for (guint i = 0; i < G_N_ELEMENTS (not_public); i++) {
    g_autoptr (GInetAddress) address = g_inet_address_new_from_string (not_public[i]);

    if (__real_address_is_public (address))
      g_error ("%s is not public", not_public[i]);
  }
}

/* --- a host ---------------------------------------------------------------------------------------------------------------- */

static SoupServer *host;
static gint port, n_asked; /* atomic */

static void
answer (SoupServer *server, SoupServerMessage *message, const gchar *path, GHashTable *query, gpointer user_data)
{
  g_atomic_int_inc (&n_asked);
  if (g_str_equal (path, "/picture"))
    soup_server_message_set_response (message, "image/png", SOUP_MEMORY_STATIC, "pixels", 6);
  else if (g_str_equal (path, "/loop"))
    soup_server_message_set_redirect (message, 302, "/loop");
  else if (g_str_equal (path, "/near"))
    soup_server_message_set_redirect (message, 307, "/picture");
  else if (g_str_equal (path, "/far"))
    soup_server_message_set_redirect (message, 302, "http://elsewhere.example/picture");
  else if (g_str_equal (path, "/file"))
    soup_server_message_set_redirect (message, 302, "file:///etc/passwd");
  else if (g_str_equal (path, "/waits"))
    soup_server_message_pause (message);
  else
    soup_server_message_set_status (message, 404, NULL);
  if (g_str_equal (path, "/picture"))
    soup_server_message_set_status (message, 200, NULL);
}

static gpointer
serve (gpointer data)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  GSList *uris;

  g_main_context_push_thread_default (context);
  host = soup_server_new (NULL, NULL);
  soup_server_add_handler (host, NULL, answer, NULL, NULL);
  g_assert_true (soup_server_listen_local (host, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, NULL));
  uris = soup_server_get_uris (host);
  g_atomic_int_set (&port, g_uri_get_port (uris->data));
  g_slist_free_full (uris, (GDestroyNotify)g_uri_unref);
  g_main_loop_run (g_main_loop_new (context, FALSE));
  return NULL;
}

static GBytes *
fetch (const gchar *path, gsize most_bytes, guint public_calls, GCancellable *cancellable, Refusal *refusal)
{
  static const gchar *const hosts[] = { "127.0.0.1", NULL };
  const RemoteLimits limits = { hosts, most_bytes, 10 };
  g_autofree gchar *url = g_strdup_printf ("http://127.0.0.1:%d%s", g_atomic_int_get (&port), path);
  GBytes *bytes;

  on_the_internet = public_calls > 0;
  n_public = public_calls;
  bytes = remote_fetch (url, &limits, cancellable, "a[0]", refusal);
  on_the_internet = FALSE;
  return bytes;
}

#define ALWAYS 1000

static void
test_what_is_there_is_fetched (void)
{
  static const gchar *const paths[] = { "/picture", "/near" };

  for (guint i = 0; i < G_N_ELEMENTS (paths); i++) {
    g_autoptr (GCancellable) cancellable = g_cancellable_new ();
    g_auto (Refusal) refusal = { 0 };
    g_autoptr (GBytes) bytes = fetch (paths[i], 6, ALWAYS, cancellable, &refusal);

    g_assert_cmpstr (refusal.message, ==, NULL);
    g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), "pixels", 6);
  }
}

/* public_calls: two a request, of the name's addresses and of the connection's */
static const struct
{
  const gchar *name, *path, *says;
  gsize most_bytes;
  guint public_calls;
  gint asked;
} refusals[] = {
  { "too-large", "/picture", "more than 5 bytes", 5, ALWAYS, 1 },
  { "not-there", "/nothing", "status 404", 6, ALWAYS, 1 },
  { "redirects-for-ever", "/loop", "redirects", 6, ALWAYS, 6 },
  { "redirect-to-another-host", "/far", "not allowed to fetch from elsewhere.example", 6, ALWAYS, 1 },
  { "redirect-to-a-file", "/file", "no data: URI", 6, ALWAYS, 1 },
  { "private", "/picture", "private", 6, 0, 0 },
  { "private-when-connected", "/picture", "private", 6, 1, 0 },
  { "redirect-to-private", "/near", "private", 6, 2, 1 },
};

static void
test_refused (gconstpointer data)
{
  gint i = GPOINTER_TO_INT (data), before = g_atomic_int_get (&n_asked);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Refusal) refusal = { 0 };
  g_autoptr (GBytes) bytes = fetch (refusals[i].path, refusals[i].most_bytes, refusals[i].public_calls, cancellable, &refusal);

  g_assert_null (bytes);
  g_assert_cmpuint (refusal.status, ==, 400);
  g_assert_cmpstr (refusal.param, ==, "a[0]");
  if (!strstr (refusal.message, refusals[i].says))
    g_error ("%s", refusal.message);
  g_assert_cmpint (g_atomic_int_get (&n_asked) - before, ==, refusals[i].asked);
}

static gpointer
cancel (gpointer cancellable)
{
  g_usleep (G_USEC_PER_SEC / 5);
  g_cancellable_cancel (cancellable);
  return NULL;
}

static void
test_it_is_cancelled (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Refusal) refusal = { 0 };
  GThread *thread = g_thread_new ("cancel", cancel, cancellable);

  g_assert_null (fetch ("/waits", 6, ALWAYS, cancellable, &refusal));
  g_assert_cmpuint (refusal.status, ==, 499);
  g_thread_join (thread);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_thread_unref (g_thread_new ("host", serve, NULL));
  while (g_atomic_int_get (&port) == 0)
    g_usleep (1000);
  g_test_add_func ("/remote/addresses", test_addresses);
  g_test_add_func ("/remote/what-is-there-is-fetched", test_what_is_there_is_fetched);
  for (gint i = 0; i < G_N_ELEMENTS (refusals); i++) {
    g_autofree gchar *path = g_strconcat ("/remote/refused/", refusals[i].name, NULL);

    g_test_add_data_func (path, GINT_TO_POINTER (i), test_refused);
  }
  g_test_add_func ("/remote/it-is-cancelled", test_it_is_cancelled);
  return g_test_run ();
}
