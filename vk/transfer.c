/* Bytes to and from tensors: in place where the host sees their memory, else through the halves of staging.c. */
#include "vk.h"

#include <string.h>

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
  if (!halves_prepare (dev, size, error) || !half_wait (dev, &dev->halves[dev->half], error))
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
  if (!halves_prepare (dev, MIN (size, FILL_BYTES), error))
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
