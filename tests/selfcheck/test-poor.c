/* Devices that lack something, by the layer poor-device.c: refused by name where it is needed, used without where it is not. */
#include <string.h>

#include "../program.h"
#include "ops/harness.h"
#include "ops/survey.h"
#include "rig.h"

typedef struct
{
  const gchar *lacks, *says;
} PoorCase;

static void
test_refused_by_name (Rig *f, gconstpointer data)
{
  static const PoorCase cases[] = {
    { "vulkan", "its driver has Vulkan 1.1, 1.2 is needed" },
    { "compute", "it has no compute queue" },
    { "push constants", "its push constants hold 64 bytes, 128 are needed" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GError) error = NULL;
    DeviceInfo *infos;
    guint n;

    g_setenv ("MINIVL_TEST_LACKS", cases[i].lacks, TRUE);
    g_assert_true (device_list (&infos, &n, NULL));
    for (guint j = 0; j < n; j++) {
      g_assert_cmpstr (infos[j].refusal, ==, cases[i].says);
      g_assert_false (infos[j].chosen);
    }
    g_assert_null (device_open (NULL, NULL, &error));
    g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_UNSUPPORTED);
    g_assert_true (g_str_has_suffix (error->message, cases[i].says));
    g_assert_nonnull (strstr (error->message, infos[0].name));
    device_infos_free (infos, n);
    g_unsetenv ("MINIVL_TEST_LACKS");
  }
}

/* minivl-chat, and so the library, lists such a device with what it lacks. */
static void
test_listed_with_the_reason (Rig *f, gconstpointer data)
{
  const gchar *argv[] = { MINIVL_CHAT, "--list-devices", NULL };
  const gchar *reason = "\n     cannot be used: its push constants hold 64 bytes, 128 are needed\n";

  for (guint poor = 0; poor < 2; poor++) {
    g_auto (ProgramResult) r = { 0 };

    g_setenv ("MINIVL_TEST_LACKS", poor ? "push constants" : "nothing", TRUE);
    program_run (argv, &r);
    g_unsetenv ("MINIVL_TEST_LACKS");
    g_assert_cmpint (r.code, ==, 0);
    g_assert_true (g_str_has_prefix (r.out, poor ? "  0: " : "* 0: "));
    g_assert_true ((strstr (r.out, reason) != NULL) == (poor == 1));
    g_assert_true ((strstr (r.out, "cannot be used") != NULL) == (poor == 1));
  }
}

static gboolean
needs_subgroups (const Shader *shader)
{
  const guint32 op_capability = 2 << 16 | 17, first = 61, last = 68; /* GroupNonUniform to GroupNonUniformQuad */

  for (gsize i = 5; i + 1 < shader->size / 4 && shader->words[i] == op_capability; i += 2)
    if (shader->words[i + 1] >= first && shader->words[i + 1] <= last)
      return TRUE;
  return FALSE;
}

/* How many of a model's shaders need subgroup operations. */
static guint
count_that_need_subgroups (OpStream *survey)
{
  GHashTableIter iter;
  gpointer variant;
  guint n = 0;

  g_hash_table_iter_init (&iter, op_survey_variants (survey, NULL));
  while (g_hash_table_iter_next (&iter, &variant, NULL))
    n += needs_subgroups (((const Variant *)variant)->shader);
  return n;
}

/* The validation layer above it also sees a device without them. */
static void
test_used_without_subgroup_operations (Rig *f, gconstpointer data)
{
  static const gchar *const lacks[] = { "lanes", "subgroup operations", "shuffles" };
  g_autoptr (Device) whole = rig_open (f, FALSE, 0);

  for (guint i = 0; i < G_N_ELEMENTS (lacks); i++)
    for (guint storage = 0; storage < 2; storage++) {
      g_autoptr (Device) dev = NULL;
      g_autoptr (OpStream) survey = NULL;
      g_autoptr (GError) error = NULL;
      SelfCheck result;

      g_setenv ("MINIVL_TEST_LACKS", lacks[i], TRUE);
      dev = rig_open (f, storage, 64);
      g_unsetenv ("MINIVL_TEST_LACKS");
      g_assert_true (device_limits (dev)->no_subgroup);
      g_assert_cmpuint (device_limits (dev)->local, ==, 8);
      survey = survey_model (dev, TYPE_BF16, KV_F16);
      g_assert_cmpuint (count_that_need_subgroups (survey), ==, 0);
      rig_keep_only (survey, "norm");
      device_self_check (dev, survey, &result, &error);
      g_assert_no_error (error);
    }
  if (!device_limits (whole)->no_subgroup) {
    g_autoptr (OpStream) survey = survey_model (whole, TYPE_BF16, KV_F16);

    g_assert_cmpuint (count_that_need_subgroups (survey), >, 0);
  }
}

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
  RIG_TEST ("poor/refused-by-name", test_refused_by_name);
  RIG_TEST ("poor/listed-with-the-reason", test_listed_with_the_reason);
  RIG_TEST ("poor/used-without-subgroup-operations", test_used_without_subgroup_operations);
  return g_test_run ();
}
