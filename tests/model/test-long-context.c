/* Conversations of tens of thousands of tokens, against an independent forward pass; and as many frames as a segment can have. */
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "harness.h"
#include "variant.h"
#include "model/model_testing.h"

#define VARIANT "long-context"

static const gchar *golden_folder = TEST_DATA "/variants/" VARIANT;

static MinivlEngine *
engine_of (guint context)
{
  g_autoptr (GError) error = NULL;
  MinivlEngine *engine = variant_open (VARIANT, context, &error);

  g_assert_no_error (error);
  return engine;
}

/* As record.py has it. */
static gint32 *
ids_of (guint n)
{
  gint32 *ids = g_new (gint32, n);
  guint32 state = 1;

  for (guint i = 0; i < n; i++) {
    state = state * 1664525 + 1013904223;
    ids[i] = 4 + (state >> 8) % 92;
  }
  return ids;
}

static void
ask (MinivlEngine *engine, const gint32 *ids, guint n, MinivlPicture *const *pictures, guint n_pictures, MinivlAnswer *answer)
{
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (GError) error = NULL;
  g_autoptr (MinivlSession) session = minivl_session_new (engine, &error);

  g_assert_no_error (error);
  params.max_tokens = 1;
  params.want_logits = TRUE;
  session_ask_ids (session, ids, n, pictures, n_pictures, &params, NULL, NULL, answer, &error);
  g_assert_no_error (error);
}

/* --- text ------------------------------------------------------------------------------------------------------------------ */

static gint
compare_lengths (gconstpointer a, gconstpointer b)
{
  return *(const guint *)a < *(const guint *)b ? -1 : 1;
}

/* (transfer full): of the golden's logits, in order */
static GArray *
lengths_of (const Golden *golden)
{
  g_auto (GStrv) names = golden_names (golden);
  GArray *lengths = g_array_new (FALSE, FALSE, sizeof (guint));

  for (guint i = 0; names[i]; i++) {
    guint n = atoi (names[i] + strlen ("logits."));

    g_array_append_val (lengths, n);
  }
  g_array_sort (lengths, compare_lengths);
  return lengths;
}

/* Each is the beginning of the next: where that uses the same factors, it is in the cache, and one token more is a decode step. */
static void
test_golden (void)
{
  g_autofree gchar *path = g_build_filename (golden_folder, "golden.safetensors", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (Golden) golden = golden_open (path, &error);
  g_autoptr (GArray) lengths = NULL;
  g_autoptr (MinivlEngine) engine = NULL;
  g_autofree gint32 *ids = NULL;
  guint most, before = 0;

  g_assert_no_error (error);
  lengths = lengths_of (golden);
  most = g_array_index (lengths, guint, lengths->len - 1);
  g_assert_cmpuint (most, >=, 40000);
  engine = engine_of (most + 1);
  ids = ids_of (most);
  for (guint i = 0; i < lengths->len; i++) {
    guint n = g_array_index (lengths, guint, i);
    g_autofree gchar *name = g_strdup_printf ("logits.%u", n);
    g_auto (MinivlAnswer) answer = { NULL };
    gboolean goes_on = i > 0 && language_is_long (engine->language, before);
    gsize n_golden;
    const float *wanted = golden_floats (golden, name, &n_golden);
    double nmse;

    ask (engine, ids, n, NULL, 0, &answer);
    g_assert_cmpuint (answer.n_logits, ==, n_golden);
    nmse = golden_nmse (answer.logits, wanted, n_golden);
    g_test_message ("%u tokens: %.2g, prefill %.1f s", n, nmse, answer.prefill_ns / 1e9);
    g_assert_cmpfloat (nmse, <, 1e-9);
    g_assert_cmpuint (answer.cached_tokens, ==, goes_on ? before : 0);
    before = n;
  }
}

/* --- frames ---------------------------------------------------------------------------------------------------------------- */

#define FRAMES 128
#define BETWEEN 9 /* tokens between two frames, as `FrameN: <img></img>\n` has */

static MinivlPicture *
frame (MinivlEngine *engine, guint number)
{
  guint side = engine->info.tile_side;
  g_autofree guint8 *pixels = g_new (guint8, side * side * 3);
  MinivlImage image = { .data = { pixels }, .width = side, .height = side, .stride = { side * 3 } };
  g_autoptr (GError) error = NULL;
  MinivlPicture *picture;

  for (guint i = 0; i < side * side * 3; i++)
    pixels[i] = i * (number + 3) * 2654435761u >> 24;
  picture = minivl_picture_new (engine, &image, 1, NULL, &error);
  g_assert_no_error (error);
  return picture;
}

/* Frames 0 .. 127, but for one. */
static void
ask_of_frames (MinivlEngine *engine, MinivlPicture *const *pictures, MinivlAnswer *answer)
{
  guint tile = engine->info.tile_tokens, n = FRAMES * (BETWEEN + tile) + 1;
  g_autofree gint32 *ids = ids_of (n);

  for (guint i = 0; i < FRAMES; i++)
    for (guint j = 0; j < tile; j++)
      ids[i * (BETWEEN + tile) + BETWEEN + j] = engine->image_token;
  ask (engine, ids, n, pictures, FRAMES, answer);
  g_assert_cmpuint (answer->prompt_tokens, ==, n);
}

/* What is the same in front of the frame that differs is not computed again, and each frame is seen. */
static void
test_128_frames (void)
{
  static const guint changed[] = { FRAMES - 1, FRAMES / 2, 0 };
  g_autoptr (MinivlEngine) engine = engine_of (40000);
  MinivlPicture *pictures[FRAMES], *other = frame (engine, FRAMES);
  g_auto (MinivlAnswer) answer = { NULL };
  guint tile = engine->info.tile_tokens;

  g_assert_cmpuint (tile, ==, 256);
  for (guint i = 0; i < FRAMES; i++)
    pictures[i] = frame (engine, i);
  ask_of_frames (engine, pictures, &answer);
  g_assert_cmpuint (answer.cached_tokens, ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (changed); i++) {
    MinivlPicture *kept = pictures[changed[i]];
    g_auto (MinivlAnswer) another = { NULL };
    double nmse;

    pictures[changed[i]] = other;
    ask_of_frames (engine, pictures, &another);
    pictures[changed[i]] = kept;
    g_assert_cmpuint (another.cached_tokens, ==, changed[i] * (BETWEEN + tile) + BETWEEN);
    nmse = golden_nmse (another.logits, answer.logits, answer.n_logits);
    g_test_message ("frame %u: %.2g", changed[i], nmse);
    g_assert_cmpfloat (nmse, >, 1e-10);
  }
  for (guint i = 0; i < FRAMES; i++)
    minivl_picture_unref (pictures[i]);
  minivl_picture_unref (other);
}

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
  if (argc > 1) /* a folder of record.py's */
    golden_folder = argv[1];
  g_test_add_func ("/long-context/golden", test_golden);
  g_test_add_func ("/long-context/128-frames", test_128_frames);
  return g_test_run ();
}
