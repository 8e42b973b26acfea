/* Keys, compared in constant time: see keys.h. */
#include "keys.h"

#include <string.h>

#define DIGEST_SIZE 32

/* Digests are of one length, whatever the keys are. */
typedef struct
{
  guint8 bytes[DIGEST_SIZE];
} Digest;

struct _Keys
{
  GArray *digests; /* Digest */
};

static Digest
digest (const gchar *text)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  Digest d;
  gsize size = sizeof d.bytes;

  g_checksum_update (sum, (const guchar *)text, strlen (text));
  g_checksum_get_digest (sum, d.bytes, &size);
  return d;
}

Keys *
keys_new (const GPtrArray *texts)
{
  Keys *keys = g_new0 (Keys, 1);

  keys->digests = g_array_new (FALSE, FALSE, sizeof (Digest));
  for (guint i = 0; i < texts->len; i++) {
    const Digest d = digest (texts->pdata[i]);

    g_array_append_val (keys->digests, d);
  }
  return keys;
}

void
keys_free (Keys *keys)
{
  if (!keys)
    return;
  g_array_unref (keys->digests);
  g_free (keys);
}

guint8
keys_difference (const guint8 *a, const guint8 *b, gsize n)
{
  volatile guint8 bits = 0; /* lest a compiler ends the loop where no bit can be added */

  for (gsize i = 0; i < n; i++)
    bits |= a[i] ^ b[i];
  return bits;
}

guint
keys_count (const Keys *keys, const gchar *text)
{
  const Digest asked = digest (text);
  guint n = 0;

  for (guint i = 0; i < keys->digests->len; i++)
    n += keys_difference (asked.bytes, g_array_index (keys->digests, Digest, i).bytes, DIGEST_SIZE) == 0;
  return n;
}
