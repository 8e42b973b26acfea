/* What the model said of the segments before: told with the next question as earlier rounds, text only. The worker's thread alone.
 */
#ifndef GST_MINIVL_HISTORY_H
#define GST_MINIVL_HISTORY_H

#include "gst/backends/backend.h"

G_BEGIN_DECLS

typedef struct
{
  GArray *rounds; /* BackendRound, oldest first; the strings are its own */
  guint run;      /* of the segments that they were said of */
} History;

void history_init (History *h);
void history_clear (History *h);

/* A segment is to be told of at most `size` rounds, the last ones, and of none that was said in another run. */
void history_begin (History *h, guint run, guint size);
/* prompt: expanded; what marks a frame in it is left out, for the frames are gone. */
void history_add (History *h, const gchar *prompt, const gchar *answer);
/* As the back end's ask, with the rounds in front of the question. As many as do not fit the context with it are forgotten, the
 * oldest first. */
gboolean history_ask (History *h, const Backend *backend, gpointer self, BackendQuestion *question, const gint *cancel,
    BackendAnswer *answer, GError **error);

G_END_DECLS

#endif
