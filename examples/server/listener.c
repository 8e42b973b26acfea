/* Connections: see listener.h. */
#include "listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define KEY "minivl-socket"
/* When one could not be had, how long until the next try. */
#define RETRY_MS 100
/* Descriptors that are something else: models, devices, decoders. */
#define RESERVED 128

/* Referenced by each connection as well, which tells when it goes. */
struct _Listener
{
  SoupServer *server;
  GSocket *socket; /* NULL: no more is taken */
  GSource *source; /* watches it; NULL: not now */
  guint retry;     /* timer; 0: none */
  guint n, most;   /* connections */
};

static void start (Listener *l);

static void
stop (Listener *l)
{
  g_clear_handle_id (&l->retry, g_source_remove);
  if (l->source)
    g_source_destroy (l->source);
  g_clear_pointer (&l->source, g_source_unref);
}

static gboolean
on_retry (gpointer data)
{
  Listener *l = data;

  l->retry = 0;
  start (l);
  return G_SOURCE_REMOVE;
}

static void
free_weak_ref (gpointer ref)
{
  g_weak_ref_clear (ref);
  g_free (ref);
}

/* A connection's socket is gone. */
static void
on_gone (gpointer data, GObject *socket)
{
  Listener *l = data;

  l->n--;
  if (l->socket && !l->source && l->retry == 0)
    start (l);
  g_rc_box_release (l);
}

/* Of one whose client has gone meanwhile, there is no address. */
static void
take (Listener *l, GSocket *socket)
{
  g_autoptr (GSocketConnection) connection = g_socket_connection_factory_create_connection (socket);
  g_autoptr (GSocketAddress) local = g_socket_get_local_address (socket, NULL);
  g_autoptr (GSocketAddress) remote = g_socket_get_remote_address (socket, NULL);
  GWeakRef *ref;

  if (!local || !remote)
    return;
  ref = g_new0 (GWeakRef, 1);
  g_weak_ref_init (ref, socket);
  g_object_set_data_full (G_OBJECT (remote), KEY, ref, free_weak_ref);
  g_socket_set_option (socket, IPPROTO_TCP, TCP_NODELAY, TRUE, NULL);
  g_object_weak_ref (G_OBJECT (socket), on_gone, g_rc_box_acquire (l));
  l->n++;
  soup_server_accept_iostream (l->server, G_IO_STREAM (connection), local, remote, NULL);
}

static gboolean
on_connection (GSocket *socket, GIOCondition condition, gpointer data)
{
  Listener *l = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocket) client = g_socket_accept (l->socket, NULL, &error);

  if (client) {
    take (l, client);
    if (l->n >= l->most)
      stop (l);
  } else if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) {
    stop (l);
    l->retry = g_timeout_add (RETRY_MS, on_retry, l);
  }
  return G_SOURCE_CONTINUE;
}

static void
start (Listener *l)
{
  l->source = g_socket_create_source (l->socket, G_IO_IN, NULL);
  g_source_set_callback (l->source, G_SOURCE_FUNC (on_connection), l, NULL);
  g_source_attach (l->source, NULL);
}

/* --- all of it ------------------------------------------------------------------------------------------------------------- */

static gboolean
listen_at (Listener *l, const gchar *host, guint16 port, GError **error)
{
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new_from_string (host, port);

  l->socket = g_socket_new (g_socket_address_get_family (address), G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, error);
  if (!l->socket || !g_socket_bind (l->socket, address, TRUE, error))
    return FALSE;
  g_socket_set_blocking (l->socket, FALSE);
  g_socket_set_listen_backlog (l->socket, SOMAXCONN);
  return g_socket_listen (l->socket, error);
}

/* libsoup closes a connection behind its first answer unless it listens itself: here, at one end of a pair, of which the other end,
 * which goes with the server, never says anything. */
static gboolean
keep_alive (Listener *l, GError **error)
{
  gint ends[2];
  g_autoptr (GSocket) socket = NULL, other = NULL;

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno), "no pair of sockets: %s", g_strerror (errno));
    return FALSE;
  }
  socket = g_socket_new_from_fd (ends[0], error);
  other = socket ? g_socket_new_from_fd (ends[1], error) : NULL;
  if (!other || !soup_server_listen_socket (l->server, socket, 0, error))
    return FALSE;
  g_object_set_data_full (G_OBJECT (l->server), KEY, g_steal_pointer (&other), g_object_unref);
  return TRUE;
}

/* A process may start with fewer descriptors than it may have. */
static guint
most_of (guint most)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) != 0)
    return most;
  limit.rlim_cur = limit.rlim_max;
  setrlimit (RLIMIT_NOFILE, &limit);
  return limit.rlim_max > RESERVED ? MIN (most, limit.rlim_max - RESERVED) : 1;
}

Listener *
listener_new (SoupServer *server, const gchar *host, guint16 port, guint most, GError **error)
{
  Listener *l = g_rc_box_new0 (Listener);

  l->server = g_object_ref (server);
  l->most = most_of (most);
  if (listen_at (l, host, port, error) && keep_alive (l, error)) {
    start (l);
    return l;
  }
  listener_free (l);
  return NULL;
}

void
listener_free (Listener *listener)
{
  if (!listener)
    return;
  stop (listener);
  g_clear_object (&listener->socket);
  g_clear_object (&listener->server);
  g_rc_box_release (listener);
}

guint16
listener_get_port (const Listener *listener)
{
  g_autoptr (GSocketAddress) address = g_socket_get_local_address (listener->socket, NULL);

  return g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address));
}

guint
listener_count (const Listener *listener)
{
  return listener->n;
}

GSocket *
listener_get_socket (SoupServerMessage *message)
{
  GSocketAddress *remote = soup_server_message_get_remote_address (message);
  GWeakRef *ref = remote ? g_object_get_data (G_OBJECT (remote), KEY) : NULL;

  return ref ? g_weak_ref_get (ref) : NULL;
}
