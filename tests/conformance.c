/*
 * Holds minivl against golden outputs of the reference code.
 *
 * usage: conformance FOLDER [TOKENIZER_DIR] [--precision f32|f16|q8|q4] [--cache-precision f16|q8]
 *        [--device D]
 *
 * FOLDER: config.json, cases.json, golden.safetensors and what else there is of grids.json, segments.json, preprocess.json,
 * tokenization.json, images/ and frames/. The weights are made in memory from config.json and the seed in cases.json.
 * `lora` in cases.json is an adapter in FOLDER, as minivl-chat's option. Without TOKENIZER_DIR conversations are asked by their
 * token ids. Where cases.json has no seed, TOKENIZER_DIR is the checkpoint, and what is tested is all its own. Cases that have
 * `batch` are asked one by one, as all are, and then together.
 * At q8 and q4 logits are judged less their mean, and the plain NMSE stands behind; stages and greedy ids are told (NOTE) and not
 * judged. Exit 0: all passed; 1: some failed; 2: bad input.
 */
#include <json-glib/json-glib.h>
#include <string.h>

#include "conformance_host.h"
#include "crowd.h"
#include "golden.h"
#include "media.h"
#include "model/engine.h"
#include "precision.h"
#include "synth.h"
#include "model/model_testing.h"

typedef struct
{
  double nmse;       /* of logits, and of stages but where few_bits */
  double margin;     /* greedy ids are compared while the recorded margin is above */
  gboolean few_bits; /* of weights */
} Bounds;

static const Bounds bounds[] = {
  [MINIVL_PRECISION_F32] = { 1e-8, 0.005, FALSE },
  [MINIVL_PRECISION_F16] = { 1e-5, 0.05, FALSE },
  [MINIVL_PRECISION_Q8] = { 3e-3, 0, TRUE },
  [MINIVL_PRECISION_Q4] = { 0.15, 0, TRUE },
};

/* Of wider weights with a cache of q8. */
static const Bounds cache_bounds = { 1e-3, 0.2, FALSE };

typedef struct
{
  const gchar *folder;
  guint passed, failed;
  const Bounds *bounds;
  MinivlEngine *engine;
  Golden *golden;
  GHashTable *pictures; /* "name:max" or frame file -> MinivlPicture */
} Conformance;

static void
report (const gchar *name, double figure, double bound, gboolean pass, gpointer user_data)
{
  Conformance *c = user_data;

  g_print ("%s %s %.3g %.3g\n", pass ? "PASS" : "FAIL", name, figure, bound);
  if (pass)
    c->passed++;
  else
    c->failed++;
}

/* What is not judged. */
static void
note (const gchar *name, double figure, double of)
{
  g_print ("NOTE %s %.3g %.3g\n", name, figure, of);
}

static void
report_failure (Conformance *c, const gchar *name, const GError *error)
{
  g_printerr ("%s: %s\n", name, error->message);
  report (name, 1, 0, FALSE, c);
}

static JsonNode *
load_json (const gchar *folder, const gchar *name, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree gchar *path = g_build_filename (folder, name, NULL);

  return json_parser_load_from_file (parser, path, error) ? json_parser_steal_root (parser) : NULL;
}

/* --- pictures -------------------------------------------------------------------------------------------------------------- */

/* image: of the frame's pixels */
static gboolean
load_image (Conformance *c, const gchar *subfolder, const gchar *file, MediaFrame *frame, MinivlImage *image, GError **error)
{
  g_autofree gchar *path = g_build_filename (c->folder, subfolder, file, NULL);

  if (!media_read_picture (path, frame, error))
    return FALSE;
  *image = (MinivlImage){ .data = { frame->data }, .width = frame->width, .height = frame->height, .stride = { frame->stride } };
  return TRUE;
}

