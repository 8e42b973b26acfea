/*
 * Calls of Vulkan that fail, devices that are lost or full. All other files of the runtime need this one, and it needs none.
 */
#include "vk.h"

#include <string.h>

G_DEFINE_QUARK (minivl_device_error, device_error)

static const gchar *
result_text (VkResult result)
{
  switch (result) {
    case VK_ERROR_OUT_OF_HOST_MEMORY:
      return "out of host memory";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
      return "out of device memory";
    case VK_ERROR_OUT_OF_POOL_MEMORY:
    case VK_ERROR_FRAGMENTED_POOL:
      return "out of pool memory";
    case VK_ERROR_TOO_MANY_OBJECTS:
      return "too many objects";
    case VK_ERROR_MEMORY_MAP_FAILED:
      return "memory cannot be mapped";
    case VK_ERROR_DEVICE_LOST:
      return "the device was lost";
    case VK_ERROR_INCOMPATIBLE_DRIVER:
      return "no usable driver";
    case VK_ERROR_INITIALIZATION_FAILED:
      return "initialization failed";
    default:
      return "failed";
  }
}

static DeviceError
result_code (VkResult result)
{
  switch (result) {
    case VK_ERROR_OUT_OF_HOST_MEMORY:
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_OUT_OF_POOL_MEMORY:
    case VK_ERROR_FRAGMENTED_POOL:
    case VK_ERROR_TOO_MANY_OBJECTS:
    case VK_ERROR_MEMORY_MAP_FAILED:
      return DEVICE_ERROR_MEMORY;
    case VK_ERROR_DEVICE_LOST:
      return DEVICE_ERROR_LOST;
    case VK_ERROR_INCOMPATIBLE_DRIVER:
      return DEVICE_ERROR_NOT_FOUND;
    default:
      return DEVICE_ERROR_UNSUPPORTED;
  }
}

void
device_fail (Device *dev, const gchar *call, VkResult result, GError **error)
{
  g_autofree gchar *function = g_strndup (call, strcspn (call, " ("));

  g_debug ("%s: %s (%d)", call, result_text (result), result);
  if (dev && result == VK_ERROR_DEVICE_LOST)
    dev->lost = TRUE;
  g_set_error (error, DEVICE_ERROR, result_code (result), "%s: %s: %s (VkResult %d)", dev ? dev->info.name : "Vulkan", function,
      result_text (result), result);
}

gboolean
device_usable (const Device *dev, GError **error)
{
  if (dev->lost)
    g_set_error (error, DEVICE_ERROR, DEVICE_ERROR_LOST, "%s: the device was lost; open it anew", dev->info.name);
  return !dev->lost;
}

/* --- submitting and being lost ---------------------------------------------------------------------------------------------- */

gboolean
device_is_lost (const Device *dev)
{
  return dev->lost;
}

void
device_inject_lost (Device *dev, guint after_submits)
{
  dev->lost_after = after_submits + 1;
}

VkResult
device_submit (Device *dev, guint n, const VkCommandBuffer *buffers, VkFence fence)
{
  const VkSubmitInfo submit = { VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = n, .pCommandBuffers = buffers };

  if (dev->lost_after > 0 && --dev->lost_after == 0)
    return VK_ERROR_DEVICE_LOST;
  return vkQueueSubmit (dev->queue, 1, &submit, fence);
}

/* --- out of memory ---------------------------------------------------------------------------------------------------------- */

void
device_inject_full (Device *dev, guint after_allocations)
{
  dev->full_after = after_allocations + 1;
}

VkResult
device_allocate (Device *dev, const VkMemoryAllocateInfo *info, VkDeviceMemory *memory)
{
  if (dev->full_after > 0 && --dev->full_after == 0)
    return VK_ERROR_OUT_OF_DEVICE_MEMORY;
  return vkAllocateMemory (dev->vk, info, NULL, memory);
}
