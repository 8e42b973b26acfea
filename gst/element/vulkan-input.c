#include "vulkan-input.h"

#define GST_USE_UNSTABLE_API
#include <gst/vulkan/vulkan.h>

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
  GstVulkanCommandPool *pool; /* of the queue that the last copy was made by */
  GstMemory *spare;           /* atomic: memory for the next copy; NULL: none */
};

/* A copy, from when it is planned until its bytes are in the frame. */
typedef struct
{
  Frame *frame;
  GstBuffer *buffer; /* keeps its images alive until they have been read */
  GstVideoInfo info; /* as the planes lie in `staging` */
  guint n_images;    /* one a plane, or one of all planes */
  VkBufferImageCopy planes[GST_VIDEO_MAX_PLANES];
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
image (const Copy *copy, guint n)
{
  return (GstVulkanImageMemory *)gst_buffer_peek_memory (copy->buffer, n);
}

static GstVulkanImageMemory *
image_of_plane (const Copy *copy, guint plane)
{
  return image (copy, MIN (plane, copy->n_images - 1));
}

/* --- in the waiter ----------------------------------------------------------------------------------------------------------- */

static gboolean
read_staging (const Copy *copy, GError **error)
{
  GstVideoFrame from = { .info = copy->info };
  GstMapInfo map;
  gboolean filled;

  /* Without a timeout: memory that the device may still write to cannot be freed. The driver resets a device that hangs. */
  VK (vkWaitForFences (copy->fence->device->device, 1, &copy->fence->fence, VK_TRUE, G_MAXUINT64));
  if (!gst_memory_map (copy->staging, &map, GST_MAP_READ)) {
    g_set_error_literal (error, GST_VULKAN_ERROR, GST_VULKAN_FAILED, "the copy cannot be mapped");
    goto error;
  }
  if (GST_VIDEO_INFO_IS_INTERLACED (&copy->info))
    from.flags |= GST_VIDEO_FRAME_FLAG_INTERLACED;
  for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES (&copy->info); p++)
    from.data[p] = map.data + copy->info.offset[p];
  filled = pixels_fill (&copy->frame->image, &copy->info, &from);
  gst_memory_unmap (copy->staging, &map);
  if (!filled)
    g_set_error_literal (error, GST_VULKAN_ERROR, GST_VULKAN_FAILED, "the copy cannot be converted");
  return filled;

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
    error =
        g_error_new (MINIVL_ERROR, MINIVL_ERROR_IMAGES, "it was not copied from the pipeline's Vulkan device: %s", reason->message);
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

/* Whether the image may be copied from, and has the plane: alone, or all planes of NV12. */
static gboolean
has_plane (const Copy *copy, GstVulkanImageMemory *image, guint width, guint height, guint pixel)
{
  gboolean fits = copy->n_images == 1 && GST_VIDEO_INFO_N_PLANES (&copy->info) > 1
                      ? image->create_info.format == VK_FORMAT_G8_B8R8_2PLANE_420_UNORM
                      : pixel_bytes (image->create_info.format) == pixel;

  return fits && gst_vulkan_image_memory_get_width (image) >= width && gst_vulkan_image_memory_get_height (image) >= height
         && (image->usage & VK_IMAGE_USAGE_TRANSFER_SRC_BIT) && image->barrier.image_layout != VK_IMAGE_LAYOUT_UNDEFINED
         && image->barrier.image_layout != VK_IMAGE_LAYOUT_PREINITIALIZED;
}

/* Where each plane lies, in its image and in the copy. FALSE unless it may be copied. */
static gboolean
plan (Copy *copy, const GstVideoInfo *info)
{
  static const VkImageAspectFlags aspects[] = { VK_IMAGE_ASPECT_PLANE_0_BIT, VK_IMAGE_ASPECT_PLANE_1_BIT };
  guint n_planes = GST_VIDEO_INFO_N_PLANES (info);

  copy->info = *info;
  copy->n_images = gst_buffer_n_memory (copy->buffer);
  if (copy->n_images != 1 && copy->n_images != n_planes)
    return FALSE;
  for (guint i = 0; i < copy->n_images; i++)
    if (!gst_is_vulkan_image_memory (GST_MEMORY_CAST (image (copy, i))) || image (copy, i)->device != image (copy, 0)->device)
      return FALSE;
  for (guint p = 0; p < n_planes; p++) {
    gint c[GST_VIDEO_MAX_COMPONENTS];
    guint width, height, pixel;

    gst_video_format_info_component (info->finfo, p, c);
    width = GST_VIDEO_INFO_COMP_WIDTH (info, c[0]);
    height = GST_VIDEO_INFO_COMP_HEIGHT (info, c[0]);
    pixel = GST_VIDEO_INFO_COMP_PSTRIDE (info, c[0]);
    if (!has_plane (copy, image_of_plane (copy, p), width, height, pixel))
      return FALSE;
    copy->planes[p] = (VkBufferImageCopy){
      .bufferOffset = copy->size,
      .imageSubresource = { copy->n_images == n_planes ? VK_IMAGE_ASPECT_COLOR_BIT : aspects[p], .layerCount = 1 },
      .imageExtent = { width, height, 1 },
    };
    copy->info.offset[p] = copy->size;
    copy->info.stride[p] = width * pixel;
    copy->size = GST_ROUND_UP_4 (copy->size + (gsize)width * height * pixel);
  }
  return TRUE;
}

static gboolean
can_copy (const GstVulkanQueue *queue)
{
  VkQueueFlags flags = queue->device->physical_device->queue_family_props[queue->family].queueFlags;

  return flags & (VK_QUEUE_GRAPHICS_BIT | VK_QUEUE_COMPUTE_BIT | VK_QUEUE_TRANSFER_BIT);
}

static gboolean
take_queue (GstVulkanDevice *device, GstVulkanQueue *queue, gpointer user_data)
{
  if (!can_copy (queue))
    return TRUE;
  gst_object_replace (user_data, GST_OBJECT (queue));
  return FALSE;
}

/* The queue that the image was made by, if that is known and it can copy. Before 1.24 a device of libgstvulkan has one queue, so
 * the copy runs after the work that makes the image; later ones' images have semaphores that it waits for. (transfer full)
 * (nullable) */
static GstVulkanQueue *
choose_queue (GstVulkanImageMemory *image)
{
  GstVulkanQueue *queue = image->barrier.parent.queue;

  if (queue != NULL && can_copy (queue))
    return gst_object_ref (queue);
  queue = NULL;
  gst_vulkan_device_foreach_queue (image->device, take_queue, &queue);
  return queue;
}

static gboolean
prepare_pool (VulkanInput *input, GstVulkanImageMemory *image, GError **error)
{
  g_autoptr (GstVulkanQueue) queue = choose_queue (image);

  if (queue == NULL) {
    g_set_error_literal (error, GST_VULKAN_ERROR, GST_VULKAN_FAILED, "the device has no queue that copies");
    return FALSE;
  }
  if (input->pool != NULL && input->pool->queue == queue)
    return TRUE;
  gst_clear_object (&input->pool);
  input->pool = gst_vulkan_queue_create_command_pool (queue, error);
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

  for (guint i = 0; i < copy->n_images; i++) {
    VkImageLayout own = image (copy, i)->barrier.image_layout, read = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL;

    images[i] = (VkImageMemoryBarrier){
      .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
      .srcAccessMask = back ? 0 : VK_ACCESS_MEMORY_WRITE_BIT,
      .dstAccessMask = back ? VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT : VK_ACCESS_TRANSFER_READ_BIT,
      .oldLayout = back ? read : own,
      .newLayout = back ? own : read,
      .srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
      .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
      .image = image (copy, i)->image,
      .subresourceRange = { VK_IMAGE_ASPECT_COLOR_BIT, .levelCount = 1, .layerCount = 1 },
    };
  }
  vkCmdPipelineBarrier (copy->commands->cmd, back ? VK_PIPELINE_STAGE_TRANSFER_BIT : VK_PIPELINE_STAGE_ALL_COMMANDS_BIT,
      back ? VK_PIPELINE_STAGE_ALL_COMMANDS_BIT | VK_PIPELINE_STAGE_HOST_BIT : VK_PIPELINE_STAGE_TRANSFER_BIT, 0, back ? 1 : 0,
      &bytes, 0, NULL, copy->n_images, images);
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
  for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES (&copy->info); p++)
    vkCmdCopyImageToBuffer (cmd, image_of_plane (copy, p)->image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
        ((GstVulkanBufferMemory *)copy->staging)->buffer, 1, &copy->planes[p]);
  move_images (copy, TRUE);
  VK (vkEndCommandBuffer (cmd));
  done = TRUE;

error:
  gst_vulkan_command_buffer_unlock (copy->commands);
  return done;
}