/* (transfer none) */
static MinivlPicture *
get_picture (Conformance *c, const gchar *subfolder, const gchar *file, guint max_tiles, GError **error)
{
  g_autofree gchar *key = g_strdup_printf ("%s/%s:%u", subfolder, file, max_tiles);
  MinivlPicture *picture = g_hash_table_lookup (c->pictures, key);
  g_auto (MediaFrame) frame = { NULL };
  MinivlImage image;

  if (picture)
    return picture;
  if (!load_image (c, subfolder, file, &frame, &image, error))
    return NULL;
  picture = minivl_picture_new (c->engine, &image, max_tiles, NULL, error);
  if (picture)
    g_hash_table_insert (c->pictures, g_steal_pointer (&key), picture);
  return picture;
}

typedef struct
{
  MinivlEngine *engine;
  const MinivlImage *image;
  guint max_tiles;
  StageFunc on_stage;
  const gint32 *ids;
  guint n_ids;
  gpointer user_data;
} Look;

static gboolean
look_vision (gpointer data, GError **error)
{
  Look *l = data;
  g_autoptr (VisionPicture) picture = vision_picture_new (l->engine->vision, l->image, l->max_tiles, NULL, error);

  return picture && vision_stages (picture, l->on_stage, l->user_data, error);
}

static gboolean
look_language (gpointer data, GError **error)
{
  Look *l = data;

  return language_stages (l->engine->language, l->ids, l->n_ids, l->on_stage, l->user_data, error);
}

static void
check_preprocess (Conformance *c)
{
  g_autoptr (JsonNode) root = load_json (c->folder, "preprocess.json", NULL);
  JsonArray *rows = root ? json_node_get_array (root) : NULL;
  gsize tile_bytes = (gsize)c->engine->info.tile_side * c->engine->info.tile_side * 3;

  for (guint i = 0; rows && i < json_array_get_length (rows); i++) {
    JsonObject *row = json_array_get_object_element (rows, i);
    guint max = json_object_get_int_member (row, "max_num"), right = 0;
    JsonArray *hashes = json_object_get_array_member (row, "sha256");
    g_autofree gchar *file = g_strconcat (json_object_get_string_member (row, "image"), ".png", NULL);
    g_autofree gchar *name = g_strdup_printf ("preprocess.%s.%u", json_object_get_string_member (row, "image"), max);
    g_autoptr (GError) error = NULL;
    g_auto (MediaFrame) frame = { NULL };
    g_autofree guint8 *tiles = NULL;
    MinivlImage image;
    guint n_tiles = 0;

    if (load_image (c, "images", file, &frame, &image, &error))
      tiles = minivl_engine_read_tiles (c->engine, &image, max, &n_tiles, &error);
    if (!tiles) {
      report_failure (c, name, error);
      continue;
    }
    for (guint t = 0; t < n_tiles && t < json_array_get_length (hashes); t++) {
      g_autofree gchar *sum = g_compute_checksum_for_data (G_CHECKSUM_SHA256, tiles + t * tile_bytes, tile_bytes);

      right += strcmp (sum, json_array_get_string_element (hashes, t)) == 0;
    }
    report (
        name, json_array_get_length (hashes) - (double)right, 0, right == n_tiles && right == json_array_get_length (hashes), c);
  }
}

/* --- stages ---------------------------------------------------------------------------------------------------------------- */

static void
check_stage (const gchar *stage, const float *data, guint rows, guint cols, gpointer user_data)
{
  Conformance *c = user_data;
  g_autofree gchar *name = g_strconcat ("stages.", stage, NULL);
  gsize n;
  const float *golden = golden_floats (c->golden, name, &n);
  double nmse;

  if (!golden)
    return;
  nmse = n == (gsize)rows * cols ? golden_nmse (data, golden, n) : G_MAXDOUBLE;
  if (c->bounds->few_bits)
    note (name, nmse, c->bounds->nmse);
  else
    report (name, nmse, c->bounds->nmse, nmse <= c->bounds->nmse, c);
}

