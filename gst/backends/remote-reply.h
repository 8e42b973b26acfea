/* What a server answers, as it comes: a stream of events, or one JSON object. Whatever it is, memory stays bounded. */
#ifndef GST_MINIVL_REMOTE_REPLY_H
#define GST_MINIVL_REMOTE_REPLY_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  GString *unread;     /* what is no whole line yet, or the object so far */
  GString *text;       /* of the answer, so far, UTF-8 */
  const gchar *finish; /* "stop" or "length"; NULL: it has not ended */
  gboolean is_stream;  /* there were events */
  gboolean is_whole;   /* nothing follows that counts */
  gchar *nonsense;     /* what is wrong with it; NULL: nothing is */
  gchar *code;         /* (nullable): the server's, of its error */
  guint prompt_tokens, output_tokens, cached_tokens;
  double yes; /* P(yes) of yes and no, by the first token; -1: it has no probabilities */
  gsize bytes;
} RemoteReply;

void remote_reply_init (RemoteReply *reply);
void remote_reply_clear (RemoteReply *reply);
void remote_reply_feed (RemoteReply *reply, const gchar *data, gsize size);
/* Nothing follows. FALSE: it is not whole, or nonsense. */
gboolean remote_reply_end (RemoteReply *reply);

/* P(yes) by the first word: 1 for yes, 0 for no, -1 for another one. */
double remote_reply_first_word (const gchar *text);
/* Of what came with a status of failure: what it says, a line, and its code (out) (nullable). (transfer full) */
gchar *remote_reply_read_error (const gchar *body, gsize size, gchar **code);

G_END_DECLS

#endif
