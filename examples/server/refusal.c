/* Why a request is not answered: see refusal.h. */
#include "refusal.h"

#include "examples/jsontext.h"

static void
fill (Refusal *r, guint status, const gchar *code, const gchar *param, gchar *message)
{
  refusal_clear (r);
  *r = (Refusal){ status, code, g_strdup (param), message };
}

gboolean
refuse (Refusal *refusal, guint status, const gchar *code, const gchar *param, const gchar *format, ...)
{
  va_list args;

  va_start (args, format);
  fill (refusal, status, code, param, g_strdup_vprintf (format, args));
  va_end (args);
  return FALSE;
}

gboolean
refuse_value (Refusal *refusal, const gchar *param, const gchar *format, ...)
{
  g_autofree gchar *what = NULL;
  va_list args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  return refuse (refusal, 400, "invalid_value", param, "%s: %s", param, what);
}

gboolean
refuse_unsupported (Refusal *refusal, const gchar *param)
{
  return refuse (refusal, 400, "unsupported_parameter", param, "%s: not supported, and it would change the answer", param);
}

static const gchar *
type_of (guint status)
{
  if (status == 429)
    return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

static void
add_string (JsonBuilder *b, const gchar *name, const gchar *value)
{
  json_builder_set_member_name (b, name);
  if (value) {
    g_autofree gchar *valid = g_utf8_make_valid (value, -1);

    json_builder_add_string_value (b, valid);
  } else {
    json_builder_add_null_value (b);
  }
}

gchar *
refusal_to_json (const Refusal *refusal)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (b);
  json_builder_set_member_name (b, "error");
  json_builder_begin_object (b);
  add_string (b, "message", refusal->message);
  add_string (b, "type", type_of (refusal->status));
  add_string (b, "param", refusal->param);
  add_string (b, "code", refusal->code);
  json_builder_end_object (b);
  json_builder_end_object (b);
  root = json_builder_get_root (b);
  return json_text_write (root);
}

void
refusal_clear (Refusal *refusal)
{
  g_free (refusal->param);
  g_free (refusal->message);
  *refusal = (Refusal){ 0 };
}