/* The picture of the stages is the one of the case `image`, cut into at most 6 tiles; its thumbnail is looked at. */
static void
check_stages (Conformance *c, const gchar *image_name)
{
  g_autofree gchar *file = g_strconcat (image_name, ".png", NULL);
  g_autoptr (GError) error = NULL;
  Look look = { .engine = c->engine, .max_tiles = 6, .on_stage = check_stage, .user_data = c };
  gsize n;

  look.ids = golden_ints (c->golden, "stages.language.ids", &n);
  if (look.ids) {
    look.n_ids = n;
    if (!scheduler_run (c->engine->scheduler, look_language, &look, &error)) {
      report_failure (c, "stages.language", error);
      g_clear_error (&error);
    }
  }
  if (golden_floats (c->golden, "stages.vision.0", &n)) {
    g_auto (MediaFrame) frame = { NULL };
    MinivlImage image;

    look.image = &image;
    if (!load_image (c, "images", file, &frame, &image, &error)
        || !scheduler_run (c->engine->scheduler, look_vision, &look, &error))
      report_failure (c, "stages.vision", error);
  }
}

/* --- conversations --------------------------------------------------------------------------------------------------------- */

/* FALSE with no error: the folder lacks the frames, or they lie past the stream. */
static gboolean
add_media (Conformance *c, JsonObject *row, GPtrArray *pictures, GError **error)
{
  JsonArray *media;

  if (json_object_get_null_member (row, "media"))
    return TRUE;
  media = json_object_get_array_member (row, "media");
  for (guint i = 0; i < json_array_get_length (media); i++) {
    JsonObject *m = json_array_get_object_element (media, i);
    guint max = json_object_get_int_member (m, "max_num");
    MinivlPicture *picture;

    if (json_object_has_member (m, "image")) {
      g_autofree gchar *file = g_strconcat (json_object_get_string_member (m, "image"), ".png", NULL);

      picture = get_picture (c, "images", file, max, error);
      if (!picture)
        return FALSE;
      g_ptr_array_add (pictures, picture);
    } else {
      const gchar *video = json_object_get_string_member (m, "video");
      JsonArray *indices = json_object_get_array_member (m, "indices");

      for (guint k = 0; k < json_array_get_length (indices); k++) {
        g_autofree gchar *file = g_strdup_printf (
            "%.*s-%03" G_GINT64_FORMAT ".png", (gint)strcspn (video, "."), video, json_array_get_int_element (indices, k));
        g_autofree gchar *path = g_build_filename (c->folder, "frames", file, NULL);

        if (!g_file_test (path, G_FILE_TEST_EXISTS))
          return FALSE;
        picture = get_picture (c, "frames", file, max, error);
        if (!picture)
          return FALSE;
        g_ptr_array_add (pictures, picture);
      }
    }
  }
  return TRUE;
}

static gint32 *
expand_ids (JsonObject *row, guint *n_ids)
{
  JsonArray *runs = json_object_get_array_member (row, "input_ids_runs");
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));

  for (guint i = 0; i < json_array_get_length (runs); i++) {
    JsonArray *run = json_array_get_array_element (runs, i);
    gint32 id = json_array_get_int_element (run, 0);

    for (gint64 k = json_array_get_int_element (run, 1); k > 0; k--)
      g_array_append_val (ids, id);
  }
  *n_ids = ids->len;
  return (gint32 *)(gpointer)g_array_free (g_steal_pointer (&ids), FALSE);
}

/* Pictures a mark: as many of the next as it takes to have the tiles that the case counts for the mark. */
static void
add_marks (MinivlSession *session, JsonObject *row, GPtrArray *pictures)
{
  JsonArray *marks = json_object_get_array_member (row, "num_patches_list");
  guint next = 0;

  for (guint i = 0; i < json_array_get_length (marks); i++) {
    gint64 want = json_array_get_int_element (marks, i), have = 0;
    guint first = next;

    while (next < pictures->len && have < want) {
      MinivlPicture *picture = g_ptr_array_index (pictures, next++);

      have += picture->result.tiles;
    }
    minivl_session_add_pictures (session, (MinivlPicture *const *)&pictures->pdata[first], next - first);
  }
}

