/*
 * Which cameras there are, from a key file: a group for each, and the group [minivl] for all of them.
 *
 *   [minivl]
 *   model-path=/srv/Mini-InternVL-Chat-4B-V1-5
 *   precision=q4
 *
 *   [door]
 *   uri=rtsp://192.168.1.20/stream
 *   alerts=Is anybody at the door?
 *
 * A camera has `uri`, and may have `timeout` and any property of the element minivl by its name; `source.NAME` is a property of the
 * element that reads the URI. [minivl] has what is the same for all: only there stand the engine's own properties, for all cameras
 * share one. A camera's own value wins. Nothing is borrowed from one reading to the next.
 */
#ifndef CAMERAS_CONFIG_H
#define CAMERAS_CONFIG_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* Reference counted by g_rc_box. */
typedef struct
{
  gchar *name; /* a file name may be made of it */
  gchar *uri;
  guint timeout;      /* s that a live source may give no frame; 0: any time */
  GHashTable *shared; /* text by name: of minivl, for all cameras */
  GHashTable *own;    /* of minivl, for this one */
  GHashTable *source; /* of the element that reads the URI */
} CameraConfig;

typedef struct
{
  GHashTable *shared;
  GHashTable *engine; /* those of them that are the engine's */
  GPtrArray *cameras; /* CameraConfig, as the file has them; at least one */
} Config;

/* journals: folder for the journal NAME.jsonl of a camera that names none. NULL with an error of G_KEY_FILE_ERROR, which names the
 * file, the group and the key: also where minivl refuses the values, or the model. Nothing is opened or made. */
Config *config_read (const gchar *path, const gchar *journals, GError **error);
void config_free (Config *config);

/* (nullable): borrowed */
CameraConfig *config_find (const Config *config, const gchar *name);
gboolean config_has_engine_of (const Config *a, const Config *b);

CameraConfig *camera_config_ref (CameraConfig *camera);
void camera_config_unref (CameraConfig *camera);
/* Whether one may go on as the other. */
gboolean camera_config_equals (const CameraConfig *a, const CameraConfig *b);

/* Sets properties, of which config_read() found nothing to complain. */
void config_apply (GHashTable *properties, GstElement *element);
void camera_config_apply (const CameraConfig *camera, GstElement *minivl);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Config, config_free)

G_END_DECLS

#endif
