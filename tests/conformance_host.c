/* What of the oracle is arithmetic of whole numbers and text: nothing may differ. */
#include "conformance_host.h"
#include "media.h"
#include "model/chat.h"
#include "model/tiles.h"

#include <json-glib/json-glib.h>
#include <string.h>

/* json-glib's strings end at a NUL: the character stands in for the escape while the text is parsed. */
#define NUL_ESCAPE "\\u0000"
#define NUL_STAND_IN "\xee\xbf\xbf" /* U+EFFF, private use */

typedef struct
{
  const gchar *folder;
  ConformanceReport report;
  gpointer user;
} Run;

static void G_GNUC_PRINTF (3, 4) check (const Run *run, gdouble wrong, const gchar *format, ...)
{
  g_autofree gchar *name = NULL;
  va_list args;

  va_start (args, format);
  name = g_strdup_vprintf (format, args);
  va_end (args);
  run->report (name, wrong, 0, wrong == 0, run->user);
}

/* NULL when there is no such file, or when it is no JSON, which is reported. */
static JsonNode *
load (const Run *run, const gchar *file)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree gchar *path = g_build_filename (run->folder, file, NULL), *text = NULL;
  g_autoptr (GString) json = NULL;
  g_autoptr (GError) error = NULL;

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return NULL;
  if (g_file_get_contents (path, &text, NULL, &error)) {
    json = g_string_new (text);
    g_string_replace (json, NUL_ESCAPE, NUL_STAND_IN, 0);
    if (json_parser_load_from_data (parser, json->str, json->len, &error))
      return json_parser_steal_root (parser);
  }
  g_printerr ("%s: %s\n", path, error->message);
  check (run, 1, "%s", file);
  return NULL;
}

static GString *
get_text (JsonObject *row, const gchar *key)
{
  const gchar *text = json_object_get_string_member (row, key);
  GString *s = g_string_new (NULL);

  for (const gchar *mark; (mark = strstr (text, NUL_STAND_IN)); text = mark + strlen (NUL_STAND_IN)) {
    g_string_append_len (s, text, mark - text);
    g_string_append_c (s, '\0');
  }
  return g_string_append (s, text);
}

static GArray *
get_ids (JsonObject *row, const gchar *key)
{
  JsonArray *array = json_object_get_array_member (row, key);
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (gint32));

  for (guint i = 0; i < json_array_get_length (array); i++) {
    gint32 id = json_array_get_int_element (array, i);
    g_array_append_val (ids, id);
  }
  return ids;
}

static guint
ids_wrong (const gint32 *ids, guint n, const GArray *golden)
{
  guint wrong = MAX (n, golden->len) - MIN (n, golden->len);

  for (guint i = 0; i < MIN (n, golden->len); i++)
    wrong += ids[i] != g_array_index (golden, gint32, i);
  return wrong;
}

static guint
text_wrong (const GString *text, const GString *golden)
{
  guint wrong = MAX (text->len, golden->len) - MIN (text->len, golden->len);

  for (gsize i = 0; i < MIN (text->len, golden->len); i++)
    wrong += text->str[i] != golden->str[i];
  return wrong;
}

static void
check_decoded (const Run *run, const Tokenizer *t, JsonObject *row, gboolean raw, guint number)
{
  g_autoptr (GArray) ids = get_ids (row, "ids");
  g_autoptr (GString) golden = get_text (row, raw ? "raw" : "text");
  g_autoptr (GString) text = tokenizer_decode_string (t, (gint32 *)ids->data, ids->len, raw);

  check (run, text_wrong (text, golden), "tokenization.%s.%u", raw ? "raw" : "decode", number);
}

void
conformance_tokenization (const gchar *folder, const Tokenizer *t, ConformanceReport report, gpointer user)
{
  Run run = { folder, report, user };
  g_autoptr (JsonNode) root = load (&run, "tokenization.json");
  JsonArray *rows;

  if (!root)
    return;
  rows = json_object_get_array_member (json_node_get_object (root), "encode");
  for (guint i = 0; i < json_array_get_length (rows); i++) {
    JsonObject *row = json_array_get_object_element (rows, i);
    g_autoptr (GString) text = get_text (row, "text");
    g_autoptr (GArray) golden = get_ids (row, "ids");
    guint n;
    g_autofree gint32 *ids = tokenizer_encode (t, text->str, text->len, &n);

    check (&run, ids_wrong (ids, n, golden), "tokenization.encode.%u", i);
  }
  rows = json_object_get_array_member (json_node_get_object (root), "decode");
  for (guint i = 0; i < json_array_get_length (rows); i++) {
    check_decoded (&run, t, json_array_get_object_element (rows, i), FALSE, i);
    check_decoded (&run, t, json_array_get_object_element (rows, i), TRUE, i);
  }
}

