/* A staging buffer of two halves, one of which the host fills while the device copies the other. */
#include "vk.h"

#include <string.h>

guint8 *
half_address (const Device *dev, guint half)
{
  return (guint8 *)dev->staging_map + half * dev->half_bytes;
}

gboolean
half_wait (Device *dev, StagingHalf *half, GError **error)
{
  if (!half->busy)
    return TRUE;
  half->busy = FALSE;
  VK (vkWaitForFences (dev->vk, 1, &half->fence, VK_TRUE, G_MAXUINT64));
  VK (vkResetFences (dev->vk, 1, &half->fence));
  return TRUE;

error:
  return FALSE;
}

gboolean
halves_settle (Device *dev, GError **error)
{
  const gboolean first = half_wait (dev, &dev->halves[0], error);

  return half_wait (dev, &dev->halves[1], first ? error : NULL) && first;
}

static void
staging_clear (Device *dev)
{
  device_memory_free (dev, &dev->staging, ARENA_HOST, &dev->staging_memory, 2 * dev->half_bytes);
  dev->half_bytes = 0;
}

/* Made when first needed, which on many devices is never; made anew for what is longer than a half. */
static gboolean
staging_init (Device *dev, guint64 size, GError **error)
{
  if (size <= dev->half_bytes)
    return TRUE;
  if (!halves_settle (dev, error))
    return FALSE;
  staging_clear (dev);
  size = MAX (size, FILL_BYTES);
  if (!device_memory_new (dev, &dev->staging, ARENA_HOST, 2 * size, &dev->staging_memory, &dev->staging_map, error)) {
    g_prefix_error (error, "staging: ");
    return FALSE;
  }
  device_name (dev, VK_OBJECT_TYPE_BUFFER, (guint64)dev->staging, "staging");
  dev->half_bytes = size;
  return TRUE;
}

static gboolean
halves_init (Device *dev, GError **error)
{
  const VkCommandPoolCreateInfo pool = { VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
    .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT | VK_COMMAND_POOL_CREATE_TRANSIENT_BIT,
    .queueFamilyIndex = dev->family };
  VkCommandBufferAllocateInfo allocate = { VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
    .commandBufferCount = 1 };
  const VkFenceCreateInfo fence = { VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };

  if (dev->halves[1].fence)
    return TRUE;
  VK (vkCreateCommandPool (dev->vk, &pool, NULL, &dev->transfer_pool));
  allocate.commandPool = dev->transfer_pool;
  for (guint i = 0; i < 2; i++) {
    VK (vkAllocateCommandBuffers (dev->vk, &allocate, &dev->halves[i].commands));
    VK (vkCreateFence (dev->vk, &fence, NULL, &dev->halves[i].fence));
  }
  return TRUE;

error:
  device_transfer_clear (dev);
  return FALSE;
}

void
device_transfer_clear (Device *dev)
{
  staging_clear (dev);
  for (guint i = 0; i < 2; i++)
    vkDestroyFence (dev->vk, dev->halves[i].fence, NULL);
  vkDestroyCommandPool (dev->vk, dev->transfer_pool, NULL);
  dev->transfer_pool = VK_NULL_HANDLE;
  memset (dev->halves, 0, sizeof dev->halves);
}

gboolean
halves_prepare (Device *dev, guint64 size, GError **error)
{
  return halves_init (dev, error) && staging_init (dev, size, error);
}

static gboolean
half_begin (Device *dev, StagingHalf *half, GError **error)
{
  const VkCommandBufferBeginInfo begin = { VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
    .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT };

  if (!half_wait (dev, half, error))
    return FALSE;
  VK (vkBeginCommandBuffer (half->commands, &begin));
  return TRUE;

error:
  return FALSE;
}

/* Makes what is written visible to everything after it, and submits. */
static gboolean
half_submit (Device *dev, StagingHalf *half, GError **error)
{
  const VkMemoryBarrier barrier = { VK_STRUCTURE_TYPE_MEMORY_BARRIER, .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
    .dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_READ_BIT
                     | VK_ACCESS_TRANSFER_WRITE_BIT | VK_ACCESS_HOST_READ_BIT };

  vkCmdPipelineBarrier (half->commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
      VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT | VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier, 0, NULL,
      0, NULL);
  VK (vkEndCommandBuffer (half->commands));
  VK (device_submit (dev, 1, &half->commands, half->fence));
  half->busy = TRUE;
  return TRUE;

error:
  return FALSE;
}

gboolean
half_copy (Device *dev, StagingHalf *half, VkBuffer from, guint64 from_offset, VkBuffer to, guint64 to_offset, guint64 size,
    GError **error)
{
  const VkBufferCopy region = { from_offset, to_offset, size };

  if (!half_begin (dev, half, error))
    return FALSE;
  vkCmdCopyBuffer (half->commands, from, to, 1, &region);
  return half_submit (dev, half, error);
}

gboolean
device_set (Device *dev, VkBuffer buffer, guint8 value, GError **error)
{
  if (!halves_init (dev, error) || !half_begin (dev, &dev->halves[0], error))
    return FALSE;
  vkCmdFillBuffer (dev->halves[0].commands, buffer, 0, VK_WHOLE_SIZE, value * 0x01010101u);
  return half_submit (dev, &dev->halves[0], error) && half_wait (dev, &dev->halves[0], error);
}
