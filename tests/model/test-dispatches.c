/* A decode step of the true model is few dispatches on a GPU: each costs some microseconds, whatever it does. */
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

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
  for (MinivlPrecision p = MINIVL_PRECISION_F16; p <= MINIVL_PRECISION_Q4; p++) {
    g_autofree gchar *path = g_strconcat ("/dispatches/a-step-is-few/", precision_name (p), NULL);

    g_test_add_data_func (path, GUINT_TO_POINTER (p), test_a_step_is_few_dispatches);
  }
  return g_test_run ();
}