void
conformance_grids (const gchar *folder, const ModelConfig *config, ConformanceReport report, gpointer user)
{
  Run run = { folder, report, user };
  g_autoptr (JsonNode) root = load (&run, "grids.json");
  JsonArray *rows = root ? json_node_get_array (root) : NULL;

  for (guint i = 0; rows && i < json_array_get_length (rows); i++) {
    JsonArray *row = json_array_get_array_element (rows, i);
    guint n[5], columns, tile_rows;

    for (guint k = 0; k < 5; k++)
      n[k] = json_array_get_int_element (row, k);
    tiles_grid (n[0], n[1], config->tile_side, config->min_tiles, n[2], &columns, &tile_rows);
    check (&run, (columns != n[3]) + (tile_rows != n[4]), "grids.%ux%u.%u", n[0], n[1], n[2]);
  }
}

void
conformance_segments (const gchar *folder, ConformanceReport report, gpointer user)
{
  Run run = { folder, report, user };
  g_autoptr (JsonNode) root = load (&run, "segments.json");
  JsonArray *rows = root ? json_node_get_array (root) : NULL;

  for (guint i = 0; rows && i < json_array_get_length (rows); i++) {
    JsonObject *row = json_array_get_object_element (rows, i);
    g_autoptr (GArray) golden = get_ids (row, "indices");
    JsonNode *bound = json_object_get_member (row, "bound");
    guint n = json_object_get_int_member (row, "segments"), wrong = n != golden->len;
    g_autofree gint64 *indices = g_new (gint64, n);
    double start = 0, stop = -1;

    if (JSON_NODE_HOLDS_ARRAY (bound)) {
      start = json_array_get_double_element (json_node_get_array (bound), 0);
      stop = json_array_get_double_element (json_node_get_array (bound), 1);
    }
    minivl_sample_frames (
        json_object_get_int_member (row, "frames"), json_object_get_double_member (row, "fps"), start, stop, n, indices);
    for (guint k = 0; k < n && k < golden->len; k++)
      wrong += indices[k] != g_array_index (golden, gint32, k);
    check (&run, wrong, "segments.%u", i);
  }
}

/* Tiles that differ. The picture is made as large as the grid and cut; the thumbnail is all of it. */
static guint
tiles_wrong (const MediaFrame *image, guint side, guint columns, guint rows, JsonArray *golden)
{
  gsize row_bytes = (gsize)side * 3, tile_bytes = row_bytes * side;
  g_autofree guint8 *whole = g_malloc (tile_bytes * columns * rows), *tile = g_malloc (tile_bytes);
  guint n = json_array_get_length (golden), wrong = 0;

  resize_rgb (image->data, image->stride, image->width, image->height, whole, columns * side, rows * side);
  for (guint i = 0; i < n; i++) {
    g_autofree gchar *sum = NULL;

    if (i < columns * rows)
      for (guint y = 0; y < side; y++)
        memcpy (tile + y * row_bytes, whole + ((i / columns * side + y) * columns + i % columns) * row_bytes, row_bytes);
    else
      resize_rgb (image->data, image->stride, image->width, image->height, tile, side, side);
    sum = g_compute_checksum_for_data (G_CHECKSUM_SHA256, tile, tile_bytes);
    wrong += strcmp (sum, json_array_get_string_element (golden, i)) != 0;
  }
  return wrong;
}

void
conformance_resize (const gchar *folder, const ModelConfig *config, ConformanceReport report, gpointer user)
{
  Run run = { folder, report, user };
  g_autoptr (JsonNode) root = load (&run, "preprocess.json");
  JsonArray *rows = root ? json_node_get_array (root) : NULL;

  for (guint i = 0; rows && i < json_array_get_length (rows); i++) {
    JsonObject *row = json_array_get_object_element (rows, i);
    const gchar *image = json_object_get_string_member (row, "image");
    g_autofree gchar *path = g_strdup_printf ("%s/images/%s.png", folder, image);
    guint max_num = json_object_get_int_member (row, "max_num"), columns = 0, tile_rows = 0, n = 0;
    JsonArray *golden = json_object_get_array_member (row, "sha256");
    g_autoptr (GError) error = NULL;
    g_auto (MediaFrame) picture = { NULL };

    if (media_read_picture (path, &picture, &error)) {
      tiles_grid (picture.width, picture.height, config->tile_side, config->min_tiles, max_num, &columns, &tile_rows);
      n = columns * tile_rows + (config->use_thumbnail && columns * tile_rows > 1);
    } else {
      g_printerr ("%s\n", error->message);
    }
    if (n != json_array_get_length (golden) || columns != json_object_get_int_member (row, "columns"))
      check (&run, MAX (json_array_get_length (golden), 1), "resize.%s.%u", image, max_num);
    else
      check (&run, tiles_wrong (&picture, config->tile_side, columns, tile_rows, golden), "resize.%s.%u", image, max_num);
  }
}

