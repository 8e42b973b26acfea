/* minivl-cameras with the back end of tests, which opens and answers at once. */
#include "fake.h"

/* Of examples/cameras/main.c. */
int cameras_main (int argc, char **argv);

int
main (int argc, char **argv)
{
  gst_init (NULL, NULL);
  fake_reset ();
  if (!GST_ELEMENT_REGISTER (minivl_fake, NULL))
    return 1;
  return cameras_main (argc, argv);
}
