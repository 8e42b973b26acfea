/* Converted weights on their way from the cache to a device. */
#include <glib/gstdio.h>
#include <string.h>

#include "../folder.h"
#include "harness.h"
#include "model/load.h"
#include "model/weights.h"
#include "synth.h"

typedef struct
{
  ModelConfig config;
  TensorSet *set, *other; /* of the same names, with other numbers */
  gchar *folder;
  double last;
} Fixture;

static void
set_up (Fixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;

  model_config_load (&f->config, TEST_DATA "/small/config.json", 256, &error);
  g_assert_no_error (error);
  f->set = synth_tensors (&f->config, 3, DTYPE_BF16);
  f->other = synth_tensors (&f->config, 4, DTYPE_BF16);
  f->folder = folder_new ();
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  model_config_clear (&f->config);
  tensor_set_free (f->set);
  tensor_set_free (f->other);
  folder_free (f->folder);
}

/* The bytes of all converted matrices. (transfer full) */
static GByteArray *
bytes_of (const Weights *w)
{
  GByteArray *all = g_byte_array_new ();

  for (guint i = 0; i < w->slots->len; i++) {
    const Slot *slot = &g_array_index (w->slots, Slot, i);
    guint at = all->len;

    if (!slot_is_converted (slot))
      continue;
    g_byte_array_set_size (all, at + tensor_bytes (slot->tensor));
    g_assert_true (tensor_read (slot->tensor, 0, all->data + at, tensor_bytes (slot->tensor), NULL));
  }
  g_assert_cmpuint (all->len, >, 0);
  return all;
}

static gboolean
on_progress (double fraction, gpointer data)
{
  Fixture *f = data;

  g_assert_cmpfloat (fraction, >=, f->last);
  g_assert_cmpfloat (fraction, <=, 1);
  f->last = fraction;
  return TRUE;
}

/* (transfer full): the device must be freed after */
static GByteArray *
load (Fixture *f, const TensorSet *set, MinivlPrecision precision, gboolean keep, gboolean staged)
{
  const DeviceOptions options = { .staged = staged };
  g_autoptr (Device) dev = harness_device (&options);
  g_autoptr (Weights) w = NULL;
  g_autoptr (GError) error = NULL;

  w = weights_new (dev, &f->config, set, precision, &error);
  g_assert_no_error (error);
  if (keep)
    weights_keep (w, f->folder, "m", "1");
  f->last = 0;
  g_assert_true (weights_load (w, set, on_progress, f, &error));
  g_assert_no_error (error);
  g_assert_cmpfloat (f->last, ==, 1);
  return bytes_of (w);
}

static void
assert_same (GByteArray *a, GByteArray *b)
{
  g_assert_cmpmem (a->data, a->len, b->data, b->len);
}

/* The only file in the folder. (transfer full) */
static gchar *
find_file (Fixture *f)
{
  g_autoptr (GDir) dir = g_dir_open (f->folder, 0, NULL);
  gchar *path = g_build_filename (f->folder, g_dir_read_name (dir), NULL);

  g_assert_null (g_dir_read_name (dir));
  return path;
}

static void
test_the_second_start_reads_what_the_first_converted (Fixture *f, gconstpointer unused)
{
  for (MinivlPrecision precision = MINIVL_PRECISION_Q8; precision <= MINIVL_PRECISION_Q4; precision++)
    for (guint staged = 0; staged < 2; staged++) {
      g_autoptr (GByteArray) plain = load (f, f->set, precision, FALSE, staged), first = load (f, f->set, precision, TRUE, staged),
                             second = load (f, f->other, precision, TRUE, staged);

      assert_same (plain, first);
      assert_same (plain, second); /* nothing of the checkpoint's was looked at */
      folder_empty (f->folder);
    }
}

