/* Devices, engines and pictures do what the public header says, through the shared library. Conversations are
 * test-api-session.c. */
#include <string.h>

#include "api.h"
#include "../host/trained.h"
#include "checkpoint.h"
#include "model/minivl-cache.h"

/* --- devices and engines --------------------------------------------------------------------------------------------------- */

static void
test_nothing_is_legal_to_release (void)
{
  MinivlAnswer answer = { 0 };

  minivl_devices_free (NULL, 0);
  minivl_engine_unref (NULL);
  minivl_picture_unref (NULL);
  minivl_session_free (NULL);
  minivl_answer_clear (&answer);
  minivl_answer_clear (&answer);
  g_assert_null (answer.text);
}

static void
test_error_domain_has_a_name (void)
{
  g_assert_cmpstr (g_quark_to_string (minivl_error_quark ()), ==, "minivl_error");
  g_assert_true (MINIVL_ERROR == minivl_error_quark ());
}

static void
test_devices_are_listed_and_selected_by (void)
{
  static const gchar *const types[] = { "discrete", "integrated", "virtual", "cpu", "other", NULL };
  g_autoptr (GError) error = NULL;
  MinivlDevice *devices = NULL;
  guint n = 0, n_chosen = 0;

  g_assert_true (minivl_devices_list (&devices, &n, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (n, >=, 1);
  for (guint i = 0; i < n; i++) {
    g_autofree gchar *index = g_strdup_printf ("%u", i);
    g_autofree gchar *found = minivl_device_find (index, NULL);
    const gchar *by[] = { index, devices[i].uuid };

    n_chosen += devices[i].chosen;
    g_assert_true (g_strv_contains (types, devices[i].type));
    g_assert_cmpuint (strlen (devices[i].name), >, 0);
    g_assert_cmpuint (strlen (devices[i].driver), >, 0);
    g_assert_true (g_regex_match_simple ("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", devices[i].uuid, 0, 0));
    g_assert_cmpuint (devices[i].memory, >, 1 << 20);
    if (devices[i].chosen) {
      g_autofree gchar *unasked = minivl_device_find (NULL, NULL);

      g_assert_cmpstr (found, ==, devices[i].uuid);
      g_assert_cmpstr (unasked, ==, devices[i].uuid);
      g_assert_cmpstr (minivl_engine_get_info (api_engine)->device, ==, devices[i].name);
      for (guint j = 0; j < G_N_ELEMENTS (by); j++) {
        g_autoptr (MinivlEngine) same = api_open_model (api_model, by[j], &error);

        g_assert_no_error (error);
        g_assert_cmpstr (minivl_engine_get_info (same)->device, ==, devices[i].name);
      }
    }
  }
  g_assert_cmpuint (n_chosen, ==, 1);
  minivl_devices_free (devices, n);
  g_assert_null (minivl_device_find ("no such device", &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_DEVICE);
  g_assert_nonnull (strstr (error->message, "no device matches"));
}

static void
test_precision_is_found_without_opening (void)
{
  MinivlEngineOptions options = { .model_path = api_model, .precision = MINIVL_PRECISION_Q8, .context_size = CONTEXT };
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (minivl_precision_find (&options, NULL), ==, MINIVL_PRECISION_Q8);
  options.precision = MINIVL_PRECISION_AUTO; /* any device holds so small a model */
  g_assert_cmpint (minivl_precision_find (&options, NULL), ==, MINIVL_PRECISION_F16);
  options.model_path = NULL;
  g_assert_cmpint (minivl_precision_find (&options, &error), ==, MINIVL_PRECISION_AUTO);
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE);
}

static void
test_info_tells_what_was_opened (void)
{
  const MinivlEngineInfo *info = minivl_engine_get_info (api_engine);
  MinivlParams params = MINIVL_PARAMS_INIT;

  g_assert_cmpstr (info->tokenizer, ==, "fast");
  g_assert_cmpstr (info->system_source, ==, "v1.5");
  params.temperature = 0.25;
  g_assert_false (minivl_engine_get_sampling (api_engine, &params)); /* there is no generation_config.json */
  g_assert_cmpfloat (params.temperature, ==, 0.25);
  g_assert_cmpstr (info->model, ==, "model");
  g_assert_true (g_regex_match_simple ("^[0-9a-f]{64}$", info->model_hash, 0, 0));
  g_assert_cmpstr (info->precision, ==, "f32");
  g_assert_cmpuint (info->device_bytes, >, 1 << 16);
  g_assert_cmpuint (info->load_ns, >, 0);
  g_assert_cmpuint (info->tile_side, ==, TILE);
  g_assert_cmpuint (info->tile_tokens, ==, TILE_TOKENS);
  g_assert_cmpuint (info->context_size, ==, CONTEXT);
  g_assert_cmpuint (info->max_context_size, ==, 131072);
}

typedef struct
{
  double last;
  guint n, cancel_at;
} Progress;

static gboolean
on_progress (double fraction, gpointer user_data)
{
  Progress *p = user_data;

  g_assert_cmpfloat (fraction, >=, p->last);
  g_assert_cmpfloat (fraction, <=, 1);
  p->last = fraction;
  return ++p->n != p->cancel_at;
}

static void
test_progress_rises_and_zeroes_are_defaults (void)
{
  Progress p = { 0 };
  const MinivlEngineOptions options = { .model_path = api_model, .on_progress = on_progress, .user_data = &p };
  g_autoptr (GError) error = NULL;
  g_autoptr (MinivlEngine) opened = minivl_engine_open (&options, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (p.n, >=, 2);
  g_assert_cmpfloat (p.last, >, 0.5);
  g_assert_cmpstr (minivl_engine_get_info (opened)->precision, ==, "f16");
  g_assert_cmpuint (minivl_engine_get_info (opened)->context_size, ==, 8192);
  g_assert_cmpstr (minivl_engine_get_info (opened)->model_hash, ==, minivl_engine_get_info (api_engine)->model_hash);
}

/* What shapes the words is part of what a model is. */
static void
test_hash_tells_what_is_beside_the_weights (void)
{
  g_autofree gchar *copy = checkpoint_variant (api_model, "tuned", NULL, NULL, NULL);
  g_autofree gchar *path = g_build_filename (copy, "generation_config.json", NULL);
  const MinivlEngineOptions options = { .model_path = copy };
  g_autoptr (GError) error = NULL;
  g_autoptr (MinivlEngine) same = minivl_engine_open (&options, &error), tuned = NULL;

  g_assert_no_error (error);
  g_assert_cmpstr (minivl_engine_get_info (same)->model_hash, ==, minivl_engine_get_info (api_engine)->model_hash);
  g_file_set_contents (path, "{\"eos_token_id\": [2]}", -1, &error);
  g_assert_no_error (error);
  tuned = minivl_engine_open (&options, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (minivl_engine_get_info (tuned)->model_hash, !=, minivl_engine_get_info (api_engine)->model_hash);
}

static void
note_removed (const gchar *path, guint64 bytes, const gchar *what, gpointer removed)
{
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
  g_hash_table_insert (removed, g_path_get_basename (path), g_strdup_printf ("%" G_GUINT64_FORMAT " %s", bytes, what));
}

/* What engines keep goes, with what a killed one left; what others have there stays. */
static void
test_cache_is_where_it_is_asked_for_and_cleared (void)
{
  static const gchar *const put[] = { "weights-0123456789abcdef.safetensors", "weights-0123456789abcdef.safetensors.AbCdEf",
    "weights.txt", "pipeline" };
  g_autofree gchar *parent = g_path_get_dirname (api_model), *cache = g_build_filename (parent, "cache", NULL);
  g_autoptr (GHashTable) removed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  MinivlEngineOptions options = { .model_path = api_model, .context_size = CONTEXT, .cache_dir = "" };
  g_autoptr (GError) error = NULL;
  MinivlEngine *opened = minivl_engine_open (&options, &error);
  guint n = 0;
  GHashTableIter iter;
  gpointer key;

  g_assert_no_error (error);
  minivl_engine_unref (opened);
  g_assert_false (g_file_test (cache, G_FILE_TEST_EXISTS));
  options.cache_dir = cache;
  opened = minivl_engine_open (&options, &error);
  g_assert_no_error (error);
  minivl_engine_unref (opened);
  for (guint i = 0; i < G_N_ELEMENTS (put); i++) {
    g_autofree gchar *path = g_build_filename (cache, put[i], NULL);

    g_assert_true (g_file_set_contents (path, "12345", -1, NULL));
  }
  g_assert_true (minivl_cache_clear (cache, note_removed, removed, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (g_hash_table_lookup (removed, put[0]), ==, "5 converted weights of what is damaged");
  g_assert_cmpstr (g_hash_table_lookup (removed, put[1]), ==, "5 weights whose converting was broken off");
  g_hash_table_iter_init (&iter, removed);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    n += g_str_has_prefix (key, "pipelines-") || g_str_has_prefix (key, "self-check-");
  g_assert_cmpuint (n, ==, 2);
  g_assert_cmpuint (g_hash_table_size (removed), ==, 4);
  for (guint i = 2; i < G_N_ELEMENTS (put); i++) {
    g_autofree gchar *path = g_build_filename (cache, put[i], NULL);

    g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS));
  }
  g_assert_true (minivl_cache_clear ("", note_removed, removed, &error));
  g_assert_true (minivl_cache_clear ("/no/such/folder", NULL, NULL, &error));
  g_assert_cmpuint (g_hash_table_size (removed), ==, 4);
}

static void
test_progress_cancels (void)
{
  Progress p = { .cancel_at = 1 };
  const MinivlEngineOptions options = { .model_path = api_model, .on_progress = on_progress, .user_data = &p };
  g_autoptr (GError) error = NULL;

  g_assert_null (minivl_engine_open (&options, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED);
  g_assert_cmpuint (p.n, ==, 1);
}

static void
test_sessions_and_pictures_keep_the_engine (void)
{
  g_autoptr (GError) error = NULL;
  MinivlEngine *opened = api_open_model (api_model, NULL, &error);
  g_autoptr (MinivlSession) session = NULL;
  g_autoptr (MinivlPicture) picture = NULL;
  g_auto (MinivlAnswer) answer = { 0 };
  MinivlPictureInfo info = { 0 };
  MinivlImage image;
  G_GNUC_UNUSED g_autofree guint8 *data = api_make_pixels (40, 40, &image);

  g_assert_no_error (error);
  g_assert_true (minivl_engine_ref (opened) == opened);
  minivl_engine_unref (opened);
  picture = minivl_picture_new (opened, &image, 1, NULL, &error);
  session = minivl_session_new (opened, &error);
  g_assert_no_error (error);
  minivl_engine_unref (opened);
  minivl_session_add_pictures (session, &picture, 1);
  api_ask (session, "What?", 2, &answer);
  g_assert_cmpuint (answer.prompt_tokens, >, TILE_TOKENS);
  g_clear_pointer (&session, minivl_session_free);
  minivl_picture_get_info (picture, &info);
  g_assert_cmpuint (info.tiles, ==, 1);
}

static void
assert_not_opened (const MinivlEngineOptions *options, MinivlError code, const gchar *says)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (minivl_engine_open (options, &error));
  g_assert_error (error, MINIVL_ERROR, code);
  g_assert_nonnull (strstr (error->message, says));
  g_assert_null (minivl_engine_open (options, NULL));
}

/* What shows at once is the same error as opening gives. */
static void
assert_not_checked (const MinivlEngineOptions *options, MinivlError code, const gchar *says)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (minivl_engine_check (options, &error));
  g_assert_error (error, MINIVL_ERROR, code);
  g_assert_nonnull (strstr (error->message, says));
  assert_not_opened (options, code, says);
}

static void
test_refused_by_name (void)
{
  g_autofree gchar *no_config = checkpoint_variant (api_model, "no-config", "config.json", NULL, NULL);
  g_autofree gchar *no_tokenizer = checkpoint_variant (api_model, "no-tokenizer", "tokenizer.model", NULL, NULL);
  g_autofree gchar *no_weights = checkpoint_variant (api_model, "no-weights", "model.safetensors", NULL, NULL);
  g_autofree gchar *strange = checkpoint_variant (api_model, "strange", NULL, "phi3-chat", "no-such-template");
  g_autofree gchar *none = g_build_filename (api_model, "none", NULL);

  g_assert_true (minivl_engine_check (&(MinivlEngineOptions){ .model_path = no_config, .context_size = 1 << 20 }, NULL));
  assert_not_checked (&(MinivlEngineOptions){ 0 }, MINIVL_ERROR_USAGE, "folder");
  assert_not_opened (&(MinivlEngineOptions){ .model_path = api_model, .context_size = 1 << 20 }, MINIVL_ERROR_USAGE, "131072");
  assert_not_checked (&(MinivlEngineOptions){ .model_path = none }, MINIVL_ERROR_FILE, none);
  assert_not_opened (&(MinivlEngineOptions){ .model_path = no_config }, MINIVL_ERROR_FILE, "config.json");
  assert_not_opened (&(MinivlEngineOptions){ .model_path = no_tokenizer }, MINIVL_ERROR_FILE, "tokenizer");
  assert_not_opened (&(MinivlEngineOptions){ .model_path = no_weights }, MINIVL_ERROR_FILE, "safetensors");
  assert_not_opened (&(MinivlEngineOptions){ .model_path = strange }, MINIVL_ERROR_MODEL, "no-such-template");
  assert_not_opened (&(MinivlEngineOptions){ .model_path = api_model, .device = "no-such" }, MINIVL_ERROR_DEVICE, "no-such");
}

static void
test_demo_model_comes_with_the_library (void)
{
  g_autofree gchar *path = minivl_default_model_path ();
  g_autoptr (GError) error = NULL;
  g_autoptr (MinivlEngine) demo = api_open_model (path, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (minivl_engine_get_info (demo)->model, ==, "demo-model");
}

/* --- pictures -------------------------------------------------------------------------------------------------------------- */

static void
test_equal_pictures_are_one (void)
{
  g_autoptr (MinivlPicture) a = api_make_picture (WIDE_WIDTH, WIDE_HEIGHT);
  g_autoptr (MinivlPicture) b = api_make_picture (WIDE_WIDTH, WIDE_HEIGHT);
  g_autoptr (MinivlPicture) other = api_make_picture (40, 40);
  MinivlPictureInfo info = { 0 };

  g_assert_true (a == b);
  g_assert_true (a != other);
  g_assert_true (minivl_picture_ref (a) == a);
  minivl_picture_unref (a);
  minivl_picture_get_info (a, &info);
  g_assert_cmpuint (info.columns, ==, 3);
  g_assert_cmpuint (info.rows, ==, 1);
  g_assert_cmpuint (info.tiles, ==, 4);
  g_assert_cmpuint (info.preprocess_ns, >, 0);
  g_assert_cmpuint (info.encode_ns, >, 0);
}

static void
assert_no_picture (const MinivlImage *image, guint max_tiles, const gint *cancel, MinivlError code)
{
  g_autoptr (GError) error = NULL;
  guint n_tiles = 77;

  g_assert_null (minivl_picture_new (api_engine, image, max_tiles, cancel, &error));
  g_assert_error (error, MINIVL_ERROR, code);
  g_assert_null (minivl_picture_new (api_engine, image, max_tiles, cancel, NULL));
  if (cancel)
    return;
  g_assert_null (minivl_engine_read_tiles (api_engine, image, max_tiles, &n_tiles, NULL));
  g_assert_cmpuint (n_tiles, ==, 77);
}

static void
test_pictures_that_cannot_be (void)
{
  const gint set = 1;
  MinivlImage good, bad;
  G_GNUC_UNUSED g_autofree guint8 *data = api_make_pixels (30, 20, &good);

  assert_no_picture (&good, 0, NULL, MINIVL_ERROR_USAGE);
  assert_no_picture (&good, 41, NULL, MINIVL_ERROR_USAGE);
  assert_no_picture (&good, 1, &set, MINIVL_ERROR_CANCELLED);
  bad = good, bad.data[0] = NULL;
  assert_no_picture (&bad, 1, NULL, MINIVL_ERROR_USAGE);
  bad = good, bad.stride[0] = 89;
  assert_no_picture (&bad, 1, NULL, MINIVL_ERROR_USAGE);
  bad = good, bad.width = 0;
  assert_no_picture (&bad, 1, NULL, MINIVL_ERROR_USAGE);
  bad = good, bad.orientation = 9;
  assert_no_picture (&bad, 1, NULL, MINIVL_ERROR_USAGE);
  bad = good, bad.crop_x = 10, bad.crop_width = 21;
  assert_no_picture (&bad, 1, NULL, MINIVL_ERROR_USAGE);
  bad = good, bad.range = MINIVL_RANGE_LIMITED;
  assert_no_picture (&bad, 1, NULL, MINIVL_ERROR_USAGE);
}

/* A picture of a tile's size is seen as it is, and its orders of bytes are the same picture. */
static void
test_tiles_are_what_is_seen (void)
{
  MinivlImage rgb, wide;
  g_autofree guint8 *data = api_make_pixels (TILE, TILE, &rgb), *bgrx = g_malloc (TILE * TILE * 4), *wide_data = NULL;
  g_autofree guint8 *tiles = NULL, *same = NULL, *four = NULL;
  MinivlImage other = { .data = { bgrx }, .width = TILE, .height = TILE, .stride = { TILE * 4 }, .format = MINIVL_FORMAT_BGRX };
  g_autoptr (GError) error = NULL;
  guint n = 0;

  for (guint i = 0; i < TILE * TILE; i++)
    for (guint c = 0; c < 4; c++)
      bgrx[4 * i + c] = c < 3 ? data[3 * i + 2 - c] : i;
  tiles = minivl_engine_read_tiles (api_engine, &rgb, 1, &n, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (n, ==, 1);
  g_assert_cmpmem (tiles, TILE * TILE * 3, data, TILE * TILE * 3);
  same = minivl_engine_read_tiles (api_engine, &other, 1, &n, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (same, TILE * TILE * 3, data, TILE * TILE * 3);

  wide_data = api_make_pixels (WIDE_WIDTH, WIDE_HEIGHT, &wide);
  four = minivl_engine_read_tiles (api_engine, &wide, 12, &n, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (n, ==, 4);
}

static void
test_frames_are_the_middles_of_equal_parts (void)
{
  const gint64 whole[] = { 9, 29, 49, 68 }, part[] = { 22, 27, 32, 37 };
  gint64 indices[4];

  minivl_sample_frames (80, 10, 0, -1, 4, indices);
  g_assert_cmpmem (indices, sizeof indices, whole, sizeof whole);
  minivl_sample_frames (80, 10, 2, 4, 4, indices);
  g_assert_cmpmem (indices, sizeof indices, part, sizeof part);
}

static void
test_pictures_resemble_themselves_and_one_another (void)
{
  g_autoptr (MinivlPicture) a = api_make_picture (40, 40), again = api_make_picture (40, 40), b = api_make_picture (41, 41),
                            wide = api_make_picture (WIDE_WIDTH, WIDE_HEIGHT);

  g_assert_cmpfloat (minivl_picture_similarity (a, a), ==, 1);
  g_assert_cmpfloat (minivl_picture_similarity (a, again), ==, 1);
  g_assert_cmpfloat (minivl_picture_similarity (a, b), <, 1);
  g_assert_cmpfloat (minivl_picture_similarity (a, b), >, -1);
  g_assert_cmpfloat (minivl_picture_similarity (a, wide), ==, -1);
}

static void
assert_token (gint32 id, const gchar *expected)
{
  g_autoptr (GBytes) bytes = minivl_engine_get_token (api_engine, id);
  gsize size;
  gconstpointer data = g_bytes_get_data (bytes, &size);

  g_assert_cmpmem (data, size, expected, strlen (expected));
}

/* Ids of Llama's: three special tokens, 256 bytes, then pieces, the added tokens last. */
static void
test_tokens_have_bytes (void)
{
  guint n_spaced = 0;

  assert_token (3 + '\n', "\n");
  assert_token (3 + 0xe4, "\xe4");
  assert_token (TRAINED_END, "<|end|>");
  assert_token (TRAINED_SIZE, "");
  assert_token (-1, "");
  for (gint32 id = 3 + 256; id < TRAINED_PIECES; id++) {
    g_autoptr (GBytes) bytes = minivl_engine_get_token (api_engine, id);
    gsize size;
    const gchar *data = g_bytes_get_data (bytes, &size);

    g_assert_true (size > 0 && g_utf8_validate_len (data, size, NULL) && !g_strstr_len (data, size, "\xe2\x96\x81"));
    n_spaced += data[0] == ' ';
  }
  g_assert_cmpuint (n_spaced, >, 0);
}

static void
add_tests (void)
{
  g_test_add_func ("/api/nothing-is-legal-to-release", test_nothing_is_legal_to_release);
  g_test_add_func ("/api/error-domain-has-a-name", test_error_domain_has_a_name);
  g_test_add_func ("/api/devices-are-listed-and-selected-by", test_devices_are_listed_and_selected_by);
  g_test_add_func ("/api/precision-is-found-without-opening", test_precision_is_found_without_opening);
  g_test_add_func ("/api/info-tells-what-was-opened", test_info_tells_what_was_opened);
  g_test_add_func ("/api/progress-rises-and-zeroes-are-defaults", test_progress_rises_and_zeroes_are_defaults);
  g_test_add_func ("/api/hash-tells-what-is-beside-the-weights", test_hash_tells_what_is_beside_the_weights);
  g_test_add_func ("/api/cache-is-where-it-is-asked-for-and-cleared", test_cache_is_where_it_is_asked_for_and_cleared);
  g_test_add_func ("/api/progress-cancels", test_progress_cancels);
  g_test_add_func ("/api/sessions-and-pictures-keep-the-engine", test_sessions_and_pictures_keep_the_engine);
  g_test_add_func ("/api/refused-by-name", test_refused_by_name);
  g_test_add_func ("/api/demo-model-comes-with-the-library", test_demo_model_comes_with_the_library);
  g_test_add_func ("/api/equal-pictures-are-one", test_equal_pictures_are_one);
  g_test_add_func ("/api/pictures-that-cannot-be", test_pictures_that_cannot_be);
  g_test_add_func ("/api/tiles-are-what-is-seen", test_tiles_are_what_is_seen);
  g_test_add_func ("/api/frames-are-the-middles-of-equal-parts", test_frames_are_the_middles_of_equal_parts);
  g_test_add_func ("/api/pictures-resemble-themselves-and-one-another", test_pictures_resemble_themselves_and_one_another);
  g_test_add_func ("/api/tokens-have-bytes", test_tokens_have_bytes);
}

int
main (int argc, char **argv)
{
  return api_run (argc, argv, add_tests);
}
