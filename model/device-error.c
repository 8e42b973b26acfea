#include "device-error.h"

#include "minivl.h"
#include "vk/memory.h"

static MinivlError
public_code (gint device_code)
{
  switch (device_code) {
    case DEVICE_ERROR_MEMORY:
      return MINIVL_ERROR_MEMORY;
    case DEVICE_ERROR_CANCELLED:
      return MINIVL_ERROR_CANCELLED;
    default:
      return MINIVL_ERROR_DEVICE;
  }
}

void
device_error_propagate (GError **error, GError *from)
{
  if (from->domain == DEVICE_ERROR) {
    g_set_error_literal (error, MINIVL_ERROR, public_code (from->code), from->message);
    g_error_free (from);
  } else {
    g_propagate_error (error, from);
  }
}
