/* An RTSP camera on a port of this machine: JPEG at 25 frames a second, in real time, and what happens to cameras. */
#ifndef TESTS_CAMERA_H
#define TESTS_CAMERA_H

#include <gst/gst.h>

typedef struct _Camera Camera;

/* On a free port, serving pictures of 64 x 48. */
Camera *camera_new (void);
/* Multiples of 8. */
Camera *camera_new_of (guint width, guint height);
void camera_free (Camera *camera);
/* Its address, the same as long as it lives. */
const gchar *camera_get_url (Camera *camera);

/* Its clients' connections are closed. */
void camera_break (Camera *camera);
/* Connections are closed and refused until it is plugged in again, on the same port. */
void camera_unplug (Camera *camera);
void camera_plug_in (Camera *camera);

/* From now on; for all that is served. Multiples of 8. */
void camera_set_size (Camera *camera, guint width, guint height);
/* Moves the RTP timestamps of the frames to come, as a camera does whose clock is set. ms may be negative. */
void camera_jump (Camera *camera, gint ms);

#endif
