#include "tokenizer-json.h"

#include <string.h>

#define MARK "\xe2\x96\x81"

typedef struct
{
  const gchar *name;
  GError **error;
} File;

static gboolean G_GNUC_PRINTF (3, 4) refuse (const File *f, MinivlError code, const gchar *format, ...)
{
  g_autofree gchar *what = NULL;
  va_list args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (f->error, MINIVL_ERROR, code, "%s: %s", f->name, what);
  return FALSE;
}

/* NULL for what is missing, null or no object. */
static JsonObject *
get_object (JsonObject *o, const gchar *key)
{
  JsonNode *node = json_object_get_member (o, key);

  return node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

static JsonArray *
get_array (JsonObject *o, const gchar *key)
{
  JsonNode *node = json_object_get_member (o, key);

  return node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
}

static const gchar *
node_string (JsonNode *node)
{
  return node && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node)
                                                                                                  : NULL;
}

static gboolean
has_string (JsonObject *o, const gchar *key, const gchar *value)
{
  return g_strcmp0 (node_string (json_object_get_member (o, key)), value) == 0;
}

/* Missing, null, false, 0 or an empty text */
static gboolean
is_off (JsonObject *o, const gchar *key)
{
  JsonNode *node = json_object_get_member (o, key);
  GType type = node && JSON_NODE_HOLDS_VALUE (node) ? json_node_get_value_type (node) : G_TYPE_INVALID;

  if (!node || JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  return (type == G_TYPE_BOOLEAN && !json_node_get_boolean (node)) || (type == G_TYPE_STRING && !*json_node_get_string (node))
         || ((type == G_TYPE_DOUBLE || type == G_TYPE_INT64) && json_node_get_double (node) == 0);
}

static gboolean
is_one (JsonObject *o, const gchar *key)
{
  JsonNode *node = json_object_get_member (o, key);

  return node && json_node_get_value_type (node) == G_TYPE_INT64 && json_node_get_int (node) == 1;
}

static gchar *
node_text (JsonNode *node)
{
  g_autofree gchar *text = node ? json_to_string (node, FALSE) : g_strdup ("missing");

  return g_utf8_strlen (text, -1) > 200 ? g_utf8_substring (text, 0, 200) : g_steal_pointer (&text);
}

static gboolean
refuse_kind (const File *f, const gchar *key, JsonNode *node)
{
  g_autofree gchar *text = node_text (node);

  return refuse (f, MINIVL_ERROR_MODEL, "%s: %s is not known; those of Llama's tokenizers are", key, text);
}

/* --- pieces and merges ----------------------------------------------------------------------------------------------------- */

static GPtrArray *
read_vocabulary (const File *f, JsonObject *vocab)
{
  guint n = json_object_get_size (vocab);
  g_autoptr (GPtrArray) pieces = g_ptr_array_new_with_free_func (g_free);
  JsonObjectIter iter;
  const gchar *piece;
  JsonNode *node;

  g_ptr_array_set_size (pieces, n);
  json_object_iter_init (&iter, vocab);
  while (json_object_iter_next (&iter, &piece, &node)) {
    gint64 id = json_node_get_value_type (node) == G_TYPE_INT64 ? json_node_get_int (node) : -1;

    if (id < 0 || id >= n || pieces->pdata[id]) {
      refuse (f, MINIVL_ERROR_FILE, "model.vocab: the ids of %u pieces are not all those below, each once: %s", n, piece);
      return NULL;
    }
    pieces->pdata[id] = g_strdup (piece);
  }
  return g_steal_pointer (&pieces);
}

/* A pair as `left right` or as a list of two. (transfer full) */
static gchar **
read_pair (JsonNode *node)
{
  const gchar *text = node_string (node);
  JsonArray *list = node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  g_auto (GStrv) pair = NULL;

  if (text)
    pair = g_strsplit (text, " ", -1);
  else if (list && json_array_get_length (list) == 2 && node_string (json_array_get_element (list, 0))
           && node_string (json_array_get_element (list, 1)))
    pair = g_strdupv (
        (gchar *[]){ (gchar *)json_array_get_string_element (list, 0), (gchar *)json_array_get_string_element (list, 1), NULL });
  return pair && g_strv_length (pair) == 2 ? g_steal_pointer (&pair) : NULL;
}

static gboolean
read_merges (const File *f, Bpe *b, JsonArray *merges)
{
  for (guint i = 0; i < json_array_get_length (merges); i++) {
    g_auto (GStrv) pair = read_pair (json_array_get_element (merges, i));

    if (!pair || !bpe_add_merge (b, pair[0], pair[1])) {
      g_autofree gchar *text = node_text (json_array_get_element (merges, i));

      return refuse (f, MINIVL_ERROR_FILE, "model.merges: %s is no pair of pieces that are a piece together", text);
    }
  }
  return bpe_end_merges (b) || refuse (f, MINIVL_ERROR_FILE, "model.merges: one is there twice");
}

static Bpe *
read_model (const File *f, JsonObject *root)
{
  static const gchar *const off[] = { "dropout", "continuing_subword_prefix", "end_of_word_suffix", "ignore_merges" };
  static const gchar *const on[] = { "byte_fallback", "fuse_unk" };
  JsonObject *model = get_object (root, "model"), *vocab = model ? get_object (model, "vocab") : NULL;
  JsonArray *merges = model ? get_array (model, "merges") : NULL;
  g_autoptr (GPtrArray) pieces = NULL;
  g_autoptr (Bpe) b = NULL;

  if (!model || (json_object_has_member (model, "type") && !has_string (model, "type", "BPE"))) {
    refuse_kind (f, "model.type", model ? json_object_get_member (model, "type") : NULL);
    return NULL;
  }
  if (!vocab || !merges) {
    refuse (f, MINIVL_ERROR_FILE, "model.%s is missing", vocab ? "merges" : "vocab");
    return NULL;
  }
  for (guint i = 0; i < G_N_ELEMENTS (off); i++)
    if (!is_off (model, off[i])) {
      g_autofree gchar *key = g_strconcat ("model.", off[i], NULL);

      refuse_kind (f, key, json_object_get_member (model, off[i]));
      return NULL;
    }
  for (guint i = 0; i < G_N_ELEMENTS (on); i++)
    if (is_off (model, on[i])) {
      g_autofree gchar *key = g_strconcat ("model.", on[i], NULL);

      refuse_kind (f, key, json_object_get_member (model, on[i]));
      return NULL;
    }
  pieces = read_vocabulary (f, vocab);
  b = pieces ? bpe_new_of_pieces (g_steal_pointer (&pieces), f->name, f->error) : NULL;
  return b && read_merges (f, b, merges) ? g_steal_pointer (&b) : NULL;
}

/* --- what is done to the text ---------------------------------------------------------------------------------------------- */

static gboolean
is_replace (JsonObject *o, const gchar *from, const gchar *to)
{
  JsonObject *pattern = get_object (o, "pattern");

  return has_string (o, "type", "Replace") && pattern && has_string (pattern, "String", from) && has_string (o, "content", to);
}

static gboolean
is_prepend (JsonObject *o)
{
  return has_string (o, "type", "Prepend") && has_string (o, "prepend", MARK);
}

/* The steps of a Sequence, or the one that it is; NULL for what is no object. (transfer full) */
static GPtrArray *
read_steps (JsonObject *root, const gchar *key, const gchar *list_key)
{
  JsonObject *o = get_object (root, key);
  g_autoptr (GPtrArray) steps = g_ptr_array_new ();
  JsonArray *list;

  if (!o)
    return NULL;
  list = has_string (o, "type", "Sequence") ? get_array (o, list_key) : NULL;
  if (!list)
    g_ptr_array_add (steps, o);
  for (guint i = 0; list && i < json_array_get_length (list); i++) {
    JsonNode *node = json_array_get_element (list, i);

    if (!JSON_NODE_HOLDS_OBJECT (node))
      return NULL;
    g_ptr_array_add (steps, json_node_get_object (node));
  }
  return g_steal_pointer (&steps);
}

static gboolean
read_metaspace (JsonObject *o, MarkRule *marks)
{
  static const struct
  {
    const gchar *scheme;
    MarkRule marks;
  } schemes[] = { { "always", MARK_LATE_EACH }, { "first", MARK_LATE_FIRST }, { "never", MARK_LATE_NONE } };

  /* Without split, which is true then, no merge goes over the beginning of a word. */
  if (!has_string (o, "type", "Metaspace") || !has_string (o, "replacement", MARK) || !json_object_has_member (o, "split")
      || !is_off (o, "split"))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (schemes); i++)
    if (has_string (o, "prepend_scheme", schemes[i].scheme)) {
      *marks = schemes[i].marks;
      return TRUE;
    }
  return FALSE;
}

