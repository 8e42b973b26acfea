/* A checkpoint's tokenizer files. */
#include "strictjson.h"
#include "tokenizer-private.h"

#include <string.h>

#define SENTENCEPIECE "tokenizer.model"
#define TOKENIZERS "tokenizer.json"

static void
added_token_free (AddedToken *token)
{
  g_free (token->content);
  g_free (token->pattern);
  g_free (token);
}

static gboolean G_GNUC_PRINTF (3, 4) bad (GError **error, const gchar *path, const gchar *format, ...)
{
  g_autofree gchar *what = NULL;
  va_list args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE, "%s: %s", path, what);
  return FALSE;
}

/* A key that is missing leaves *value as it is. */
static gboolean
read_flag (JsonObject *object, const gchar *key, gboolean *value, const gchar *path, GError **error)
{
  JsonNode *node = json_object_get_member (object, key);

  if (!node)
    return TRUE;
  if (json_node_get_value_type (node) != G_TYPE_BOOLEAN)
    return bad (error, path, "%s must be true or false", key);
  *value = json_node_get_boolean (node);
  return TRUE;
}

/* A token is written as a string or as an object with its content. NULL for anything else. */
static const gchar *
node_token (JsonNode *node)
{
  if (node && JSON_NODE_HOLDS_OBJECT (node))
    node = json_object_get_member (json_node_get_object (node), "content");
  return node && json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node) : NULL;
}

static gint
compare_ids (gconstpointer a, gconstpointer b)
{
  const AddedToken *x = *(AddedToken *const *)a, *y = *(AddedToken *const *)b;

  return (x->id > y->id) - (x->id < y->id);
}

static gint
compare_lengths (gconstpointer a, gconstpointer b)
{
  const AddedToken *x = *(AddedToken *const *)a, *y = *(AddedToken *const *)b;

  return (x->pattern_length < y->pattern_length) - (x->pattern_length > y->pattern_length);
}

static void
token_set_fill (TokenSet *set, const GPtrArray *tokens, gboolean normalized)
{
  set->tokens = g_ptr_array_new ();
  for (guint i = 0; i < tokens->len; i++) {
    AddedToken *token = g_ptr_array_index (tokens, i);

    if (token->normalized != normalized)
      continue;
    g_ptr_array_add (set->tokens, token);
    set->first[(guint8)token->pattern[0]] = TRUE;
  }
  g_ptr_array_sort (set->tokens, compare_lengths);
}

static gboolean
read_added_token (Tokenizer *t, gint32 id, JsonNode *node, const gchar *path, GError **error)
{
  JsonObject *object = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  const gchar *content = object ? node_token (node) : NULL;
  AddedToken *token;

  if (!content)
    return bad (error, path, "added_tokens_decoder: %d has no content", id);
  token = g_new0 (AddedToken, 1);
  token->id = id;
  token->content = g_strdup (content);
  g_ptr_array_add (t->tokens, token);
  if (!read_flag (object, "special", &token->special, path, error))
    return FALSE;
  token->normalized = !token->special;
  return read_flag (object, "normalized", &token->normalized, path, error)
         && read_flag (object, "single_word", &token->single_word, path, error)
         && read_flag (object, "lstrip", &token->lstrip, path, error) && read_flag (object, "rstrip", &token->rstrip, path, error);
}

static gboolean
read_decoder (Tokenizer *t, JsonObject *decoder, const gchar *path, GError **error)
{
  JsonObjectIter iter;
  const gchar *key;
  JsonNode *node;

  json_object_iter_init (&iter, decoder);
  while (json_object_iter_next (&iter, &key, &node)) {
    guint64 id;

    if (!g_ascii_string_to_unsigned (key, 10, 0, G_MAXINT32, &id, NULL))
      return bad (error, path, "added_tokens_decoder: %s is no token id", key);
    if (!read_added_token (t, id, node, path, error))
      return FALSE;
  }
  return TRUE;
}

/* check: the tokens are known; the file must say the same of each of its own. */
static gboolean
read_added_tokens (Tokenizer *t, JsonObject *added, gboolean check, const gchar *path, GError **error)
{
  JsonObjectIter iter;
  const gchar *content;
  JsonNode *node;

  json_object_iter_init (&iter, added);
  while (json_object_iter_next (&iter, &content, &node)) {
    gint64 id = json_node_get_value_type (node) == G_TYPE_INT64 ? json_node_get_int (node) : -1;

    if (id < 0 || id > G_MAXINT32)
      return bad (error, path, "%s has no token id", content);
    if (!check) {
      AddedToken *token = g_new0 (AddedToken, 1);

      token->id = id;
      token->content = g_strdup (content);
      g_ptr_array_add (t->tokens, token);
    } else if (tokenizer_id (t, content) != id)
      return bad (
          error, path, "%s has id %" G_GINT64_FORMAT ", by tokenizer_config.json it is %d", content, id, tokenizer_id (t, content));
  }
  return TRUE;
}