static gboolean
ask (Conformance *c, JsonObject *row, GPtrArray *pictures, const gint32 *ids, guint n_ids, MinivlAnswer *answer, GError **error)
{
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (MinivlSession) session = minivl_session_new (c->engine, error);
  JsonArray *history = json_object_get_array_member (row, "history");

  if (!session)
    return FALSE;
  params.max_tokens = json_array_get_length (json_object_get_array_member (row, "greedy_ids"));
  params.want_logits = TRUE;
  if (json_object_has_member (row, "repetition_penalty"))
    params.repetition_penalty = json_object_get_double_member (row, "repetition_penalty");
  if (!c->engine->tokenizer)
    return session_ask_ids (
        session, ids, n_ids, (MinivlPicture *const *)pictures->pdata, pictures->len, &params, NULL, NULL, answer, error);

  minivl_session_set_system (session, json_object_get_string_member (row, "system"));
  add_marks (session, row, pictures);
  for (guint i = 0; i < json_array_get_length (history); i++) {
    JsonArray *round = json_array_get_array_element (history, i);

    minivl_session_add_round (session, json_array_get_string_element (round, 0), json_array_get_string_element (round, 1));
  }
  return minivl_session_ask (session, json_object_get_string_member (row, "question"), &params, NULL, NULL, answer, error);
}

typedef struct
{
  Conformance *c;
  JsonObject *row;
  GPtrArray *pictures;
  gint32 *ids;
  guint n_ids;
  MinivlAnswer answer;
  GError *error;
  gboolean together; /* with others */
} Case;

static void
case_clear (Case *k)
{
  g_clear_pointer (&k->pictures, g_ptr_array_unref);
  g_clear_pointer (&k->ids, g_free);
  minivl_answer_clear (&k->answer);
  g_clear_error (&k->error);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Case, case_clear)

/* FALSE: there is nothing to ask, and what is wrong with that was reported. */
static gboolean
case_init (Case *k, Conformance *c, JsonObject *row)
{
  g_autoptr (GError) error = NULL;

  *k = (Case){ .c = c, .row = row, .pictures = g_ptr_array_new () };
  if (!add_media (c, row, k->pictures, &error)) {
    if (error)
      report_failure (c, json_object_get_string_member (row, "name"), error);
    case_clear (k);
    return FALSE;
  }
  k->ids = expand_ids (row, &k->n_ids);
  return TRUE;
}

static gpointer
case_ask (gpointer data)
{
  Case *k = data;

  ask (k->c, k->row, k->pictures, k->ids, k->n_ids, &k->answer, &k->error);
  return NULL;
}

static void
check_greedy (const Case *k, const gchar *name)
{
  JsonArray *ids = json_object_get_array_member (k->row, "greedy_ids"),
            *margins = json_object_get_array_member (k->row, "greedy_margins");
  guint n = json_array_get_length (ids), right = 0;
  gboolean few_bits = k->c->bounds->few_bits;

  while (right < n && (few_bits || json_array_get_double_element (margins, right) > k->c->bounds->margin)) {
    if (right >= k->answer.output_tokens || k->answer.token_ids[right] != json_array_get_int_element (ids, right)) {
      if (few_bits)
        break;
      report (name, right, n, FALSE, k->c);
      return;
    }
    right++;
  }
  if (few_bits)
    note (name, right, n);
  else
    report (name, right, n, TRUE, k->c);
}

static void
check_logits (Conformance *c, const gchar *name, const float *logits, const float *golden, gsize n)
{
  double plain = golden_nmse (logits, golden, n), nmse = c->bounds->few_bits ? golden_nmse_less_mean (logits, golden, n) : plain;

  report (name, nmse, c->bounds->nmse, nmse <= c->bounds->nmse, c);
  if (c->bounds->few_bits) {
    g_autofree gchar *plain_name = g_strconcat (name, ".plain", NULL);

    note (plain_name, plain, c->bounds->nmse);
  }
}

