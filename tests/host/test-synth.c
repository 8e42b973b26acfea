/* Synthetic weights are the recordings' to the bit, and make-checkpoint writes folders that the loaders take. */
#include "../folder.h"
#include "model/tokenizer.h"
#include "synth.h"

#include <string.h>
#include <sys/wait.h>

#define DEMO TEST_DATA "/demo-config.json"

static void
parse (ModelConfig *config, const gchar *path)
{
  g_autoptr (GError) error = NULL;

  model_config_load (config, path, 0, &error);
  g_assert_no_error (error);
}

/* --- the formula: SHA-256 over each tensor's name with its zero and its bytes, by the recordings' own writer ----------------- */

typedef struct
{
  const gchar *name;
  Dtype dtype;
  guint64 seed;
  gboolean variant; /* the other branch of all that chooses tensors */
  const gchar *digest;
} Digest;

static const Digest digests[] = {
  { "bf16", DTYPE_BF16, 3, FALSE, "cf38c53923597ec07e0fbbc1679c681f2287a1d2f80d2c645b78a08e80719863" },
  { "f16", DTYPE_F16, 3, FALSE, "b890f699a290c7ecf44cfda6299e89ef98c868ab7c1b4cbc4bcf54e79c5fe986" },
  { "f32", DTYPE_F32, 3, FALSE, "d638b2d58a052f9d91f2e6aaf5d7989054a8afffe99b37f47c3629206b073fc2" },
  { "variant", DTYPE_BF16, G_MAXUINT64 - 4, TRUE, "d7d7e7668f98225d8d15e69f9f98eb64fdfb2ef74999ea04e32f77065c1dc519" },
};

static void
test_weights_are_the_formula_s (gconstpointer data)
{
  const Digest *d = data;
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autoptr (TensorSet) set = NULL;
  g_autofree const TensorInfo **list = NULL;
  ModelConfig c;
  guint n;

  parse (&c, DEMO);
  if (d->variant) {
    c.vision.rms_norm = c.vision.qk_normalization = c.language.tied = TRUE;
    c.vision.qkv_bias = FALSE;
    c.language.kv_heads = 1;
    c.shuffle = 4;
  }
  set = synth_tensors (&c, d->seed, d->dtype);
  list = tensor_set_list (set, &n);
  for (guint i = 0; i < n; i++) {
    g_checksum_update (sum, (const guchar *)list[i]->name, strlen (list[i]->name) + 1);
    g_checksum_update (sum, list[i]->data, tensor_info_bytes (list[i]));
  }
  g_assert_cmpstr (g_checksum_get_string (sum), ==, d->digest);
  model_config_clear (&c);
}

static void
test_pieces_are_the_whole (void)
{
  const TensorInfo t = { .name = "language_model.lm_head.weight", .dtype = DTYPE_F32, .n_dims = 2, .shape = { 7, 5 } };
  float whole[35], piece[9];

  synth_fill (&t, 42, 0, 35, whole);
  for (guint i = 0; i < 35; i += 9) {
    guint n = MIN (9, 35 - i);

    synth_fill (&t, 42, i, n, piece);
    g_assert_cmpmem (piece, n * sizeof *piece, whole + i, n * sizeof *piece);
  }
}

/* --- make-checkpoint --------------------------------------------------------------------------------------------------------- */

typedef struct
{
  gchar *folder;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->folder = folder_new ();
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  folder_free (f->folder);
}

/* The exit status; what it printed as errors goes to *message. */
static gint
run (const gchar *const *argv, gchar **message)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *output = NULL;
  gint status;

  g_spawn_sync (NULL, (gchar **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output, message, &status, &error);
  g_assert_no_error (error);
  g_assert_true (WIFEXITED (status));
  return WEXITSTATUS (status);
}

static void
assert_same_tensors (const TensorSet *a, const TensorSet *b)
{
  g_autofree const TensorInfo **x = NULL, **y = NULL;
  guint n, m;

  x = tensor_set_list (a, &n);
  y = tensor_set_list (b, &m);
  g_assert_cmpuint (n, ==, m);
  for (guint i = 0; i < n; i++) {
    g_assert_cmpstr (x[i]->name, ==, y[i]->name);
    g_assert_cmpmem (x[i]->shape, sizeof x[i]->shape, y[i]->shape, sizeof y[i]->shape);
    g_assert_cmpmem (x[i]->data, tensor_info_bytes (x[i]), y[i]->data, tensor_info_bytes (y[i]));
  }
}

static void
test_checkpoint_holds_the_formula_s_weights (Fixture *f, gconstpointer data)
{
  const gchar *limit = data;
  const gchar *const argv[] = { MAKE_CHECKPOINT, DEMO, f->folder, "--seed", "9", "--dtype", "float32", "--shard-bytes", limit,
    NULL };
  g_autofree gchar *config = g_build_filename (f->folder, "config.json", NULL);
  g_autofree gchar *index = g_build_filename (f->folder, "model.safetensors.index.json", NULL);
  g_autofree gchar *message = NULL;
  g_autoptr (TensorSet) expected = NULL, set = NULL;
  g_autoptr (GError) error = NULL;
  ModelConfig c;

  g_assert_cmpint (run (argv, &message), ==, 0);
  g_assert_cmpstr (message, ==, "");
  parse (&c, config);
  expected = synth_tensors (&c, 9, DTYPE_F32);
  set = tensor_set_open (f->folder, &error);
  g_assert_no_error (error);
  assert_same_tensors (expected, set);
  g_assert_cmpint (g_file_test (index, G_FILE_TEST_EXISTS), ==, strlen (limit) < 7);
  model_config_clear (&c);
}

