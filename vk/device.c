/*
 * Devices: list, choose, open, free; what is required of one and what one can.
 */
#include "vk.h"

#if defined __x86_64__ || defined __i386__
#include <cpuid.h>
#endif
#include <string.h>

/* Signed 32-bit byte offsets are the norm inside drivers. */
#define MAX_BULK_BYTES (G_GUINT64_CONSTANT (1) << 31)
#define WINDOW_BYTES (G_GUINT64_CONSTANT (1) << 30)
#define VENDOR_AMD 0x1002
#define GPU_SUBMIT_NS (50 * G_GUINT64_CONSTANT (1000000))

/* --- what a device is ------------------------------------------------------------------------------------------------------- */

typedef struct
{
  VkPhysicalDevice physical;
  DeviceInfo info;
  DeviceLimits limits;
  VkPhysicalDeviceType type;
  guint8 uuid[VK_UUID_SIZE], cache_uuid[VK_UUID_SIZE];
  guint32 driver_version;
  guint64 max_allocation;
  guint32 family;
  guint32 timestamp_bits;
  double timestamp_ns;
  gboolean memory_budget;
} Candidate;

static void
info_clear (DeviceInfo *info)
{
  g_free (info->name);
  g_free (info->driver);
  g_free (info->uuid);
  g_free (info->geometry);
  g_free (info->refusal);
}

static void
candidate_clear (Candidate *c)
{
  info_clear (&c->info);
}

static const gchar *
type_text (VkPhysicalDeviceType type)
{
  switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
      return "discrete";
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
      return "integrated";
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
      return "virtual";
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
      return "cpu";
    default:
      return "other";
  }
}

static guint
type_rank (VkPhysicalDeviceType type)
{
  static const VkPhysicalDeviceType order[] = { VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU, VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU,
    VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU, VK_PHYSICAL_DEVICE_TYPE_OTHER };
  guint rank = 0;

  while (rank < G_N_ELEMENTS (order) && order[rank] != type)
    rank++;
  return rank;
}

static gchar *
uuid_text (const guint8 *uuid)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < VK_UUID_SIZE; i++)
    g_string_append_printf (text, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", uuid[i]);
  return g_string_free (text, FALSE);
}

/* A compute-only queue keeps the desktop on a GPU responsive; otherwise any queue that computes. */
static gboolean
find_queue (Candidate *c)
{
  guint32 n = 0, found = G_MAXUINT32;
  gboolean dedicated = FALSE;

  vkGetPhysicalDeviceQueueFamilyProperties (c->physical, &n, NULL);
  g_autofree VkQueueFamilyProperties *families = g_new0 (VkQueueFamilyProperties, MAX (n, 1));
  vkGetPhysicalDeviceQueueFamilyProperties (c->physical, &n, families);
  for (guint32 i = 0; i < n && !dedicated; i++) {
    if (!(families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) || families[i].queueCount == 0)
      continue;
    dedicated = !(families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT);
    if (found == G_MAXUINT32 || dedicated)
      found = i;
  }
  if (found == G_MAXUINT32)
    return FALSE;
  c->family = found;
  c->timestamp_bits = families[found].timestampValidBits;
  return TRUE;
}

static gboolean
has_extension (VkPhysicalDevice physical, const gchar *name)
{
  guint32 n = 0;
  gboolean found = FALSE;

  if (vkEnumerateDeviceExtensionProperties (physical, NULL, &n, NULL) < 0)
    return FALSE;
  g_autofree VkExtensionProperties *list = g_new0 (VkExtensionProperties, MAX (n, 1));
  if (vkEnumerateDeviceExtensionProperties (physical, NULL, &n, list) < 0)
    return FALSE;
  for (guint32 i = 0; i < n && !found; i++)
    found = g_str_equal (list[i].extensionName, name);
  return found;
}

