/*
 * Answers token by token, and how many of them are computed together. Part of minivl.h, which includes it and says what is true
 * here as well of failure, ownership and threads.
 */
#ifndef MINIVL_TOKENS_H
#define MINIVL_TOKENS_H

#include "minivl.h"

G_BEGIN_DECLS

/**
 * minivl_engine_get_token:
 * @id: a token, as answers have them
 *
 * What a token adds to a text: bytes, for it may be a part of a character; of a special token its name.
 *
 * Returns: (transfer full): they, without any where there is no such token; released with g_bytes_unref()
 */
MINIVL_API GBytes *minivl_engine_get_token (MinivlEngine *engine, gint32 id);

/**
 * minivl_session_get_tokens:
 * @first: how many of them are left out
 * @tokens: (out caller-allocates): @token_ids, @output_tokens, @logprobs, @top_ids and @top_logprobs are filled, the rest is zero;
 *   cleared with minivl_answer_clear()
 *
 * The answer's tokens up to the one that completed the text that is being handed over. To be called from a MinivlTextFunc only;
 * otherwise there are none. What text comes later may belong to tokens that are there already: a stop string could have begun.
 */
MINIVL_API void minivl_session_get_tokens (MinivlSession *session, guint first, MinivlAnswer *tokens);

/**
 * MinivlWork: what an engine has done since it was opened.
 * @steps: turns in which answers got a token each, or more that were drafted
 * @step_answers: in how many of them an answer took part, summed over all answers: divided by @steps, how many go together
 */
typedef struct
{
  guint64 steps, step_answers;
} MinivlWork;

/* Thread safe; at least all that the tokens which were handed over took. */
MINIVL_API void minivl_engine_get_work (MinivlEngine *engine, MinivlWork *work);

G_END_DECLS

#endif
