/* From the device's error domain to the public one. */
#ifndef MODEL_DEVICE_ERROR_H
#define MODEL_DEVICE_ERROR_H

#include <glib.h>

/* Sets *error to `from`, (transfer full), with a device's error in the domain MINIVL_ERROR and any other as it is. */
void device_error_propagate (GError **error, GError *from);

#endif