static gboolean
read_marks (const File *f, JsonObject *root, MarkRule *marks)
{
  g_autoptr (GPtrArray) steps = read_steps (root, "normalizer", "normalizers");
  guint n = steps ? steps->len : 0;

  if (is_off (root, "normalizer")) {
    JsonObject *o = get_object (root, "pre_tokenizer");

    return (o && read_metaspace (o, marks)) || refuse_kind (f, "pre_tokenizer", json_object_get_member (root, "pre_tokenizer"));
  }
  if (n < 1 || n > 2 || !is_replace (steps->pdata[n - 1], " ", MARK) || (n == 2 && !is_prepend (steps->pdata[0])))
    return refuse_kind (f, "normalizer", json_object_get_member (root, "normalizer"));
  *marks = n == 2 ? MARK_EACH : MARK_NONE;
  return is_off (root, "pre_tokenizer") || refuse_kind (f, "pre_tokenizer", json_object_get_member (root, "pre_tokenizer"));
}

static gboolean
check_decoder (const File *f, JsonObject *root)
{
  g_autoptr (GPtrArray) steps = read_steps (root, "decoder", "decoders");
  JsonObject *strip = steps && steps->len == 4 ? steps->pdata[3] : NULL;

  return (strip && is_replace (steps->pdata[0], MARK, " ") && has_string (steps->pdata[1], "type", "ByteFallback")
             && has_string (steps->pdata[2], "type", "Fuse") && has_string (strip, "type", "Strip")
             && has_string (strip, "content", " ") && is_one (strip, "start") && is_off (strip, "stop"))
         || refuse_kind (f, "decoder", json_object_get_member (root, "decoder"));
}

