/* What shaders may not use. */
#include "harness.h"
#include "survey.h"
#include "tensors.h"

enum
{
  OP_CAPABILITY = 17,
  OP_DECORATE = 71,
  CAPABILITY_SHUFFLE = 65,
  DECORATION_BUILT_IN = 11,
  LOCAL_INVOCATION_ID = 27,
  GLOBAL_INVOCATION_ID = 28,
  LOCAL_INVOCATION_INDEX = 29,
};

static gboolean
shuffles (const Shader *shader)
{
  const guint32 *words = shader->words;

  for (gsize i = 5; i < shader->size / 4; i += words[i] >> 16)
    if ((words[i] & 0xffff) == OP_CAPABILITY && words[i + 1] == CAPABILITY_SHUFFLE)
      return TRUE;
  return FALSE;
}

static gboolean
asks_for_its_number (const Shader *shader)
{
  const guint32 *words = shader->words;

  for (gsize i = 5; i < shader->size / 4; i += words[i] >> 16)
    if ((words[i] & 0xffff) == OP_DECORATE && words[i + 2] == DECORATION_BUILT_IN && words[i + 3] >= LOCAL_INVOCATION_ID
        && words[i + 3] <= LOCAL_INVOCATION_INDEX)
      return TRUE;
  return FALSE;
}

/* How a driver numbers a subgroup's lanes says nothing of their numbers in the workgroup: who shuffles by the former may not divide
 * the work by the latter. */
static void
test_lanes_that_shuffle_are_numbered_as_shuffles_do (Device *dev)
{
  guint n = 0, others = 0;

  for (TensorType type = TYPE_F32; type <= TYPE_Q4; type++) {
    g_autoptr (OpStream) survey = survey_model (dev, type, (KvType)type % 3);
    GHashTableIter iter;
    gpointer variant;

    g_hash_table_iter_init (&iter, op_survey_variants (survey, NULL));
    while (g_hash_table_iter_next (&iter, &variant, NULL)) {
      const Shader *shader = ((const Variant *)variant)->shader;

      others += !shuffles (shader) && asks_for_its_number (shader);
      n += shuffles (shader);
      if (shuffles (shader) && asks_for_its_number (shader))
        g_test_fail_printf ("%s shuffles, and asks for an invocation's number in its workgroup", shader->name);
    }
  }
  g_assert_cmpuint (others, >, 0); /* which are found */
  g_assert_true (n > 5 || device_limits (dev)->geometry.no_subgroup);
}

int
main (int argc, char **argv)
{
  int failures;

  harness_init (&argc, &argv);
  add_in_every_form (
      "/shaders/lanes-that-shuffle-are-numbered-as-shuffles-do", test_lanes_that_shuffle_are_numbered_as_shuffles_do);
  add_in_gpu_form ("/shaders/lanes-that-shuffle-are-numbered-as-shuffles-do", test_lanes_that_shuffle_are_numbered_as_shuffles_do);
  failures = g_test_run ();
  forms_close ();
  return failures;
}
