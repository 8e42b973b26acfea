/*
 * The Vulkan devices of the machine. Part of minivl.h, which includes it and says what is true here as well of failure, ownership
 * and threads.
 */
#ifndef MINIVL_DEVICES_H
#define MINIVL_DEVICES_H

#include "minivl.h"

G_BEGIN_DECLS

/**
 * MinivlDevice: one Vulkan device.
 * @name: the driver's name for it
 * @type: `discrete`, `integrated`, `virtual`, `cpu` or `other`
 * @driver: driver name and version
 * @uuid: 32 hexadecimal digits, in groups of 8, 4, 4, 4 and 12 with a dash between; as a selector with or without
 * @memory: bytes that weights, cache and activations may take: the device's heap; on a CPU device what the system has available
 *   within the process's limits; on an integrated GPU the lesser of that and what its driver has left
 * @chosen: whether it is the one that opens when none is asked for
 * @geometry: (nullable): how kernels are shaped for it, in a line for people; NULL where the driver is too old for any
 * @refusal: (nullable): why it cannot be used: what it lacks, by name; NULL where nothing is known to be in the way
 */
typedef struct
{
  gchar *name;
  const gchar *type;
  gchar *driver;
  gchar *uuid;
  guint64 memory;
  gboolean chosen;
  gchar *geometry;
  gchar *refusal;
} MinivlDevice;

/**
 * minivl_devices_list:
 * @devices: (out) (array length=n_devices) (transfer full): freed with minivl_devices_free()
 * @n_devices: (out): how many there are
 *
 * Lists the Vulkan devices in the driver's order; `device` selects by their places in it. A list without devices is success.
 *
 * Returns: FALSE with %MINIVL_ERROR_DEVICE when there is no Vulkan on the machine
 */
MINIVL_API gboolean minivl_devices_list (MinivlDevice **devices, guint *n_devices, GError **error);

/* @devices: (nullable): as minivl_devices_list() gave them, NULL with @n_devices 0 */
MINIVL_API void minivl_devices_free (MinivlDevice *devices, guint n_devices);

/**
 * minivl_device_find:
 * @device: (nullable): as in MinivlEngineOptions
 *
 * Finds the device that an engine would open, without opening it.
 *
 * Returns: (transfer full): its UUID, as in MinivlDevice; NULL with %MINIVL_ERROR_DEVICE when it could not be opened
 */
MINIVL_API gchar *minivl_device_find (const gchar *device, GError **error);

G_END_DECLS

#endif