static AddedToken *
find_added (const Tokenizer *t, const gchar *content)
{
  for (guint i = 0; i < t->tokens->len; i++) {
    AddedToken *token = g_ptr_array_index (t->tokens, i);

    if (g_str_equal (token->content, content))
      return token;
  }
  return NULL;
}

/* The piece is an added token, too. NULL when there is none of either kind. */
static AddedToken *
add_piece (Tokenizer *t, const gchar *content)
{
  AddedToken *token = find_added (t, content);

  if (!token && bpe_id (t->bpe, content) >= 0) {
    token = g_new0 (AddedToken, 1);
    token->id = bpe_id (t->bpe, content);
    token->content = g_strdup (content);
    g_ptr_array_add (t->tokens, token);
  }
  return token;
}

/* The fast tokenizer takes these for special, whatever the files say of them. With the slow one, too, they are nothing that people
 * write. */
static void
add_special_pieces (Tokenizer *t)
{
  static const gchar *const pieces[] = { "<unk>", "<s>", "</s>" };

  for (guint k = 0; k < G_N_ELEMENTS (pieces); k++) {
    AddedToken *token = t->slow ? find_added (t, pieces[k]) : add_piece (t, pieces[k]);

    if (token)
      token->special = TRUE;
  }
}

static void
add_named (Tokenizer *t, const gchar *content, gboolean further)
{
  AddedToken *token = content ? add_piece (t, content) : NULL;

  if (token) {
    token->named = token->special = TRUE;
    token->further |= further;
  }
}

/* The slow one skips those that tokenizer_config.json names, and no others. */
static void
add_named_tokens (Tokenizer *t, JsonObject *config)
{
  static const struct
  {
    const gchar *key, *missing;
  } names[] = { { "bos_token", "<s>" }, { "eos_token", "</s>" }, { "unk_token", "<unk>" }, { "pad_token", NULL } };
  JsonNode *node = json_object_get_member (config, "additional_special_tokens");
  JsonArray *further = node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    node = json_object_get_member (config, names[i].key);
    add_named (t, node ? node_token (node) : names[i].missing, FALSE);
  }
  for (guint i = 0; further && i < json_array_get_length (further); i++)
    add_named (t, node_token (json_array_get_element (further, i)), TRUE);
}

/* Ids and names of added tokens must fit the pieces' and each other. */
static gboolean
index_tokens (Tokenizer *t, const gchar *path, GError **error)
{
  guint n_pieces = bpe_size (t->bpe);

  g_ptr_array_sort (t->tokens, compare_ids);
  for (guint i = 0; i < t->tokens->len; i++) {
    AddedToken *token = g_ptr_array_index (t->tokens, i);
    gint32 piece = bpe_id (t->bpe, token->content);
    guint next = n_pieces + t->above->len;

    if (token->content[0] == '\0')
      return bad (error, path, "added token %d is empty", token->id);
    if (!g_hash_table_insert (t->by_content, token->content, token))
      return bad (error, path, "added token %s is there twice", token->content);
    if ((guint)token->id < n_pieces) {
      if (piece != token->id)
        return bad (error, path, "added token %s has id %d, in %s that is %s", token->content, token->id, t->source,
            bpe_piece (t->bpe, token->id));
    } else {
      if (piece >= 0)
        return bad (error, path, "added token %s has id %d, in %s it is %d", token->content, token->id, t->source, piece);
      if ((guint)token->id != next)
        return bad (error, path, "added token %s has id %d, but the next free id is %u", token->content, token->id, next);
      g_ptr_array_add (t->above, token);
    }
    if (t->slow) /* which does not look at it */
      token->normalized = FALSE;
    if (token->normalized && tokenizer_marks_early (t)) {
      g_autoptr (GString) pattern = tokenizer_normalize (token->content, strlen (token->content), TRUE, t->marks == MARK_EACH);
      token->pattern = g_strdup (pattern->str);
      token->front = t->marks == MARK_EACH ? strlen (SPACE_MARK) : 0;
    } else
      token->pattern = g_strdup (token->content);
    token->pattern_length = strlen (token->pattern);
  }
  token_set_fill (&t->in_raw, t->tokens, FALSE);
  token_set_fill (&t->in_normalized, t->tokens, TRUE);
  return TRUE;
}

static void
mark_special (Tokenizer *t, JsonNode *node)
{
  const gchar *content = node_token (node);
  AddedToken *token = content ? g_hash_table_lookup (t->by_content, content) : NULL;

  if (token)
    token->special = TRUE;
}

