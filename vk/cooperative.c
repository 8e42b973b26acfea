/*
 * Cooperative matrices: which a device has, and what is switched on for the kernel that multiplies them.
 */
#include "vk.h"

gpointer
coop_features (CoopFeatures *features, gpointer next)
{
  *features = (CoopFeatures){
    .matrix = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR, &features->memory_model, VK_TRUE, VK_FALSE },
    .memory_model = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES, &features->float16,
        .vulkanMemoryModel = VK_TRUE },
    .float16 = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES, &features->subgroups, .shaderFloat16 = VK_TRUE },
    .subgroups = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES, next, VK_TRUE, VK_TRUE },
  };
  return &features->matrix;
}

/* Of f16, with sums of f32, and as many rows as columns. */
static void
report_sides (VkInstance instance, VkPhysicalDevice physical, CoopReport *report)
{
  PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR get =
      (PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR)vkGetInstanceProcAddr (
          instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
  g_autofree VkCooperativeMatrixPropertiesKHR *list = NULL;
  guint32 n = 0, sides = 0;

  if (!get || get (physical, &n, NULL) < 0)
    return;
  list = g_new0 (VkCooperativeMatrixPropertiesKHR, MAX (n, 1));
  for (guint32 i = 0; i < n; i++)
    list[i].sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR;
  if (get (physical, &n, list) < 0)
    return;
  for (guint32 i = 0; i < n && sides < G_N_ELEMENTS (report->sides); i++) {
    const VkCooperativeMatrixPropertiesKHR *p = &list[i];

    if (p->scope == VK_SCOPE_SUBGROUP_KHR && p->AType == VK_COMPONENT_TYPE_FLOAT16_KHR && p->BType == VK_COMPONENT_TYPE_FLOAT16_KHR
        && p->CType == VK_COMPONENT_TYPE_FLOAT32_KHR && p->ResultType == VK_COMPONENT_TYPE_FLOAT32_KHR && p->MSize == p->NSize
        && p->MSize == p->KSize)
      report->sides[sides++] = p->MSize;
  }
}

void
coop_report (VkInstance instance, VkPhysicalDevice physical, CoopReport *report)
{
  VkPhysicalDeviceSubgroupSizeControlProperties subgroups = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES };
  VkPhysicalDeviceCooperativeMatrixPropertiesKHR matrices = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_PROPERTIES_KHR,
    &subgroups };
  VkPhysicalDeviceProperties2 properties = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, &matrices };
  CoopFeatures has;
  VkPhysicalDeviceFeatures2 features = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, coop_features (&has, NULL) };

  vkGetPhysicalDeviceProperties2 (physical, &properties);
  vkGetPhysicalDeviceFeatures2 (physical, &features);
  if (!has.matrix.cooperativeMatrix || !has.memory_model.vulkanMemoryModel || !has.float16.shaderFloat16
      || !has.subgroups.subgroupSizeControl || !has.subgroups.computeFullSubgroups
      || !(matrices.cooperativeMatrixSupportedStages & VK_SHADER_STAGE_COMPUTE_BIT))
    return;
  if (subgroups.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT)
    report->subgroup = subgroups.minSubgroupSize;
  report_sides (instance, physical, report);
}