/* Special tokens before and behind the text of one sequence, at most one each. */
static gboolean
read_post_processor (const File *f, JsonObject *root, TokenizerJson *out)
{
  JsonObject *o = get_object (root, "post_processor");
  JsonArray *single = o && has_string (o, "type", "TemplateProcessing") ? get_array (o, "single") : NULL;
  guint n = single ? json_array_get_length (single) : 0, text = n;

  if (is_off (root, "post_processor"))
    return TRUE;
  for (guint i = 0; i < n; i++) {
    JsonNode *node = json_array_get_element (single, i);

    if (JSON_NODE_HOLDS_OBJECT (node) && json_object_has_member (json_node_get_object (node), "Sequence"))
      text = i;
  }
  if (n == 0 || text > 1 || n - text > 2)
    return refuse_kind (f, "post_processor", json_object_get_member (root, "post_processor"));
  out->bos = text == 1;
  out->eos = n - text == 2;
  return TRUE;
}

gboolean
tokenizer_json_read (JsonObject *root, const gchar *name, TokenizerJson *out, GError **error)
{
  File f = { name, error };
  TokenizerJson t = { 0 };

  if (!read_marks (&f, root, &t.marks) || !check_decoder (&f, root) || !read_post_processor (&f, root, &t))
    return FALSE;
  t.added = get_array (root, "added_tokens");
  t.bpe = read_model (&f, root);
  if (!t.bpe)
    return FALSE;
  *out = t;
  return TRUE;
}
