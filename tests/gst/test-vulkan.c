/* Video in the images of the pipeline's Vulkan device, on lavapipe: what the model sees of it, and what passes on. */
#include "gst/element/gstminivl.h"
#include "studio.h"

#include <time.h>

#define PATIENCE (60 * GST_SECOND)
/* vulkanupload 1.22 takes NV12 for rows without gaps, which are only those of whole words. */
#define WIDTH 160
#define HEIGHT 90

/* --- pipelines --------------------------------------------------------------------------------------------------------------- */

#define UPLOAD "vulkanupload name=up ! video/x-raw(memory:VulkanImage)"

/* At the end vulkanupload 1.22 frees its memory, whether the device has read it or not. */
static GstPadProbeReturn
wait_for_device (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  g_autoptr (GstQuery) query = gst_query_new_context (GST_VULKAN_DEVICE_CONTEXT_TYPE_STR);
  g_autoptr (GstVulkanDevice) device = NULL;
  GstContext *context;

  if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) != GST_EVENT_EOS)
    return GST_PAD_PROBE_OK;
  g_assert_true (gst_pad_query (pad, query));
  gst_query_parse_context (query, &context);
  g_assert_true (gst_context_get_vulkan_device (context, &device));
  vkDeviceWaitIdle (device->device);
  return GST_PAD_PROBE_OK;
}

static GstElement *
make_pipeline (const gchar *format, const gchar *between, const gchar *behind)
{
  g_autofree gchar *line = g_strdup_printf ("videotestsrc num-buffers=25 pattern=ball ! "
                                            "video/x-raw,format=%s,width=%u,height=%u,framerate=10/1 ! %s ! "
                                            "minivl name=m model-path=/fake segment-duration=1000000000 num-segments=3 %s",
      format, WIDTH, HEIGHT, between, behind);
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) upload = NULL;
  GstElement *pipeline;

  fake_reset ();
  pipeline = gst_parse_launch (line, &error);
  g_assert_no_error (error);
  upload = gst_bin_get_by_name (GST_BIN (pipeline), "up");
  if (upload != NULL) {
    g_autoptr (GstPad) src = gst_element_get_static_pad (upload, "src");

    gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, wait_for_device, NULL, NULL);
  }
  return pipeline;
}

static void
play_to_the_end (GstElement *pipeline)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = NULL;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, PATIENCE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);
  g_assert_nonnull (message);
  g_assert_cmpstr (GST_MESSAGE_TYPE_NAME (message), ==, "eos");
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}

static void
see (Seen *seen, const gchar *format, const gchar *between)
{
  GstElement *pipeline = make_pipeline (format, between, "! fakesink");

  seen_init (seen);
  fake_watch (seen_note, seen);
  play_to_the_end (pipeline);
}

static void
test_frames_are_those_of_system_memory (gconstpointer format)
{
  Seen memory, vulkan;

  see (&memory, format, "identity");
  see (&vulkan, format, UPLOAD);
  g_assert_cmpuint (memory.images->len, >=, 7); /* three each second, of 2.5 */
  g_assert_cmpuint (vulkan.images->len, ==, memory.images->len);
  for (guint i = 0; i < memory.images->len; i++) {
    const MinivlImage *a = &g_array_index (memory.layouts, MinivlImage, i), *b = &g_array_index (vulkan.layouts, MinivlImage, i);

    g_assert_cmpint (a->format, ==, b->format);
    g_assert_cmpint (a->matrix, ==, b->matrix);
    g_assert_cmpint (a->range, ==, b->range);
    g_assert_true (g_bytes_equal (g_ptr_array_index (memory.images, i), g_ptr_array_index (vulkan.images, i)));
  }
  /* the ball moves, so that a frame taken for another would show */
  g_assert_false (g_bytes_equal (g_ptr_array_index (memory.images, 0), g_ptr_array_index (memory.images, 1)));
  seen_clear (&memory);
  seen_clear (&vulkan);
}

typedef struct
{
  GPtrArray *before; /* GstMemory, as they come in; never read */
  GArray *layouts;   /* VkImageLayout */
  GAsyncQueue *results;
  guint buffers, passed, described;
} Passage;