static void
check_answer (const Case *k)
{
  Conformance *c = k->c;
  const gchar *case_name = json_object_get_string_member (k->row, "name"), *how = k->together ? ".together" : "";
  g_autofree gchar *golden_name = g_strconcat (case_name, ".logits", NULL);
  g_autofree gchar *ids_name = g_strconcat (case_name, how, ".input_ids", NULL);
  g_autofree gchar *logits_name = g_strconcat (case_name, how, ".logits", NULL);
  g_autofree gchar *greedy_name = g_strconcat (case_name, how, ".greedy", NULL);
  gsize n;
  const float *golden = golden_floats (c->golden, golden_name, &n);

  if (k->error) {
    report_failure (c, logits_name, k->error);
    return;
  }
  if (c->engine->tokenizer)
    report (ids_name, k->answer.prompt_tokens, k->n_ids,
        k->answer.prompt_tokens == k->n_ids && memcmp (k->ids, k->answer.input_ids, k->n_ids * sizeof *k->ids) == 0, c);
  if (golden && n == k->answer.n_logits)
    check_logits (c, logits_name, k->answer.logits, golden, n);
  else if (golden)
    report (logits_name, k->answer.n_logits, n, FALSE, c);
  check_greedy (k, greedy_name);
}

static void
check_case (Conformance *c, JsonObject *row)
{
  g_auto (Case) k = { NULL };

  if (!case_init (&k, c, row))
    return;
  case_ask (&k);
  check_answer (&k);
}

static void
check_together (Conformance *c, GPtrArray *rows)
{
  g_autoptr (GArray) cases = g_array_new (FALSE, FALSE, sizeof (Case));
  g_autofree GThread **threads = NULL;

  g_array_set_clear_func (cases, (GDestroyNotify)case_clear);
  for (guint i = 0; i < rows->len; i++) {
    Case k;

    if (!case_init (&k, c, g_ptr_array_index (rows, i)))
      continue;
    k.together = TRUE;
    g_array_append_val (cases, k);
  }
  if (cases->len == 0)
    return;
  threads = g_new (GThread *, cases->len);
  crowd_begin (c->engine->scheduler, case_ask, cases->data, sizeof (Case), cases->len, threads);
  crowd_end (threads, cases->len);
  for (guint i = 0; i < cases->len; i++)
    check_answer (&g_array_index (cases, Case, i));
}

/* --- program --------------------------------------------------------------------------------------------------------------- */

static gboolean
open_engine (Conformance *c, JsonObject *cases, const gchar *tokenizer_dir, MinivlEngineOptions *options, GError **error)
{
  g_autofree gchar *path = g_build_filename (c->folder, "config.json", NULL);
  g_autoptr (TensorSet) set = NULL;
  g_autoptr (Lora) lora = NULL;
  ModelConfig config = { 0 };
  EngineParts parts = { .name = c->folder, .config = &config, .image_token = -1, .end_token = -1 };

  c->pictures = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify)minivl_picture_unref);
  if (!json_object_has_member (cases, "seed")) {
    options->model_path = tokenizer_dir;
    c->engine = minivl_engine_open (options, error);
    return c->engine != NULL;
  }
  if (!model_config_load (&config, path, 1, error))
    return FALSE;
  options->context_size = MIN (8192, config.language.max_position);
  set = synth_tensors (&config, json_object_get_int_member (cases, "seed"), DTYPE_BF16);
  parts.tensors = set;
  if (json_object_has_member (cases, "lora")) {
    g_autofree gchar *adapter = g_build_filename (c->folder, json_object_get_string_member (cases, "lora"), NULL);

    parts.lora = lora = lora_open (adapter, &config.language, error);
    if (!lora) {
      model_config_clear (&config);
      return FALSE;
    }
  }
  if (tokenizer_dir) {
    parts.tokenizer = tokenizer_load (tokenizer_dir, FALSE, error);
    if (!parts.tokenizer) {
      model_config_clear (&config);
      return FALSE;
    }
  } else {
    /* Phi-3's ids with InternVL's added tokens, unless the folder has a smaller vocabulary. */
    parts.image_token = json_object_get_int_member_with_default (cases, "image_token", 32013);
    parts.end_token = json_object_get_int_member_with_default (cases, "end_token", 32007);
  }
  c->engine = engine_new (&parts, options, error);
  return c->engine != NULL;
}