static void
test_each_precision_has_a_file (Fixture *f, gconstpointer unused)
{
  g_autoptr (GByteArray) q8 = load (f, f->set, MINIVL_PRECISION_Q8, TRUE, FALSE),
                         q4 = load (f, f->set, MINIVL_PRECISION_Q4, TRUE, FALSE),
                         again = load (f, f->other, MINIVL_PRECISION_Q8, TRUE, FALSE);

  assert_same (q8, again);
  g_assert_cmpuint (q4->len, <, q8->len);
}

static void
test_16_bits_are_not_kept (Fixture *f, gconstpointer unused)
{
  g_autoptr (Device) dev = harness_device (NULL);
  g_autoptr (Weights) w = weights_new (dev, &f->config, f->set, MINIVL_PRECISION_F16, NULL);
  g_autoptr (GDir) dir = NULL;

  weights_keep (w, f->folder, "m", "1");
  g_assert_true (weights_load (w, f->set, NULL, NULL, NULL));
  dir = g_dir_open (f->folder, 0, NULL);
  g_assert_null (g_dir_read_name (dir));
}

/* In the last tensor, when all others are on the device already. */
static void
test_a_damaged_file_is_converted_again_and_replaced (Fixture *f, gconstpointer unused)
{
  g_autoptr (GByteArray) plain = load (f, f->set, MINIVL_PRECISION_Q4, TRUE, FALSE), second = NULL, third = NULL;
  g_autofree gchar *path = find_file (f), *bytes = NULL;
  gsize n;

  g_assert_true (g_file_get_contents (path, &bytes, &n, NULL));
  bytes[n - 5000] ^= 4;
  g_assert_true (g_file_set_contents (path, bytes, n, NULL));
  second = load (f, f->set, MINIVL_PRECISION_Q4, TRUE, FALSE);
  assert_same (plain, second);
  third = load (f, f->other, MINIVL_PRECISION_Q4, TRUE, FALSE);
  assert_same (plain, third);
}

static gboolean
cancel_late (double fraction, gpointer unused)
{
  return fraction < 0.9;
}

static void
test_what_is_cancelled_is_not_kept (Fixture *f, gconstpointer unused)
{
  g_autoptr (Device) dev = harness_device (NULL);
  g_autoptr (Weights) w = weights_new (dev, &f->config, f->set, MINIVL_PRECISION_Q8, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = NULL;

  weights_keep (w, f->folder, "m", "1");
  g_assert_false (weights_load (w, f->set, cancel_late, NULL, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED);
  dir = g_dir_open (f->folder, 0, NULL);
  g_assert_null (g_dir_read_name (dir));
}

/* A number that is none is told of by name, and not kept. */
static void
test_what_is_refused_is_not_kept (Fixture *f, gconstpointer unused)
{
  g_autoptr (Device) dev = harness_device (NULL);
  g_autoptr (Weights) w = weights_new (dev, &f->config, f->set, MINIVL_PRECISION_Q8, NULL);
  guint16 *numbers = (guint16 *)tensor_set_lookup (f->set, "language_model.model.layers.1.mlp.down_proj.weight")->data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = NULL;

  numbers[77] = 0x7fc0;
  weights_keep (w, f->folder, "m", "1");
  g_assert_false (weights_load (w, f->set, NULL, NULL, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE);
  g_assert_nonnull (strstr (error->message, "NaN at element 77"));
  dir = g_dir_open (f->folder, 0, NULL);
  g_assert_null (g_dir_read_name (dir));
}

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
#define ADD(test) g_test_add ("/kept/" #test, Fixture, NULL, set_up, test_##test, tear_down)
  ADD (the_second_start_reads_what_the_first_converted);
  ADD (each_precision_has_a_file);
  ADD (16_bits_are_not_kept);
  ADD (a_damaged_file_is_converted_again_and_replaced);
  ADD (what_is_cancelled_is_not_kept);
  ADD (what_is_refused_is_not_kept);
#undef ADD
  return g_test_run ();
}
