/* How weights come to a device: all of every tensor, by many threads, in little memory, until it is cancelled. */
#include <string.h>

#include "folder.h"
#include "harness.h"
#include "model/load.h"
#include "model/team.h"
#include "synth.h"
#include "vk/vk.h"

/* Not a multiple of 32, and at f32 more than one piece of FILL_BYTES. */
#define VOCAB 70001

/* Every way to a device. Memory is not zero to begin with. */
typedef struct
{
  const gchar *name;
  DeviceOptions options;
} Way;

static const Way ways[] = {
  { "direct", { .dirty = TRUE } },
  { "staged", { .dirty = TRUE, .staged = TRUE } },
  { "staged-small-windows", { .dirty = TRUE, .staged = TRUE, .window_bytes = 1 << 20 } },
};

static void
config_init (ModelConfig *config)
{
  g_autofree gchar *path = g_build_filename (TEST_DATA, "variants", "long-crossing", "config.json", NULL);
  g_autoptr (GError) error = NULL;

  model_config_load (config, path, 256, &error);
  g_assert_no_error (error);
  config->language.vocab = VOCAB;
}

static TensorType
source_type (const TensorInfo *info)
{
  return info->dtype == DTYPE_F32 ? TYPE_F32 : info->dtype == DTYPE_F16 ? TYPE_F16 : TYPE_BF16;
}

/* What the tensor's memory holds, padding included. */
static guint8 *
expected_bytes (const Slot *slot, const TensorInfo *info)
{
  const Tensor *t = slot->tensor;
  guint8 *bytes = g_malloc0 (tensor_bytes (t));

  if (slot->matrix)
    weights_pack (bytes, t->type, (const guint8 *)info->data + slot->first_row * t->cols * dtype_size (info->dtype),
        source_type (info), t->rows, t->cols);
  else
    convert_to_f32 ((float *)bytes, info->data, source_type (info), t->cols);
  return bytes;
}

static void
assert_loaded (const Weights *w, const TensorSet *set)
{
  for (guint i = 0; i < w->slots->len; i++) {
    const Slot *slot = &g_array_index (w->slots, Slot, i);
    g_autofree guint8 *wanted = NULL, *got = NULL;

    if (!slot->tensor)
      continue;
    wanted = expected_bytes (slot, tensor_set_lookup (set, slot->name));
    got = g_malloc (tensor_bytes (slot->tensor));
    g_assert_true (tensor_read (slot->tensor, 0, got, tensor_bytes (slot->tensor), NULL));
    if (memcmp (got, wanted, tensor_bytes (slot->tensor)) != 0)
      g_error ("%s is not what its rows packed at once are", slot->name);
  }
}

static void
test_every_byte_is_written (gconstpointer data)
{
  const Way *way = data;
  static const Dtype dtypes[] = { DTYPE_BF16, DTYPE_F16, DTYPE_F32 };
  g_autoptr (Device) dev = harness_device (&way->options);
  g_auto (ModelConfig) config = { 0 };

  config_init (&config);
  for (guint i = 0; i < G_N_ELEMENTS (dtypes); i++) {
    g_autoptr (TensorSet) set = synth_tensors (&config, 7, dtypes[i]);

    for (guint p = MINIVL_PRECISION_F32; p <= MINIVL_PRECISION_Q4; p++) {
      g_autoptr (GError) error = NULL;
      g_autoptr (Weights) w = weights_new (dev, &config, set, p, &error);
      g_autofree float *rows = NULL;
      guint patches = (config.tile_side / config.vision.patch_size) * (config.tile_side / config.vision.patch_size);

      g_assert_no_error (error);
      g_assert_true (weights_load (w, set, NULL, NULL, &error));
      g_assert_no_error (error);
      assert_loaded (w, set);

      /* Made by hand of several tensors; what follows the last patch is padding. */
      rows = g_malloc (tensor_bytes (&w->position));
      g_assert_true (tensor_read (&w->position, 0, rows, tensor_bytes (&w->position), NULL));
      for (gsize k = (patches + 1) * (gsize)w->position.stride; k < tensor_bytes (&w->position) / sizeof *rows; k++)
        g_assert_cmpfloat (rows[k], ==, 0);
    }
  }
}

