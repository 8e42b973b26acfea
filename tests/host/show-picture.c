/* show-picture < PATHS: for each line of its input a picture as media_read_picture() gives it: `WIDTH HEIGHT`, a line's end and
 * packed RGB; where that fails `0 0 MESSAGE`. */
#include "examples/media.h"

#include <stdio.h>
#include <string.h>

int
main (void)
{
  gchar path[4096];

  while (fgets (path, sizeof path, stdin)) {
    g_auto (MediaFrame) frame = { NULL };
    g_autoptr (GError) error = NULL;

    path[strcspn (path, "\n")] = '\0';
    if (!media_read_picture (path, &frame, &error)) {
      printf ("0 0 %s\n", error->message);
      continue;
    }
    printf ("%u %u\n", frame.width, frame.height);
    for (guint y = 0; y < frame.height; y++)
      fwrite (frame.data + y * frame.stride, 1, 3 * (gsize)frame.width, stdout);
  }
  return 0;
}
