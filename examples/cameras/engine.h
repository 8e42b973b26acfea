/* The one engine that all cameras share: an element without video holds it, so that it stays when no camera runs. */
#ifndef CAMERAS_ENGINE_H
#define CAMERAS_ENGINE_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct _Engine Engine;

/* Once, from the main loop: why (nullable): why it could not be opened. */
typedef void (*EngineOpened) (const gchar *why, gpointer user_data);

/* settings: properties of minivl. Begins to open it. */
Engine *engine_new (GHashTable *settings, EngineOpened opened, gpointer user_data);
void engine_free (Engine *engine);
gboolean engine_is_open (const Engine *engine);
/* A camera was told of trouble. If that was a lost device, the cameras open another engine: this one must be let go of, for its
 * memory may be needed, and the new one held. */
void engine_renew (Engine *engine);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Engine, engine_free)

G_END_DECLS

#endif
