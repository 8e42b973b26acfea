/* minivl-cameras with the element in it, which tells on standard output of each engine that is opened, and of each that nobody
 * holds any more (the linker's --wrap). SIGUSR1 has the next submit find the device lost. */
#define _GNU_SOURCE /* RTLD_NEXT */
#include "gst/element/gstminivl.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <vulkan/vulkan.h>

/* Of examples/cameras/main.c. */
int cameras_main (int argc, char **argv);

MinivlEngine *__real_minivl_engine_open (const MinivlEngineOptions *options, GError **error);
MinivlEngine *__wrap_minivl_engine_open (const MinivlEngineOptions *options, GError **error);
void __real_minivl_engine_unref (MinivlEngine *engine);
void __wrap_minivl_engine_unref (MinivlEngine *engine);

static gint lose_next; /* atomic */

MinivlEngine *
__wrap_minivl_engine_open (const MinivlEngineOptions *options, GError **error)
{
  puts ("{\"engine\":\"opened\"}");
  fflush (stdout);
  return __real_minivl_engine_open (options, error);
}

void
__wrap_minivl_engine_unref (MinivlEngine *engine)
{
  __real_minivl_engine_unref (engine);
  if (engine == NULL)
    return;
  puts ("{\"state\":\"released\"}");
  fflush (stdout);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkQueueSubmit (VkQueue queue, uint32_t n, const VkSubmitInfo *submits, VkFence fence)
{
  PFN_vkQueueSubmit next = (PFN_vkQueueSubmit)dlsym (RTLD_NEXT, "vkQueueSubmit");

  if (g_atomic_int_compare_and_exchange (&lose_next, TRUE, FALSE))
    return VK_ERROR_DEVICE_LOST;
  return next (queue, n, submits, fence);
}

static void
on_signal (int number)
{
  g_atomic_int_set (&lose_next, TRUE);
}

int
main (int argc, char **argv)
{
  gst_init (NULL, NULL);
  signal (SIGUSR1, on_signal);
  if (!GST_ELEMENT_REGISTER (minivl, NULL))
    return 1;
  return cameras_main (argc, argv);
}
