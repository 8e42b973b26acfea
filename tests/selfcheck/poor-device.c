/*
 * A Vulkan layer that takes from every device what MINIVL_TEST_LACKS names, for tests of how such devices are used or refused. It
 * knows one instance at a time.
 */
#include <stdlib.h>
#include <string.h>

#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

#define POOR_EXPORT __attribute__ ((visibility ("default")))

POOR_EXPORT VkResult vkNegotiateLoaderLayerInterfaceVersion (VkNegotiateLayerInterface *v);

static PFN_vkGetInstanceProcAddr next_get;
static VkInstance instance;

static int
lacks (const char *what)
{
  const char *asked = getenv ("MINIVL_TEST_LACKS");

  return asked && strcmp (asked, what) == 0;
}

/* What can be little: what is left is the least that Vulkan promises, and enough. */
static int
has_little (const char *what)
{
  return lacks (what) || lacks ("all that can be");
}

static VKAPI_ATTR void VKAPI_CALL
get_properties (VkPhysicalDevice physical, VkPhysicalDeviceProperties *p)
{
  PFN_vkGetPhysicalDeviceProperties next = (PFN_vkGetPhysicalDeviceProperties)next_get (instance, "vkGetPhysicalDeviceProperties");

  next (physical, p);
  if (lacks ("vulkan"))
    p->apiVersion = VK_API_VERSION_1_1;
  if (lacks ("push constants"))
    p->limits.maxPushConstantsSize = 64;
  if (has_little ("shared memory"))
    p->limits.maxComputeSharedMemorySize = 16 << 10;
  if (has_little ("invocations"))
    p->limits.maxComputeWorkGroupInvocations = p->limits.maxComputeWorkGroupSize[0] = 128;
  if (has_little ("storage range"))
    p->limits.maxStorageBufferRange = 128 << 20;
  if (lacks ("storage buffers"))
    p->limits.maxPerStageDescriptorStorageBuffers = 4;
  if (has_little ("texels"))
    p->limits.maxTexelBufferElements = 65536;
  if (lacks ("youth")) { /* a Radeon HD 7970 of 2012 */
    p->vendorID = 0x1002;
    p->deviceID = 0x6798;
  }
  if (lacks ("memory of its own"))
    p->deviceType = VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
}

static VKAPI_ATTR void VKAPI_CALL
get_features_2 (VkPhysicalDevice physical, VkPhysicalDeviceFeatures2 *features)
{
  PFN_vkGetPhysicalDeviceFeatures2 next = (PFN_vkGetPhysicalDeviceFeatures2)next_get (instance, "vkGetPhysicalDeviceFeatures2");

  next (physical, features);
  for (VkBaseOutStructure *s = features->pNext; s && has_little ("16-bit storage"); s = s->pNext) {
    VkPhysicalDeviceVulkan11Features *all = (VkPhysicalDeviceVulkan11Features *)s;
    VkPhysicalDevice16BitStorageFeatures *own = (VkPhysicalDevice16BitStorageFeatures *)s;

    if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES)
      all->storageBuffer16BitAccess = all->uniformAndStorageBuffer16BitAccess = all->storagePushConstant16 = VK_FALSE;
    if (s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES)
      own->storageBuffer16BitAccess = own->uniformAndStorageBuffer16BitAccess = own->storagePushConstant16 = VK_FALSE;
  }
}

/* Heaps of 64 MiB. */
static void
take_memory (VkPhysicalDeviceMemoryProperties *memory)
{
  for (uint32_t i = 0; lacks ("memory of its own") && i < memory->memoryHeapCount; i++)
    memory->memoryHeaps[i].size = 64 << 20;
}

static VKAPI_ATTR void VKAPI_CALL
get_memory (VkPhysicalDevice physical, VkPhysicalDeviceMemoryProperties *memory)
{
  PFN_vkGetPhysicalDeviceMemoryProperties next =
      (PFN_vkGetPhysicalDeviceMemoryProperties)next_get (instance, "vkGetPhysicalDeviceMemoryProperties");

  next (physical, memory);
  take_memory (memory);
}

