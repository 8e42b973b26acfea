/*
 * Takes connections in. libsoup's own listener takes none any more once one could not be had, for want of descriptors; this one
 * goes on when there are some, and leaves alone what is more than so many at a time: that waits until others have gone.
 */
#ifndef SERVER_LISTENER_H
#define SERVER_LISTENER_H

#include <libsoup/soup.h>

typedef struct _Listener Listener;

/* server: a reference is taken. most: connections at a time; fewer, where the process may not have that many descriptors. */
Listener *listener_new (SoupServer *server, const gchar *host, guint16 port, guint most, GError **error);
/* Takes no more. What there is goes on. */
void listener_free (Listener *listener);

guint16 listener_get_port (const Listener *listener);
guint listener_count (const Listener *listener);

/* soup_server_message_get_socket() has none of connections that it did not take. (transfer full) */
GSocket *listener_get_socket (SoupServerMessage *message);

#endif