/* As device_memory_left() of a device of which nothing is taken yet; of a discrete GPU what it has in all, whoever uses it now. */
static guint64
candidate_memory (const Candidate *c)
{
  const gboolean integrated = c->type == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
  VkPhysicalDeviceMemoryProperties memory;
  guint64 local = 0;

  if (c->type == VK_PHYSICAL_DEVICE_TYPE_CPU)
    return host_memory_available ("/");
  vkGetPhysicalDeviceMemoryProperties (c->physical, &memory);
  for (guint i = 0; i < memory.memoryHeapCount; i++) {
    if (memory.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT)
      local = MAX (local, integrated && c->memory_budget ? heap_budget_left (c->physical, i) : memory.memoryHeaps[i].size);
  }
  return integrated ? MIN (local, host_memory_available ("/")) : local;
}

static void refuse (Candidate *c, const gchar *format, ...) G_GNUC_PRINTF (2, 3);

/* Keeps the first reason. */
static void
refuse (Candidate *c, const gchar *format, ...)
{
  va_list args;

  if (c->info.refusal)
    return;
  va_start (args, format);
  c->info.refusal = g_strdup_vprintf (format, args);
  va_end (args);
}

/* AMD's first GCN: Oland, Hainan, Tahiti, Pitcairn, Cape Verde. Nothing but the PCI ids tells them from the later ones. */
static gboolean
is_gcn_1 (const VkPhysicalDeviceProperties *p)
{
  static const guint32 ids[][2] = { { 0x6600, 0x663f }, { 0x6660, 0x667f }, { 0x6780, 0x679f }, { 0x6800, 0x683f } };
  gboolean found = FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (ids); i++)
    found = found || (p->vendorID == VENDOR_AMD && p->deviceID >= ids[i][0] && p->deviceID <= ids[i][1]);
  return found;
}

static void
candidate_require (Candidate *c, const VkPhysicalDeviceProperties *p)
{
  if (is_gcn_1 (p))
    refuse (c, "it is one of AMD's GCN 1, of 2012; GCN 2 is the oldest that is supported");
  if (!find_queue (c))
    refuse (c, "it has no compute queue");
  if (p->limits.maxPerStageDescriptorStorageBuffers < DISPATCH_MAX_BINDS)
    refuse (
        c, "its shaders bind %u storage buffers, %u are needed", p->limits.maxPerStageDescriptorStorageBuffers, DISPATCH_MAX_BINDS);
  if (p->limits.maxPushConstantsSize < DISPATCH_MAX_PUSH)
    refuse (c, "its push constants hold %u bytes, %u are needed", p->limits.maxPushConstantsSize, DISPATCH_MAX_PUSH);
}

static gboolean
has_shuffles (const VkPhysicalDeviceSubgroupProperties *subgroup)
{
  const VkSubgroupFeatureFlags needed = VK_SUBGROUP_FEATURE_BASIC_BIT | VK_SUBGROUP_FEATURE_SHUFFLE_BIT;

  return (subgroup->supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) && (subgroup->supportedOperations & needed) == needed;
}

static void
dots_report (VkPhysicalDevice physical, DeviceLimits *limits)
{
  VkPhysicalDeviceShaderIntegerDotProductFeatures has = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES };
  VkPhysicalDeviceShaderIntegerDotProductProperties how = {
    VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_PROPERTIES
  };

  if (!has_extension (physical, VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME))
    return;
  vkGetPhysicalDeviceFeatures2 (physical, &(VkPhysicalDeviceFeatures2){ VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, &has });
  vkGetPhysicalDeviceProperties2 (physical, &(VkPhysicalDeviceProperties2){ VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, &how });
  limits->dots = has.shaderIntegerDotProduct;
  limits->fast_dots = limits->dots && how.integerDotProduct4x8BitPackedSignedAccelerated;
}

/* Whether the CPU has the instructions for f16 that drivers use. Without them, on ARM and on x86 before F16C, Mesa 22.3 with
 * LLVM 15 ends the process where a shader calls unpackHalf2x16. */
static gboolean
cpu_converts_halves (void)
{
#if defined __x86_64__ || defined __i386__
  guint a, b, c, d;

  return __builtin_cpu_supports ("avx") && __get_cpuid (1, &a, &b, &c, &d) && (c & bit_F16C);
#else
  return FALSE;
#endif
}

