/* The element's properties `cache-precision` and `cache-dir`: what the device and the disk then hold. */
#include "gst/element/gstminivl.h"
#include "pipeline.h"
#include "tests/folder.h"
#include "tests/model/checkpoint.h"

static gchar *folder, *model;

/* Runs until the first result. Returns the device's bytes then. */
static guint64
describe (const gchar *properties)
{
  GstElement *pipeline = pipeline_new ("videotestsrc num-buffers=10 ! video/x-raw,format=RGB,width=64,height=64,framerate=10/1 ! "
                                       "minivl name=m model-path=%s segment-duration=1s num-segments=1 max-tokens=2 %s ! fakesink",
      model, properties);
  g_autoptr (GstElement) minivl = gst_bin_get_by_name (GST_BIN (pipeline), "m");
  g_autoptr (GstStructure) stats = NULL;
  guint64 bytes;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (gboolean told = FALSE; !told;) {
    g_autoptr (GstMessage) message = pipeline_await (pipeline, GST_MESSAGE_ELEMENT);

    told = gst_message_has_name (message, "minivl");
  }
  g_object_get (minivl, "stats", &stats, NULL);
  g_assert_true (gst_structure_get_uint64 (stats, "device_bytes", &bytes));
  pipeline_free (pipeline);
  return bytes;
}

/* Of converted weights. */
static guint
count_files (const gchar *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const gchar *name;
  guint n = 0;

  while (dir && (name = g_dir_read_name (dir)))
    n += g_str_has_suffix (name, ".safetensors");
  return n;
}

static void
test_keys_and_values_at_8_bits_take_less (void)
{
  guint64 f16 = describe ("precision=f16 context-size=8192");
  guint64 q8 = describe ("precision=f16 context-size=8192 cache-precision=q8");

  g_test_message ("%" G_GUINT64_FORMAT " bytes, %" G_GUINT64_FORMAT " with a cache of q8", f16, q8);
  g_assert_cmpuint (q8, <, f16);
}

static void
test_converted_weights_lie_in_the_folder_named (void)
{
  g_autofree gchar *kept = g_build_filename (folder, "kept", NULL);
  g_autofree gchar *named = g_strdup_printf ("precision=q4 cache-dir=%s", kept);
  g_autofree gchar *at_16_bits = g_strdup_printf ("precision=f16 cache-dir=%s", kept);
  g_autofree gchar *usual = g_build_filename (g_get_user_cache_dir (), "minivl", NULL);
  guint before = count_files (usual);

  describe (at_16_bits);
  g_assert_cmpuint (count_files (kept), ==, 0);
  describe (named);
  g_assert_cmpuint (count_files (kept), ==, 1);
  describe (named);
  g_assert_cmpuint (count_files (kept), ==, 1);
  describe ("precision=q4 cache-dir=\"\"");
  g_assert_cmpuint (count_files (usual), ==, before);
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
#define RULE(name) g_test_add_func ("/stored/" #name, test_##name)
  RULE (keys_and_values_at_8_bits_take_less);
  RULE (converted_weights_lie_in_the_folder_named);
#undef RULE
  code = g_test_run ();
  checkpoint_remove (folder);
  g_free (folder);
  g_free (model);
  return code;
}
