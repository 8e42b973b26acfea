#include "studio.h"

void
seen_init (Seen *seen)
{
  seen->images = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
  seen->layouts = g_array_new (FALSE, FALSE, sizeof (MinivlImage));
}

void
seen_clear (Seen *seen)
{
  g_ptr_array_unref (seen->images);
  g_array_unref (seen->layouts);
}

void
seen_note (const MinivlImage *image, gpointer data)
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

static gboolean
take_queue (GstVulkanDevice *device, GstVulkanQueue *queue, gpointer data)
{
  *(GstVulkanQueue **)data = gst_object_ref (queue);
  return FALSE;
}

void
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

void
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

VkCommandBuffer
studio_begin (Studio *studio)
{
  const VkCommandBufferBeginInfo begin = { VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO };
  GstVulkanCommandBuffer *commands = gst_vulkan_command_pool_create (studio->pool, NULL);

  g_ptr_array_add (studio->commands, commands);
  g_assert_cmpint (vkBeginCommandBuffer (commands->cmd, &begin), ==, VK_SUCCESS);
  return commands->cmd;
}

void
studio_submit (Studio *studio, VkCommandBuffer cmd)
{
  const VkSubmitInfo info = { VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &cmd };

  g_assert_cmpint (vkEndCommandBuffer (cmd), ==, VK_SUCCESS);
  gst_vulkan_queue_submit_lock (studio->queue);
  g_assert_cmpint (vkQueueSubmit (studio->queue->queue, 1, &info, VK_NULL_HANDLE), ==, VK_SUCCESS);
  gst_vulkan_queue_submit_unlock (studio->queue);
}

guint8
studio_painted (guint number, gsize n)
{
  return n == 0 ? number : n < 3 ? 0 : (n + number) * 2654435761u >> 24;
}

gsize
studio_paint (Studio *studio, GstVulkanImageMemory *image, VkImageAspectFlags aspect, guint plane, guint number, gsize first)
{
  guint width = GST_VIDEO_INFO_COMP_WIDTH (&studio->info, plane), height = GST_VIDEO_INFO_COMP_HEIGHT (&studio->info, plane);
  gsize pixel = GST_VIDEO_INFO_COMP_PSTRIDE (&studio->info, plane);
  GstMemory *paint_memory = gst_vulkan_buffer_memory_alloc (studio->device, width * height * pixel,
      VK_BUFFER_USAGE_TRANSFER_SRC_BIT, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);
  const VkBufferImageCopy whole = { .imageSubresource = { aspect, .layerCount = 1 }, .imageExtent = { width, height, 1 } };
  const VkImageMemoryBarrier fresh = {
    .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
    .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
    .dstAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
    .oldLayout = image->barrier.image_layout,
    .newLayout = VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL,
    .srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
    .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
    .image = image->image,
    .subresourceRange = { VK_IMAGE_ASPECT_COLOR_BIT, .levelCount = 1, .layerCount = 1 },
  };
  VkCommandBuffer cmd = studio_begin (studio);
  GstMapInfo map;

  g_assert_true (gst_memory_map (paint_memory, &map, GST_MAP_WRITE));
  for (gsize i = 0; i < width * height * pixel; i++)
    map.data[i] = studio_painted (number, first + i);
  gst_memory_unmap (paint_memory, &map);
  g_ptr_array_add (studio->paints, paint_memory);
  vkCmdPipelineBarrier (cmd, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 0, NULL, 0, NULL, 1, &fresh);
  vkCmdCopyBufferToImage (
      cmd, ((GstVulkanBufferMemory *)paint_memory)->buffer, image->image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, 1, &whole);
  image->barrier.image_layout = VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL;
  studio_submit (studio, cmd);
  return width * height * pixel;
}

GstBuffer *
studio_frame (Studio *studio, guint number, VkImageUsageFlags usage)
{
  GstBuffer *buffer = gst_buffer_new ();
  gsize bytes = 0;

  for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES (&studio->info); p++) {
    GstMemory *image = gst_vulkan_image_memory_alloc (studio->device, gst_vulkan_format_from_video_info (&studio->info, p),
        GST_VIDEO_INFO_COMP_WIDTH (&studio->info, p), GST_VIDEO_INFO_COMP_HEIGHT (&studio->info, p), VK_IMAGE_TILING_OPTIMAL,
        VK_IMAGE_USAGE_TRANSFER_DST_BIT | (usage != 0 ? usage : VK_IMAGE_USAGE_TRANSFER_SRC_BIT),
        VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);

    if (usage != 0)
      bytes += studio_paint (studio, (GstVulkanImageMemory *)image, VK_IMAGE_ASPECT_COLOR_BIT, p, number, bytes);
    gst_buffer_append_memory (buffer, image);
  }
  GST_BUFFER_PTS (buffer) = number * 100 * GST_MSECOND;
  GST_BUFFER_DURATION (buffer) = 100 * GST_MSECOND;
  return buffer;
}

void
studio_push (Studio *studio, GstBuffer *frame)
{
  g_assert_cmpint (gst_harness_push (studio->rig->video, frame), ==, GST_FLOW_OK);
}

void
studio_assert_painted (const Seen *seen, guint number)
{
  gsize size;
  const guint8 *bytes = g_bytes_get_data (g_ptr_array_index (seen->images, 0), &size);

  g_assert_cmpuint (seen->images->len, ==, 1);
  for (gsize i = 0; i < size; i++)
    g_assert_cmpuint (bytes[i], ==, studio_painted (number, i));
}