static void
candidate_init (Candidate *c, VkInstance instance, VkPhysicalDevice physical, const DeviceOptions *options)
{
  VkPhysicalDeviceMaintenance3Properties maintenance = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES };
  VkPhysicalDeviceSubgroupProperties subgroup = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES, &maintenance };
  VkPhysicalDeviceIDProperties id = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES, &subgroup };
  VkPhysicalDeviceDriverProperties driver = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES, &id };
  VkPhysicalDeviceProperties2 all = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, &driver };
  const VkPhysicalDeviceProperties *p = &all.properties;
  DeviceLimits *limits = &c->limits;

  c->physical = physical;
  vkGetPhysicalDeviceProperties (physical, &all.properties);
  c->type = p->deviceType;
  c->info.type = type_text (c->type);
  c->info.name = g_strdup (p->deviceName);
  c->memory_budget = p->apiVersion >= VK_API_VERSION_1_2 && has_extension (physical, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
  c->info.memory = candidate_memory (c);
  if (p->apiVersion < VK_API_VERSION_1_2) {
    c->info.driver = g_strdup ("unknown");
    c->info.uuid = uuid_text (c->uuid);
    refuse (c, "its driver has Vulkan %u.%u, 1.2 is needed", VK_API_VERSION_MAJOR (p->apiVersion),
        VK_API_VERSION_MINOR (p->apiVersion));
    return;
  }

  vkGetPhysicalDeviceProperties2 (physical, &all);
  c->info.driver = g_strdup_printf ("%s %s", driver.driverName, driver.driverInfo);
  c->info.uuid = uuid_text (id.deviceUUID);
  memcpy (c->uuid, id.deviceUUID, VK_UUID_SIZE);
  memcpy (c->cache_uuid, p->pipelineCacheUUID, VK_UUID_SIZE);
  c->driver_version = p->driverVersion;
  c->timestamp_ns = p->limits.timestampPeriod;
  c->max_allocation = maintenance.maxMemoryAllocationSize;
  candidate_require (c, p);

  limits->cpu = c->type == VK_PHYSICAL_DEVICE_TYPE_CPU;
  limits->subgroup = subgroup.subgroupSize;
  limits->shared_bytes = p->limits.maxComputeSharedMemorySize;
  limits->texels = p->limits.maxTexelBufferElements;
  limits->max_local = MIN (p->limits.maxComputeWorkGroupInvocations, p->limits.maxComputeWorkGroupSize[0]);
  limits->shuffles = has_shuffles (&subgroup);
  limits->converts_halves = !limits->cpu || cpu_converts_halves ();
#ifdef HAVE_COOPERATIVE_MATRIX
  if (has_extension (physical, VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME)
      && has_extension (physical, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME))
    coop_report (instance, physical, &limits->matrices);
#endif
  dots_report (physical, limits);
  geometry_choose (limits, options);
  c->info.geometry = geometry_text (&limits->geometry);
  memcpy (limits->max_workgroups, p->limits.maxComputeWorkGroupCount, sizeof limits->max_workgroups);
  limits->storage_range = p->limits.maxStorageBufferRange & ~G_GUINT64_CONSTANT (15);
  limits->bulk_range = limits->geometry.storage_form ? limits->storage_range : MIN (limits->texels * 16, MAX_BULK_BYTES);
  limits->align = MAX (16, MAX (p->limits.minStorageBufferOffsetAlignment, p->limits.minTexelBufferOffsetAlignment));
  limits->submit_ns = options->submit_ns ? options->submit_ns : limits->cpu ? 0 : GPU_SUBMIT_NS;
}