static GstBusSyncReply
note_result (GstBus *bus, GstMessage *message, gpointer data)
{
  if (gst_message_has_name (message, "minivl"))
    g_async_queue_push (((Passage *)data)->results, data);
  return GST_BUS_PASS;
}

static GstPadProbeReturn
note_before (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Passage *passage = data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);

  if (++passage->buffers == 15) /* from here on a buffer takes the first result */
    g_assert_nonnull (g_async_queue_timeout_pop (passage->results, PATIENCE / 1000));
  for (guint i = 0; i < gst_buffer_n_memory (buffer); i++) {
    GstMemory *memory = gst_buffer_peek_memory (buffer, i);

    g_ptr_array_add (passage->before, memory);
    g_array_append_val (passage->layouts, ((GstVulkanImageMemory *)memory)->barrier.image_layout);
  }
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
compare_after (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Passage *passage = data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);

  for (guint i = 0; i < gst_buffer_n_memory (buffer); i++) {
    GstMemory *memory = gst_buffer_peek_memory (buffer, i);

    g_assert_true (gst_is_vulkan_image_memory (memory));
    g_assert_true (memory == g_ptr_array_index (passage->before, passage->passed));
    g_assert_cmpint (((GstVulkanImageMemory *)memory)->barrier.image_layout, ==,
        g_array_index (passage->layouts, VkImageLayout, passage->passed));
    passage->passed++;
  }
  passage->described += gst_buffer_get_custom_meta (buffer, "GstMinivlMeta") != NULL;
  return GST_PAD_PROBE_OK;
}

/* Also where another branch holds the buffer, so that it cannot be written to when it takes a result. */
static void
test_the_same_memory_goes_on (gconstpointer format)
{
  GstElement *pipeline = make_pipeline (format, UPLOAD " ! tee name=t", "! queue ! fakesink t. ! queue ! fakesink");
  g_autoptr (GstElement) minivl = gst_bin_get_by_name (GST_BIN (pipeline), "m");
  g_autoptr (GstPad) sink = gst_element_get_static_pad (minivl, "sink"), src = gst_element_get_static_pad (minivl, "src");
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  Passage passage = { g_ptr_array_new (), g_array_new (FALSE, FALSE, sizeof (VkImageLayout)), g_async_queue_new () };
  guint planes = g_str_equal (format, "NV12") ? 2 : 1;

  gst_bus_set_sync_handler (bus, note_result, &passage, NULL);
  gst_pad_add_probe (sink, GST_PAD_PROBE_TYPE_BUFFER, note_before, &passage, NULL);
  gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_BUFFER, compare_after, &passage, NULL);
  play_to_the_end (pipeline);
  g_assert_cmpuint (passage.passed, ==, 25 * planes);
  g_assert_cmpuint (passage.described, >, 0);
  g_ptr_array_unref (passage.before);
  g_array_unref (passage.layouts);
  g_async_queue_unref (passage.results);
}

static GstPadProbeReturn
note_bytes (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  gsize size = gst_buffer_get_size (buffer);
  gpointer bytes = g_malloc (size);

  gst_buffer_extract (buffer, 0, bytes, size);
  g_ptr_array_add (data, g_bytes_new_take (bytes, size));
  return GST_PAD_PROBE_OK;
}

static GPtrArray *
bytes_behind (const gchar *between, const gchar *behind)
{
  GstElement *pipeline = make_pipeline ("RGBA", between, behind);
  g_autoptr (GstElement) end = gst_bin_get_by_name (GST_BIN (pipeline), "end");
  g_autoptr (GstPad) sink = gst_element_get_static_pad (end, "sink");
  GPtrArray *bytes = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);

  gst_pad_add_probe (sink, GST_PAD_PROBE_TYPE_BUFFER, note_bytes, bytes, NULL);
  play_to_the_end (pipeline);
  return bytes;
}

static void
test_who_reads_the_images_behind_gets_all_of_them (void)
{
  g_autoptr (GPtrArray) memory = bytes_behind ("identity", "! fakesink name=end");
  g_autoptr (GPtrArray) vulkan = bytes_behind (UPLOAD, "! vulkandownload ! fakesink name=end");

  g_assert_cmpuint (memory->len, ==, 25);
  g_assert_cmpuint (vulkan->len, ==, 25);
  for (guint i = 0; i < 25; i++)
    g_assert_true (g_bytes_equal (g_ptr_array_index (memory, i), g_ptr_array_index (vulkan, i)));
}

