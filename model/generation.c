#include "generation.h"
#include "section.h"
#include "strictjson.h"

/* One id, or a list of them. */
static void
read_ids (const Section *s, const gchar *key, guint vocab, GArray *ids)
{
  JsonNode *node = section_member (s, key);
  JsonArray *list = node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  if (node != NULL && list == NULL) {
    gint32 id = section_integer (s, key, 0, 0, (gint64)vocab - 1);

    g_array_append_val (ids, id);
  }
  for (guint i = 0; list != NULL && i < json_array_get_length (list); i++) {
    JsonNode *element = json_array_get_element (list, i);
    gint64 value = json_is_integer (element) ? json_node_get_int (element) : -1;
    gint32 id = value;

    if (value < 0 || value >= vocab) {
      section_refuse_type (s, key, "a token id, or a list of them");
      return;
    }
    g_array_append_val (ids, id);
  }
}

gboolean
generation_load (Generation *g, const gchar *folder, guint vocab, GError **error)
{
  g_autofree gchar *path = g_build_filename (folder, "generation_config.json", NULL);
  g_autoptr (JsonObject) root = NULL;
  g_auto (Generation) read = { .stop_ids = g_array_new (FALSE, FALSE, sizeof (gint32)) };
  GError *failure = NULL;
  Section s = { .prefix = "", .file = path, .error = &failure };

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;
  s.object = root = strict_json_load (path, error);
  if (root == NULL)
    return FALSE;
  read_ids (&s, "eos_token_id", vocab, read.stop_ids);
  /* The defaults are those of transformers' GenerationConfig. */
  read.temperature = section_number (&s, "temperature", 1, 0, 1e6);
  read.top_p = section_number (&s, "top_p", 1, 1e-9, 1);
  read.top_k = section_integer (&s, "top_k", 50, 0, G_MAXINT);
  read.repetition_penalty = section_number (&s, "repetition_penalty", 1, 1e-6, 1e6);
  if (!section_boolean (&s, "do_sample", FALSE))
    read.temperature = 0;
  if (failure != NULL) {
    g_propagate_error (error, failure);
    return FALSE;
  }
  *g = read;
  read.stop_ids = NULL;
  return TRUE;
}

void
generation_clear (Generation *g)
{
  g_clear_pointer (&g->stop_ids, g_array_unref);
}
