/* camera-host [WIDTH HEIGHT]: an RTSP camera on a free port. Prints its address; then each line of standard input is done, and
 * answered by it: `unplug` or `plug in`. Ends with the input. */
#include "camera.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
main (int argc, char **argv)
{
  gchar line[16];
  Camera *camera;

  gst_init (&argc, &argv);
  camera = argc == 3 ? camera_new_of ((guint)atoi (argv[1]), (guint)atoi (argv[2])) : camera_new ();
  printf ("%s\n", camera_get_url (camera));
  fflush (stdout);
  while (fgets (line, sizeof (line), stdin) != NULL) {
    if (strcmp (line, "unplug\n") == 0)
      camera_unplug (camera);
    else
      camera_plug_in (camera);
    fputs (line, stdout);
    fflush (stdout);
  }
  camera_free (camera);
  return 0;
}