static GstPadProbeReturn
ask_for_device (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  g_autoptr (GstQuery) query = gst_query_new_context (GST_VULKAN_DEVICE_CONTEXT_TYPE_STR);
  g_autoptr (GstVulkanDevice) device = NULL;
  GstContext *context;

  g_assert_true (gst_pad_query (pad, query));
  gst_query_parse_context (query, &context);
  g_assert_true (gst_context_get_vulkan_device (context, &device));
  g_assert_true (device == ((GstVulkanImageMemory *)gst_buffer_peek_memory (buffer, 0))->device);
  (*(guint *)data)++;
  return GST_PAD_PROBE_REMOVE;
}

static void
test_who_asks_for_the_device_is_told_by_upstream (void)
{
  GstElement *pipeline = make_pipeline ("NV12", UPLOAD, "! fakesink");
  g_autoptr (GstElement) minivl = gst_bin_get_by_name (GST_BIN (pipeline), "m");
  g_autoptr (GstPad) src = gst_element_get_static_pad (minivl, "src");
  guint told = 0;

  gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_BUFFER, ask_for_device, &told, NULL);
  play_to_the_end (pipeline);
  g_assert_cmpuint (told, ==, 1);
}

/* --- images by hand ---------------------------------------------------------------------------------------------------------- */

/* Odd, so that neither rows nor planes end on a word. */
static void
test_frames_of_any_size (gconstpointer format)
{
  Studio studio;
  Seen seen;

  studio_init (&studio, FALSE, "num-segments=1", format, 33, 17);
  seen_init (&seen);
  fake_watch (seen_note, &seen);
  for (guint i = 0; i <= 10; i++)
    studio_push (&studio, studio_frame (&studio, i, VK_IMAGE_USAGE_TRANSFER_SRC_BIT));
  rig_assert_result (studio.rig, 1, 0, 1000, "stop");
  rig_assert_frames (0, 5, G_MAXUINT);
  studio_assert_painted (&seen, 5);
  g_assert_cmpuint (
      g_bytes_get_size (g_ptr_array_index (seen.images, 0)), ==, g_str_equal (format, "NV12") ? 33 * 17 + 34 * 9 : 33 * 17 * 4);
  seen_clear (&seen);
  studio_clear (&studio);
}

#if GST_CHECK_VERSION(1, 24, 0)
/* The images' makers have promised a value of their semaphores. */
static void
promise (GstBuffer *frame)
{
  for (guint i = 0; i < gst_buffer_n_memory (frame); i++)
    ((GstVulkanImageMemory *)gst_buffer_peek_memory (frame, i))->barrier.parent.semaphore_value += 5;
}

/* And keep it. */
static void
keep (Studio *studio, GstBuffer *frame)
{
  for (guint i = 0; i < gst_buffer_n_memory (frame); i++) {
    const VkSemaphoreSignalInfo info = { VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO,
      .semaphore = ((GstVulkanImageMemory *)gst_buffer_peek_memory (frame, i))->barrier.parent.semaphore, .value = 5 };

    g_assert_cmpint (vkSignalSemaphore (studio->device->device, &info), ==, VK_SUCCESS);
  }
}

static void
assert_semaphores (Studio *studio, GstBuffer *frame, guint64 value)
{
  for (guint i = 0; i < gst_buffer_n_memory (frame); i++) {
    const GstVulkanBarrierMemoryInfo *barrier = &((GstVulkanImageMemory *)gst_buffer_peek_memory (frame, i))->barrier.parent;
    guint64 now;

    g_assert_cmpuint (barrier->semaphore_value, ==, value);
    g_assert_cmpint (vkGetSemaphoreCounterValue (studio->device->device, barrier->semaphore, &now), ==, VK_SUCCESS);
    g_assert_cmpuint (now, ==, value);
  }
}

/* The device is not done with the images: neither does the video wait, nor are they read before. Who comes next waits for the copy.
 */
