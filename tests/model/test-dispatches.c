/* A decode step of the true model is few dispatches on a GPU, each of which costs some microseconds, whatever it does; and what it
 * is told is in the GPU's own memory. */
#include "harness.h"
#include "true_widths.h"
#include "vk/vk.h"

#define MOST 300

static void
test_a_step_is_few_dispatches (gconstpointer data)
{
  static const guint keys[] = { 1024, 8192 };
  const MinivlPrecision precision = GPOINTER_TO_UINT (data);
  const DeviceOptions gpu = { .gpu_kernels = TRUE, .storage_form = TRUE };
  g_autoptr (Device) dev = harness_device (&gpu);

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++) {
    g_autoptr (GError) error = NULL;
    guint n = true_step_dispatches (dev, precision, 1, keys[i], &error);

    g_assert_no_error (error);
    g_test_message ("%u dispatches for %u keys", n, keys[i]);
    g_assert_cmpuint (n, >, 5 * TRUE_LANGUAGE_LAYERS);
    g_assert_cmpuint (n, <=, MOST);
  }
}

/* What model/ asks of memory goes through here: this program is linked with --wrap. */
static GHashTable *kinds; /* an arena's name -> its kind + 1 */

Arena *__real_arena_new (Device *dev, ArenaKind kind, const gchar *name);
Arena *__wrap_arena_new (Device *dev, ArenaKind kind, const gchar *name);

Arena *
__wrap_arena_new (Device *dev, ArenaKind kind, const gchar *name)
{
  if (kinds)
    g_hash_table_insert (kinds, g_strdup (name), GINT_TO_POINTER (kind + 1));
  return __real_arena_new (dev, kind, name);
}

static void
test_inputs_are_where_the_device_reads_them_best (void)
{
  g_autoptr (Device) dev = harness_device (NULL);
  g_autoptr (GError) error = NULL;

  kinds = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  true_step_dispatches (dev, MINIVL_PRECISION_F16, 1, 1024, &error);
  g_assert_no_error (error);
  g_assert_cmpint (GPOINTER_TO_INT (g_hash_table_lookup (kinds, "language model's steps")) - 1, ==, ARENA_INPUT);
  g_assert_cmpint (GPOINTER_TO_INT (g_hash_table_lookup (kinds, "language model's results")) - 1, ==, ARENA_HOST);
  g_assert_cmpint (GPOINTER_TO_INT (g_hash_table_lookup (kinds, "weights")) - 1, ==, ARENA_DEVICE);
  g_clear_pointer (&kinds, g_hash_table_unref);
}

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
  for (MinivlPrecision p = MINIVL_PRECISION_F16; p <= MINIVL_PRECISION_Q4; p++) {
    g_autofree gchar *path = g_strconcat ("/dispatches/a-step-is-few/", precision_name (p), NULL);

    g_test_add_data_func (path, GUINT_TO_POINTER (p), test_a_step_is_few_dispatches);
  }
  g_test_add_func ("/dispatches/inputs-are-where-the-device-reads-them-best", test_inputs_are_where_the_device_reads_them_best);
  return g_test_run ();
}
