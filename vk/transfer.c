/*
 * Bytes to and from tensors: in place where the host sees their memory, else through a staging buffer of two halves, one of which
 * the host fills while the device copies the other.
 */
#include "vk.h"

#include <string.h>

/* --- staging ---------------------------------------------------------------------------------------------------------------- */

static guint8 *
half_address (const Device *dev, guint half)
{
  return (guint8 *)dev->staging_map + half * dev->half_bytes;
}

/* Until the device has done what was last asked of this half. */
static gboolean
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

static gboolean
halves_settle (Device *dev, GError **error)
{
  const gboolean first = half_wait (dev, &dev->halves[0], error);

  return half_wait (dev, &dev->halves[1], first ? error : NULL) && first;
}

static void
staging_clear (Device *dev)
{
  device_memory_free (dev, &dev->staging, &dev->staging_memory, 2 * dev->half_bytes);
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

static gboolean
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

/* --- tensors ---------------------------------------------------------------------------------------------------------------- */

static void
check_range (const Tensor *t, guint64 offset, guint64 size)
{
  g_assert (offset % 4 == 0 && size % 4 == 0 && offset <= tensor_bytes (t) && size <= tensor_bytes (t) - offset);
}

gpointer
tensor_fill_begin (const Tensor *t, guint64 offset, guint64 size, GError **error)
{
  Device *dev = arena_device (t->arena);
  guint8 *place = tensor_host (t);

  check_range (t, offset, size);
  if (!device_usable (dev, error))
    return NULL;
  if (place)
    return place + offset;
  if (!halves_init (dev, error) || !staging_init (dev, size, error) || !half_wait (dev, &dev->halves[dev->half], error))
    return NULL;
  return half_address (dev, dev->half);
}

gboolean
tensor_fill_end (const Tensor *t, guint64 offset, guint64 size, GError **error)
{
  Device *dev = arena_device (t->arena);
  const guint half = dev->half;
  guint64 place;
  const VkBuffer buffer = tensor_buffer (t, &place);

  if (tensor_host (t))
    return TRUE;
  dev->half = 1 - half;
  return half_copy (dev, &dev->halves[half], dev->staging, half * dev->half_bytes, buffer, place + offset, size, error);
}

gboolean
arena_settle (Arena *arena, GError **error)
{
  return halves_settle (arena_device (arena), error);
}

gboolean
tensor_write (const Tensor *t, guint64 offset, gconstpointer data, guint64 size, GError **error)
{
  for (guint64 done = 0, n; done < size; done += n) {
    gpointer place;

    n = MIN (size - done, FILL_BYTES);
    place = tensor_fill_begin (t, offset + done, n, error);
    if (!place)
      return FALSE;
    memcpy (place, (const guint8 *)data + done, n);
    if (!tensor_fill_end (t, offset + done, n, error))
      return FALSE;
  }
  return arena_settle (t->arena, error);
}

gboolean
tensor_read (const Tensor *t, guint64 offset, gpointer data, guint64 size, GError **error)
{
  Device *dev = arena_device (t->arena);
  const guint8 *map = tensor_host (t);
  guint64 place;
  const VkBuffer buffer = tensor_buffer (t, &place);

  check_range (t, offset, size);
  if (!device_usable (dev, error))
    return FALSE;
  if (map && tensor_host_reads (t)) {
    memcpy (data, map + offset, size);
    return TRUE;
  }
  if (!halves_init (dev, error) || !staging_init (dev, MIN (size, FILL_BYTES), error))
    return FALSE;
  for (guint64 done = 0, n; done < size; done += n) {
    n = MIN (size - done, FILL_BYTES);
    if (!half_copy (dev, &dev->halves[0], buffer, place + offset + done, dev->staging, 0, n, error)
        || !half_wait (dev, &dev->halves[0], error))
      return FALSE;
    memcpy ((guint8 *)data + done, dev->staging_map, n);
  }
  return TRUE;
}
