/* Who answers is said by an element's class: back ends stand side by side in one process. */
#include "gst/element/place.h"
#include "rig.h"

static Backend backend_other;

typedef struct
{
  GstMinivl parent;
} MinivlOther;

typedef GstMinivlClass MinivlOtherClass;

GType minivl_other_get_type (void);
GST_ELEMENT_REGISTER_DECLARE (minivl_other)

G_DEFINE_TYPE (MinivlOther, minivl_other, GST_TYPE_MINIVL)
GST_ELEMENT_REGISTER_DEFINE (minivl_other, "minivlother", GST_RANK_NONE, minivl_other_get_type ())

static void
get_other_info (gpointer self, BackendInfo *info)
{
  backend_fake.get_info (self, info);
  info->model = "other";
}

static void
minivl_other_class_init (MinivlOtherClass *klass)
{
  backend_other = backend_fake;
  backend_other.get_info = get_other_info;
  klass->backend = &backend_other;
}

static void
minivl_other_init (MinivlOther *self)
{
}

static void
assert_model (const gchar *factory, const gchar *model)
{
  Rig *rig = rig_new_of (factory, NULL);
  GstElement *bystanders[] = { gst_element_factory_make ("minivl", NULL), gst_element_factory_make ("minivlother", NULL) };
  g_autoptr (GstStructure) result = NULL;

  rig_push (rig, 0, 11);
  result = rig_await_result (rig);
  g_assert_cmpstr (gst_structure_get_string (result, "model"), ==, model);
  for (guint i = 0; i < G_N_ELEMENTS (bystanders); i++)
    gst_object_unref (bystanders[i]);
  rig_free (rig);
}

static void
test_each_class_has_a_back_end_of_its_own (void)
{
  assert_model ("minivl", "fake-model");
  assert_model ("minivlother", "other");
  assert_model ("minivl", "fake-model");
}

/* The class that is in the plugin, as a program has it that is linked with all of it. */
static void
test_the_plugins_own_answers_by_libminivl (void)
{
  GstMinivlClass *klass = g_type_class_ref (GST_TYPE_MINIVL);

  g_assert_true (klass->backend == &backend_local);
  g_type_class_unref (klass);
}

/* What minivloverlay has it mark is on no other's buffers. */
static void
test_a_buffer_passes_as_it_is (void)
{
  Rig *rig = rig_new (NULL);
  GstBuffer *frame = rig_frame (rig, 0);
  g_autoptr (GstBuffer) passed = NULL;

  g_assert_cmpint (gst_harness_push (rig->video, frame), ==, GST_FLOW_OK);
  passed = gst_harness_pull (rig->video);
  g_assert_true (passed == frame);
  g_assert_null (place_get (passed));
  rig_free (rig);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));
  g_assert_true (GST_ELEMENT_REGISTER (minivl_other, NULL));
  g_test_add_func ("/class/each_class_has_a_back_end_of_its_own", test_each_class_has_a_back_end_of_its_own);
  g_test_add_func ("/class/the_plugins_own_answers_by_libminivl", test_the_plugins_own_answers_by_libminivl);
  g_test_add_func ("/class/a_buffer_passes_as_it_is", test_a_buffer_passes_as_it_is);
  return g_test_run ();
}