static void
test_semaphores_are_waited_for_and_raised (gconstpointer format)
{
  GstBuffer *frames[11];
  Studio studio;
  Seen seen;

  studio_init (&studio, TRUE, "num-segments=1", format, 32, 16);
  seen_init (&seen);
  fake_watch (seen_note, &seen);
  for (guint i = 0; i <= 10; i++) {
    frames[i] = studio_frame (&studio, i, VK_IMAGE_USAGE_TRANSFER_SRC_BIT);
    promise (frames[i]);
    studio_push (&studio, gst_buffer_ref (frames[i]));
  }
  g_assert_cmpuint (gst_harness_buffers_received (studio.rig->video), ==, 11);
  g_assert_cmpuint (fake_count (FAKE_ENCODE), ==, 0);
  for (guint i = 0; i <= 10; i++)
    keep (&studio, frames[i]);
  rig_assert_result (studio.rig, 1, 0, 1000, "stop");
  studio_assert_painted (&seen, 5);
  g_assert_cmpint (vkDeviceWaitIdle (studio.device->device), ==, VK_SUCCESS);
  for (guint i = 0; i <= 10; i++) {
    assert_semaphores (&studio, frames[i], i % 5 == 0 ? 6 : 5); /* 0 and 10 begin a segment */
    gst_buffer_unref (frames[i]);
  }
  seen_clear (&seen);
  studio_clear (&studio);
}

