/* Every symbol of the public header does what the header says, through the shared library, on a small random checkpoint. */
#include "model/minivl.h"

#include <string.h>

#include "checkpoint.h"

#define CONTEXT 512
#define WIDE_WIDTH 150
#define WIDE_HEIGHT 50
#define TILE 112
#define TILE_TOKENS 16

static gchar *folder, *model;
static MinivlEngine *engine; /* that most tests share */

static MinivlEngine *
open_model (const gchar *path, const gchar *device, GError **error)
{
  const MinivlEngineOptions options = {
    .model_path = path, .device = device, .precision = MINIVL_PRECISION_F32, .context_size = CONTEXT
  };

  return minivl_engine_open (&options, error);
}

static MinivlSession *
new_session (void)
{
  g_autoptr (GError) error = NULL;
  MinivlSession *session = minivl_session_new (engine, &error);

  g_assert_no_error (error);
  g_assert_nonnull (session);
  return session;
}

static void
ask (MinivlSession *session, const gchar *prompt, guint max_tokens, MinivlAnswer *answer)
{
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (GError) error = NULL;
  gboolean ok;

  params.max_tokens = max_tokens;
  ok = minivl_session_ask (session, prompt, &params, NULL, NULL, answer, &error);
  g_assert_no_error (error);
  g_assert_true (ok);
}

static void
refuse (MinivlSession *session, const gchar *prompt, const MinivlParams *params, MinivlError code)
{
  g_autoptr (GError) error = NULL;
  MinivlAnswer answer = { .prompt_tokens = 77 };

  g_assert_false (minivl_session_ask (session, prompt, params, NULL, NULL, &answer, &error));
  g_assert_error (error, MINIVL_ERROR, code);
  g_assert_cmpuint (strlen (error->message), >, 10);
  g_assert_cmpuint (answer.prompt_tokens, ==, 77);
}

static void
assert_same_prompt (const MinivlAnswer *a, const MinivlAnswer *b)
{
  g_assert_cmpmem (a->input_ids, a->prompt_tokens * 4, b->input_ids, b->prompt_tokens * 4);
}

static void
assert_same (const MinivlAnswer *a, const MinivlAnswer *b)
{
  assert_same_prompt (a, b);
  g_assert_cmpmem (a->token_ids, a->output_tokens * 4, b->token_ids, b->output_tokens * 4);
  g_assert_cmpstr (a->text, ==, b->text);
}

/* RGB, of as many colours as it has pixels. (transfer full) */
static guint8 *
make_pixels (guint width, guint height, MinivlImage *image)
{
  guint8 *data = g_malloc (width * height * 3);

  for (guint i = 0; i < width * height * 3; i++)
    data[i] = i * 7 + i / width;
  *image = (MinivlImage){ .data = { data }, .width = width, .height = height, .stride = { width * 3 } };
  return data;
}

