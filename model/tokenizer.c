/* A checkpoint's tokenizer: pieces, added tokens, and the rules between them. */
#include "tokenizer.h"
#include "bpe.h"
#include "strictjson.h"

#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"

typedef struct
{
  gint32 id;
  gchar *content;
  gchar *pattern; /* what is looked for: content, or with `normalized` what normalising makes of it */
  gsize pattern_length;
  gboolean special, single_word, lstrip, rstrip, normalized;
  gboolean reserved; /* no text becomes it */
} AddedToken;

/* Added tokens that are looked for together, the longest first. */
typedef struct
{
  GPtrArray *tokens;   /* borrowed */
  gboolean first[256]; /* bytes that one of them begins with */
} TokenSet;

struct _Tokenizer
{
  Bpe *bpe;
  GPtrArray *files;  /* GBytes */
  GPtrArray *tokens; /* AddedToken *, by id; some of them are pieces too */
  GHashTable *by_content;
  GPtrArray *above;               /* AddedToken * of the ids behind the pieces, borrowed */
  TokenSet in_raw, in_normalized; /* looked for before and after normalising */
  guint8 *reserved;               /* [pieces] */
  gint32 bos, eos;
  gboolean add_bos, add_eos;
};

static void
added_token_free (AddedToken *token)
{
  g_free (token->content);
  g_free (token->pattern);
  g_free (token);
}

/* The fast tokenizer's normaliser: a space in front, and every space becomes a mark. */
static GString *
normalize (const gchar *text, gsize length)
{
  GString *s = g_string_sized_new (length + length / 4 + 8);

  if (length > 0)
    g_string_append (s, SPACE_MARK);
  for (gsize i = 0; i < length; i++)
    if (text[i] == ' ')
      g_string_append (s, SPACE_MARK);
    else
      g_string_append_c (s, text[i]);
  return s;
}