static void
train (Fixture *f)
{
  g_autofree gchar *text = g_build_filename (f->folder, "text", NULL);
  g_autofree gchar *input = g_strconcat ("--input=", text, NULL);
  g_autofree gchar *prefix = g_strdup_printf ("--model_prefix=%s/sp", f->folder);
  const gchar *const argv[] = { "spm_train", input, prefix, "--vocab_size=320", "--model_type=bpe", "--byte_fallback", NULL };
  g_autofree gchar *message = NULL;
  g_autoptr (GError) error = NULL;

  g_file_set_contents (text, "a street, a car and a walker\nthe car stops at the street\nthe walker walks on and on\n", -1, &error);
  g_assert_no_error (error);
  if (run (argv, &message) != 0)
    g_error ("spm_train: %s", message);
}

static void
test_checkpoint_gets_a_tokenizer (Fixture *f, gconstpointer data)
{
  g_autofree gchar *model = g_build_filename (f->folder, "sp.model", NULL);
  g_autofree gchar *config = g_build_filename (f->folder, "config.json", NULL);
  const gchar *const argv[] = { MAKE_CHECKPOINT, DEMO, f->folder, "--tokenizer", model, NULL };
  const gchar *const again[] = { MAKE_CHECKPOINT, DEMO, f->folder, "--tokenizer", f->folder, NULL };
  g_autofree gchar *message = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (Tokenizer) tokenizer = NULL;
  g_autofree gchar *first = NULL, *second = NULL;
  ModelConfig c;

  train (f);
  if (run (argv, &message) != 0)
    g_error ("make-checkpoint: %s", message);
  tokenizer = tokenizer_load (f->folder, FALSE, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (tokenizer_size (tokenizer), ==, 340);
  g_assert_cmpint (tokenizer_id (tokenizer, "<|end|>"), ==, 327);
  g_assert_cmpint (tokenizer_id (tokenizer, "<IMG_CONTEXT>"), ==, 333);
  g_assert_cmpint (tokenizer_id (tokenizer, "</box>"), ==, 339);
  parse (&c, config);
  g_assert_cmpuint (c.language.vocab, ==, 340);
  g_assert_cmpint (c.language.bos, ==, 1);
  g_assert_cmpint (c.language.eos, ==, 320);
  model_config_clear (&c);

  /* a folder's tokenizer is taken as it is */
  g_file_get_contents (config, &first, NULL, &error);
  g_assert_no_error (error);
  g_clear_pointer (&message, g_free);
  g_assert_cmpint (run (again, &message), ==, 0);
  g_file_get_contents (config, &second, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (first, ==, second);
}

static void
test_bad_use_is_told (Fixture *f, gconstpointer data)
{
  const gchar *const usage[][8] = {
    { MAKE_CHECKPOINT },
    { MAKE_CHECKPOINT, DEMO },
    { MAKE_CHECKPOINT, DEMO, f->folder, "more" },
    { MAKE_CHECKPOINT, DEMO, f->folder, "--dtype", "int8" },
    { MAKE_CHECKPOINT, DEMO, f->folder, "--shard-bytes", "0" },
    { MAKE_CHECKPOINT, DEMO, f->folder, "--seed", "x" },
  };
  const gchar *const files[][8] = {
    { MAKE_CHECKPOINT, "/nonexistent/config.json", f->folder },
    { MAKE_CHECKPOINT, DEMO, f->folder, "--tokenizer", "/nonexistent/tokenizer.model" },
    { MAKE_CHECKPOINT, DEMO, f->folder, "--tokenizer", DEMO },
    { MAKE_CHECKPOINT, DEMO, DEMO },
  };

  for (guint i = 0; i < G_N_ELEMENTS (usage); i++) {
    g_autofree gchar *message = NULL;

    g_assert_cmpint (run (usage[i], &message), ==, 2);
    g_assert_cmpstr (message, !=, "");
  }
  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autofree gchar *message = NULL;

    g_assert_cmpint (run (files[i], &message), ==, 1);
    g_assert_nonnull (strchr (message, '/'));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (digests); i++) {
    g_autofree gchar *path = g_strconcat ("/synth/weights-are-the-formula-s/", digests[i].name, NULL);

    g_test_add_data_func (path, &digests[i], test_weights_are_the_formula_s);
  }
  g_test_add_func ("/synth/pieces-are-the-whole", test_pieces_are_the_whole);
  g_test_add ("/synth/checkpoint-holds-the-formula-s-weights/one-file", Fixture, "100000000", set_up,
      test_checkpoint_holds_the_formula_s_weights, tear_down);
  g_test_add ("/synth/checkpoint-holds-the-formula-s-weights/shards", Fixture, "100000", set_up,
      test_checkpoint_holds_the_formula_s_weights, tear_down);
  g_test_add ("/synth/checkpoint-gets-a-tokenizer", Fixture, NULL, set_up, test_checkpoint_gets_a_tokenizer, tear_down);
  g_test_add ("/synth/bad-use-is-told", Fixture, NULL, set_up, test_bad_use_is_told, tear_down);
  return g_test_run ();
}