/* Bytes of the process that are pages of this file. */
static guint64
resident_bytes (const gchar *path)
{
  g_autofree gchar *text = NULL;
  g_auto (GStrv) lines = NULL;
  guint64 bytes = 0;
  gboolean inside = FALSE;

  g_assert_true (g_file_get_contents ("/proc/self/smaps", &text, NULL, NULL));
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    if (g_ascii_isxdigit (lines[i][0]) && strchr (lines[i], '-') < strchr (lines[i], ' '))
      inside = g_str_has_suffix (lines[i], path);
    else if (inside && g_str_has_prefix (lines[i], "Rss:"))
      bytes += g_ascii_strtoull (lines[i] + strlen ("Rss:"), NULL, 10) * 1024;
  }
  return bytes;
}

typedef struct
{
  const gchar *path;
  guint64 most;
  double last;
} Watch;

static gboolean
watch (double fraction, gpointer data)
{
  Watch *w = data;

  w->most = MAX (w->most, resident_bytes (w->path));
  w->last = fraction;
  return TRUE;
}

/* Pages of the file are the process's memory only while they are read. */
static void
test_what_was_read_is_given_back (void)
{
  g_autoptr (Device) dev = harness_device (NULL);
  g_autofree gchar *folder = folder_new (), *path = g_build_filename (folder, "model.safetensors", NULL);
  g_auto (ModelConfig) config = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (TensorSet) made = NULL, set = NULL;
  g_autoptr (Weights) w = NULL;
  Watch seen = { path };

  config_init (&config);
  config.language.vocab = 4 * VOCAB;
  made = synth_tensors (&config, 7, DTYPE_BF16);
  g_assert_true (tensor_set_write (made, path, &error));
  g_assert_no_error (error);
  set = tensor_set_open (folder, &error);
  g_assert_no_error (error);
  w = weights_new (dev, &config, set, MINIVL_PRECISION_F16, &error);
  g_assert_no_error (error);
  g_assert_true (weights_load (w, set, watch, &seen, &error));
  g_assert_no_error (error);
  assert_loaded (w, made);

  /* Of 110 MB: what is being packed, and what comes next is not read yet. */
  g_assert_cmpfloat (seen.last, ==, 1);
  g_assert_cmpuint (seen.most, >, 1 << 20);
  g_assert_cmpuint (seen.most, <, 3 * FILL_BYTES);
  g_clear_pointer (&w, weights_free);
  w = weights_new (dev, &config, set, MINIVL_PRECISION_F16, &error);
  g_assert_no_error (error);
  g_assert_true (weights_load (w, set, NULL, NULL, &error));
  g_assert_cmpuint (resident_bytes (path), <, 256 << 10);
  folder_empty (folder);
  folder_free (g_steal_pointer (&folder));
}

typedef struct
{
  double least;
  guint calls, after;
  double at;
} Cancel;

static gboolean
cancel (double fraction, gpointer data)
{
  Cancel *c = data;

  c->calls++;
  if (c->at > 0)
    c->after++;
  if (fraction < c->least)
    return TRUE;
  c->at = fraction;
  return FALSE;
}

/* Not at its end, which is where it was looked at once. */
static void
test_cancelling_ends_in_the_middle_of_a_tensor (gconstpointer data)
{
  const Way *way = data;
  g_autoptr (Device) dev = harness_device (&way->options);
  g_auto (ModelConfig) config = { 0 };
  g_autoptr (TensorSet) set = NULL;
  g_autoptr (Weights) w = NULL;
  g_autoptr (GError) error = NULL;
  Cancel c = { .least = 0.2 };
  guint64 end;
  guint32 word = 0;

  config_init (&config);
  config.language.vocab = 2 * VOCAB;
  set = synth_tensors (&config, 7, DTYPE_F32);
  w = weights_new (dev, &config, set, MINIVL_PRECISION_F32, &error);
  g_assert_no_error (error);
  end = tensor_bytes (&w->embed);
  g_assert_cmpuint (end, >, weights_bytes (w) * 2 / 5); /* it and the head are nearly all */
  g_assert_false (weights_load (w, set, cancel, &c, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED);
  g_assert_cmpuint (c.after, ==, 0);
  g_assert_cmpuint (c.calls, >=, 3); /* with every FILL_BYTES at the latest */
  g_assert_cmpfloat (c.at, <, 0.4);
  g_assert_true (tensor_read (&w->embed, end / 4 * 3 / 4 * 4, &word, 4, NULL));
  g_assert_cmpuint (word, ==, G_MAXUINT32);
}

static void
test_memory_failing_late_is_told (gconstpointer data)
{
  const Way *way = data;
  g_autoptr (Device) dev = harness_device (&way->options);
  g_auto (ModelConfig) config = { 0 };
  g_autoptr (TensorSet) set = NULL;
  g_autoptr (Weights) w = NULL;
  g_autoptr (GError) error = NULL;

  config_init (&config);
  set = synth_tensors (&config, 7, DTYPE_F16);
  w = weights_new (dev, &config, set, MINIVL_PRECISION_F16, &error);
  g_assert_no_error (error);
  device_inject_full (dev, 0);
  g_assert_false (weights_load (w, set, NULL, NULL, &error));
  g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_MEMORY);
  g_assert_true (g_regex_match_simple ("^weights, part 1 of \\d+: .* \\(\\d+ bytes\\) asked for, 0 bytes taken so far, of .* "
                                       "\\(\\d+ bytes\\): .*: vkAllocateMemory: out of device memory",
      error->message, 0, 0));
  g_assert_cmpuint (device_bytes (dev), ==, 0);
  g_clear_error (&error);

  /* There is enough now. */
  g_assert_true (weights_load (w, set, NULL, NULL, &error));
  g_assert_no_error (error);
  assert_loaded (w, set);
}

