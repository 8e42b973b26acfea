#include "vulkan-input.h"

#include "gst/results/log.h"

#define GST_USE_UNSTABLE_API
#include <gst/vulkan/vulkan.h>

#include <string.h>

/* Jumps to `error`, with the reason in a GError of that name. */
#define VK(call)                                                                                                                   \
  G_STMT_START                                                                                                                     \
  {                                                                                                                                \
    if (gst_vulkan_error_to_g_error (call, error, "%s", #call) < 0)                                                                \
      goto error;                                                                                                                  \
  }                                                                                                                                \
  G_STMT_END

struct _VulkanInput
{
  GThreadPool *waiter;        /* of one thread */
  GstVulkanCommandPool *pool; /* of the device that the last image was on */
  GstMemory *spare;           /* atomic: memory for the next copy; NULL: none */
};

/* A copy, from when it is planned until its bytes are in the frame. */
typedef struct
{
  Frame *frame;
  GstBuffer *buffer; /* keeps its images alive until they have been read */
  guint n_planes;
  VkBufferImageCopy planes[GST_VIDEO_MAX_PLANES];
  gsize bytes[GST_VIDEO_MAX_PLANES];
  gsize size;
  GstMemory *staging;
  GstVulkanCommandBuffer *commands;
  GstVulkanFence *fence;
} Copy;

static void
copy_free (Copy *copy)
{
  if (copy->commands != NULL)
    gst_vulkan_command_buffer_unref (copy->commands);
  if (copy->fence != NULL)
    gst_vulkan_fence_unref (copy->fence);
  g_clear_pointer (&copy->staging, gst_memory_unref);
  gst_buffer_unref (copy->buffer);
  frame_unref (copy->frame);
  g_free (copy);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Copy, copy_free)

static GstVulkanImageMemory *
image_of (const Copy *copy, guint plane)
{
  return (GstVulkanImageMemory *)gst_buffer_peek_memory (copy->buffer, plane);
}

/* --- in the waiter ----------------------------------------------------------------------------------------------------------- */

static gboolean
read_staging (const Copy *copy, GError **error)
{
  GstMapInfo map;

  /* Without a timeout: memory that the device may still write to cannot be freed. The driver resets a device that hangs. */
  VK (vkWaitForFences (copy->fence->device->device, 1, &copy->fence->fence, VK_TRUE, G_MAXUINT64));
  if (!gst_memory_map (copy->staging, &map, GST_MAP_READ)) {
    g_set_error_literal (error, GST_VULKAN_ERROR, GST_VULKAN_FAILED, "the copy cannot be mapped");
    goto error;
  }
  for (guint p = 0; p < copy->n_planes; p++)
    memcpy ((guint8 *)copy->frame->image.data[p], map.data + copy->planes[p].bufferOffset, copy->bytes[p]);
  gst_memory_unmap (copy->staging, &map);
  return TRUE;

error:
  return FALSE;
}

static void
wait_for_copy (gpointer data, gpointer user_data)
{
  VulkanInput *input = user_data;
  Copy *copy = data;
  g_autoptr (Frame) frame = frame_ref (copy->frame);
  g_autoptr (GError) reason = NULL;
  GError *error = NULL;

  if (!read_staging (copy, &reason))
    error = g_error_new (
        MINIVL_ERROR, MINIVL_ERROR_IMAGES, "a frame was not copied from the pipeline's Vulkan device: %s", reason->message);
  else if (g_atomic_pointer_compare_and_exchange (&input->spare, NULL, copy->staging))
    copy->staging = NULL;
  copy_free (copy);
  frame_arrived (frame, error);
}

/* --- in the streaming thread ------------------------------------------------------------------------------------------------- */

/* Bytes of a pixel; 0: of a format that no plane of our caps has. */
static guint
pixel_bytes (VkFormat format)
{
  switch (format) {
    case VK_FORMAT_R8_UNORM:
      return 1;
    case VK_FORMAT_R8G8_UNORM:
      return 2;
    case VK_FORMAT_R8G8B8A8_UNORM:
    case VK_FORMAT_R8G8B8A8_SRGB:
    case VK_FORMAT_B8G8R8A8_UNORM:
    case VK_FORMAT_B8G8R8A8_SRGB:
      return 4;
    default:
      return 0;
  }
}

/* Where each plane lies, in its image and in the copy. FALSE unless each plane is an image that may be copied. */
static gboolean
plan (Copy *copy, const GstVideoInfo *info)
{
  copy->n_planes = GST_VIDEO_INFO_N_PLANES (info);
  if (gst_buffer_n_memory (copy->buffer) != copy->n_planes)
    return FALSE;
  for (guint p = 0; p < copy->n_planes; p++) {
    GstVulkanImageMemory *image = image_of (copy, p);
    gint c[GST_VIDEO_MAX_COMPONENTS];
    guint width, height, pixel;

    gst_video_format_info_component (info->finfo, p, c);
    width = GST_VIDEO_INFO_COMP_WIDTH (info, c[0]);
    height = GST_VIDEO_INFO_COMP_HEIGHT (info, c[0]);
    pixel = GST_VIDEO_INFO_COMP_PSTRIDE (info, c[0]);
    if (!gst_is_vulkan_image_memory (GST_MEMORY_CAST (image)) || image->device != image_of (copy, 0)->device
        || pixel_bytes (image->create_info.format) != pixel || gst_vulkan_image_memory_get_width (image) < width
        || gst_vulkan_image_memory_get_height (image) < height || !(image->usage & VK_IMAGE_USAGE_TRANSFER_SRC_BIT)
        || image->barrier.image_layout == VK_IMAGE_LAYOUT_UNDEFINED
        || image->barrier.image_layout == VK_IMAGE_LAYOUT_PREINITIALIZED)
      return FALSE;
    copy->bytes[p] = (gsize)width * height * pixel;
    copy->planes[p] = (VkBufferImageCopy){
      .bufferOffset = copy->size,
      .imageSubresource = { VK_IMAGE_ASPECT_COLOR_BIT, .layerCount = 1 },
      .imageExtent = { width, height, 1 },
    };
    copy->size = GST_ROUND_UP_4 (copy->size + copy->bytes[p]);
  }
  return TRUE;
}

static gboolean
take_queue (GstVulkanDevice *device, GstVulkanQueue *queue, gpointer user_data)
{
  gst_object_replace (user_data, GST_OBJECT (queue));
  return FALSE;
}

/* A device of libgstvulkan has one queue, so the copy runs after the work that makes the image. */
static gboolean
prepare_pool (VulkanInput *input, GstVulkanDevice *device, GError **error)
{
  GstVulkanQueue *queue = NULL;

  if (input->pool != NULL && input->pool->queue->device == device)
    return TRUE;
  gst_clear_object (&input->pool);
  gst_vulkan_device_foreach_queue (device, take_queue, &queue);
  input->pool = gst_vulkan_queue_create_command_pool (queue, error);
  gst_object_unref (queue);
  return input->pool != NULL;
}

static gboolean
prepare_staging (VulkanInput *input, Copy *copy, GstVulkanDevice *device, GError **error)
{
  const VkMemoryPropertyFlags seen = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  GstMemory *spare = g_atomic_pointer_exchange (&input->spare, NULL);

  if (spare != NULL && ((GstVulkanBufferMemory *)spare)->device == device && spare->size >= copy->size)
    copy->staging = g_steal_pointer (&spare);
  g_clear_pointer (&spare, gst_memory_unref);
  /* uncached memory is slow to read */
  if (copy->staging == NULL)
    copy->staging = gst_vulkan_buffer_memory_alloc (
        device, copy->size, VK_BUFFER_USAGE_TRANSFER_DST_BIT, seen | VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
  if (copy->staging == NULL)
    copy->staging = gst_vulkan_buffer_memory_alloc (device, copy->size, VK_BUFFER_USAGE_TRANSFER_DST_BIT, seen);
  if (copy->staging == NULL)
    g_set_error (error, GST_VULKAN_ERROR, GST_VULKAN_FAILED, "no memory for a copy of %" G_GSIZE_FORMAT " bytes", copy->size);
  return copy->staging != NULL;
}

/* Each image returns to its own layout, so that nobody else has to know of the copy. */
static void
move_images (const Copy *copy, gboolean back)
{
  VkImageMemoryBarrier images[GST_VIDEO_MAX_PLANES];
  VkMemoryBarrier bytes = { VK_STRUCTURE_TYPE_MEMORY_BARRIER, .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
    .dstAccessMask = VK_ACCESS_HOST_READ_BIT };

  for (guint p = 0; p < copy->n_planes; p++) {
    const GstVulkanImageMemory *image = image_of (copy, p);
    VkImageLayout own = image->barrier.image_layout, read = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL;

    images[p] = (VkImageMemoryBarrier){
      .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
      .srcAccessMask = back ? 0 : VK_ACCESS_MEMORY_WRITE_BIT,
      .dstAccessMask = back ? VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT : VK_ACCESS_TRANSFER_READ_BIT,
      .oldLayout = back ? read : own,
      .newLayout = back ? own : read,
      .srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
      .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
      .image = image->image,
      .subresourceRange = { VK_IMAGE_ASPECT_COLOR_BIT, .levelCount = 1, .layerCount = 1 },
    };
  }
  vkCmdPipelineBarrier (copy->commands->cmd, back ? VK_PIPELINE_STAGE_TRANSFER_BIT : VK_PIPELINE_STAGE_ALL_COMMANDS_BIT,
      back ? VK_PIPELINE_STAGE_ALL_COMMANDS_BIT | VK_PIPELINE_STAGE_HOST_BIT : VK_PIPELINE_STAGE_TRANSFER_BIT, 0, back ? 1 : 0,
      &bytes, 0, NULL, copy->n_planes, images);
}

static gboolean
record (Copy *copy, GError **error)
{
  const VkCommandBufferBeginInfo begin = { VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
    .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT };
  VkCommandBuffer cmd = copy->commands->cmd;
  gboolean done = FALSE;

  gst_vulkan_command_buffer_lock (copy->commands);
  VK (vkBeginCommandBuffer (cmd, &begin));
  move_images (copy, FALSE);
  for (guint p = 0; p < copy->n_planes; p++)
    vkCmdCopyImageToBuffer (cmd, image_of (copy, p)->image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
        ((GstVulkanBufferMemory *)copy->staging)->buffer, 1, &copy->planes[p]);
  move_images (copy, TRUE);
  VK (vkEndCommandBuffer (cmd));
  done = TRUE;

error:
  gst_vulkan_command_buffer_unlock (copy->commands);
  return done;
}

static gboolean
submit (VulkanInput *input, Copy *copy, GError **error)
{
  const VkSubmitInfo info = { VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &copy->commands->cmd };
  GstVulkanQueue *queue = input->pool->queue;
  gboolean done = FALSE;

  gst_vulkan_queue_submit_lock (queue);
  VK (vkQueueSubmit (queue->queue, 1, &info, copy->fence->fence));
  done = TRUE;

error:
  gst_vulkan_queue_submit_unlock (queue);
  return done;
}

static gboolean
start (VulkanInput *input, Copy *copy, GError **error)
{
  GstVulkanDevice *device = image_of (copy, 0)->device;

  if (!prepare_pool (input, device, error) || !prepare_staging (input, copy, device, error))
    return FALSE;
  copy->fence = gst_vulkan_device_create_fence (device, error);
  if (copy->fence == NULL)
    return FALSE;
  copy->commands = gst_vulkan_command_pool_create (input->pool, error);
  return copy->commands != NULL && record (copy, error) && submit (input, copy, error);
}

gboolean
vulkan_input_has (GstBuffer *buffer)
{
  return gst_buffer_n_memory (buffer) > 0 && gst_is_vulkan_image_memory (gst_buffer_peek_memory (buffer, 0));
}

Frame *
vulkan_input_copy (VulkanInput *input, FrameCopier *copier, GstBuffer *buffer, guint64 time, const Backend *backend)
{
  GstVideoInfo info = frame_copier_info (copier, buffer);
  g_autoptr (Frame) frame = frame_copier_make (copier, buffer, &info, time, backend);
  g_autoptr (Copy) copy = g_new0 (Copy, 1);
  g_autoptr (GError) error = NULL;

  copy->frame = frame_ref (frame);
  copy->buffer = gst_buffer_ref (buffer);
  if (!plan (copy, &info)) {
    GST_WARNING ("not a Vulkan image a plane, all of one device, that may be copied from");
    return NULL;
  }
  if (!start (input, copy, &error)) {
    GST_WARNING ("no copy of a Vulkan image: %s", error->message);
    return NULL;
  }
  frame->coming = TRUE;
  g_thread_pool_push (input->waiter, g_steal_pointer (&copy), NULL);
  return g_steal_pointer (&frame);
}

/* --- the object -------------------------------------------------------------------------------------------------------------- */

VulkanInput *
vulkan_input_new (void)
{
  VulkanInput *input = g_new0 (VulkanInput, 1);

  input->waiter = g_thread_pool_new (wait_for_copy, input, 1, FALSE, NULL);
  return input;
}

void
vulkan_input_free (VulkanInput *input)
{
  if (input == NULL)
    return;
  g_thread_pool_free (input->waiter, FALSE, TRUE);
  g_clear_pointer (&input->spare, gst_memory_unref);
  gst_clear_object (&input->pool);
  g_free (input);
}