static gboolean
instance_new (VkInstance *instance, GError **error)
{
  Device *dev = NULL;
  const VkApplicationInfo app = { VK_STRUCTURE_TYPE_APPLICATION_INFO, .pApplicationName = "minivl",
    .apiVersion = VK_API_VERSION_1_2 };
  const gchar *names = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
  const VkInstanceCreateInfo create = { VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &app,
    .enabledExtensionCount = names_available (), .ppEnabledExtensionNames = &names };
  guint32 version = 0;
  VkResult result;

  VK (vkEnumerateInstanceVersion (&version));
  if (version < VK_API_VERSION_1_2) {
    g_set_error (error, DEVICE_ERROR, DEVICE_ERROR_UNSUPPORTED, "the Vulkan loader is older than 1.2: update libvulkan1");
    return FALSE;
  }
  mesa_cache_check_room ();
  loader_enter ();
  result = vkCreateInstance (&create, NULL, instance);
  loader_leave ();
  if (result >= 0)
    return TRUE;
  device_fail (NULL, "vkCreateInstance", result, error);

error:
  g_prefix_error (error, "no Vulkan driver answers (mesa-vulkan-drivers has one for every machine): ");
  return FALSE;
}

static void
instance_free (VkInstance instance)
{
  loader_enter ();
  vkDestroyInstance (instance, NULL);
  loader_leave ();
}

/* In the loader's order; marks the one that opens when nothing is asked for. */
static GArray *
candidates_new (VkInstance instance, const DeviceOptions *options, GError **error)
{
  static const DeviceOptions defaults;
  g_autoptr (GArray) candidates = g_array_new (FALSE, TRUE, sizeof (Candidate));
  g_autofree VkPhysicalDevice *list = NULL;
  Device *dev = NULL;
  Candidate *best = NULL;
  guint32 n = 0;

  VK (vkEnumeratePhysicalDevices (instance, &n, NULL));
  list = g_new0 (VkPhysicalDevice, MAX (n, 1));
  VK (vkEnumeratePhysicalDevices (instance, &n, list));
  if (n == 0) {
    g_set_error (error, DEVICE_ERROR, DEVICE_ERROR_NOT_FOUND,
        "no Vulkan device; the package mesa-vulkan-drivers brings one for every machine");
    return NULL;
  }
  g_array_set_clear_func (candidates, (GDestroyNotify)candidate_clear);
  g_array_set_size (candidates, n);
  for (guint32 i = 0; i < n; i++) {
    Candidate *c = &g_array_index (candidates, Candidate, i);

    candidate_init (c, instance, list[i], options ? options : &defaults);
    if (!c->info.refusal && (!best || type_rank (c->type) < type_rank (best->type)))
      best = c;
  }
  if (best)
    best->info.chosen = TRUE;
  return g_steal_pointer (&candidates);

error:
  return NULL;
}

gboolean
device_list (DeviceInfo **infos, guint *n_infos, GError **error)
{
  VkInstance instance = VK_NULL_HANDLE;
  g_autoptr (GArray) candidates = NULL;

  if (!instance_new (&instance, error))
    return FALSE;
  candidates = candidates_new (instance, NULL, error);
  instance_free (instance);
  if (!candidates)
    return FALSE;
  *n_infos = candidates->len;
  *infos = g_new0 (DeviceInfo, candidates->len);
  for (guint i = 0; i < candidates->len; i++) {
    Candidate *c = &g_array_index (candidates, Candidate, i);

    (*infos)[i] = c->info;
    c->info = (DeviceInfo){ 0 };
  }
  return TRUE;
}

void
device_infos_free (DeviceInfo *infos, guint n_infos)
{
  for (guint i = 0; i < n_infos; i++)
    info_clear (&infos[i]);
  g_free (infos);
}

/* --- choosing --------------------------------------------------------------------------------------------------------------- */

/* Lower case hexadecimal digits of a whole UUID, or NULL when text is something else. */
static gchar *
uuid_digits (const gchar *text)
{
  g_autoptr (GString) digits = g_string_new (NULL);

  for (; *text; text++) {
    if (g_ascii_isxdigit (*text))
      g_string_append_c (digits, g_ascii_tolower (*text));
    else if (*text != '-')
      return NULL;
  }
  return digits->len == 2 * VK_UUID_SIZE ? g_strdup (digits->str) : NULL;
}

