/* A question as the body of a request: OpenAI's POST /chat/completions. */
#ifndef GST_MINIVL_REMOTE_REQUEST_H
#define GST_MINIVL_REMOTE_REQUEST_H

#include "backend.h"

G_BEGIN_DECLS

/* What a server is shown. */
typedef struct
{
  gchar *uri; /* data:image/jpeg;base64,... */
  guint max_tiles;
} RemotePicture;

/* model: (nullable). probabilities: those of the first token are wanted too, where it is to be yes or no. streams: other answers
 * are wanted piece by piece. NULL: the marks and the pictures differ in number. (transfer full) */
gchar *remote_request (
    const BackendQuestion *question, const gchar *model, gboolean probabilities, gboolean streams, GError **error);

G_END_DECLS

#endif
