#include "log.h"

#include <json-glib/json-glib.h>
#include <stdio.h>

static void
add_text (JsonObject *line, const gchar *name, const gchar *text)
{
  g_autofree gchar *valid = g_utf8_make_valid (text, -1);

  json_object_set_string_member (line, name, valid);
}

static JsonObject *
new_line (const gchar *camera)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree gchar *time = g_date_time_format (now, "%Y-%m-%dT%H:%M:%S");
  g_autofree gchar *stamp = g_strdup_printf ("%s.%03dZ", time, g_date_time_get_microsecond (now) / 1000);
  JsonObject *line = json_object_new ();

  json_object_set_string_member (line, "time", stamp);
  if (camera != NULL)
    add_text (line, "camera", camera);
  else
    json_object_set_null_member (line, "camera");
  return line;
}

/* (transfer full) line */
static void
print_line (JsonObject *line)
{
  g_autoptr (JsonNode) node = json_node_init_object (json_node_alloc (), line);
  g_autofree gchar *text = json_to_string (node, FALSE);

  json_object_unref (line);
  printf ("%s\n", text);
  fflush (stdout);
}

void
log_state (const gchar *camera, const gchar *state, const gchar *reason, double retry_in)
{
  JsonObject *line = new_line (camera);

  json_object_set_string_member (line, "state", state);
  if (reason != NULL)
    add_text (line, "reason", reason);
  if (retry_in >= 0)
    json_object_set_double_member (line, "retry_in", retry_in);
  print_line (line);
}

void
log_warning (const gchar *camera, const gchar *text)
{
  JsonObject *line = new_line (camera);

  add_text (line, "warning", text);
  print_line (line);
}