static gboolean
selector_names (const gchar *selector, const Candidate *c)
{
  g_autofree gchar *asked = uuid_digits (selector);
  g_autofree gchar *name = g_ascii_strdown (c->info.name, -1);
  g_autofree gchar *part = g_ascii_strdown (selector, -1);

  if (asked) {
    g_autofree gchar *own = uuid_digits (c->info.uuid);
    return g_strcmp0 (asked, own) == 0;
  }
  return part[0] != '\0' && strstr (name, part) != NULL;
}

static void
selector_fail (const gchar *selector, GArray *candidates, guint matches, GError **error)
{
  GString *text = g_string_new (NULL);

  if (matches)
    g_string_printf (text, "%u devices match '%s'", matches, selector);
  else
    g_string_printf (text, "no device matches '%s'", selector);
  g_string_append (text, "; ask for an index, a UUID or part of a name of:");
  for (guint i = 0; i < candidates->len; i++) {
    const DeviceInfo *info = &g_array_index (candidates, Candidate, i).info;
    g_string_append_printf (text, "\n  %u: %s (%s, %s)", i, info->name, info->type, info->uuid);
  }
  g_set_error_literal (error, DEVICE_ERROR, DEVICE_ERROR_NOT_FOUND, text->str);
  g_string_free (text, TRUE);
}

static Candidate *
candidate_choose (GArray *candidates, const gchar *selector, GError **error)
{
  Candidate *chosen = NULL;
  guint matches = 0;
  guint64 index;

  if (!selector) {
    for (guint i = 0; i < candidates->len && !chosen; i++) {
      if (g_array_index (candidates, Candidate, i).info.chosen)
        chosen = &g_array_index (candidates, Candidate, i);
    }
    if (!chosen)
      chosen = &g_array_index (candidates, Candidate, 0); /* its refusal is the error */
  } else if (g_ascii_string_to_unsigned (selector, 10, 0, candidates->len - 1, &index, NULL)) {
    chosen = &g_array_index (candidates, Candidate, index);
  } else {
    for (guint i = 0; i < candidates->len; i++) {
      if (selector_names (selector, &g_array_index (candidates, Candidate, i))) {
        chosen = &g_array_index (candidates, Candidate, i);
        matches++;
      }
    }
    if (matches != 1) {
      selector_fail (selector, candidates, matches, error);
      return NULL;
    }
  }
  if (chosen->info.refusal) {
    g_set_error (error, DEVICE_ERROR, DEVICE_ERROR_UNSUPPORTED, "%s (%s) cannot be used: %s", chosen->info.name,
        chosen->info.driver, chosen->info.refusal);
    return NULL;
  }
  return chosen;
}

gchar *
device_find (const gchar *selector, GError **error)
{
  VkInstance instance = VK_NULL_HANDLE;
  g_autoptr (GArray) candidates = NULL;
  const Candidate *chosen;

  if (!instance_new (&instance, error))
    return NULL;
  candidates = candidates_new (instance, NULL, error);
  instance_free (instance);
  chosen = candidates ? candidate_choose (candidates, selector, error) : NULL;
  return chosen ? g_strdup (chosen->info.uuid) : NULL;
}

/* --- opening ---------------------------------------------------------------------------------------------------------------- */

static void
device_take (Device *dev, Candidate *c, const DeviceOptions *options)
{
  dev->info = c->info;
  c->info = (DeviceInfo){ 0 };
  dev->limits = c->limits;
  dev->physical = c->physical;
  dev->family = c->family;
  dev->driver_version = c->driver_version;
  memcpy (dev->uuid, c->uuid, VK_UUID_SIZE);
  memcpy (dev->cache_uuid, c->cache_uuid, VK_UUID_SIZE);
  dev->timestamp_ns = c->timestamp_ns;
  dev->timestamp_mask = c->timestamp_bits >= 64 ? G_MAXUINT64 : (G_GUINT64_CONSTANT (1) << c->timestamp_bits) - 1;
  dev->timed = options && options->timed;
  dev->dirty = options && options->dirty;
  dev->memory_budget = c->memory_budget;
  dev->unified = c->type == VK_PHYSICAL_DEVICE_TYPE_CPU || c->type == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
  dev->tensor_bytes = c->max_allocation;
  dev->window_bytes = MIN (options && options->window_bytes ? options->window_bytes : WINDOW_BYTES, c->max_allocation);
  dev->rates = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
}

