/* A JSON object a line on standard output for whatever changes: `time`, `camera` (null: all of them), `state`, and what belongs to
 * that. */
#ifndef CAMERAS_LOG_H
#define CAMERAS_LOG_H

#include <glib.h>

G_BEGIN_DECLS

/* reason (nullable): why. retry_in: seconds; negative: does not apply. */
void log_state (const gchar *camera, const gchar *state, const gchar *reason, double retry_in);
void log_warning (const gchar *camera, const gchar *text);

G_END_DECLS

#endif
