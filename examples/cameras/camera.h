/*
 * A camera: a pipeline that describes what a URI shows, and that is made anew when it fails.
 *
 * All from the main loop's thread. A source that is not live has an end; one that is live has none, and fails when it ends. What
 * had been seen by then is reported before anything is begun again. The delay before that doubles with each failure up to
 * most_delay, and is the shortest again after a run that was longer than that.
 */
#ifndef CAMERAS_CAMERA_H
#define CAMERAS_CAMERA_H

#include "config.h"

G_BEGIN_DECLS

typedef struct _Camera Camera;

typedef struct
{
  void (*resting) (Camera *camera, gpointer user_data);  /* it is, by itself or by camera_stop() */
  void (*troubled) (Camera *camera, gpointer user_data); /* minivl could not answer, or works again */
} CameraCallbacks;

/* Starts. most_delay: s. callbacks: borrowed. */
Camera *camera_new (CameraConfig *config, guint most_delay, const CameraCallbacks *callbacks, gpointer user_data);
/* At once: what is not reported yet is lost, unless it is at rest. */
void camera_free (Camera *camera);
/* Ends when all is reported; then it is at rest, which may be before this returns. */
void camera_stop (Camera *camera);

const CameraConfig *camera_get_config (const Camera *camera);
/* Nothing runs, and nothing will. */
gboolean camera_is_resting (const Camera *camera);

G_END_DECLS

#endif
