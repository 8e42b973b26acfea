#include "harness.h"

#include <vulkan/vulkan.h>

static VkInstance keeps_driver;

void
harness_init (int *argc, char ***argv)
{
  const VkApplicationInfo app = { VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VK_API_VERSION_1_2 };
  const VkInstanceCreateInfo create = { VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &app };

  g_test_init (argc, argv, NULL);
  g_assert_cmpint (vkCreateInstance (&create, NULL, &keeps_driver), ==, VK_SUCCESS);
}

Device *
harness_device (const DeviceOptions *options)
{
  g_autoptr (GError) error = NULL;
  Device *dev = device_open (NULL, options, &error);

  g_assert_no_error (error);
  return dev;
}
