/* Any file is a picture or an error that names it, whatever reader its first bytes choose. */
#define _GNU_SOURCE
#include "examples/picture.h"
#include "parts.h"

#include <string.h>
#include <sys/mman.h>

/* All of a picture is there to be read. */
static volatile guint8 sink;

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  FILE *file = fdopen (memfd_create ("picture", 0), "w+b");
  g_auto (MediaFrame) frame = { NULL };
  g_autoptr (GError) error = NULL;
  PictureReader read;

  g_assert (file && fwrite (data, 1, size, file) == size);
  rewind (file);
  read = picture_find_reader (file);
  if (read && read (file, "a name", &frame, &error)) {
    g_assert (!error && frame.width >= 1 && frame.height >= 1);
    for (guint y = 0; y < frame.height; y++)
      for (guint x = 0; x < 3 * frame.width; x++)
        sink ^= frame.data[y * frame.stride + x];
  } else if (read) {
    g_assert (error && error->domain == G_FILE_ERROR && strstr (error->message, "a name"));
  }
  fclose (file);
  return 0;
}
