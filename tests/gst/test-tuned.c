/* The element's property `lora`: another adapter is another model, and one that is none is told at once. */
#include "gst/element/gstminivl.h"
#include "pipeline.h"
#include "tests/folder.h"
#include "tests/model/checkpoint.h"

#include <string.h>

#define SWIFT TEST_DATA "/lora/swift/adapter"

static gchar *folder, *model;

static GstElement *
make_pipeline (const gchar *properties)
{
  return pipeline_new (
      "videotestsrc num-buffers=10 ! video/x-raw,format=RGB,width=64,height=64,framerate=10/1 ! minivl model-path=%s "
      "precision=f32 segment-duration=1000000000 num-segments=1 max-tokens=2 %s ! fakesink",
      model, properties);
}

/* Of the first result. (transfer full) */
static gchar *
hash_of (const gchar *properties)
{
  GstElement *pipeline = make_pipeline (properties);
  gchar *hash = NULL;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (hash == NULL) {
    g_autoptr (GstMessage) message = pipeline_await (pipeline, GST_MESSAGE_ELEMENT);

    if (gst_message_has_name (message, "minivl"))
      hash = g_strdup (gst_structure_get_string (gst_message_get_structure (message), "model_hash"));
  }
  pipeline_free (pipeline);
  return hash;
}

static void
test_another_adapter_is_another_model (void)
{
  static const gchar *const others[] = { "lora=" SWIFT, "lora=" SWIFT ":0.5", "lora=" TEST_DATA "/lora/internvl/adapter" };
  g_autoptr (GHashTable) hashes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autofree gchar *none = hash_of ("lora=\"\"");

  g_hash_table_add (hashes, hash_of (""));
  g_assert_true (g_hash_table_contains (hashes, none));
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    g_assert_true (g_hash_table_add (hashes, hash_of (others[i])));
}

/* Elements of one process share engines, but not these. */
static void
test_adapters_are_not_mixed (void)
{
  GstElement *plain = make_pipeline (""), *tuned = make_pipeline ("lora=" SWIFT);
  GstElement *const both[] = { plain, tuned };
  gchar *hashes[2] = { NULL };

  for (guint i = 0; i < 2; i++)
    gst_element_set_state (both[i], GST_STATE_PLAYING);
  for (guint i = 0; i < 2; i++)
    while (hashes[i] == NULL) {
      g_autoptr (GstMessage) message = pipeline_await (both[i], GST_MESSAGE_ELEMENT);

      if (gst_message_has_name (message, "minivl"))
        hashes[i] = g_strdup (gst_structure_get_string (gst_message_get_structure (message), "model_hash"));
    }
  g_assert_cmpstr (hashes[0], !=, hashes[1]);
  for (guint i = 0; i < 2; i++)
    pipeline_free (both[i]);
  g_free (hashes[0]);
  g_free (hashes[1]);
}

static void
test_one_that_is_none_fails_the_change_of_state (void)
{
  static const gchar *const wrong[] = { "lora=/no/such:0.5", "lora=" SWIFT ":half" };

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++) {
    GstElement *pipeline = make_pipeline (wrong[i]);
    g_autoptr (GstMessage) message = NULL;
    g_autoptr (GError) error = NULL;

    g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_PLAYING), ==, GST_STATE_CHANGE_FAILURE);
    message = pipeline_await (pipeline, GST_MESSAGE_ERROR);
    gst_message_parse_error (message, &error, NULL);
    g_assert_nonnull (strstr (error->message, wrong[i] + strlen ("lora=")));
    g_assert_nonnull (strstr (error->message, "property lora"));
    pipeline_free (pipeline);
  }
}

int
main (int argc, char **argv)
{
  gint code;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_assert_true (GST_ELEMENT_REGISTER (minivl, NULL));
  folder = folder_new ();
  model = checkpoint_make (folder);
#define RULE(name) g_test_add_func ("/tuned/" #name, test_##name)
  RULE (another_adapter_is_another_model);
  RULE (adapters_are_not_mixed);
  RULE (one_that_is_none_fails_the_change_of_state);
#undef RULE
  code = g_test_run ();
  checkpoint_remove (folder);
  g_free (folder);
  g_free (model);
  return code;
}
