/* Video in the images of the pipeline's Vulkan device, on lavapipe: what the model sees of it, and what passes on. */
#include "gst/element/gstminivl.h"
#include "rig.h"

#define GST_USE_UNSTABLE_API
#include <gst/vulkan/vulkan.h>

#include <string.h>
#include <time.h>

#define PATIENCE (60 * GST_SECOND)
/* vulkanupload 1.22 takes NV12 for rows without gaps, which are only those of whole words. */
#define WIDTH 160
#define HEIGHT 90

/* What the back end saw, as bytes without gaps. */
typedef struct
{
  GPtrArray *images; /* GBytes */
  GArray *layouts;   /* MinivlImage */
} Seen;

static void
seen_init (Seen *seen)
{
  seen->images = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
  seen->layouts = g_array_new (FALSE, FALSE, sizeof (MinivlImage));
}

static void
seen_clear (Seen *seen)
{
  g_ptr_array_unref (seen->images);
  g_array_unref (seen->layouts);
}

static void
note_image (const MinivlImage *image, gpointer data)
{
  Seen *seen = data;
  gboolean subsampled = image->format == MINIVL_FORMAT_NV12;
  GByteArray *bytes = g_byte_array_new ();

  for (guint y = 0; y < image->height; y++)
    g_byte_array_append (bytes, image->data[0] + y * image->stride[0], image->width * (subsampled ? 1 : 4));
  for (guint y = 0; subsampled && y < (image->height + 1) / 2; y++)
    g_byte_array_append (bytes, image->data[1] + y * image->stride[1], (image->width + 1) / 2 * 2);
  g_ptr_array_add (seen->images, g_byte_array_free_to_bytes (bytes));
  g_array_append_vals (seen->layouts, image, 1);
}

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
  fake_watch (note_image, seen);
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

/* A device as elements have it, and images that are painted on it. */
typedef struct
{
  Rig *rig;
  GstVideoInfo info;
  GstVulkanInstance *instance;
  GstVulkanDevice *device;
  GstVulkanQueue *queue;
  GstVulkanCommandPool *pool;
  GPtrArray *commands; /* all that were submitted */
  GPtrArray *paints;   /* GstMemory that they read */
} Studio;

static gboolean
take_queue (GstVulkanDevice *device, GstVulkanQueue *queue, gpointer data)
{
  *(GstVulkanQueue **)data = gst_object_ref (queue);
  return FALSE;
}

static void
studio_init (Studio *studio, gboolean live, const gchar *properties, const gchar *format, guint width, guint height)
{
  g_autofree gchar *text =
      g_strdup_printf ("video/x-raw(memory:VulkanImage), format=%s, width=%u, height=%u, framerate=10/1", format, width, height);
  GstCaps *caps = gst_caps_from_string (text);
  g_autoptr (GError) error = NULL;

  g_assert_true (gst_video_info_from_caps (&studio->info, caps));
  studio->instance = gst_vulkan_instance_new ();
  g_assert_true (gst_vulkan_instance_open (studio->instance, &error));
  studio->device = gst_vulkan_instance_create_device (studio->instance, &error);
  g_assert_no_error (error);
  gst_vulkan_device_foreach_queue (studio->device, take_queue, &studio->queue);
  studio->pool = gst_vulkan_queue_create_command_pool (studio->queue, &error);
  g_assert_no_error (error);
  studio->commands = g_ptr_array_new_with_free_func ((GDestroyNotify)gst_vulkan_command_buffer_unref);
  studio->paints = g_ptr_array_new_with_free_func ((GDestroyNotify)gst_memory_unref);
  studio->rig = live ? rig_new_live (properties) : rig_new (properties);
  gst_harness_set_src_caps (studio->rig->video, caps);
}

/* Nothing that was pushed is gone before the device is done with it. */
static void
studio_clear (Studio *studio)
{
  gst_vulkan_queue_submit_lock (studio->queue);
  g_assert_cmpint (vkDeviceWaitIdle (studio->device->device), ==, VK_SUCCESS);
  gst_vulkan_queue_submit_unlock (studio->queue);
  rig_free (studio->rig);
  g_ptr_array_unref (studio->commands);
  g_ptr_array_unref (studio->paints);
  gst_object_unref (studio->pool);
  gst_object_unref (studio->queue);
  gst_object_unref (studio->device);
  gst_object_unref (studio->instance);
}

