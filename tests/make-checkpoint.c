/*
 * make-checkpoint CONFIG_JSON OUT_DIR: writes a checkpoint folder with random weights, in pieces, so that the true 8 GB shape needs
 * no memory for it. The same configuration, seed and type give the same bytes. What a model of it says is noise.
 */
#include "model/sentencepiece.h"
#include "model/strictjson.h"
#include "model/tokenizer.h"
#include "synth.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct
{
  gint64 seed, shard_bytes;
  gchar *dtype, *tokenizer;
  gchar **paths;
} Options;

/* What a Phi-3 model of InternVL adds to SentencePiece's vocabulary, in order. */
static const struct
{
  const gchar *text;
  gboolean rstrip;
} added_tokens[] = {
  { "<|endoftext|>", FALSE },
  { "<|assistant|>", TRUE },
  { "<|placeholder1|>", TRUE },
  { "<|placeholder2|>", TRUE },
  { "<|placeholder3|>", TRUE },
  { "<|placeholder4|>", TRUE },
  { "<|system|>", TRUE },
  { "<|end|>", TRUE },
  { "<|placeholder5|>", TRUE },
  { "<|placeholder6|>", TRUE },
  { "<|user|>", TRUE },
  { "<img>", FALSE },
  { "</img>", FALSE },
  { "<IMG_CONTEXT>", FALSE },
  { "<quad>", FALSE },
  { "</quad>", FALSE },
  { "<ref>", FALSE },
  { "</ref>", FALSE },
  { "<box>", FALSE },
  { "</box>", FALSE },
};
#define FIRST_INTERNVL 11

static gboolean
fail (GError **error, const gchar *path, const gchar *what)
{
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE, "%s: %s", path, what);
  return FALSE;
}

static gboolean
write_json (JsonBuilder *builder, const gchar *folder, const gchar *file, GError **error)
{
  g_autofree gchar *path = g_build_filename (folder, file, NULL);
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  g_autofree gchar *text = json_to_string (root, TRUE);

  return g_file_set_contents (path, text, -1, error);
}

static gboolean
copy_file (const gchar *from, const gchar *folder, const gchar *file, GError **error)
{
  g_autofree gchar *path = g_build_filename (folder, file, NULL);
  g_autofree gchar *bytes = NULL;
  gsize n;

  return g_file_get_contents (from, &bytes, &n, error) && g_file_set_contents (path, bytes, n, error);
}

/* --- tokenizer --------------------------------------------------------------------------------------------------------------- */

static void
add_string (JsonBuilder *b, const gchar *name, const gchar *value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_string_value (b, value);
}

static void
add_boolean (JsonBuilder *b, const gchar *name, gboolean value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_boolean_value (b, value);
}

static void
add_token (JsonBuilder *b, guint id, const gchar *text, gboolean rstrip, gboolean special)
{
  g_autofree gchar *name = g_strdup_printf ("%u", id);

  json_builder_set_member_name (b, name);
  json_builder_begin_object (b);
  add_string (b, "content", text);
  add_boolean (b, "lstrip", FALSE);
  add_boolean (b, "normalized", FALSE);
  add_boolean (b, "rstrip", rstrip);
  add_boolean (b, "single_word", FALSE);
  add_boolean (b, "special", special);
  json_builder_end_object (b);
}

static gboolean
write_added_tokens (const gchar *folder, guint first, GError **error)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();

  json_builder_begin_object (b);
  for (guint i = 0; i < G_N_ELEMENTS (added_tokens); i++) {
    json_builder_set_member_name (b, added_tokens[i].text);
    json_builder_add_int_value (b, first + i);
  }
  json_builder_end_object (b);
  return write_json (b, folder, "added_tokens.json", error);
}

static gboolean
write_tokenizer_config (const gchar *folder, guint first, GError **error)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();

  json_builder_begin_object (b);
  add_boolean (b, "add_bos_token", TRUE);
  add_boolean (b, "add_eos_token", FALSE);
  json_builder_set_member_name (b, "added_tokens_decoder");
  json_builder_begin_object (b);
  add_token (b, 0, "<unk>", FALSE, TRUE);
  add_token (b, 1, "<s>", FALSE, TRUE);
  add_token (b, 2, "</s>", TRUE, FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (added_tokens); i++)
    add_token (b, first + i, added_tokens[i].text, added_tokens[i].rstrip, TRUE);
  json_builder_end_object (b);
  json_builder_set_member_name (b, "additional_special_tokens");
  json_builder_begin_array (b);
  for (guint i = FIRST_INTERNVL; i < G_N_ELEMENTS (added_tokens); i++)
    json_builder_add_string_value (b, added_tokens[i].text);
  json_builder_end_array (b);
  add_string (b, "bos_token", "<s>");
  add_string (b, "eos_token", added_tokens[0].text);
  add_string (b, "pad_token", added_tokens[0].text);
  add_string (b, "unk_token", "<unk>");
  add_boolean (b, "clean_up_tokenization_spaces", FALSE);
  add_boolean (b, "legacy", FALSE);
  add_string (b, "tokenizer_class", "LlamaTokenizer");
  json_builder_end_object (b);
  return write_json (b, folder, "tokenizer_config.json", error);
}

