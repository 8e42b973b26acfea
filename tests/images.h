/* Pictures for tests, read with FFmpeg. */
#ifndef TESTS_IMAGES_H
#define TESTS_IMAGES_H

#include <glib.h>

/* The first picture of a file as packed RGB, exact for 8-bit RGB files. NULL with a GFileError when it cannot be read.
 * (transfer full): g_free() */
guint8 *test_image_load (const gchar *path, guint *width, guint *height, GError **error);

#endif