static VkCommandBuffer
begin_commands (Studio *studio)
{
  const VkCommandBufferBeginInfo begin = { VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO };
  GstVulkanCommandBuffer *commands = gst_vulkan_command_pool_create (studio->pool, NULL);

  g_ptr_array_add (studio->commands, commands);
  g_assert_cmpint (vkBeginCommandBuffer (commands->cmd, &begin), ==, VK_SUCCESS);
  return commands->cmd;
}

static void
submit_commands (Studio *studio, VkCommandBuffer cmd)
{
  const VkSubmitInfo info = { VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &cmd };

  g_assert_cmpint (vkEndCommandBuffer (cmd), ==, VK_SUCCESS);
  gst_vulkan_queue_submit_lock (studio->queue);
  g_assert_cmpint (vkQueueSubmit (studio->queue->queue, 1, &info, VK_NULL_HANDLE), ==, VK_SUCCESS);
  gst_vulkan_queue_submit_unlock (studio->queue);
}

/* Byte n of a frame, all planes without gaps: the first three are its number, see rig_frame_of(). */
static guint8
painted (guint number, gsize n)
{
  return n == 0 ? number : n < 3 ? 0 : (n + number) * 2654435761u >> 24;
}

/* Fills an image with bytes from the n-th on. Returns how many. */
static gsize
paint (Studio *studio, GstVulkanImageMemory *image, guint number, gsize first, gsize pixel)
{
  guint width = gst_vulkan_image_memory_get_width (image), height = gst_vulkan_image_memory_get_height (image);
  GstMemory *paint_memory = gst_vulkan_buffer_memory_alloc (studio->device, width * height * pixel,
      VK_BUFFER_USAGE_TRANSFER_SRC_BIT, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);
  const VkBufferImageCopy whole = { .imageSubresource = { VK_IMAGE_ASPECT_COLOR_BIT, .layerCount = 1 },
    .imageExtent = { width, height, 1 } };
  const VkImageMemoryBarrier fresh = {
    .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
    .dstAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
    .newLayout = VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL,
    .srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
    .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
    .image = image->image,
    .subresourceRange = { VK_IMAGE_ASPECT_COLOR_BIT, .levelCount = 1, .layerCount = 1 },
  };
  VkCommandBuffer cmd = begin_commands (studio);
  GstMapInfo map;

  g_assert_true (gst_memory_map (paint_memory, &map, GST_MAP_WRITE));
  for (gsize i = 0; i < width * height * pixel; i++)
    map.data[i] = painted (number, first + i);
  gst_memory_unmap (paint_memory, &map);
  g_ptr_array_add (studio->paints, paint_memory);
  vkCmdPipelineBarrier (cmd, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 0, NULL, 0, NULL, 1, &fresh);
  vkCmdCopyBufferToImage (
      cmd, ((GstVulkanBufferMemory *)paint_memory)->buffer, image->image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, 1, &whole);
  image->barrier.image_layout = VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL;
  submit_commands (studio, cmd);
  return width * height * pixel;
}

/* usage: beside being painted on; 0: not painted, of no contents */
static GstBuffer *
new_frame (Studio *studio, guint number, VkImageUsageFlags usage)
{
  GstBuffer *buffer = gst_buffer_new ();
  gsize bytes = 0;

  for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES (&studio->info); p++) {
    GstMemory *image = gst_vulkan_image_memory_alloc (studio->device, gst_vulkan_format_from_video_info (&studio->info, p),
        GST_VIDEO_INFO_COMP_WIDTH (&studio->info, p), GST_VIDEO_INFO_COMP_HEIGHT (&studio->info, p), VK_IMAGE_TILING_OPTIMAL,
        VK_IMAGE_USAGE_TRANSFER_DST_BIT | (usage != 0 ? usage : VK_IMAGE_USAGE_TRANSFER_SRC_BIT),
        VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);

    if (usage != 0)
      bytes += paint (studio, (GstVulkanImageMemory *)image, number, bytes, GST_VIDEO_INFO_COMP_PSTRIDE (&studio->info, p));
    gst_buffer_append_memory (buffer, image);
  }
  GST_BUFFER_PTS (buffer) = number * 100 * GST_MSECOND;
  GST_BUFFER_DURATION (buffer) = 100 * GST_MSECOND;
  return buffer;
}