/* Number of pieces, 0 on error. The ids of <unk>, <s> and </s> are those that spm_train gives unless told otherwise. */
static guint
count_pieces (const gchar *path, GError **error)
{
  static const gchar *const first[] = { "<unk>", "<s>", "</s>" };
  g_autofree gchar *bytes = NULL;
  g_autoptr (SpModel) model = NULL;
  gsize n;

  if (!g_file_get_contents (path, &bytes, &n, error))
    return 0;
  model = sp_model_read (bytes, n, path, error);
  if (model == NULL)
    return 0;
  for (guint i = 0; i < G_N_ELEMENTS (first); i++) {
    const SpPiece *piece = i < model->pieces->len ? &g_array_index (model->pieces, SpPiece, i) : NULL;

    if (piece == NULL || piece->length != strlen (first[i]) || memcmp (piece->text, first[i], piece->length) != 0) {
      fail (error, path, "its first pieces are not <unk>, <s>, </s>");
      return 0;
    }
  }
  return model->pieces->len;
}

static gboolean
write_tokenizer (const gchar *model, const gchar *folder, GError **error)
{
  guint n = count_pieces (model, error);

  return n > 0 && copy_file (model, folder, "tokenizer.model", error) && write_added_tokens (folder, n, error)
         && write_tokenizer_config (folder, n, error);
}

static gboolean
copy_tokenizer (const gchar *from, const gchar *folder, GError **error)
{
  static const gchar *const files[] = { "tokenizer.model", "tokenizer_config.json", "added_tokens.json",
    "special_tokens_map.json" };

  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autofree gchar *path = g_build_filename (from, files[i], NULL);

    /* The latter two may be absent; the reader says so if the others are. */
    if (g_file_test (path, G_FILE_TEST_EXISTS) && !copy_file (path, folder, files[i], error))
      return FALSE;
  }
  return TRUE;
}

/* --- configuration and weights ----------------------------------------------------------------------------------------------- */

/* The configuration with the vocabulary of the folder's tokenizer. (transfer full) */
static gchar *
fit_vocabulary (const gchar *path, const gchar *folder, GError **error)
{
  g_autoptr (JsonObject) root = strict_json_load (path, error);
  g_autoptr (Tokenizer) tokenizer = root != NULL ? tokenizer_load (folder, FALSE, error) : NULL;
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  JsonNode *part;
  JsonObject *language;

  if (tokenizer == NULL)
    return NULL;
  part = json_object_get_member (root, "llm_config");
  if (part == NULL || !JSON_NODE_HOLDS_OBJECT (part)) {
    fail (error, path, "llm_config is missing or no object");
    return NULL;
  }
  language = json_node_get_object (part);
  json_object_set_int_member (language, "vocab_size", tokenizer_size (tokenizer));
  json_object_set_int_member (language, "bos_token_id", tokenizer_bos (tokenizer));
  json_object_set_int_member (language, "eos_token_id", tokenizer_eos (tokenizer));
  json_object_set_int_member (language, "pad_token_id", tokenizer_eos (tokenizer));
  json_node_set_object (node, root);
  return json_to_string (node, TRUE);
}

static void
fill_piece (const TensorInfo *t, guint64 offset, gsize length, gpointer buffer, gpointer user_data)
{
  const gint64 *seed = user_data;
  guint size = dtype_size (t->dtype);

  synth_fill (t, *seed, offset / size, length / size, buffer);
}

/* Ends of the shards in list: whole tensors, together at most the limit unless one alone is more. */
static GArray *
split (const GPtrArray *list, guint64 limit)
{
  GArray *ends = g_array_new (FALSE, FALSE, sizeof (guint));
  guint64 size = 0;

  for (guint i = 0; i < list->len; i++) {
    guint64 bytes = tensor_info_bytes (g_ptr_array_index (list, i));

    if (size > 0 && size + bytes > limit) {
      g_array_append_val (ends, i);
      size = 0;
    }
    size += bytes;
  }
  g_array_append_val (ends, list->len);
  return ends;
}

