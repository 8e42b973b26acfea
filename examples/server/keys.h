/* The keys that open the server. Nothing that a stranger can time tells how much of a key was right, or which one. */
#ifndef SERVER_KEYS_H
#define SERVER_KEYS_H

#include <glib.h>

typedef struct _Keys Keys;

/* texts: gchar, borrowed until return. */
Keys *keys_new (const GPtrArray *texts);
void keys_free (Keys *keys);

/* How many of the keys it is: none is passed over, whether one before was it or not. */
guint keys_count (const Keys *keys, const gchar *text);

/* The bits in which any of n bytes differ: so all of them are looked at, whatever the first ones are. */
guint8 keys_difference (const guint8 *a, const guint8 *b, gsize n);

#endif
