/* Addresses that a server may be made to ask. */
#ifndef SERVER_ADDRESS_H
#define SERVER_ADDRESS_H

#include <gio/gio.h>

/* Whether it is one of the whole Internet: not of this machine, of a private network or a link, nor set aside for anything else. */
gboolean address_is_public (GInetAddress *address);

#endif