void
device_features (DeviceFeatures *features, const Device *dev)
{
  *features = (DeviceFeatures){
    .query_reset = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_HOST_QUERY_RESET_FEATURES },
    .next = &features->query_reset,
  };
  vkGetPhysicalDeviceFeatures2 (
      dev->physical, &(VkPhysicalDeviceFeatures2){ VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, &features->query_reset });
  if (dev->limits.geometry.dots) {
    features->dots =
        (VkPhysicalDeviceShaderIntegerDotProductFeatures){ VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES,
          (gpointer)features->next, VK_TRUE };
    features->next = &features->dots;
    features->extensions[features->n_extensions++] = VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME;
  }
  if (dev->memory_budget)
    features->extensions[features->n_extensions++] = VK_EXT_MEMORY_BUDGET_EXTENSION_NAME;
#ifdef HAVE_COOPERATIVE_MATRIX
  if (dev->limits.geometry.coop.side) {
    features->extensions[features->n_extensions++] = VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME;
    features->extensions[features->n_extensions++] = VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME;
    features->next = coop_features (&features->coop, (gpointer)features->next);
  }
#endif
}

static gboolean
device_create (Device *dev, GError **error)
{
  const float priority = 0.5f;
  const VkDeviceQueueCreateInfo queue = { VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO, .queueFamilyIndex = dev->family,
    .queueCount = 1, .pQueuePriorities = &priority };
  DeviceFeatures features;
  /* But for cooperative matrices and dot products no shader needs a feature: they use 32-bit words and at most subgroup operations,
   * which are properties. */
  VkDeviceCreateInfo create = { VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, .queueCreateInfoCount = 1, .pQueueCreateInfos = &queue,
    .ppEnabledExtensionNames = features.extensions };
  VkResult result;

  device_features (&features, dev);
  create.pNext = features.next;
  create.enabledExtensionCount = features.n_extensions;
  dev->host_query_reset = features.query_reset.hostQueryReset;
  loader_enter ();
  result = vkCreateDevice (dev->physical, &create, NULL, &dev->vk);
  loader_leave ();
  if (result < 0) {
    device_fail (dev, "vkCreateDevice", result, error);
    return FALSE;
  }
  vkGetDeviceQueue (dev->vk, dev->family, 0, &dev->queue);
  device_names_init (dev);
  return TRUE;
}

Device *
device_open (const gchar *selector, const DeviceOptions *options, GError **error)
{
  Device *dev = g_new0 (Device, 1);
  g_autoptr (GArray) candidates = NULL;
  Candidate *chosen;

  if (!instance_new (&dev->instance, error))
    goto error;
  candidates = candidates_new (dev->instance, options, error);
  if (!candidates)
    goto error;
  chosen = candidate_choose (candidates, selector, error);
  if (!chosen)
    goto error;
  device_take (dev, chosen, options);
  if (!device_create (dev, error))
    goto error;
  if (!(options && options->survey_only) && !device_memory_init (dev, options && options->staged, error))
    goto error;
  if (!device_pipelines_init (dev, options ? options->cache_dir : NULL, error))
    goto error;
  return dev;

error:
  device_free (dev);
  return NULL;
}

void
device_free (Device *dev)
{
  if (!dev)
    return;
  if (dev->vk) {
    device_pipelines_clear (dev);
    device_transfer_clear (dev);
    loader_enter ();
    vkDestroyDevice (dev->vk, NULL);
    loader_leave ();
  }
  if (dev->instance)
    instance_free (dev->instance);
  g_clear_pointer (&dev->rates, g_hash_table_unref);
  info_clear (&dev->info);
  g_free (dev);
}

const DeviceInfo *
device_info (const Device *dev)
{
  return &dev->info;
}

const DeviceLimits *
device_limits (const Device *dev)
{
  return &dev->limits;
}

guint64
device_bytes (const Device *dev)
{
  return dev->bytes;
}