/* --- loading --------------------------------------------------------------------------------------------------------------- */

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
read_decoder (Tokenizer *t, JsonObject *decoder, const gchar *path, GError **error)
{
  JsonObjectIter iter;
  const gchar *key;
  JsonNode *node;

  json_object_iter_init (&iter, decoder);
  while (json_object_iter_next (&iter, &key, &node)) {
    JsonObject *object = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
    const gchar *content = object ? node_token (node) : NULL;
    AddedToken *token;
    guint64 id;

    if (!g_ascii_string_to_unsigned (key, 10, 0, G_MAXINT32, &id, NULL))
      return bad (error, path, "added_tokens_decoder: %s is no token id", key);
    if (!content)
      return bad (error, path, "added_tokens_decoder: %s has no content", key);
    token = g_new0 (AddedToken, 1);
    token->id = id;
    token->content = g_strdup (content);
    g_ptr_array_add (t->tokens, token);
    if (!read_flag (object, "special", &token->special, path, error))
      return FALSE;
    token->normalized = !token->special;
    if (!read_flag (object, "normalized", &token->normalized, path, error)
        || !read_flag (object, "single_word", &token->single_word, path, error)
        || !read_flag (object, "lstrip", &token->lstrip, path, error) || !read_flag (object, "rstrip", &token->rstrip, path, error))
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

/* The fast tokenizer takes these for special, whatever the files say of them. */
static void
add_special_pieces (Tokenizer *t)
{
  static const gchar *const pieces[] = { "<unk>", "<s>", "</s>" };

  for (guint k = 0; k < G_N_ELEMENTS (pieces); k++) {
    AddedToken *token = NULL;

    for (guint i = 0; i < t->tokens->len && !token; i++)
      if (g_str_equal (((AddedToken *)g_ptr_array_index (t->tokens, i))->content, pieces[k]))
        token = g_ptr_array_index (t->tokens, i);
    if (!token && bpe_id (t->bpe, pieces[k]) >= 0) {
      token = g_new0 (AddedToken, 1);
      token->id = bpe_id (t->bpe, pieces[k]);
      token->content = g_strdup (pieces[k]);
      g_ptr_array_add (t->tokens, token);
    }
    if (token)
      token->special = TRUE;
  }
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
        return bad (error, path, "added token %s has id %d, in tokenizer.model that is %s", token->content, token->id,
            bpe_piece (t->bpe, token->id));
    } else {
      if (piece >= 0)
        return bad (error, path, "added token %s has id %d, in tokenizer.model it is %d", token->content, token->id, piece);
      if ((guint)token->id != next)
        return bad (error, path, "added token %s has id %d, but the next free id is %u", token->content, token->id, next);
      g_ptr_array_add (t->above, token);
    }
    if (token->normalized) {
      g_autoptr (GString) pattern = normalize (token->content, strlen (token->content));
      token->pattern = g_strdup (pattern->str);
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

  t->add_bos = TRUE;
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

static void
reserve_tokens (Tokenizer *t, gboolean all)
{
  t->reserved = g_malloc0 (bpe_size (t->bpe));
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

Tokenizer *
tokenizer_load (const gchar *folder, GError **error)
{
  g_autofree gchar *model_path = g_build_filename (folder, "tokenizer.model", NULL);
  g_autofree gchar *config_path = g_build_filename (folder, "tokenizer_config.json", NULL);
  g_autofree gchar *added_path = g_build_filename (folder, "added_tokens.json", NULL);
  g_autoptr (Tokenizer) t = g_new0 (Tokenizer, 1);
  g_autoptr (JsonObject) config = NULL, added = NULL;
  JsonNode *decoder;
  GBytes *bytes;

  t->files = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
  t->tokens = g_ptr_array_new_with_free_func ((GDestroyNotify)added_token_free);
  t->by_content = g_hash_table_new (g_str_hash, g_str_equal);
  t->above = g_ptr_array_new ();

  bytes = read_file (t, model_path, error);
  if (!bytes)
    return NULL;
  t->bpe = bpe_new (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), model_path, error);
  if (!t->bpe)
    return NULL;
  config = read_json (t, config_path, error);
  if (!config)
    return NULL;
  if (g_file_test (added_path, G_FILE_TEST_EXISTS)) {
    added = read_json (t, added_path, error);
    if (!added)
      return NULL;
  }

  decoder = json_object_get_member (config, "added_tokens_decoder");
  if (decoder && !JSON_NODE_HOLDS_OBJECT (decoder)) {
    bad (error, config_path, "added_tokens_decoder must be an object");
    return NULL;
  }
  if (decoder ? !read_decoder (t, json_node_get_object (decoder), config_path, error)
              : added && !read_added_tokens (t, added, FALSE, added_path, error))
    return NULL;
  add_special_pieces (t);
  if (!index_tokens (t, decoder ? config_path : added_path, error) || !read_config (t, config, config_path, error))
    return NULL;
  if (decoder && added && !read_added_tokens (t, added, TRUE, added_path, error))
    return NULL;
  reserve_tokens (t, !decoder);
  return g_steal_pointer (&t);
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

/* --- text to ids ----------------------------------------------------------------------------------------------------------- */

/* Unicode's White_Space, which regular expressions call \s */
static gboolean
is_white (gunichar c)
{
  return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a)
         || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

/* What regular expressions call \w: letters, marks, decimal digits, letters that are numbers, connectors, joiners */
static gboolean
is_word (gunichar c)
{
  GUnicodeType type = g_unichar_type (c);

  return g_unichar_isalpha (c) || g_unichar_ismark (c) || type == G_UNICODE_DECIMAL_NUMBER || type == G_UNICODE_LETTER_NUMBER
         || type == G_UNICODE_CONNECT_PUNCTUATION || c == 0x200c || c == 0x200d;
}

/* literal: for each byte whether a person wrote it; NULL: none was. The mark in front of a normalised token is no part of it. */
static gboolean
is_allowed (const AddedToken *token, const guint8 *literal)
{
  gsize mark = token->normalized ? strlen (SPACE_MARK) : 0;

  return !literal
         || (!memchr (literal + mark, !literal[mark], token->pattern_length - mark) && !(token->reserved && literal[mark]));
}

static const AddedToken *
token_at (const TokenSet *set, const gchar *text, const guint8 *literal, const gchar *end)
{
  if (!set->first[(guint8)*text])
    return NULL;
  for (guint i = 0; i < set->tokens->len; i++) {
    const AddedToken *token = g_ptr_array_index (set->tokens, i);

    if (token->pattern_length <= (gsize)(end - text) && memcmp (text, token->pattern, token->pattern_length) == 0
        && is_allowed (token, literal))
      return token;
  }
  return NULL;
}

static gboolean
stands_alone (const gchar *start, const gchar *from, const gchar *to, const gchar *end)
{
  return (from == start || !is_word (g_utf8_get_char (g_utf8_prev_char (from)))) && (to == end || !is_word (g_utf8_get_char (to)));
}

/* Does to `literal` what normalize() does to the text. */
static GByteArray *
normalize_literal (const guint8 *literal, const gchar *text, gsize length)
{
  GByteArray *normal = g_byte_array_new ();

  for (gsize i = 0; i < length; i++)
    for (gsize n = (i == 0 ? strlen (SPACE_MARK) : 0) + (text[i] == ' ' ? strlen (SPACE_MARK) : 1); n > 0; n--)
      g_byte_array_append (normal, literal + i, 1);
  return normal;
}

static void encode_part (
    const Tokenizer *t, const TokenSet *set, const gchar *text, const guint8 *literal, gsize length, GArray *ids);

/* Text between tokens: raw text is normalised and searched again, normalised text goes to the pieces. */
static void
encode_between (const Tokenizer *t, const TokenSet *set, const gchar *text, const guint8 *literal, gsize length, GArray *ids)
{
  if (length == 0)
    return;
  if (set == &t->in_raw) {
    g_autoptr (GString) normal = normalize (text, length);
    g_autoptr (GByteArray) normal_literal = literal ? normalize_literal (literal, text, length) : NULL;

    encode_part (t, &t->in_normalized, normal->str, literal ? normal_literal->data : NULL, normal->len, ids);
  } else
    bpe_encode (t->bpe, text, length, literal ? t->reserved : NULL, ids);
}

static void
encode_part (const Tokenizer *t, const TokenSet *set, const gchar *text, const guint8 *literal, gsize length, GArray *ids)
{
  const gchar *end = text + length, *done = text;

  for (const gchar *p = text; p < end;) {
    const AddedToken *token = token_at (set, p, literal ? literal + (p - text) : NULL, end);
    const gchar *from = p, *to;

    if (!token) {
      p++;
      continue;
    }
    to = p = from + token->pattern_length;
    if (token->single_word && !stands_alone (text, from, to, end))
      continue;
    if (token->lstrip)
      while (from > done && is_white (g_utf8_get_char (g_utf8_prev_char (from))))
        from = g_utf8_prev_char (from);
    if (token->rstrip)
      while (to < end && is_white (g_utf8_get_char (to)))
        to = g_utf8_next_char (to);
    encode_between (t, set, done, literal ? literal + (done - text) : NULL, from - done, ids);
    g_array_append_val (ids, token->id);
    p = done = to;
  }
  encode_between (t, set, done, literal ? literal + (done - text) : NULL, end - done, ids);
}

/* NULs stay: they are characters to the reference. literal: what is beside the text, made to fit the new one; NULL for none. */
static GString *
make_valid (const gchar *text, gsize length, GByteArray *literal)
{
  GString *s = g_string_sized_new (length + 1);
  g_autofree guint8 *beside = literal ? g_memdup2 (literal->data, length) : NULL;

  if (literal)
    g_byte_array_set_size (literal, 0);
  for (const gchar *p = text, *end = text + length; p < end;) {
    gunichar c = *p ? g_utf8_get_char_validated (p, end - p) : 0;
    gsize n = 1, before = s->len;

    if (c == (gunichar)-1 || c == (gunichar)-2)
      g_string_append (s, REPLACEMENT);
    else {
      n = c ? (gsize)(g_utf8_next_char (p) - p) : 1;
      g_string_append_len (s, p, n);
    }
    for (gsize i = before; literal && i < s->len; i++)
      g_byte_array_append (literal, beside + (p - text), 1);
    p += n;
  }
  return s;
}

gint32 *
tokenizer_encode_parts (
    const Tokenizer *t, const gchar *text, gssize length, const TextRange *literal, guint n_literal, guint *n_ids)
{
  gsize n = length < 0 ? strlen (text) : (gsize)length;
  g_autoptr (GByteArray) beside = n_literal > 0 ? g_byte_array_sized_new (n + 1) : NULL;
  g_autoptr (GString) valid = NULL;
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (gint32));

  if (beside) {
    g_byte_array_set_size (beside, n);
    memset (beside->data, FALSE, n);
  }
  for (guint i = 0; i < n_literal; i++)
    memset (beside->data + literal[i].start, TRUE, literal[i].length);
  valid = make_valid (text, n, beside);

  if (t->add_bos)
    g_array_append_val (ids, t->bos);
  encode_part (t, &t->in_raw, valid->str, beside ? beside->data : NULL, valid->len, ids);
  if (t->add_eos)
    g_array_append_val (ids, t->eos);
  *n_ids = ids->len;
  return (gint32 *)g_array_free (ids, FALSE);
}

gint32 *
tokenizer_encode (const Tokenizer *t, const gchar *text, gssize length, guint *n_ids)
{
  return tokenizer_encode_parts (t, text, length, NULL, 0, n_ids);
}

/* --- tokens ---------------------------------------------------------------------------------------------------------------- */

const gchar *
tokenizer_token (const Tokenizer *t, gint32 id)
{
  guint n_pieces = bpe_size (t->bpe);

  if (id < 0 || (guint)id >= tokenizer_size (t))
    return NULL;
  return (guint)id < n_pieces ? bpe_piece (t->bpe, id) : ((AddedToken *)g_ptr_array_index (t->above, id - n_pieces))->content;
}

gboolean
tokenizer_is_special (const Tokenizer *t, gint32 id)
{
  const gchar *content = tokenizer_token (t, id);
  const AddedToken *token = content ? g_hash_table_lookup (t->by_content, content) : NULL;

  return token && token->special;
}

gint32
tokenizer_id (const Tokenizer *t, const gchar *token)
{
  const AddedToken *added = g_hash_table_lookup (t->by_content, token);

  return added ? added->id : bpe_id (t->bpe, token);
}

guint
tokenizer_size (const Tokenizer *t)
{
  return bpe_size (t->bpe) + t->above->len;
}

gint32
tokenizer_bos (const Tokenizer *t)
{
  return t->bos;
}

gint32
tokenizer_eos (const Tokenizer *t)
{
  return t->eos;
}

void
tokenizer_checksum (const Tokenizer *t, GChecksum *checksum)
{
  for (guint i = 0; i < t->files->len; i++) {
    GBytes *bytes = g_ptr_array_index (t->files, i);
    g_checksum_update (checksum, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  }
}
