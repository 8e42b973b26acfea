/* `data:` URIs (RFC 2397). */
#ifndef SERVER_DATAURI_H
#define SERVER_DATAURI_H

#include <glib.h>

/* The bytes it holds, in base64 or percent-encoded; its media type is not looked at, for the bytes tell. (transfer full). NULL: it
 * is none; why (out): in English */
GBytes *data_uri_decode (const gchar *uri, const gchar **why);

gboolean data_uri_is (const gchar *uri);

#endif