static void
test_losing_the_device_ends_it (void)
{
  const DeviceOptions options = { .staged = TRUE };
  g_auto (ModelConfig) config = { 0 };
  g_autoptr (TensorSet) set = NULL;

  config_init (&config);
  set = synth_tensors (&config, 7, DTYPE_F16);
  for (guint after = 0; after < 30; after += 7) {
    g_autoptr (Device) dev = harness_device (&options);
    g_autoptr (GError) error = NULL;
    g_autoptr (Weights) w = weights_new (dev, &config, set, MINIVL_PRECISION_F16, &error);

    g_assert_no_error (error);
    device_inject_lost (dev, after);
    g_assert_false (weights_load (w, set, NULL, NULL, &error));
    g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_LOST);
  }
}

/* --- the threads ------------------------------------------------------------------------------------------------------------ */

#define MOST_PIECES 1000

typedef struct
{
  gint done[MOST_PIECES]; /* atomic */
  gboolean stopped;       /* at once */
} Job;

static void
do_piece (guint piece, gpointer data)
{
  Job *job = data;

  g_atomic_int_inc (&job->done[piece]);
  if (job->stopped)
    g_usleep (1000); /* others have not done them all by then */
}

static gboolean
poll_job (guint begun, gpointer data)
{
  return !((Job *)data)->stopped;
}

static void
test_every_piece_is_done_once (void)
{
  g_autoptr (Team) team = team_new ();

  for (guint n = 0; n < MOST_PIECES; n++) {
    Job job = { .stopped = FALSE };

    g_assert_true (team_run (team, n, do_piece, poll_job, &job));
    for (guint i = 0; i < MOST_PIECES; i++)
      g_assert_cmpint (job.done[i], ==, i < n);
  }
}

static void
test_a_job_that_is_stopped_leaves_pieces_out (void)
{
  g_autoptr (Team) team = team_new ();

  for (guint round = 0; round < 3; round++) {
    Job job = { .stopped = TRUE }, whole = { .stopped = FALSE };

    g_assert_false (team_run (team, MOST_PIECES, do_piece, poll_job, &job));
    g_assert_cmpint (job.done[MOST_PIECES - 1], ==, 0);
    g_assert_true (team_run (team, 10, do_piece, poll_job, &whole));
    for (guint i = 0; i < MOST_PIECES; i++)
      g_assert_cmpint (whole.done[i], ==, i < 10);
  }
}

static void
add_ways (const gchar *rule, GTestDataFunc test)
{
  for (guint i = 0; i < G_N_ELEMENTS (ways); i++) {
    g_autofree gchar *path = g_strdup_printf ("/loading/%s/%s", rule, ways[i].name);

    g_test_add_data_func (path, &ways[i], test);
  }
}

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
  add_ways ("every-byte-is-written", test_every_byte_is_written);
  g_test_add_func ("/loading/what-was-read-is-given-back", test_what_was_read_is_given_back);
  add_ways ("cancelling-ends-in-the-middle-of-a-tensor", test_cancelling_ends_in_the_middle_of_a_tensor);
  add_ways ("memory-failing-late-is-told", test_memory_failing_late_is_told);
  g_test_add_func ("/loading/losing-the-device-ends-it", test_losing_the_device_ends_it);
  g_test_add_func ("/loading/every-piece-is-done-once", test_every_piece_is_done_once);
  g_test_add_func ("/loading/a-job-that-is-stopped-leaves-pieces-out", test_a_job_that_is_stopped_leaves_pieces_out);
  return g_test_run ();
}