/* The semaphores of the images, each of which is one higher when the copy is done. Returns how many. */
static guint
list_semaphores (const Copy *copy, VkSemaphore *semaphores, guint64 *made, guint64 *read)
{
  guint n = 0;

#if GST_CHECK_VERSION(1, 24, 0)
  for (guint i = 0; i < copy->n_images; i++) {
    const GstVulkanBarrierMemoryInfo *barrier = &image (copy, i)->barrier.parent;

    if (barrier->semaphore == VK_NULL_HANDLE)
      continue;
    semaphores[n] = barrier->semaphore;
    made[n] = barrier->semaphore_value;
    read[n++] = barrier->semaphore_value + 1;
  }
#endif
  return n;
}

/* Who uses the images next waits until they have been read. */
static void
raise_semaphores (const Copy *copy)
{
#if GST_CHECK_VERSION(1, 24, 0)
  for (guint i = 0; i < copy->n_images; i++)
    image (copy, i)->barrier.parent.semaphore_value += image (copy, i)->barrier.parent.semaphore != VK_NULL_HANDLE;
#endif
}

static gboolean
submit (VulkanInput *input, Copy *copy, GError **error)
{
  VkSemaphore semaphores[GST_VIDEO_MAX_PLANES];
  guint64 made[GST_VIDEO_MAX_PLANES], read[GST_VIDEO_MAX_PLANES];
  VkPipelineStageFlags stages[GST_VIDEO_MAX_PLANES];
  guint n = list_semaphores (copy, semaphores, made, read);
  const VkTimelineSemaphoreSubmitInfo values = { VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO, .waitSemaphoreValueCount = n,
    .pWaitSemaphoreValues = made, .signalSemaphoreValueCount = n, .pSignalSemaphoreValues = read };
  const VkSubmitInfo info = { VK_STRUCTURE_TYPE_SUBMIT_INFO, .pNext = n > 0 ? &values : NULL, .waitSemaphoreCount = n,
    .pWaitSemaphores = semaphores, .pWaitDstStageMask = stages, .commandBufferCount = 1, .pCommandBuffers = &copy->commands->cmd,
    .signalSemaphoreCount = n, .pSignalSemaphores = semaphores };
  GstVulkanQueue *queue = input->pool->queue;
  gboolean done = FALSE;

  for (guint i = 0; i < n; i++)
    stages[i] = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
  gst_vulkan_queue_submit_lock (queue);
  VK (vkQueueSubmit (queue->queue, 1, &info, copy->fence->fence));
  raise_semaphores (copy);
  done = TRUE;

error:
  gst_vulkan_queue_submit_unlock (queue);
  return done;
}

static gboolean
start (VulkanInput *input, Copy *copy, GError **error)
{
  GstVulkanDevice *device = image (copy, 0)->device;

  if (!prepare_pool (input, image (copy, 0), error) || !prepare_staging (input, copy, device, error))
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
  Frame *frame = frame_copier_make (copier, buffer, &info, time, backend);
  g_autoptr (Copy) copy = g_new0 (Copy, 1);
  g_autoptr (GError) error = NULL;

  copy->frame = frame_ref (frame);
  copy->buffer = gst_buffer_ref (buffer);
  if (!plan (copy, &info))
    frame_arrived (frame, g_error_new_literal (MINIVL_ERROR, MINIVL_ERROR_IMAGES,
                              "its Vulkan images are not of one device, or may not be copied from"));
  else if (!start (input, copy, &error))
    frame_arrived (
        frame, g_error_new (MINIVL_ERROR, MINIVL_ERROR_IMAGES, "it cannot be copied from a Vulkan image: %s", error->message));
  else
    g_thread_pool_push (input->waiter, g_steal_pointer (&copy), NULL);
  return frame;
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
