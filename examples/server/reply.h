/* What is answered, as OpenAI's API has it: whole completions, chunks of streams, and the list of models. */
#ifndef SERVER_REPLY_H
#define SERVER_REPLY_H

#include "ask.h"

/* What all chunks of a completion have in common. Zeroed memory is legal for reply_clear(). */
typedef struct
{
  gchar *id, *fingerprint;
  gint64 created; /* s since 1970 */
  const gchar *model;
  MinivlEngine *engine; /* whose tokens they are; borrowed, as the model */
  gboolean include_usage, token_ids, logprobs;
  guint n_top; /* how many others a token, with logprobs */
} Reply;

/* ask: which of these members were asked for */
void reply_init (Reply *reply, MinivlEngine *engine, const gchar *model, const Ask *ask);
void reply_clear (Reply *reply);

/* All (transfer full). */
gchar *reply_completion (const Reply *reply, const MinivlAnswer *answer);
/* Events, `data: ...` with an empty line: who speaks; some text, and the tokens that came with it; why it ended, and its tokens but
 * the first ones, which came with text; what it took; that there are no more. */
gchar *reply_begin (const Reply *reply);
gchar *reply_text (const Reply *reply, const gchar *text, const MinivlAnswer *tokens);
gchar *reply_finish (const Reply *reply, const MinivlAnswer *answer, guint first);
gchar *reply_usage (const Reply *reply, const MinivlAnswer *answer);
#define REPLY_DONE "data: [DONE]\n\n"
/* An error behind the first text. json: as refusal_to_json() */
gchar *reply_error (const gchar *json);

gchar *reply_models (const gchar *name, gint64 created, guint context_size);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Reply, reply_clear)

#endif