/* The oracle writes `<IMG_CONTEXT>*256 ` for 256 of them. */
static GString *
expand (const gchar *prompt)
{
  static const gchar token[] = "<IMG_CONTEXT>*";
  GString *s = g_string_new (NULL);

  for (const gchar *mark; (mark = strstr (prompt, token));) {
    gchar *end;
    guint64 n = g_ascii_strtoull (mark + strlen (token), &end, 10);

    g_string_append_len (s, prompt, mark - prompt);
    for (guint64 i = 0; i < n; i++)
      g_string_append_len (s, token, strlen (token) - 1);
    prompt = end + (*end == ' ');
  }
  return g_string_append (s, prompt);
}

static GArray *
get_runs (JsonObject *row)
{
  JsonArray *runs = json_object_get_array_member (row, "input_ids_runs");
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (gint32));

  for (guint i = 0; i < json_array_get_length (runs); i++) {
    JsonArray *one = json_array_get_array_element (runs, i);
    gint32 id = json_array_get_int_element (one, 0);

    for (gint64 k = 0; k < json_array_get_int_element (one, 1); k++)
      g_array_append_val (ids, id);
  }
  return ids;
}

static void
check_prompt (const Run *run, const ChatTemplate *template, guint tile_tokens, const Tokenizer *t, JsonObject *row)
{
  const gchar *name = json_object_get_string_member (row, "name"), *question = json_object_get_string_member (row, "question");
  JsonArray *history = json_object_get_array_member (row, "history");
  JsonArray *patches = json_object_get_array_member (row, "num_patches_list");
  guint n_rounds = json_array_get_length (history) + 1, n_marks = json_array_get_length (patches);
  g_autofree ChatRound *rounds = g_new0 (ChatRound, n_rounds);
  g_autofree guint *tokens = g_new (guint, n_marks + 1);
  g_autofree gchar *implicit = g_strconcat ("<image>\n", question, NULL);
  g_autoptr (ChatPrompt) prompt = NULL;
  g_autoptr (GString) golden = expand (json_object_get_string_member (row, "prompt"));
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < n_marks; i++)
    tokens[i] = json_array_get_int_element (patches, i) * tile_tokens;
  for (guint i = 0; i + 1 < n_rounds; i++) {
    JsonArray *round = json_array_get_array_element (history, i);

    rounds[i].question = json_array_get_string_element (round, 0);
    rounds[i].answer = json_array_get_string_element (round, 1);
  }
  /* The reference puts a mark in front of a first question that has pictures and no mark. */
  rounds[n_rounds - 1].question = n_rounds == 1 && n_marks > 0 && minivl_prompt_count_marks (question) == 0 ? implicit : question;
  prompt =
      chat_prompt_new (template, json_object_get_string_member (row, "system"), rounds, n_rounds, tokens, n_marks, FALSE, &error);
  if (!prompt)
    g_printerr ("%s: %s\n", name, error->message);
  check (run, !prompt || strcmp (prompt->text, golden->str) != 0, "prompts.%s", name);
  if (t && prompt) {
    g_autoptr (GArray) golden_ids = get_runs (row);
    guint n;
    g_autofree gint32 *ids = chat_prompt_encode (prompt, t, &n);

    check (run, ids_wrong (ids, n, golden_ids), "ids.%s", name);
  }
}

void
conformance_prompts (const gchar *folder, const ModelConfig *config, const Tokenizer *t, ConformanceReport report, gpointer user)
{
  Run run = { folder, report, user };
  g_autoptr (JsonNode) root = load (&run, "cases.json");
  g_autoptr (GError) error = NULL;
  g_autoptr (ChatTemplate) template = chat_template_new (config->template, NULL, &error);
  JsonArray *rows;

  if (!root)
    return;
  if (!template) {
    g_printerr ("%s\n", error->message);
    check (&run, 1, "prompts");
    return;
  }
  rows = json_object_get_array_member (json_node_get_object (root), "cases");
  for (guint i = 0; i < json_array_get_length (rows); i++) {
    JsonObject *row = json_array_get_object_element (rows, i);

    /* Cases that were recorded by ids have no text. */
    if (json_object_has_member (row, "prompt"))
      check_prompt (&run, template, model_tile_tokens (config), t, row);
  }
}

void
conformance_host (const gchar *folder, const Tokenizer *t, const ModelConfig *config, ConformanceReport report, gpointer user)
{
  if (t)
    conformance_tokenization (folder, t, report, user);
  conformance_grids (folder, config, report, user);
  conformance_segments (folder, report, user);
  conformance_resize (folder, config, report, user);
  conformance_prompts (folder, config, t, report, user);
}