static void
close_engine (Conformance *c)
{
  g_clear_pointer (&c->pictures, g_hash_table_unref);
  g_clear_pointer (&c->engine, minivl_engine_unref);
}

int
main (int argc, char **argv)
{
  g_autofree gchar *precision = NULL, *cache = NULL, *device = NULL, *golden_path = NULL;
  GOptionEntry entries[] = {
    { "precision", 0, 0, G_OPTION_ARG_STRING, &precision, "f32 (default), f16, q8 or q4", "P" },
    { "cache-precision", 0, 0, G_OPTION_ARG_STRING, &cache, "f16 (default; with f32 it is that) or q8", "P" },
    { "device", 0, 0, G_OPTION_ARG_STRING, &device, "index, UUID or part of a name", "D" },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("FOLDER [TOKENIZER_DIR]");
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) root = NULL;
  Conformance c = { 0 };
  MinivlEngineOptions options = { .precision = MINIVL_PRECISION_F32 };
  JsonObject *cases;
  JsonArray *rows;
  g_autoptr (GPtrArray) batch = g_ptr_array_new ();
  const gchar *image_name = NULL, *tokenizer_dir;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc < 2 || argc > 3) {
    g_printerr ("%s\n", error ? error->message : "usage: conformance FOLDER [TOKENIZER_DIR]");
    return 2;
  }
  if (precision && (!precision_parse (precision, &options.precision) || options.precision == MINIVL_PRECISION_AUTO)) {
    g_printerr ("--precision %s: f32, f16, q8 and q4 are known\n", precision);
    return 2;
  }
  if (cache && strcmp (cache, "f16") != 0 && strcmp (cache, "q8") != 0) {
    g_printerr ("--cache-precision %s: f16 and q8 are known\n", cache);
    return 2;
  }
  c.folder = argv[1];
  c.bounds = &bounds[options.precision];
  options.device = device;
  if (cache && strcmp (cache, "q8") == 0) {
    options.cache_precision = MINIVL_CACHE_PRECISION_Q8;
    c.bounds = options.precision < MINIVL_PRECISION_Q8 ? &cache_bounds : c.bounds;
  }

  golden_path = g_build_filename (c.folder, "golden.safetensors", NULL);
  root = load_json (c.folder, "cases.json", &error);
  c.golden = root ? golden_open (golden_path, &error) : NULL;
  tokenizer_dir = argc > 2 ? argv[2] : NULL;
  if (!c.golden || !open_engine (&c, json_node_get_object (root), tokenizer_dir, &options, &error)) {
    g_printerr ("%s\n", error->message);
    return 2;
  }

  conformance_host (c.folder, c.engine->tokenizer, &c.engine->config, report, &c);
  check_preprocess (&c);
  cases = json_node_get_object (root);
  rows = json_object_get_array_member (cases, "cases");
  for (guint i = 0; !image_name && i < json_array_get_length (rows); i++) {
    JsonObject *row = json_array_get_object_element (rows, i);

    if (strcmp (json_object_get_string_member (row, "name"), "image") == 0)
      image_name =
          json_object_get_string_member (json_array_get_object_element (json_object_get_array_member (row, "media"), 0), "image");
  }
  if (image_name)
    check_stages (&c, image_name);
  for (guint i = 0; i < json_array_get_length (rows); i++) {
    JsonObject *row = json_array_get_object_element (rows, i);

    check_case (&c, row);
    if (json_object_has_member (row, "batch"))
      g_ptr_array_add (batch, row);
  }
  if (batch->len > 0) {
    /* Of this engine's cache they would get all but their last tokens. */
    close_engine (&c);
    if (!open_engine (&c, cases, tokenizer_dir, &options, &error)) {
      g_printerr ("%s\n", error->message);
      return 2;
    }
    check_together (&c, batch);
  }

  close_engine (&c);
  golden_free (c.golden);
  g_print ("%u passed, %u failed\n", c.passed, c.failed);
  return c.failed ? 1 : 0;
}