/* Both planes of NV12 in one image, as decoders make them. */
static void
test_one_image_of_all_planes (void)
{
  VkFormatProperties properties;
  Studio studio;
  Seen seen;

  studio_init (&studio, FALSE, "num-segments=1", "NV12", 32, 16);
  vkGetPhysicalDeviceFormatProperties (
      gst_vulkan_device_get_physical_device (studio.device), VK_FORMAT_G8_B8R8_2PLANE_420_UNORM, &properties);
  if (!(properties.optimalTilingFeatures & VK_FORMAT_FEATURE_TRANSFER_DST_BIT)) {
    studio_clear (&studio);
    g_test_skip ("the device has no such images");
    return;
  }
  seen_init (&seen);
  fake_watch (seen_note, &seen);
  for (guint i = 0; i <= 10; i++) {
    GstBuffer *frame = gst_buffer_new ();
    GstMemory *image =
        gst_vulkan_image_memory_alloc (studio.device, VK_FORMAT_G8_B8R8_2PLANE_420_UNORM, 32, 16, VK_IMAGE_TILING_OPTIMAL,
            VK_IMAGE_USAGE_TRANSFER_DST_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
    gsize bytes = studio_paint (&studio, (GstVulkanImageMemory *)image, VK_IMAGE_ASPECT_PLANE_0_BIT, 0, i, 0);

    studio_paint (&studio, (GstVulkanImageMemory *)image, VK_IMAGE_ASPECT_PLANE_1_BIT, 1, i, bytes);
    gst_buffer_append_memory (frame, image);
    GST_BUFFER_PTS (frame) = i * 100 * GST_MSECOND;
    studio_push (&studio, frame);
  }
  rig_assert_result (studio.rig, 1, 0, 1000, "stop");
  studio_assert_painted (&seen, 5);
  seen_clear (&seen);
  studio_clear (&studio);
}
#else
/* The pipeline's device is busy with something that ends only when the test says so. */
static void
test_live_video_does_not_wait_for_the_device (void)
{
  const VkEventCreateInfo info = { VK_STRUCTURE_TYPE_EVENT_CREATE_INFO };
  VkCommandBuffer waiting;
  Studio studio;
  VkEvent event;

  studio_init (&studio, TRUE, "num-segments=1", "RGBA", 16, 8);
  g_assert_cmpint (vkCreateEvent (studio.device->device, &info, NULL, &event), ==, VK_SUCCESS);
  waiting = studio_begin (&studio);
  vkCmdWaitEvents (waiting, 1, &event, VK_PIPELINE_STAGE_HOST_BIT, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, 0, NULL, 0, NULL, 0, NULL);
  studio_submit (&studio, waiting);
  for (guint i = 0; i <= 10; i++)
    studio_push (&studio, studio_frame (&studio, i, VK_IMAGE_USAGE_TRANSFER_SRC_BIT));
  g_assert_cmpuint (gst_harness_buffers_received (studio.rig->video), ==, 11);
  g_assert_cmpuint (fake_count (FAKE_ENCODE), ==, 0);
  g_assert_cmpint (vkSetEvent (studio.device->device, event), ==, VK_SUCCESS);
  rig_assert_result (studio.rig, 1, 0, 1000, "stop");
  rig_assert_frames (0, 5, G_MAXUINT);

  g_assert_cmpint (vkDeviceWaitIdle (studio.device->device), ==, VK_SUCCESS);
  vkDestroyEvent (studio.device->device, event, NULL);
  studio_clear (&studio);
}
#endif

static gint
compare (gconstpointer a, gconstpointer b)
{
  const guint64 *x = a, *y = b;

  return (*x > *y) - (*x < *y);
}

static guint64
thread_time (void)
{
  struct timespec now;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
  return (guint64)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Every frame is sampled; the validation layer's time counts as well. */
static void
test_the_streaming_thread_takes_under_two_ms_a_1080p_image (gconstpointer format)
{
  guint64 cpu[40], begun, arrived;
  GstBuffer *first;
  Studio studio;

  studio_init (&studio, TRUE, "num-segments=10", format, 1920, 1080);
  first = studio_frame (&studio, 0, VK_IMAGE_USAGE_TRANSFER_SRC_BIT);
  g_assert_cmpint (vkDeviceWaitIdle (studio.device->device), ==, VK_SUCCESS);
  arrived = 0;
  for (guint i = 0; i < G_N_ELEMENTS (cpu); i++) {
    GstBuffer *buffer = gst_buffer_copy (first);

    GST_BUFFER_PTS (buffer) = i * 100 * GST_MSECOND;
    arrived -= g_get_monotonic_time ();
    begun = thread_time ();
    studio_push (&studio, buffer);
    cpu[i] = thread_time () - begun;
    fake_await (FAKE_ENCODE, i + 1);
    arrived += g_get_monotonic_time ();
  }
  qsort (cpu, G_N_ELEMENTS (cpu), sizeof *cpu, compare);
  g_test_message ("%s: %.3f ms of CPU a frame, %.3f at most; %.3f ms until it can be encoded", (const gchar *)format,
      cpu[G_N_ELEMENTS (cpu) / 2] / 1e6, cpu[G_N_ELEMENTS (cpu) - 1] / 1e6, arrived / 1e3 / G_N_ELEMENTS (cpu));
  g_assert_cmpuint (cpu[G_N_ELEMENTS (cpu) / 2], <, 2000000);
  gst_buffer_unref (first);
  studio_clear (&studio);
}

static void
test_regions_of_an_image (void)
{
  MinivlImage layout;
  Studio studio;

  studio_init (&studio, FALSE, "num-segments=1 roi=a", "RGBA", 16, 8);
  for (guint i = 0; i <= 10; i++) {
    GstBuffer *buffer = studio_frame (&studio, i, VK_IMAGE_USAGE_TRANSFER_SRC_BIT);

    gst_buffer_add_video_region_of_interest_meta (buffer, "a", 1, 2, 3, 4);
    gst_buffer_add_video_region_of_interest_meta (buffer, "a", 5, 1, 6, 7);
    studio_push (&studio, buffer);
  }
  rig_assert_result (studio.rig, 1, 0, 1000, "stop");
  rig_assert_frames (0, 5, 5, G_MAXUINT);
  layout = fake_encoded_layout (0);
  g_assert_cmpuint (layout.crop_x, ==, 5);
  g_assert_cmpuint (layout.crop_height, ==, 7);
  layout = fake_encoded_layout (1);
  g_assert_cmpuint (layout.crop_x, ==, 1);
  g_assert_cmpuint (layout.crop_height, ==, 4);
  studio_clear (&studio);
}

static GstBuffer *
interlaced_rgb (const GstVideoInfo *info, guint number)
{
  GstHarness *h = gst_harness_new ("videoconvert");
  GstBuffer *rgb, *frame = gst_buffer_new_and_alloc (info->size);
  GstMapInfo map;

  gst_buffer_map (frame, &map, GST_MAP_WRITE);
  for (gsize i = 0; i < map.size; i++)
    map.data[i] = studio_painted (number, i);
  gst_buffer_unmap (frame, &map);
  gst_harness_set_sink_caps_str (h, "video/x-raw, format = RGB");
  gst_harness_set_src_caps (h, gst_video_info_to_caps (info));
  g_assert_cmpint (gst_harness_push (h, frame), ==, GST_FLOW_OK);
  rgb = gst_harness_pull (h);
  gst_harness_teardown (h);
  return rgb;
}

static void
note_rgb (const MinivlImage *image, gpointer data)
{
  g_assert_cmpint (image->format, ==, MINIVL_FORMAT_RGB);
  for (guint y = 0; y < image->height; y++)
    g_byte_array_append (data, image->data[0] + y * image->stride[0], 3 * image->width);
}

static void
test_interlaced_images_are_seen_as_videoconvert_makes_them (void)
{
  GstVideoInfo info;
  g_autoptr (GByteArray) seen = g_byte_array_new ();
  g_autoptr (GstBuffer) rgb = NULL;
  Studio studio;

  studio_init (&studio, FALSE, "num-segments=1", "NV12, interlace-mode = interleaved", 32, 16);
  gst_video_info_set_interlaced_format (&info, GST_VIDEO_FORMAT_NV12, GST_VIDEO_INTERLACE_MODE_INTERLEAVED, 32, 16);
  info.fps_n = 10;
  fake_watch (note_rgb, seen);
  for (guint i = 0; i <= 10; i++)
    studio_push (&studio, studio_frame (&studio, i, VK_IMAGE_USAGE_TRANSFER_SRC_BIT));
  rig_assert_result (studio.rig, 1, 0, 1000, "stop");
  rgb = interlaced_rgb (&info, 5);
  g_assert_cmpint (gst_buffer_memcmp (rgb, 0, seen->data, seen->len), ==, 0);
  g_assert_cmpuint (gst_buffer_get_size (rgb), ==, seen->len);
  studio_clear (&studio);
}

/* Nothing was ever written to these, or nothing may be read. */
static void
test_images_that_cannot_be_read_are_told_and_pass (void)
{
  static const VkImageUsageFlags usages[] = { 0, VK_IMAGE_USAGE_SAMPLED_BIT };

  for (guint k = 0; k < G_N_ELEMENTS (usages); k++) {
    g_autoptr (GstMessage) warning = NULL;
    Studio studio;

    studio_init (&studio, FALSE, "num-segments=1", "RGBA", 16, 8);
    for (guint i = 0; i <= 10; i++)
      studio_push (&studio, studio_frame (&studio, i, usages[k]));
    warning = rig_await_message (studio.rig, GST_MESSAGE_WARNING);
    rig_assert_error (warning, "A frame could not be read");
    rig_assert_result (studio.rig, 1, 0, 1000, "error");
    g_assert_cmpuint (gst_harness_buffers_received (studio.rig->video), ==, 11);
    studio_clear (&studio);
  }
}

int
main (int argc, char **argv)
{
  static const gchar *const formats[] = { "RGBA", "BGRA", "NV12" };

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  fake_reset ();
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));
#define RULE(name) g_test_add_func ("/vulkan/" #name, test_##name)
#define RULE_OF_FORMATS(name)                                                                                                      \
  for (guint i = 0; i < G_N_ELEMENTS (formats); i++) {                                                                             \
    g_autofree gchar *path = g_strconcat ("/vulkan/" #name "/", formats[i], NULL);                                                 \
    g_test_add_data_func (path, formats[i], test_##name);                                                                          \
  }
  RULE_OF_FORMATS (frames_are_those_of_system_memory);
  RULE_OF_FORMATS (frames_of_any_size);
  RULE_OF_FORMATS (the_same_memory_goes_on);
  RULE (who_reads_the_images_behind_gets_all_of_them);
  RULE (who_asks_for_the_device_is_told_by_upstream);
#if GST_CHECK_VERSION(1, 24, 0)
  RULE_OF_FORMATS (semaphores_are_waited_for_and_raised);
  RULE (one_image_of_all_planes);
#else
  RULE (live_video_does_not_wait_for_the_device);
#endif
  RULE (interlaced_images_are_seen_as_videoconvert_makes_them);
  RULE_OF_FORMATS (the_streaming_thread_takes_under_two_ms_a_1080p_image);
  RULE (regions_of_an_image);
  RULE (images_that_cannot_be_read_are_told_and_pass);
#undef RULE_OF_FORMATS
#undef RULE
  return g_test_run ();
}
