/* A checkpoint that brings minivl-check.json is held against it when it is opened: the demo model, and copies with another file. */
#include "model/minivl.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>

static gchar *folder; /* the checkpoint, but for the file */

static JsonNode *
load_check (void)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;

  json_parser_load_from_file (parser, CHECKPOINT "/minivl-check.json", &error);
  g_assert_no_error (error);
  return json_parser_steal_root (parser);
}

static void
write_check (const gchar *text)
{
  g_autofree gchar *path = g_build_filename (folder, "minivl-check.json", NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
}

static MinivlEngine *
open_context (guint context_size, MinivlPrecision precision, GError **error)
{
  const MinivlEngineOptions options = { .model_path = folder, .precision = precision, .context_size = context_size };

  return minivl_engine_open (&options, error);
}

static MinivlEngine *
open_copy (MinivlPrecision precision, GError **error)
{
  return open_context (512, precision, error);
}

static void
assert_opens (MinivlPrecision precision)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MinivlEngine) engine = open_copy (precision, &error);

  g_assert_no_error (error);
  g_assert_nonnull (engine);
}

static void
assert_refused (MinivlError code, const gchar *says)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (open_copy (MINIVL_PRECISION_AUTO, &error));
  g_assert_error (error, MINIVL_ERROR, code);
  if (strstr (error->message, says) == NULL)
    g_error ("no \"%s\" in: %s", says, error->message);
}

static void
test_right_logits_open (void)
{
  g_autoptr (JsonNode) root = load_check ();
  g_autofree gchar *text = json_to_string (root, FALSE);

  write_check (text);
  assert_opens (MINIVL_PRECISION_F32);
  assert_opens (MINIVL_PRECISION_F16);
}

static void
test_without_the_file_it_opens (void)
{
  g_autofree gchar *path = g_build_filename (folder, "minivl-check.json", NULL);

  g_unlink (path);
  assert_opens (MINIVL_PRECISION_AUTO);
}

/* One number is enough. */
static void
write_wrong_logits (void)
{
  g_autoptr (JsonNode) root = load_check ();
  JsonArray *logits = json_object_get_array_member (json_node_get_object (root), "logits"), *wrong = json_array_new ();
  g_autofree gchar *text = NULL;

  for (guint i = 0; i < json_array_get_length (logits); i++)
    json_array_add_double_element (wrong, json_array_get_double_element (logits, i) * (i == 7 ? 1.5 : 1) + (i == 7));
  json_object_set_array_member (json_node_get_object (root), "logits", wrong);
  text = json_to_string (root, FALSE);
  write_check (text);
}

static void
test_wrong_logits_refuse_the_device (void)
{
  g_autoptr (GError) error = NULL;
  MinivlDevice *devices;
  guint n_devices;

  write_wrong_logits ();
  g_assert_true (minivl_devices_list (&devices, &n_devices, &error));
  for (guint i = 0; i < n_devices; i++) {
    if (!devices[i].chosen)
      continue;
    assert_refused (MINIVL_ERROR_DEVICE, devices[i].name);
    assert_refused (MINIVL_ERROR_DEVICE, devices[i].driver);
    assert_refused (MINIVL_ERROR_DEVICE, "minivl-check.json");
  }
  minivl_devices_free (devices, n_devices);
}

/* Of a session's first question, with a picture of one tile. */
static guint
count_prompt (void)
{
  static const guint8 pixel[3];
  const MinivlImage image = { .data = { pixel }, .width = 1, .height = 1, .stride = { 3 } };
  g_autoptr (JsonNode) root = load_check ();
  g_autoptr (GError) error = NULL;
  g_autoptr (MinivlEngine) engine = open_copy (MINIVL_PRECISION_AUTO, &error);
  g_autoptr (MinivlPicture) picture = minivl_picture_new (engine, &image, 1, NULL, &error);
  g_autoptr (MinivlSession) session = minivl_session_new (engine, &error);
  guint n = 0;

  minivl_session_add_pictures (session, &picture, 1);
  minivl_session_count_tokens (session, json_object_get_string_member (json_node_get_object (root), "prompt"), NULL, &n, &error);
  g_assert_no_error (error);
  return n;
}

