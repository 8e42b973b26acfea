/* The page at `/`: see page.h. */
#include "page.h"

/* It runs its own script and style, shows what was chosen there, and asks where it comes from; nothing else, in nobody's frame. */
static gchar *
policy (void)
{
  return g_strdup_printf (
      "default-src 'none'; script-src '%s'; style-src '%s'; img-src blob: data:; media-src blob:; connect-src 'self'; "
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
      page_script_hash, page_style_hash);
}

void
page_send (Exchange *exchange, const Settings *settings)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (exchange_get_message (exchange));
  g_autofree gchar *most_body = g_strdup_printf ("%" G_GSIZE_FORMAT, settings->most_body), *security = policy ();
  GString *text = g_string_new (page_text);

  g_string_replace (text, "@MAX_BODY@", most_body, 0);
  soup_message_headers_replace (headers, "Content-Security-Policy", security);
  soup_message_headers_replace (headers, "X-Content-Type-Options", "nosniff");
  soup_message_headers_replace (headers, "Referrer-Policy", "no-referrer");
  soup_message_headers_replace (headers, "Cache-Control", "no-cache");
  exchange_send (exchange, 200, "text/html; charset=utf-8", text->str);
  g_string_free (text, TRUE);
}