static gboolean
read_named_token (
    Tokenizer *t, JsonObject *config, const gchar *key, const gchar *fallback, gint32 *id, const gchar *path, GError **error)
{
  JsonNode *node = json_object_get_member (config, key);
  const gchar *content = node ? node_token (node) : fallback;

  *id = -1;
  if (node && JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  if (!content)
    return bad (error, path, "%s must be a token", key);
  *id = tokenizer_id (t, content);
  return *id >= 0 ? TRUE : bad (error, path, "%s: there is no token %s", key, content);
}

static gboolean
read_config (Tokenizer *t, JsonObject *config, const gchar *path, GError **error)
{
  static const gchar *const names[] = { "bos_token", "eos_token", "unk_token", "pad_token" };
  JsonNode *node = json_object_get_member (config, "additional_special_tokens");

  if (!read_flag (config, "add_bos_token", &t->add_bos, path, error)
      || !read_flag (config, "add_eos_token", &t->add_eos, path, error)
      || !read_named_token (t, config, "bos_token", "<s>", &t->bos, path, error)
      || !read_named_token (t, config, "eos_token", "</s>", &t->eos, path, error))
    return FALSE;
  if (t->add_bos && t->bos < 0)
    return bad (error, path, "add_bos_token is true, but bos_token is null");
  if (t->add_eos && t->eos < 0)
    return bad (error, path, "add_eos_token is true, but eos_token is null");
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    mark_special (t, json_object_get_member (config, names[i]));
  if (node && JSON_NODE_HOLDS_ARRAY (node)) {
    JsonArray *array = json_node_get_array (node);

    for (guint i = 0; i < json_array_get_length (array); i++)
      mark_special (t, json_array_get_element (array, i));
  }
  return TRUE;
}

/* all: nothing says which of them are special. */
static void
reserve_tokens (Tokenizer *t, gboolean all)
{
  t->reserved = g_malloc0 (bpe_size (t->bpe));
  if (t->slow)
    bpe_mark_unwritten (t->bpe, t->reserved);
  for (guint i = 0; i < t->tokens->len; i++) {
    AddedToken *token = g_ptr_array_index (t->tokens, i);

    token->reserved = token->special || all;
    if (token->reserved && (guint)token->id < bpe_size (t->bpe))
      t->reserved[token->id] = TRUE;
  }
}

/* The file's bytes, remembered for the checksum. */
static GBytes *
read_file (Tokenizer *t, const gchar *path, GError **error)
{
  g_autoptr (GError) local = NULL;
  gchar *data;
  gsize size;

  if (!g_file_get_contents (path, &data, &size, &local)) {
    bad (error, path, "%s", local->message);
    return NULL;
  }
  g_ptr_array_add (t->files, g_bytes_new_take (data, size));
  return g_ptr_array_index (t->files, t->files->len - 1);
}

static JsonObject *
read_json (Tokenizer *t, const gchar *path, GError **error)
{
  GBytes *bytes = read_file (t, path, error);
  gsize size;
  const gchar *data = bytes ? g_bytes_get_data (bytes, &size) : NULL;

  /* An empty file has no data at all. */
  return bytes ? strict_json_parse (data ? data : "", size, path, error) : NULL;
}

static Tokenizer *
tokenizer_new (gboolean slow)
{
  Tokenizer *t = g_new0 (Tokenizer, 1);

  t->slow = slow;
  t->add_bos = TRUE;
  t->source = SENTENCEPIECE;
  t->files = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
  t->tokens = g_ptr_array_new_with_free_func ((GDestroyNotify)added_token_free);
  t->by_content = g_hash_table_new (g_str_hash, g_str_equal);
  t->above = g_ptr_array_new ();
  return t;
}

/* A file that may be missing: then *object stays NULL. */
static gboolean
read_optional (Tokenizer *t, const gchar *path, JsonObject **object, GError **error)
{
  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;
  *object = read_json (t, path, error);
  return *object != NULL;
}

/* --- tokenizer.json --------------------------------------------------------------------------------------------------------- */

static gboolean
read_added_list (Tokenizer *t, JsonArray *list, const gchar *path, GError **error)
{
  for (guint i = 0; list && i < json_array_get_length (list); i++) {
    JsonNode *node = json_array_get_element (list, i);
    JsonObject *object = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
    JsonNode *id = object ? json_object_get_member (object, "id") : NULL;

    if (!id || json_node_get_value_type (id) != G_TYPE_INT64 || json_node_get_int (id) < 0 || json_node_get_int (id) > G_MAXINT32)
      return bad (error, path, "added_tokens: number %u has no id", i);
    if (!read_added_token (t, json_node_get_int (id), node, path, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
check_decoder (const Tokenizer *t, JsonObject *decoder, const gchar *path, GError **error)
{
  JsonObjectIter iter;
  const gchar *key;
  JsonNode *node;

  json_object_iter_init (&iter, decoder);
  while (json_object_iter_next (&iter, &key, &node)) {
    const gchar *content = node_token (node);

    if (!content || g_ascii_strtoll (key, NULL, 10) != tokenizer_id (t, content))
      return bad (error, path, "added_tokens_decoder: %s is not %s in " TOKENIZERS, key, content ? content : "what it is");
  }
  return TRUE;
}

static Tokenizer *
load_json (const gchar *path, const gchar *config_path, const gchar *added_path, GError **error)
{
  g_autoptr (Tokenizer) t = tokenizer_new (FALSE);
  g_autoptr (JsonObject) root = read_json (t, path, error), config = NULL, added = NULL;
  TokenizerJson json;
  JsonNode *decoder;

  if (!root || !read_optional (t, config_path, &config, error) || !read_optional (t, added_path, &added, error)
      || !tokenizer_json_read (root, path, &json, error))
    return NULL;
  t->source = TOKENIZERS;
  t->bpe = json.bpe;
  t->marks = json.marks;
  t->add_bos = json.bos;
  t->add_eos = json.eos;
  if (!config)
    config = json_object_new ();
  if (!read_added_list (t, json.added, path, error) || !index_tokens (t, path, error)
      || !read_config (t, config, config_path, error) || (added && !read_added_tokens (t, added, TRUE, added_path, error)))
    return NULL;
  decoder = json_object_get_member (config, "added_tokens_decoder");
  if (decoder && JSON_NODE_HOLDS_OBJECT (decoder) && !check_decoder (t, json_node_get_object (decoder), config_path, error))
    return NULL;
  reserve_tokens (t, FALSE);
  return g_steal_pointer (&t);
}

/* --- tokenizer.model -------------------------------------------------------------------------------------------------------- */

static Tokenizer *
load_model (const gchar *path, const gchar *config_path, const gchar *added_path, gboolean slow, GError **error)
{
  g_autoptr (Tokenizer) t = tokenizer_new (slow);
  g_autoptr (JsonObject) config = NULL, added = NULL;
  GBytes *bytes = read_file (t, path, error);
  JsonNode *decoder;

  if (!bytes)
    return NULL;
  t->bpe = bpe_new (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), path, error);
  if (!t->bpe)
    return NULL;
  config = read_json (t, config_path, error);
  if (!config || !read_optional (t, added_path, &added, error))
    return NULL;

  decoder = json_object_get_member (config, "added_tokens_decoder");
  if (decoder && !JSON_NODE_HOLDS_OBJECT (decoder)) {
    bad (error, config_path, "added_tokens_decoder must be an object");
    return NULL;
  }
  if (decoder ? !read_decoder (t, json_node_get_object (decoder), config_path, error)
              : added && !read_added_tokens (t, added, FALSE, added_path, error))
    return NULL;
  if (slow)
    add_named_tokens (t, config);
  add_special_pieces (t);
  if (!index_tokens (t, decoder ? config_path : added_path, error) || !read_config (t, config, config_path, error))
    return NULL;
  if (decoder && added && !read_added_tokens (t, added, TRUE, added_path, error))
    return NULL;
  reserve_tokens (t, !decoder);
  return g_steal_pointer (&t);
}

gboolean
tokenizer_has_model (const gchar *folder)
{
  g_autofree gchar *path = g_build_filename (folder, SENTENCEPIECE, NULL), *json = g_build_filename (folder, TOKENIZERS, NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS) || !g_file_test (json, G_FILE_TEST_EXISTS);
}

Tokenizer *
tokenizer_load (const gchar *folder, gboolean slow, GError **error)
{
  g_autofree gchar *model = g_build_filename (folder, SENTENCEPIECE, NULL), *json = g_build_filename (folder, TOKENIZERS, NULL);
  g_autofree gchar *config = g_build_filename (folder, "tokenizer_config.json", NULL);
  g_autofree gchar *added = g_build_filename (folder, "added_tokens.json", NULL);

  if (tokenizer_has_model (folder))
    return load_model (model, config, added, slow, error);
  if (!slow)
    return load_json (json, config, added, error);
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_MODEL, "%s: the slow tokenizer needs " SENTENCEPIECE, folder);
  return NULL;
}

void
tokenizer_free (Tokenizer *t)
{
  if (!t)
    return;
  g_clear_pointer (&t->in_raw.tokens, g_ptr_array_unref);
  g_clear_pointer (&t->in_normalized.tokens, g_ptr_array_unref);
  g_hash_table_unref (t->by_content);
  g_ptr_array_unref (t->above);
  g_ptr_array_unref (t->tokens);
  g_ptr_array_unref (t->files);
  bpe_free (t->bpe);
  g_free (t->reserved);
  g_free (t);
}