static void
push (Studio *studio, GstBuffer *frame)
{
  g_assert_cmpint (gst_harness_push (studio->rig->video, frame), ==, GST_FLOW_OK);
}

/* Odd, so that neither rows nor planes end on a word. */
static void
test_frames_of_any_size (gconstpointer format)
{
  Studio studio;
  Seen seen;

  studio_init (&studio, FALSE, "num-segments=1", format, 33, 17);
  seen_init (&seen);
  fake_watch (note_image, &seen);
  for (guint i = 0; i <= 10; i++)
    push (&studio, new_frame (&studio, i, VK_IMAGE_USAGE_TRANSFER_SRC_BIT));
  rig_assert_result (studio.rig, 1, 0, 1000, "stop");
  rig_assert_frames (0, 5, G_MAXUINT);
  g_assert_cmpuint (seen.images->len, ==, 1);
  {
    gsize size;
    const guint8 *bytes = g_bytes_get_data (g_ptr_array_index (seen.images, 0), &size);

    g_assert_cmpuint (size, ==, g_str_equal (format, "NV12") ? 33 * 17 + 34 * 9 : 33 * 17 * 4);
    for (gsize i = 0; i < size; i++)
      g_assert_cmpuint (bytes[i], ==, painted (5, i));
  }
  seen_clear (&seen);
  studio_clear (&studio);
}

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
  waiting = begin_commands (&studio);
  vkCmdWaitEvents (waiting, 1, &event, VK_PIPELINE_STAGE_HOST_BIT, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, 0, NULL, 0, NULL, 0, NULL);
  submit_commands (&studio, waiting);
  for (guint i = 0; i <= 10; i++)
    push (&studio, new_frame (&studio, i, VK_IMAGE_USAGE_TRANSFER_SRC_BIT));
  g_assert_cmpuint (gst_harness_buffers_received (studio.rig->video), ==, 11);
  g_assert_cmpuint (fake_count (FAKE_ENCODE), ==, 0);
  g_assert_cmpint (vkSetEvent (studio.device->device, event), ==, VK_SUCCESS);
  rig_assert_result (studio.rig, 1, 0, 1000, "stop");
  rig_assert_frames (0, 5, G_MAXUINT);

  g_assert_cmpint (vkDeviceWaitIdle (studio.device->device), ==, VK_SUCCESS);
  vkDestroyEvent (studio.device->device, event, NULL);
  studio_clear (&studio);
}

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
  first = new_frame (&studio, 0, VK_IMAGE_USAGE_TRANSFER_SRC_BIT);
  g_assert_cmpint (vkDeviceWaitIdle (studio.device->device), ==, VK_SUCCESS);
  arrived = 0;
  for (guint i = 0; i < G_N_ELEMENTS (cpu); i++) {
    GstBuffer *buffer = gst_buffer_copy (first);

    GST_BUFFER_PTS (buffer) = i * 100 * GST_MSECOND;
    arrived -= g_get_monotonic_time ();
    begun = thread_time ();
    push (&studio, buffer);
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
    GstBuffer *buffer = new_frame (&studio, i, VK_IMAGE_USAGE_TRANSFER_SRC_BIT);

    gst_buffer_add_video_region_of_interest_meta (buffer, "a", 1, 2, 3, 4);
    gst_buffer_add_video_region_of_interest_meta (buffer, "a", 5, 1, 6, 7);
    push (&studio, buffer);
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
      push (&studio, new_frame (&studio, i, usages[k]));
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
  RULE (live_video_does_not_wait_for_the_device);
  RULE_OF_FORMATS (the_streaming_thread_takes_under_two_ms_a_1080p_image);
  RULE (regions_of_an_image);
  RULE (images_that_cannot_be_read_are_told_and_pass);
#undef RULE_OF_FORMATS
#undef RULE
  return g_test_run ();
}
