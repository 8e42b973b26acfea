/* Earlier answers, which the model is told as rounds in front of the next question, text only. The worker's thread alone.
 */
#ifndef GST_MINIVL_HISTORY_H
#define GST_MINIVL_HISTORY_H

#include "gst/backends/backend.h"

G_BEGIN_DECLS

typedef struct
{
  GArray *rounds; /* BackendRound, oldest first; owns the strings */
  guint run;      /* of the segments that they describe */
} History;

void history_init (History *h);
void history_clear (History *h);

/* Before a segment is asked about: keeps the last `size` rounds, and none of another run. */
void history_begin (History *h, guint run, guint size);
/* The rounds that history_begin() would keep. (transfer none) */
const BackendRound *history_last (const History *h, guint run, guint size, guint *n_rounds);
/* prompt: expanded; marks are left out, for the frames are gone. */
void history_add (History *h, const gchar *prompt, const gchar *answer);
/* As the back end's ask, with the rounds in front of the question. The oldest rounds are forgotten until the rest fits the
 * context. */
gboolean history_ask (History *h, const Backend *backend, gpointer self, BackendQuestion *question, const gint *cancel,
    BackendAnswer *answer, GError **error);

G_END_DECLS

#endif
