/* The devices there are, as the public interface lists them. */
#include "engine.h"

gboolean
minivl_devices_list (MinivlDevice **devices, guint *n_devices, GError **error)
{
  g_autoptr (GError) failure = NULL;
  DeviceInfo *infos;
  guint n;

  if (!device_list (&infos, &n, &failure)) {
    g_set_error_literal (error, MINIVL_ERROR, MINIVL_ERROR_DEVICE, failure->message);
    return FALSE;
  }
  *devices = g_new0 (MinivlDevice, n);
  *n_devices = n;
  for (guint i = 0; i < n; i++)
    (*devices)[i] = (MinivlDevice){
      .name = g_strdup (infos[i].name),
      .type = infos[i].type,
      .driver = g_strdup (infos[i].driver),
      .uuid = g_strdup (infos[i].uuid),
      .memory = infos[i].memory,
      .chosen = infos[i].chosen,
      .geometry = g_strdup (infos[i].geometry),
      .refusal = g_strdup (infos[i].refusal),
    };
  device_infos_free (infos, n);
  return TRUE;
}

void
minivl_devices_free (MinivlDevice *devices, guint n_devices)
{
  for (guint i = 0; i < n_devices; i++) {
    g_free (devices[i].name);
    g_free (devices[i].driver);
    g_free (devices[i].uuid);
    g_free (devices[i].geometry);
    g_free (devices[i].refusal);
  }
  g_free (devices);
}

gchar *
minivl_device_find (const gchar *device, GError **error)
{
  g_autoptr (GError) failure = NULL;
  gchar *uuid = device_find (device, &failure);

  if (!uuid)
    g_set_error_literal (error, MINIVL_ERROR, MINIVL_ERROR_DEVICE, failure->message);
  return uuid;
}
