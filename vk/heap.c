/* Memory of a device: which kinds of it there are, how much, and taking and giving it back. */
#include "vk.h"

#define BUFFER_USAGE                                                                                                               \
  (VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT                \
      | VK_BUFFER_USAGE_TRANSFER_DST_BIT)

#define HOST_FLAGS (VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT)

/* They need a feature that is not enabled, or are not for buffers that are reused. */
#define UNWANTED_FLAGS                                                                                                             \
  (VK_MEMORY_PROPERTY_PROTECTED_BIT | VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT | VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD         \
      | VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD)

/* The first type that has `needed`, preferably `wanted` too; of this heap, or any for G_MAXUINT32. */
static gboolean
find_kind (
    const Device *dev, guint32 types, VkMemoryPropertyFlags needed, VkMemoryPropertyFlags wanted, guint32 heap, MemoryKind *kind)
{
  const VkMemoryPropertyFlags tries[] = { needed | wanted, needed };

  for (guint k = 0; k < G_N_ELEMENTS (tries); k++) {
    for (guint32 i = 0; i < dev->memory.memoryTypeCount; i++) {
      const VkMemoryType *type = &dev->memory.memoryTypes[i];

      if (!(types & (1u << i)) || (type->propertyFlags & UNWANTED_FLAGS) || (type->propertyFlags & tries[k]) != tries[k]
          || (heap != G_MAXUINT32 && type->heapIndex != heap))
        continue;
      kind->type = i;
      kind->heap = type->heapIndex;
      kind->mapped = (type->propertyFlags & HOST_FLAGS) == HOST_FLAGS;
      kind->host_cached = kind->mapped && (type->propertyFlags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
      return TRUE;
    }
  }
  return FALSE;
}

static gboolean
buffer_new (Device *dev, guint64 bytes, VkBuffer *buffer, GError **error)
{
  const VkBufferCreateInfo create = { VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .size = bytes, .usage = BUFFER_USAGE };

  VK (vkCreateBuffer (dev->vk, &create, NULL, buffer));
  return TRUE;

error:
  return FALSE;
}

gboolean
device_memory_init (Device *dev, gboolean staged, GError **error)
{
  VkBuffer probe = VK_NULL_HANDLE;
  VkMemoryRequirements needs;
  MemoryKind seen;

  vkGetPhysicalDeviceMemoryProperties (dev->physical, &dev->memory);
  /* Types and alignment are the same for all buffers of one usage: one shows them for all. */
  if (!buffer_new (dev, TENSOR_ALIGN, &probe, error))
    return FALSE;
  vkGetBufferMemoryRequirements (dev->vk, probe, &needs);
  vkDestroyBuffer (dev->vk, probe, NULL);
  dev->allocation_align = MAX (needs.alignment, TENSOR_ALIGN);

  if (!find_kind (dev, needs.memoryTypeBits, 0, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, G_MAXUINT32, &dev->kinds[ARENA_DEVICE])
      || !find_kind (
          dev, needs.memoryTypeBits, HOST_FLAGS, VK_MEMORY_PROPERTY_HOST_CACHED_BIT, G_MAXUINT32, &dev->kinds[ARENA_HOST])) {
    g_set_error (error, DEVICE_ERROR, DEVICE_ERROR_UNSUPPORTED, "%s has no memory for storage buffers that the host can see",
        dev->info.name);
    return FALSE;
  }
  /* Where the host sees the same heap, it writes without staging. A small host-visible window on a large heap is a heap of its own.
   */
  if (find_kind (dev, needs.memoryTypeBits, HOST_FLAGS | VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, VK_MEMORY_PROPERTY_HOST_CACHED_BIT,
          dev->kinds[ARENA_DEVICE].heap, &seen))
    dev->kinds[ARENA_DEVICE] = seen;
  if (!find_kind (
          dev, needs.memoryTypeBits, HOST_FLAGS | VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 0, G_MAXUINT32, &dev->kinds[ARENA_INPUT]))
    dev->kinds[ARENA_INPUT] = dev->kinds[ARENA_HOST];
  if (staged)
    dev->kinds[ARENA_DEVICE].mapped = dev->kinds[ARENA_DEVICE].host_cached = FALSE;
  return TRUE;
}

/* What memory of a kind is taken from: a heap of the driver's, the host's memory or, on an integrated GPU, either, and then the
 * lesser counts. Heaps of a CPU device say nothing. */
static gboolean
is_of_heap (const Device *dev, ArenaKind kind)
{
  const VkMemoryHeap *heap = &dev->memory.memoryHeaps[dev->kinds[kind].heap];

  return dev->unified ? !dev->limits.cpu : (heap->flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) != 0;
}

static gboolean
is_of_host (const Device *dev, ArenaKind kind)
{
  return dev->unified || !is_of_heap (dev, kind);
}

guint64
device_memory_total (const Device *dev, ArenaKind kind)
{
  guint64 heap = is_of_heap (dev, kind) ? dev->memory.memoryHeaps[dev->kinds[kind].heap].size : G_MAXUINT64;

  return is_of_host (dev, kind) ? MIN (heap, host_memory_total ("/")) : heap;
}

guint64
heap_budget_left (VkPhysicalDevice physical, guint32 i)
{
  VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT };
  VkPhysicalDeviceMemoryProperties2 all = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2, &budget };

  vkGetPhysicalDeviceMemoryProperties2 (physical, &all);
  return budget.heapBudget[i] - MIN (budget.heapBudget[i], budget.heapUsage[i]);
}