static MinivlPicture *
make_picture (guint width, guint height)
{
  g_autoptr (GError) error = NULL;
  MinivlImage image;
  g_autofree guint8 *data = make_pixels (width, height, &image);
  MinivlPicture *picture = minivl_picture_new (engine, &image, 12, NULL, &error);

  g_assert_no_error (error);
  /* Borrowed only until then. */
  memset (data, 0, width * height * 3);
  return picture;
}

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
      g_assert_cmpstr (minivl_engine_get_info (engine)->device, ==, devices[i].name);
      for (guint j = 0; j < G_N_ELEMENTS (by); j++) {
        g_autoptr (MinivlEngine) same = open_model (model, by[j], &error);

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
test_info_tells_what_was_opened (void)
{
  const MinivlEngineInfo *info = minivl_engine_get_info (engine);

  g_assert_cmpstr (info->model, ==, "model");
  g_assert_true (g_regex_match_simple ("^[0-9a-f]{64}$", info->model_hash, 0, 0));
  g_assert_cmpstr (info->precision, ==, "f32");
  g_assert_cmpuint (info->device_bytes, >, 1 << 16);
  g_assert_cmpuint (info->load_ns, >, 0);
  g_assert_cmpuint (info->tile_side, ==, TILE);
  g_assert_cmpuint (info->tile_tokens, ==, TILE_TOKENS);
  g_assert_cmpuint (info->context_size, ==, CONTEXT);
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
  const MinivlEngineOptions options = { .model_path = model, .on_progress = on_progress, .user_data = &p };
  g_autoptr (GError) error = NULL;
  g_autoptr (MinivlEngine) opened = minivl_engine_open (&options, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (p.n, >=, 2);
  g_assert_cmpfloat (p.last, >, 0.5);
  g_assert_cmpstr (minivl_engine_get_info (opened)->precision, ==, "f16");
  g_assert_cmpuint (minivl_engine_get_info (opened)->context_size, ==, 8192);
  g_assert_cmpstr (minivl_engine_get_info (opened)->model_hash, ==, minivl_engine_get_info (engine)->model_hash);
}

static void
test_progress_cancels (void)
{
  Progress p = { .cancel_at = 1 };
  const MinivlEngineOptions options = { .model_path = model, .on_progress = on_progress, .user_data = &p };
  g_autoptr (GError) error = NULL;

  g_assert_null (minivl_engine_open (&options, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED);
  g_assert_cmpuint (p.n, ==, 1);
}

static void
test_sessions_and_pictures_keep_the_engine (void)
{
  g_autoptr (GError) error = NULL;
  MinivlEngine *opened = open_model (model, NULL, &error);
  g_autoptr (MinivlSession) session = NULL;
  g_autoptr (MinivlPicture) picture = NULL;
  g_auto (MinivlAnswer) answer = { 0 };
  MinivlPictureInfo info = { 0 };
  MinivlImage image;
  G_GNUC_UNUSED g_autofree guint8 *data = make_pixels (40, 40, &image);

  g_assert_no_error (error);
  g_assert_true (minivl_engine_ref (opened) == opened);
  minivl_engine_unref (opened);
  picture = minivl_picture_new (opened, &image, 1, NULL, &error);
  session = minivl_session_new (opened, &error);
  g_assert_no_error (error);
  minivl_engine_unref (opened);
  minivl_session_add_pictures (session, &picture, 1);
  ask (session, "What?", 2, &answer);
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

static void
test_refused_by_name (void)
{
  g_autofree gchar *no_config = checkpoint_variant (model, "no-config", "config.json", NULL, NULL);
  g_autofree gchar *no_tokenizer = checkpoint_variant (model, "no-tokenizer", "tokenizer.model", NULL, NULL);
  g_autofree gchar *no_weights = checkpoint_variant (model, "no-weights", "model.safetensors", NULL, NULL);
  g_autofree gchar *strange = checkpoint_variant (model, "strange", NULL, "phi3-chat", "no-such-template");
  g_autofree gchar *none = g_build_filename (folder, "none", NULL);

  assert_not_opened (&(MinivlEngineOptions){ 0 }, MINIVL_ERROR_USAGE, "folder");
  assert_not_opened (&(MinivlEngineOptions){ .model_path = model, .context_size = 1 << 20 }, MINIVL_ERROR_USAGE, "131072");
  assert_not_opened (&(MinivlEngineOptions){ .model_path = none }, MINIVL_ERROR_FILE, none);
  assert_not_opened (&(MinivlEngineOptions){ .model_path = no_config }, MINIVL_ERROR_FILE, "config.json");
  assert_not_opened (&(MinivlEngineOptions){ .model_path = no_tokenizer }, MINIVL_ERROR_FILE, "tokenizer");
  assert_not_opened (&(MinivlEngineOptions){ .model_path = no_weights }, MINIVL_ERROR_FILE, "safetensors");
  assert_not_opened (&(MinivlEngineOptions){ .model_path = strange }, MINIVL_ERROR_MODEL, "no-such-template");
  assert_not_opened (&(MinivlEngineOptions){ .model_path = model, .device = "no-such" }, MINIVL_ERROR_DEVICE, "no-such");
}

static void
test_demo_model_comes_with_the_library (void)
{
  g_autofree gchar *path = minivl_default_model_path ();
  g_autoptr (GError) error = NULL;
  g_autoptr (MinivlEngine) demo = open_model (path, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (minivl_engine_get_info (demo)->model, ==, "demo-model");
}

/* --- pictures -------------------------------------------------------------------------------------------------------------- */

static void
test_equal_pictures_are_one (void)
{
  g_autoptr (MinivlPicture) a = make_picture (WIDE_WIDTH, WIDE_HEIGHT);
  g_autoptr (MinivlPicture) b = make_picture (WIDE_WIDTH, WIDE_HEIGHT);
  g_autoptr (MinivlPicture) other = make_picture (40, 40);
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

  g_assert_null (minivl_picture_new (engine, image, max_tiles, cancel, &error));
  g_assert_error (error, MINIVL_ERROR, code);
  g_assert_null (minivl_picture_new (engine, image, max_tiles, cancel, NULL));
  if (cancel)
    return;
  g_assert_null (minivl_engine_read_tiles (engine, image, max_tiles, &n_tiles, NULL));
  g_assert_cmpuint (n_tiles, ==, 77);
}

static void
test_pictures_that_cannot_be (void)
{
  const gint set = 1;
  MinivlImage good, bad;
  G_GNUC_UNUSED g_autofree guint8 *data = make_pixels (30, 20, &good);

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
  g_autofree guint8 *data = make_pixels (TILE, TILE, &rgb), *bgrx = g_malloc (TILE * TILE * 4), *wide_data = NULL;
  g_autofree guint8 *tiles = NULL, *same = NULL, *four = NULL;
  MinivlImage other = { .data = { bgrx }, .width = TILE, .height = TILE, .stride = { TILE * 4 }, .format = MINIVL_FORMAT_BGRX };
  g_autoptr (GError) error = NULL;
  guint n = 0;

  for (guint i = 0; i < TILE * TILE; i++)
    for (guint c = 0; c < 4; c++)
      bgrx[4 * i + c] = c < 3 ? data[3 * i + 2 - c] : i;
  tiles = minivl_engine_read_tiles (engine, &rgb, 1, &n, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (n, ==, 1);
  g_assert_cmpmem (tiles, TILE * TILE * 3, data, TILE * TILE * 3);
  same = minivl_engine_read_tiles (engine, &other, 1, &n, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (same, TILE * TILE * 3, data, TILE * TILE * 3);

  wide_data = make_pixels (WIDE_WIDTH, WIDE_HEIGHT, &wide);
  four = minivl_engine_read_tiles (engine, &wide, 12, &n, &error);
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

/* --- conversations --------------------------------------------------------------------------------------------------------- */

static void
append_text (const gchar *text, gpointer user_data)
{
  g_assert_cmpuint (strlen (text), >, 0);
  g_assert_true (g_utf8_validate (text, -1, NULL));
  g_string_append (user_data, text);
}

static void
test_answer_is_whole (void)
{
  g_autoptr (MinivlSession) session = new_session ();
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  g_auto (MinivlAnswer) a = { 0 };
  MinivlParams params = MINIVL_PARAMS_INIT;
  guint best = 0;

  params.max_tokens = 6;
  params.want_logits = TRUE;
  params.n_logprobs = 3;
  g_assert_true (minivl_session_ask (session, "Hello, who are you?", &params, append_text, text, &a, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (g_strstrip (text->str), ==, a.text);
  g_assert_cmpint (a.finish, ==, MINIVL_FINISH_LENGTH);
  g_assert_cmpuint (a.output_tokens, ==, 6);
  g_assert_cmpuint (a.prompt_tokens, >, 10);
  g_assert_nonnull (a.input_ids);
  g_assert_cmpfloat (a.yes, ==, -1);
  g_assert_cmpuint (a.prefill_ns, >, 0);
  g_assert_cmpuint (a.total_ns, >=, a.prefill_ns + a.decode_ns);
  for (guint i = 0; i < a.n_logits; i++)
    if (a.logits[i] > a.logits[best])
      best = i;
  g_assert_cmpuint (a.n_logits, >, 1000);
  g_assert_cmpint (a.token_ids[0], ==, best);
  /* Greedy: the best one is the chosen one. */
  for (guint i = 0; i < a.output_tokens; i++) {
    g_assert_cmpint (a.top_ids[3 * i], ==, a.token_ids[i]);
    g_assert_cmpfloat_with_epsilon (a.top_logprobs[3 * i], a.logprobs[i], 1e-9);
    g_assert_cmpfloat (a.top_logprobs[3 * i + 1], >=, a.top_logprobs[3 * i + 2]);
    g_assert_cmpfloat (a.logprobs[i], <, 0);
  }
  minivl_answer_clear (&a);
  g_assert_null (a.text);
  g_assert_null (a.top_ids);
  g_assert_cmpuint (a.output_tokens, ==, 0);
}

static void
test_finish_has_a_word (void)
{
  g_assert_cmpstr (minivl_finish_to_string (MINIVL_FINISH_STOP), ==, "stop");
  g_assert_cmpstr (minivl_finish_to_string (MINIVL_FINISH_LENGTH), ==, "length");
  g_assert_cmpstr (minivl_finish_to_string (MINIVL_FINISH_CANCELLED), ==, "cancelled");
  g_assert_cmpstr (minivl_finish_to_string (MINIVL_FINISH_DEADLINE), ==, "deadline");
}

static void
test_rounds_follow_one_another (void)
{
  g_autoptr (MinivlSession) asked = new_session (), told = new_session ();
  g_auto (MinivlAnswer) first = { 0 }, second = { 0 }, as_told = { 0 }, anew = { 0 };

  ask (asked, "Hello", 4, &first);
  ask (asked, "And?", 4, &second);
  g_assert_cmpuint (second.prompt_tokens, >, first.prompt_tokens);
  g_assert_cmpuint (second.cached_tokens, >=, first.prompt_tokens - 1);
  g_assert_cmpmem (first.input_ids, (first.prompt_tokens - 1) * 4, second.input_ids, (first.prompt_tokens - 1) * 4);

  minivl_session_add_round (told, "Hello", first.text);
  ask (told, "And?", 4, &as_told);
  assert_same (&as_told, &second);

  minivl_session_reset (asked);
  ask (asked, "Hello", 4, &anew);
  assert_same (&anew, &first);
  g_assert_cmpuint (anew.cached_tokens, ==, first.prompt_tokens - 1);
}

/* What counts is the whole conversation, pictures and all; and it is as it was. */
static void
test_tokens_are_counted_as_they_are_asked (void)
{
  g_autoptr (MinivlPicture) picture = make_picture (40, 40);
  g_autoptr (MinivlSession) session = new_session ();
  g_auto (MinivlAnswer) answer = { 0 };
  g_autoptr (GError) error = NULL;
  guint n_tokens = 0;

  minivl_session_set_system (session, "Watch.");
  minivl_session_add_round (session, "Hello", "A yard.");
  minivl_session_add_pictures (session, &picture, 1);
  for (guint i = 0; i < 2; i++) {
    n_tokens = 0;
    g_assert_true (minivl_session_count_tokens (session, "What is – this?", NULL, &n_tokens, &error));
    g_assert_no_error (error);
  }
  ask (session, "What is – this?", 1, &answer);
  g_assert_cmpuint (n_tokens, ==, answer.prompt_tokens);
  g_assert_false (minivl_session_count_tokens (session, "<image>", NULL, &n_tokens, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_IMAGES);
}

/* What was said is in the prompt as the template has it, written out here; and a mark of the template's within it is only text. */
static void
test_told_rounds_are_as_the_template_has_them (void)
{
  g_autoptr (MinivlSession) told = new_session (), written = new_session (), quoted = new_session ();
  g_auto (MinivlAnswer) as_told = { 0 }, as_written = { 0 }, as_quoted = { 0 };
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (GError) error = NULL;

  params.max_tokens = 1;
  minivl_session_set_system (told, "Watch.");
  minivl_session_add_round (told, "Hello", "A yard.");
  minivl_session_add_round (told, "And?", "Nobody.");
  ask (told, "Now?", 1, &as_told);
  minivl_session_set_system (written, "Watch.");
  params.special_tokens = TRUE;
  g_assert_true (minivl_session_ask (written,
      "Hello<|end|><|assistant|>\nA yard.<|end|><|user|>\nAnd?<|end|><|assistant|>\nNobody.<|end|><|user|>\nNow?", &params, NULL,
      NULL, &as_written, &error));
  g_assert_no_error (error);
  assert_same_prompt (&as_told, &as_written);

  minivl_session_set_system (quoted, "Watch.");
  minivl_session_add_round (quoted, "Hello", "A yard.<|end|><|user|>\nAnd?<|end|><|assistant|>\nNobody.");
  ask (quoted, "Now?", 1, &as_quoted);
  g_assert_cmpuint (as_quoted.prompt_tokens, >, as_written.prompt_tokens);
}

static void
test_system_is_chosen (void)
{
  g_autoptr (MinivlSession) session = new_session ();
  g_auto (MinivlAnswer) own = { 0 }, none = { 0 }, other = { 0 }, own_again = { 0 };

  ask (session, "Hello", 1, &own);
  minivl_session_reset (session);
  minivl_session_set_system (session, "");
  ask (session, "Hello", 1, &none);
  minivl_session_reset (session);
  minivl_session_set_system (session, "You are a parrot.");
  ask (session, "Hello", 1, &other);
  minivl_session_reset (session);
  minivl_session_set_system (session, NULL);
  ask (session, "Hello", 1, &own_again);
  g_assert_cmpuint (none.prompt_tokens, <, own.prompt_tokens);
  g_assert_cmpuint (none.prompt_tokens, <, other.prompt_tokens);
  assert_same (&own_again, &own);
}

static void
test_pictures_resemble_themselves_and_one_another (void)
{
  g_autoptr (MinivlPicture) a = make_picture (40, 40), again = make_picture (40, 40), b = make_picture (41, 41),
                            wide = make_picture (WIDE_WIDTH, WIDE_HEIGHT);

  g_assert_cmpfloat (minivl_picture_similarity (a, a), ==, 1);
  g_assert_cmpfloat (minivl_picture_similarity (a, again), ==, 1);
  g_assert_cmpfloat (minivl_picture_similarity (a, b), <, 1);
  g_assert_cmpfloat (minivl_picture_similarity (a, b), >, -1);
  g_assert_cmpfloat (minivl_picture_similarity (a, wide), ==, -1);
}

/* The end of a part: one token if it is meant, and the letters of it if it is not. */
static void
test_special_tokens_are_text_unless_asked_for (void)
{
  g_autoptr (MinivlSession) text = new_session (), meant = new_session (), shorter = new_session ();
  g_auto (MinivlAnswer) a = { 0 }, b = { 0 }, c = { 0 };
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (GError) error = NULL;

  ask (text, "Hello<|end|>", 1, &a);
  ask (shorter, "Hello", 1, &c);
  params.max_tokens = 1;
  params.special_tokens = TRUE;
  g_assert_true (minivl_session_ask (meant, "Hello<|end|>", &params, NULL, NULL, &b, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (b.prompt_tokens, ==, c.prompt_tokens + 1);
  g_assert_cmpuint (a.prompt_tokens, >, b.prompt_tokens);
}

static void
test_pictures_stand_for_marks (void)
{
  g_autoptr (MinivlPicture) wide = make_picture (WIDE_WIDTH, WIDE_HEIGHT);
  g_autoptr (MinivlPicture) small = make_picture (40, 40);
  MinivlPicture *both[] = { wide, small };
  g_autoptr (MinivlSession) implied = new_session (), written = new_session (), joined = new_session (), text = new_session ();
  g_auto (MinivlAnswer) a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 }, e = { 0 };
  g_autofree gchar *frames = minivl_prompt_add_marks ("What?", 0, 2);

  for (guint i = 0; i < 2; i++) {
    minivl_session_add_pictures (implied, &both[i], 1);
    minivl_session_add_pictures (written, &both[i], 1);
  }
  minivl_session_add_pictures (joined, both, 2);
  g_assert_cmpuint (minivl_prompt_count_marks (frames), ==, 2);
  ask (implied, "What?", 2, &a);
  ask (written, "<image>\n<image>\nWhat?", 2, &b);
  ask (joined, "What?", 2, &c);
  ask (text, "What?", 2, &d);
  assert_same (&a, &b);
  g_assert_cmpuint (a.prompt_tokens - d.prompt_tokens, >=, 5 * TILE_TOKENS);
  g_assert_cmpuint (c.prompt_tokens, <, a.prompt_tokens);
  g_assert_cmpuint (c.prompt_tokens - d.prompt_tokens, >=, 5 * TILE_TOKENS);

  /* A round that was answered elsewhere takes them too. */
  minivl_session_reset (text);
  minivl_session_add_pictures (text, both, 1);
  minivl_session_add_round (text, "<image>\nWhat?", "That.");
  ask (text, "And?", 2, &e);
  g_assert_cmpuint (e.prompt_tokens, >, 4 * TILE_TOKENS);
}

static void
test_marks_and_pictures_that_differ (void)
{
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (MinivlPicture) picture = make_picture (40, 40);
  g_autoptr (MinivlSession) session = new_session (), fresh = new_session ();
  g_auto (MinivlAnswer) after = { 0 }, without = { 0 }, told = { 0 };

  params.max_tokens = 2;
  refuse (session, "<image>\nWhat?", &params, MINIVL_ERROR_IMAGES);
  minivl_session_add_pictures (session, &picture, 1);
  refuse (session, "<image> <image>\nWhat?", &params, MINIVL_ERROR_IMAGES);
  /* It still waits. */
  ask (session, "What?", 2, &after);
  minivl_session_add_pictures (fresh, &picture, 1);
  ask (fresh, "<image>\nWhat?", 2, &without);
  assert_same (&after, &without);

  minivl_session_reset (session);
  minivl_session_add_round (session, "<image>\nWhat?", "That.");
  refuse (session, "And?", &params, MINIVL_ERROR_IMAGES);
  minivl_session_reset (session);
  ask (session, "And?", 2, &told);
}

static void
test_refused_and_as_before (void)
{
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (MinivlSession) session = new_session (), fresh = new_session ();
  g_auto (MinivlAnswer) after = { 0 }, without = { 0 };

  /* The defaults' 512 tokens and a prompt are more than the context. */
  refuse (session, "Hello", NULL, MINIVL_ERROR_BUDGET);
  refuse (session, "Hello", &params, MINIVL_ERROR_BUDGET);
  params.max_tokens = 0;
  refuse (session, "Hello", &params, MINIVL_ERROR_BUDGET);
  params.max_tokens = 2;
  params.n_logprobs = 65;
  refuse (session, "Hello", &params, MINIVL_ERROR_USAGE);
  g_assert_false (minivl_session_ask (session, "Hello", &params, NULL, NULL, &after, NULL));
  ask (session, "Hello", 2, &after);
  ask (fresh, "Hello", 2, &without);
  assert_same (&after, &without);
}

static void
test_deadline_that_has_passed (void)
{
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (MinivlSession) session = new_session ();
  g_autoptr (GError) error = NULL;
  g_auto (MinivlAnswer) answer = { 0 };

  params.max_tokens = 2;
  params.deadline = 1;
  g_assert_true (minivl_session_ask (session, "A question of its own", &params, NULL, NULL, &answer, &error));
  g_assert_no_error (error);
  g_assert_cmpint (answer.finish, ==, MINIVL_FINISH_DEADLINE);
  g_assert_cmpuint (answer.output_tokens, ==, 0);
  g_assert_cmpstr (answer.text, ==, "");
}

static gpointer
ask_low (gpointer data)
{
  MinivlAnswer *answer = g_new0 (MinivlAnswer, 1);

  ask (data, "Who is first?", 20, answer);
  return answer;
}

static void
test_a_session_encodes_what_its_engine_does (void)
{
  g_autoptr (MinivlSession) session = new_session ();
  g_autoptr (MinivlPicture) picture = make_picture (40, 30), same = NULL;
  g_autoptr (GError) error = NULL;
  MinivlImage image;
  G_GNUC_UNUSED g_autofree guint8 *data = make_pixels (40, 30, &image);
  gint cancel = TRUE;

  minivl_session_set_priority (session, 1);
  same = minivl_session_encode (session, &image, 12, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (same == picture);
  g_assert_null (minivl_session_encode (session, &image, 11, &cancel, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED);
}

static void
test_priority_changes_no_answer (void)
{
  g_autoptr (MinivlSession) low = new_session (), high = new_session ();
  g_auto (MinivlAnswer) answer = { 0 };
  MinivlAnswer *other;
  GThread *thread;

  minivl_session_set_priority (low, -1);
  minivl_session_set_priority (high, 1);
  thread = g_thread_new ("low", ask_low, low);
  ask (high, "Who is first?", 20, &answer);
  other = g_thread_join (thread);
  assert_same (&answer, other);
  minivl_answer_clear (other);
  g_free (other);
}

/* --- cancelling ------------------------------------------------------------------------------------------------------------ */

typedef struct
{
  MinivlSession *session;
  GThreadFunc func;
  GThread *thread;
} Interruption;

static gpointer
cancel_session (gpointer data)
{
  minivl_session_cancel (data);
  return NULL;
}

static gpointer
free_session (gpointer data)
{
  minivl_session_free (data);
  return NULL;
}

/* At the first text, from another thread. */
static void
interrupt (const gchar *text, gpointer user_data)
{
  Interruption *i = user_data;

  if (!i->thread)
    i->thread = g_thread_new ("interrupt", i->func, i->session);
}

static void
ask_interrupted (Interruption *i)
{
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (GError) error = NULL;
  g_auto (MinivlAnswer) answer = { 0 };
  gboolean ok;

  params.max_tokens = CONTEXT - 64;
  ok = minivl_session_ask (i->session, "Tell me a story.", &params, interrupt, i, &answer, &error);
  g_assert_no_error (error);
  g_assert_true (ok);
  g_assert_nonnull (i->thread);
  g_thread_join (i->thread);
  g_assert_cmpint (answer.finish, ==, MINIVL_FINISH_CANCELLED);
  g_assert_cmpuint (answer.output_tokens, >, 0);
  g_assert_cmpuint (answer.output_tokens, <, params.max_tokens);
  g_assert_true (g_utf8_validate (answer.text, -1, NULL));
}

static void
test_cancelled_from_another_thread (void)
{
  g_autoptr (MinivlSession) session = new_session ();
  Interruption i = { session, cancel_session, NULL };
  g_auto (MinivlAnswer) next = { 0 };

  ask_interrupted (&i);
  /* Without an answer in hand nothing happens. */
  minivl_session_cancel (session);
  ask (session, "And?", 2, &next);
  g_assert_cmpint (next.finish, ==, MINIVL_FINISH_LENGTH);
}

typedef struct
{
  gint cancel;
  guint at, n;
} Patience;

static void
lose_patience (const gchar *text, gpointer user_data)
{
  Patience *p = user_data;

  if (++p->n == p->at)
    g_atomic_int_set (&p->cancel, TRUE);
}

/* The flag counts whenever it was set: before the question is asked, and while it is answered. */
static void
test_cancelled_by_a_flag (void)
{
  g_autoptr (MinivlSession) session = new_session ();
  Patience before = { .cancel = TRUE }, amid = { .at = 2 };
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_auto (MinivlAnswer) none = { 0 }, some = { 0 }, next = { 0 };
  g_autoptr (GError) error = NULL;

  params.max_tokens = CONTEXT - 64;
  params.cancel = &before.cancel;
  g_assert_true (minivl_session_ask (session, "Tell me another story.", &params, lose_patience, &before, &none, &error));
  g_assert_no_error (error);
  g_assert_cmpint (none.finish, ==, MINIVL_FINISH_CANCELLED);
  g_assert_cmpuint (none.output_tokens, ==, 0);
  g_assert_cmpuint (before.n, ==, 0);
  params.cancel = &amid.cancel;
  g_assert_true (minivl_session_ask (session, "And another one.", &params, lose_patience, &amid, &some, &error));
  g_assert_no_error (error);
  g_assert_cmpint (some.finish, ==, MINIVL_FINISH_CANCELLED);
  g_assert_cmpuint (some.output_tokens, >, 0);
  g_assert_cmpuint (some.output_tokens, <, params.max_tokens);
  ask (session, "And?", 2, &next);
  g_assert_cmpint (next.finish, ==, MINIVL_FINISH_LENGTH);
}

static void
test_freed_in_mid_answer (void)
{
  Interruption i = { new_session (), free_session, NULL };

  ask_interrupted (&i);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  int code;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("minivl-api-XXXXXX", NULL);
  g_assert_nonnull (folder);
  model = checkpoint_make (folder);
  engine = open_model (model, NULL, &error);
  g_assert_no_error (error);

  g_test_add_func ("/api/nothing-is-legal-to-release", test_nothing_is_legal_to_release);
  g_test_add_func ("/api/error-domain-has-a-name", test_error_domain_has_a_name);
  g_test_add_func ("/api/devices-are-listed-and-selected-by", test_devices_are_listed_and_selected_by);
  g_test_add_func ("/api/info-tells-what-was-opened", test_info_tells_what_was_opened);
  g_test_add_func ("/api/progress-rises-and-zeroes-are-defaults", test_progress_rises_and_zeroes_are_defaults);
  g_test_add_func ("/api/progress-cancels", test_progress_cancels);
  g_test_add_func ("/api/sessions-and-pictures-keep-the-engine", test_sessions_and_pictures_keep_the_engine);
  g_test_add_func ("/api/refused-by-name", test_refused_by_name);
  g_test_add_func ("/api/demo-model-comes-with-the-library", test_demo_model_comes_with_the_library);
  g_test_add_func ("/api/equal-pictures-are-one", test_equal_pictures_are_one);
  g_test_add_func ("/api/pictures-that-cannot-be", test_pictures_that_cannot_be);
  g_test_add_func ("/api/tiles-are-what-is-seen", test_tiles_are_what_is_seen);
  g_test_add_func ("/api/frames-are-the-middles-of-equal-parts", test_frames_are_the_middles_of_equal_parts);
  g_test_add_func ("/api/answer-is-whole", test_answer_is_whole);
  g_test_add_func ("/api/finish-has-a-word", test_finish_has_a_word);
  g_test_add_func ("/api/rounds-follow-one-another", test_rounds_follow_one_another);
  g_test_add_func ("/api/tokens-are-counted-as-they-are-asked", test_tokens_are_counted_as_they_are_asked);
  g_test_add_func ("/api/told-rounds-are-as-the-template-has-them", test_told_rounds_are_as_the_template_has_them);
  g_test_add_func ("/api/system-is-chosen", test_system_is_chosen);
  g_test_add_func ("/api/pictures-resemble-themselves-and-one-another", test_pictures_resemble_themselves_and_one_another);
  g_test_add_func ("/api/special-tokens-are-text-unless-asked-for", test_special_tokens_are_text_unless_asked_for);
  g_test_add_func ("/api/pictures-stand-for-marks", test_pictures_stand_for_marks);
  g_test_add_func ("/api/marks-and-pictures-that-differ", test_marks_and_pictures_that_differ);
  g_test_add_func ("/api/refused-and-as-before", test_refused_and_as_before);
  g_test_add_func ("/api/deadline-that-has-passed", test_deadline_that_has_passed);
  g_test_add_func ("/api/priority-changes-no-answer", test_priority_changes_no_answer);
  g_test_add_func ("/api/a-session-encodes-what-its-engine-does", test_a_session_encodes_what_its_engine_does);
  g_test_add_func ("/api/cancelled-from-another-thread", test_cancelled_from_another_thread);
  g_test_add_func ("/api/cancelled-by-a-flag", test_cancelled_by_a_flag);
  g_test_add_func ("/api/freed-in-mid-answer", test_freed_in_mid_answer);
  code = g_test_run ();
  minivl_engine_unref (engine);
  checkpoint_remove (folder);
  g_free (model);
  g_free (folder);
  return code;
}
