/* The self-check with the shaders of this folder, whose glu is off by a thousandth. */
#include <string.h>

#include "ops/harness.h"
#include "rig.h"

/* Whose verdict of other shaders is worth nothing here. */
static void
verdict_of_right_shaders (const Rig *f)
{
  const gchar *argv[] = { RIGHT_PROGRAM, "--fill", f->folder, NULL };
  gint status = -1;

  g_assert_true (g_spawn_sync (NULL, (gchar **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, NULL, &status, NULL));
  g_assert_true (g_spawn_check_wait_status (status, NULL));
  g_assert_true (g_file_test (f->file, G_FILE_TEST_EXISTS));
}

static void
assert_refused (const GError *error, const Rig *f)
{
  g_autoptr (Device) dev = rig_open (f, FALSE, 0);

  g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_WRONG);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, "computes wrongly: glu (shader glu,"));
  g_assert_nonnull (strstr (error->message, "an NMSE of 1e-06")); /* a thousandth, squared */
  g_assert_nonnull (strstr (error->message, dev->info.name));
  g_assert_nonnull (strstr (error->message, dev->info.driver));
}

static void
test_wrong_op_is_refused_by_name_each_time (Rig *f, gconstpointer data)
{
  for (guint i = 0; i < 2; i++) {
    g_autoptr (GError) error = NULL;
    SelfCheck result = rig_check (f, NULL, TYPE_BF16, KV_F16, &error);

    assert_refused (error, f);
    g_assert_cmpuint (result.checked, ==, result.variants);
    g_assert_false (g_file_test (f->file, G_FILE_TEST_EXISTS));
  }
}

static void
test_verdict_of_another_shader_is_not_believed (Rig *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  SelfCheck result;

  verdict_of_right_shaders (f);
  result = rig_check (f, NULL, TYPE_BF16, KV_F16, &error);
  assert_refused (error, f);
  g_assert_cmpuint (result.checked, ==, 1);
}

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
  RIG_TEST ("wrong-op-is-refused-by-name-each-time", test_wrong_op_is_refused_by_name_each_time);
  RIG_TEST ("verdict-of-another-shader-is-not-believed", test_verdict_of_another_shader_is_not_believed);
  return g_test_run ();
}