static VKAPI_ATTR void VKAPI_CALL
get_memory_2 (VkPhysicalDevice physical, VkPhysicalDeviceMemoryProperties2 *memory)
{
  PFN_vkGetPhysicalDeviceMemoryProperties2 next =
      (PFN_vkGetPhysicalDeviceMemoryProperties2)next_get (instance, "vkGetPhysicalDeviceMemoryProperties2");

  next (physical, memory);
  take_memory (&memory->memoryProperties);
  for (VkBaseOutStructure *s = memory->pNext; s && lacks ("memory of its own"); s = s->pNext) {
    VkPhysicalDeviceMemoryBudgetPropertiesEXT *budget = (VkPhysicalDeviceMemoryBudgetPropertiesEXT *)s;

    for (uint32_t i = 0; s->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT && i < VK_MAX_MEMORY_HEAPS;
         i++) {
      budget->heapBudget[i] = 48 << 20;
      budget->heapUsage[i] = 16 << 20;
    }
  }
}

static VKAPI_ATTR void VKAPI_CALL
get_properties_2 (VkPhysicalDevice physical, VkPhysicalDeviceProperties2 *p)
{
  PFN_vkGetPhysicalDeviceProperties2 next =
      (PFN_vkGetPhysicalDeviceProperties2)next_get (instance, "vkGetPhysicalDeviceProperties2");

  next (physical, p);
  get_properties (physical, &p->properties);
  for (VkBaseOutStructure *s = p->pNext; s; s = s->pNext) {
    VkPhysicalDeviceSubgroupProperties *subgroup = (VkPhysicalDeviceSubgroupProperties *)s;

    if (s->sType != VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES)
      continue;
    if (lacks ("lanes"))
      subgroup->subgroupSize = 1;
    if (lacks ("subgroup operations"))
      subgroup->supportedStages &= ~VK_SHADER_STAGE_COMPUTE_BIT;
    if (lacks ("shuffles"))
      subgroup->supportedOperations = VK_SUBGROUP_FEATURE_BASIC_BIT;
  }
}

static VKAPI_ATTR void VKAPI_CALL
get_families (VkPhysicalDevice physical, uint32_t *n, VkQueueFamilyProperties *families)
{
  PFN_vkGetPhysicalDeviceQueueFamilyProperties next =
      (PFN_vkGetPhysicalDeviceQueueFamilyProperties)next_get (instance, "vkGetPhysicalDeviceQueueFamilyProperties");

  next (physical, n, families);
  for (uint32_t i = 0; families && i < *n; i++)
    if (lacks ("compute"))
      families[i].queueFlags &= ~VK_QUEUE_COMPUTE_BIT;
}

static VKAPI_ATTR VkResult VKAPI_CALL
create_instance (const VkInstanceCreateInfo *info, const VkAllocationCallbacks *allocator, VkInstance *out)
{
  VkLayerInstanceCreateInfo *link = (VkLayerInstanceCreateInfo *)info->pNext;
  PFN_vkCreateInstance create;
  VkResult result;

  while (link->sType != VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO || link->function != VK_LAYER_LINK_INFO)
    link = (VkLayerInstanceCreateInfo *)link->pNext;
  next_get = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
  link->u.pLayerInfo = link->u.pLayerInfo->pNext;
  create = (PFN_vkCreateInstance)next_get (VK_NULL_HANDLE, "vkCreateInstance");
  result = create (info, allocator, out);
  instance = *out;
  return result;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL
get_function (VkInstance of, const char *name)
{
  static const struct
  {
    const char *name;
    PFN_vkVoidFunction function;
  } own[] = {
    { "vkGetInstanceProcAddr", (PFN_vkVoidFunction)get_function },
    { "vkCreateInstance", (PFN_vkVoidFunction)create_instance },
    { "vkGetPhysicalDeviceProperties", (PFN_vkVoidFunction)get_properties },
    { "vkGetPhysicalDeviceProperties2", (PFN_vkVoidFunction)get_properties_2 },
    { "vkGetPhysicalDeviceFeatures2", (PFN_vkVoidFunction)get_features_2 },
    { "vkGetPhysicalDeviceMemoryProperties", (PFN_vkVoidFunction)get_memory },
    { "vkGetPhysicalDeviceMemoryProperties2", (PFN_vkVoidFunction)get_memory_2 },
    { "vkGetPhysicalDeviceQueueFamilyProperties", (PFN_vkVoidFunction)get_families },
  };

  for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
    if (strcmp (own[i].name, name) == 0)
      return own[i].function;
  return next_get ? next_get (of, name) : NULL;
}

VkResult
vkNegotiateLoaderLayerInterfaceVersion (VkNegotiateLayerInterface *v)
{
  v->loaderLayerInterfaceVersion = 2;
  v->pfnGetInstanceProcAddr = get_function;
  v->pfnGetDeviceProcAddr = NULL; /* it sees no calls of devices */
  v->pfnGetPhysicalDeviceProcAddr = NULL;
  return VK_SUCCESS;
}
