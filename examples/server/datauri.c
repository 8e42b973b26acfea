/* `data:` URIs: see datauri.h. */
#include "datauri.h"

#include <string.h>

#define SCHEME "data:"
#define BASE64 ";base64"

gboolean
data_uri_is (const gchar *uri)
{
  return g_ascii_strncasecmp (uri, SCHEME, strlen (SCHEME)) == 0;
}

/* g_base64_decode() passes over what is none. */
static gboolean
is_base64 (const gchar *text)
{
  gsize n = 0, padding = 0;

  for (; *text; text++) {
    if (g_ascii_isspace (*text))
      continue;
    if (*text == '=')
      padding++;
    else if (padding > 0 || !(g_ascii_isalnum (*text) || *text == '+' || *text == '/'))
      return FALSE;
    n++;
  }
  return padding <= 2 && n % 4 == 0;
}

static GBytes *
decode_base64 (const gchar *text)
{
  gsize size;
  guchar *bytes = g_base64_decode (text, &size);

  return g_bytes_new_take (bytes, size);
}

GBytes *
data_uri_decode (const gchar *uri, const gchar **why)
{
  const gchar *comma = strchr (uri, ',');
  gsize head = comma ? comma - uri : 0;
  GBytes *bytes = NULL;

  if (!data_uri_is (uri) || !comma)
    *why = "no data: URI";
  else if (head < strlen (SCHEME BASE64) || g_ascii_strncasecmp (comma - strlen (BASE64), BASE64, strlen (BASE64)) != 0)
    *why = (bytes = g_uri_unescape_bytes (comma + 1, -1, NULL, NULL)) ? NULL : "not percent-encoded";
  else if (is_base64 (comma + 1))
    bytes = decode_base64 (comma + 1);
  else
    *why = "not base64";
  if (bytes && g_bytes_get_size (bytes) == 0) {
    *why = "no data in it";
    g_clear_pointer (&bytes, g_bytes_unref);
  }
  return bytes;
}
