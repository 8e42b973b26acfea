/* Linked into a program with --wrap=device_open, it has every device take the kernels of GPUs, in the form that these read. */
#include "vk/memory.h"

Device *__real_device_open (const gchar *selector, const DeviceOptions *options, GError **error);
Device *__wrap_device_open (const gchar *selector, const DeviceOptions *options, GError **error);

Device *
__wrap_device_open (const gchar *selector, const DeviceOptions *options, GError **error)
{
  DeviceOptions own = options ? *options : (DeviceOptions){ 0 };

  own.gpu_kernels = own.storage_form = TRUE;
  return __real_device_open (selector, &own, error);
}