static guint64
heap_left (const Device *dev, guint32 i)
{
  guint64 size = dev->memory.memoryHeaps[i].size;

  return dev->memory_budget ? heap_budget_left (dev->physical, i) : size - MIN (size, dev->heap_bytes[i]);
}

guint64
device_memory_left (Device *dev, ArenaKind kind)
{
  guint64 heap = is_of_heap (dev, kind) ? heap_left (dev, dev->kinds[kind].heap) : G_MAXUINT64;

  return is_of_host (dev, kind) ? MIN (heap, host_memory_available ("/")) : heap;
}

/* A driver that has promised memory may still fail to give it. */
static void
add_figures (const Device *dev, ArenaKind kind, guint64 asked, GError **error)
{
  const guint64 figures[] = { asked, dev->bytes, device_memory_total (dev, kind) };
  gchar *texts[G_N_ELEMENTS (figures)];

  for (guint i = 0; i < G_N_ELEMENTS (figures); i++)
    texts[i] = g_format_size_full (figures[i], G_FORMAT_SIZE_LONG_FORMAT | G_FORMAT_SIZE_IEC_UNITS);
  g_prefix_error (error, "%s asked for, %s taken so far, of %s: ", texts[0], texts[1], texts[2]);
  for (guint i = 0; i < G_N_ELEMENTS (figures); i++)
    g_free (texts[i]);
}

gboolean
device_memory_new (
    Device *dev, VkBuffer *buffer, ArenaKind kind, guint64 bytes, VkDeviceMemory *memory, gpointer *map, GError **error)
{
  const VkMemoryAllocateInfo allocate = { VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, .allocationSize = bytes,
    .memoryTypeIndex = dev->kinds[kind].type };

  VkResult result;

  if (!buffer_new (dev, bytes, buffer, error))
    return FALSE;
  result = device_allocate (dev, &allocate, memory);
  if (result < 0) {
    device_fail (dev, "vkAllocateMemory", result, error);
    goto error;
  }
  dev->bytes += bytes;
  dev->heap_bytes[dev->kinds[kind].heap] += bytes;
  VK (vkBindBufferMemory (dev->vk, *buffer, *memory, 0));
  if (dev->kinds[kind].mapped)
    VK (vkMapMemory (dev->vk, *memory, 0, VK_WHOLE_SIZE, 0, map));
  /* Weights are filled in a quarter of the time, and read through, once a token, some per cent faster, than with pages of 4 KiB. */
  if (dev->limits.cpu && *map)
    host_memory_large_pages (*map, bytes);
  return TRUE;

error:
  add_figures (dev, kind, bytes, error);
  device_memory_free (dev, buffer, kind, memory, bytes);
  return FALSE;
}

void
device_memory_free (Device *dev, VkBuffer *buffer, ArenaKind kind, VkDeviceMemory *memory, guint64 bytes)
{
  vkDestroyBuffer (dev->vk, *buffer, NULL);
  if (*memory) {
    vkFreeMemory (dev->vk, *memory, NULL);
    dev->bytes -= bytes;
    dev->heap_bytes[dev->kinds[kind].heap] -= bytes;
  }
  *buffer = VK_NULL_HANDLE;
  *memory = VK_NULL_HANDLE;
}
