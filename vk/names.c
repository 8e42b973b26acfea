/*
 * Names for those who look on: a capture in RenderDoc or Nsight, and messages of the validation layer, then read like the code. By
 * VK_EXT_debug_utils, and only where a tool says that it reads them: Vulkan loaders before 2026 look for the device of a name in a
 * list that other threads change meanwhile, an application's too.
 */
#include "vk.h"

#define CALL(dev, name) ((PFN_##name)vkGetInstanceProcAddr ((dev)->instance, #name))

static GMutex loader;

void
loader_enter (void)
{
  g_mutex_lock (&loader);
}

void
loader_leave (void)
{
  g_mutex_unlock (&loader);
}

gboolean
names_available (void)
{
  g_autofree VkExtensionProperties *list = NULL;
  gboolean found = FALSE;
  guint32 n = 0;

  if (vkEnumerateInstanceExtensionProperties (NULL, &n, NULL) < 0)
    return FALSE;
  list = g_new0 (VkExtensionProperties, MAX (n, 1));
  if (vkEnumerateInstanceExtensionProperties (NULL, &n, list) < 0)
    return FALSE;
  for (guint32 i = 0; i < n && !found; i++)
    found = g_str_equal (list[i].extensionName, VK_EXT_DEBUG_UTILS_EXTENSION_NAME);
  return found;
}

/* Whether there is a tool that reads names and labels: RenderDoc, Nsight and the validation layer are. */
static gboolean
somebody_looks (const Device *dev)
{
  PFN_vkGetPhysicalDeviceToolPropertiesEXT get_tools = CALL (dev, vkGetPhysicalDeviceToolPropertiesEXT);
  g_autofree VkPhysicalDeviceToolPropertiesEXT *tools = NULL;
  VkToolPurposeFlagsEXT purposes = 0;
  guint32 n = 0;

  if (!get_tools || get_tools (dev->physical, &n, NULL) < 0)
    return FALSE;
  tools = g_new0 (VkPhysicalDeviceToolPropertiesEXT, MAX (n, 1));
  for (guint32 i = 0; i < n; i++)
    tools[i].sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TOOL_PROPERTIES_EXT;
  if (get_tools (dev->physical, &n, tools) < 0)
    return FALSE;
  for (guint32 i = 0; i < n; i++)
    purposes |= tools[i].purposes;
  return (purposes & VK_TOOL_PURPOSE_DEBUG_MARKERS_BIT_EXT) != 0;
}

void
device_names_init (Device *dev)
{
  /* A layer may have the functions where they are not switched on. */
  if (!names_available () || !somebody_looks (dev))
    return;
  dev->set_name = CALL (dev, vkSetDebugUtilsObjectNameEXT);
  dev->begin_label = CALL (dev, vkCmdBeginDebugUtilsLabelEXT);
  dev->end_label = CALL (dev, vkCmdEndDebugUtilsLabelEXT);
  dev->insert_label = CALL (dev, vkCmdInsertDebugUtilsLabelEXT);
}

void
device_name (Device *dev, VkObjectType type, guint64 object, const gchar *format, ...)
{
  VkDebugUtilsObjectNameInfoEXT info = { VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_NAME_INFO_EXT, .objectType = type,
    .objectHandle = object };
  g_autofree gchar *name = NULL;
  va_list args;

  if (!dev->set_name)
    return;
  va_start (args, format);
  name = g_strdup_vprintf (format, args);
  va_end (args);
  info.pObjectName = name;
  loader_enter ();
  dev->set_name (dev->vk, &info);
  loader_leave ();
}

void
device_label_begin (Device *dev, VkCommandBuffer buffer, const gchar *name)
{
  const VkDebugUtilsLabelEXT label = { VK_STRUCTURE_TYPE_DEBUG_UTILS_LABEL_EXT, .pLabelName = name };

  if (dev->begin_label)
    dev->begin_label (buffer, &label);
}

void
device_label_end (Device *dev, VkCommandBuffer buffer)
{
  if (dev->end_label)
    dev->end_label (buffer);
}

void
device_label_frame (Device *dev, VkCommandBuffer buffer)
{
  const VkDebugUtilsLabelEXT label = { VK_STRUCTURE_TYPE_DEBUG_UTILS_LABEL_EXT,
    .pLabelName = "vr-marker,frame_end,type,application" };

  if (dev->insert_label)
    dev->insert_label (buffer, &label);
}