static gboolean
write_weights (const ModelConfig *config, const gchar *folder, Dtype dtype, Options *o, GError **error)
{
  g_autoptr (GPtrArray) list = synth_list (config, dtype);
  g_autoptr (GArray) ends = split (list, o->shard_bytes);
  g_autoptr (JsonBuilder) b = json_builder_new ();
  guint64 total = 0;
  guint first = 0;

  json_builder_begin_object (b);
  json_builder_set_member_name (b, "weight_map");
  json_builder_begin_object (b);
  for (guint k = 0; k < ends->len; k++) {
    guint end = g_array_index (ends, guint, k);
    g_autofree gchar *file =
        ends->len == 1 ? g_strdup ("model.safetensors") : g_strdup_printf ("model-%05u-of-%05u.safetensors", k + 1, ends->len);
    g_autofree gchar *path = g_build_filename (folder, file, NULL);

    if (!tensors_write (path, (const TensorInfo *const *)list->pdata + first, end - first, fill_piece, &o->seed, error))
      return FALSE;
    for (; first < end; first++) {
      const TensorInfo *t = g_ptr_array_index (list, first);

      add_string (b, t->name, file);
      total += tensor_info_bytes (t);
    }
  }
  json_builder_end_object (b);
  json_builder_set_member_name (b, "metadata");
  json_builder_begin_object (b);
  json_builder_set_member_name (b, "total_size");
  json_builder_add_int_value (b, total);
  json_builder_end_object (b);
  json_builder_end_object (b);
  g_print ("%" G_GUINT64_FORMAT " bytes of weights\n", total);
  return ends->len == 1 || write_json (b, folder, "model.safetensors.index.json", error);
}

static gboolean
write_checkpoint (Options *o, Dtype dtype, GError **error)
{
  const gchar *source = o->paths[0], *folder = o->paths[1];
  g_autofree gchar *path = g_build_filename (folder, "config.json", NULL);
  g_autofree gchar *text = NULL;
  ModelConfig config;
  gboolean ok;

  if (g_mkdir_with_parents (folder, 0777) != 0)
    return fail (error, folder, "cannot be made");
  if (o->tokenizer == NULL) {
    if (!g_file_get_contents (source, &text, NULL, error))
      return FALSE;
  } else {
    if (g_file_test (o->tokenizer, G_FILE_TEST_IS_DIR) ? !copy_tokenizer (o->tokenizer, folder, error)
                                                       : !write_tokenizer (o->tokenizer, folder, error))
      return FALSE;
    text = fit_vocabulary (source, folder, error);
    if (text == NULL)
      return FALSE;
  }
  if (!model_config_parse (&config, text, -1, source, 0, error))
    return FALSE;
  ok = g_file_set_contents (path, text, -1, error) && write_weights (&config, folder, dtype, o, error);
  model_config_clear (&config);
  return ok;
}

int
main (int argc, char **argv)
{
  static const gchar *const names[] = { [DTYPE_F32] = "float32", [DTYPE_F16] = "float16", [DTYPE_BF16] = "bfloat16" };
  static Options o = { .shard_bytes = G_GINT64_CONSTANT (5) << 30 };
  static const GOptionEntry entries[] = {
    { "seed", 0, 0, G_OPTION_ARG_INT64, &o.seed, "seed of the weights (0)", "N" },
    { "dtype", 0, 0, G_OPTION_ARG_STRING, &o.dtype, "bfloat16, float16 or float32 (bfloat16)", "TYPE" },
    { "shard-bytes", 0, 0, G_OPTION_ARG_INT64, &o.shard_bytes, "most bytes of weights in a file (5 GiB)", "N" },
    { "tokenizer", 0, 0, G_OPTION_ARG_FILENAME, &o.tokenizer,
        "a folder whose tokenizer files are copied, or a SentencePiece model that gets Phi-3's and InternVL's tokens; "
        "the configuration's vocabulary follows",
        "PATH" },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o.paths, NULL, "CONFIG_JSON OUT_DIR" },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  guint dtype = DTYPE_BF16;

  g_option_context_set_summary (context, "Writes a checkpoint folder with random weights.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    g_printerr ("%s\n", error->message);
    return 2;
  }
  if (o.dtype != NULL)
    for (dtype = 0; dtype < G_N_ELEMENTS (names) && strcmp (names[dtype], o.dtype) != 0;)
      dtype++;
  if (dtype == G_N_ELEMENTS (names) || o.shard_bytes < 1 || o.paths == NULL || g_strv_length (o.paths) != 2) {
    g_autofree gchar *help = g_option_context_get_help (context, TRUE, NULL);

    g_printerr ("%s", help);
    return 2;
  }
  if (!write_checkpoint (&o, dtype, &error)) {
    g_printerr ("%s\n", error->message);
    return 1;
  }
  return 0;
}