static void
test_a_context_too_small_for_it_opens_without (void)
{
  g_autofree gchar *path = g_build_filename (folder, "minivl-check.json", NULL);
  g_autoptr (GError) error = NULL;
  MinivlEngine *engine;
  guint n;

  g_unlink (path);
  n = count_prompt ();
  g_assert_cmpuint (n, >, 1);
  write_wrong_logits ();
  for (guint context = 1; context <= n; context += n - 1) {
    engine = open_context (context, MINIVL_PRECISION_AUTO, &error);
    g_assert_no_error (error);
    minivl_engine_unref (engine);
  }
  g_assert_null (open_context (n + 1, MINIVL_PRECISION_AUTO, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_DEVICE);
}

static void
refuse_with (const gchar *key, JsonNode *value, const gchar *says)
{
  g_autoptr (JsonNode) root = load_check ();
  g_autofree gchar *text = NULL;

  if (value)
    json_object_set_member (json_node_get_object (root), key, value);
  else
    json_object_remove_member (json_node_get_object (root), key);
  text = json_to_string (root, FALSE);
  write_check (text);
  assert_refused (MINIVL_ERROR_FILE, says);
}

static void
test_a_file_that_is_none_is_refused_by_key (void)
{
  JsonArray *texts = json_array_new (), *few = json_array_new (), *huge = json_array_new (), *zeros = json_array_new ();
  g_autofree gchar *endless = g_strnfill (1 << 16, '?');

  json_array_add_string_element (texts, "1");
  json_array_add_double_element (few, 1);
  json_array_add_double_element (huge, 1e300);
  json_array_add_int_element (zeros, 0);
  write_check ("{");
  assert_refused (MINIVL_ERROR_FILE, "minivl-check.json");
  refuse_with ("prompt", NULL, "prompt");
  refuse_with ("prompt", json_node_init_int (json_node_alloc (), 7), "prompt");
  refuse_with ("prompt", json_node_init_string (json_node_alloc (), "<image> and <image>?"), "minivl-check.json: prompt: ");
  refuse_with ("prompt", json_node_init_string (json_node_alloc (), endless), "minivl-check.json: prompt has ");
  refuse_with ("width", json_node_init_int (json_node_alloc (), -40), "width");
  refuse_with ("height", json_node_init_int (json_node_alloc (), 31), "rgb");
  refuse_with ("rgb", NULL, "rgb");
  refuse_with ("rgb", json_node_init_string (json_node_alloc (), "????"), "rgb");
  refuse_with ("logits", NULL, "vocab_size");
  refuse_with ("logits", json_node_init_array (json_node_alloc (), few), "vocab_size");
  refuse_with ("logits", json_node_init_array (json_node_alloc (), texts), "no number");
  refuse_with ("logits", json_node_init_array (json_node_alloc (), huge), "float32");
  refuse_with ("logits", json_node_init_array (json_node_alloc (), zeros), "all 0");
  json_array_unref (few);
  json_array_unref (huge);
  json_array_unref (zeros);
  json_array_unref (texts);
}

static void
link_checkpoint (void)
{
  static const gchar *const files[] = { "added_tokens.json", "config.json", "model.safetensors", "special_tokens_map.json",
    "tokenizer.model", "tokenizer_config.json" };

  folder = g_dir_make_tmp ("minivl-known-XXXXXX", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autofree gchar *from = g_build_filename (CHECKPOINT, files[i], NULL), *to = g_build_filename (folder, files[i], NULL);
    g_autoptr (GFile) link = g_file_new_for_path (to);

    g_assert_true (g_file_make_symbolic_link (link, from, NULL, NULL));
  }
}

static void
remove_copy (void)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const gchar *name;

  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree gchar *path = g_build_filename (folder, name, NULL);

    g_unlink (path);
  }
  g_rmdir (folder);
  g_free (folder);
}

int
main (int argc, char **argv)
{
  int code;

  g_test_init (&argc, &argv, NULL);
  link_checkpoint ();
#define RULE(name) g_test_add_func ("/known/" #name, test_##name)
  RULE (right_logits_open);
  RULE (without_the_file_it_opens);
  RULE (wrong_logits_refuse_the_device);
  RULE (a_context_too_small_for_it_opens_without);
  RULE (a_file_that_is_none_is_refused_by_key);
#undef RULE
  code = g_test_run ();
  remove_copy ();
  return code;
}
