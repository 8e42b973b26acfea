/* What tests and benchmarks see of the model, and nothing else calls. */
#ifndef MODEL_TESTING_H
#define MODEL_TESTING_H

#include "engine.h"
#include "stages.h"

/* As minivl_session_ask(), by token ids of the whole conversation. pictures: whose rows the image tokens take, in order. */
gboolean session_ask_ids (MinivlSession *session, const gint32 *ids, guint n_ids, MinivlPicture *const *pictures, guint n_pictures,
    const MinivlParams *params, MinivlTextFunc on_text, gpointer user_data, MinivlAnswer *answer, GError **error);

/* Questions and pictures that were handed in and are not done, while a function of scheduler_run() keeps the thread from others. */
guint scheduler_waiting (Scheduler *s);

/* Most rows of a step with drafts from now on: 1 for none, at most what the engine found to be right. */
void scheduler_set_draft_rows (Scheduler *s, guint rows);
/* As if the session had answered so. */
void session_remember (MinivlSession *session, const gint32 *prompt, guint n_prompt, const gint32 *answer, guint n_answer);

/* Numbers of the model, which may be read by any thread while nothing is computed. */

/* Tokens computed since the model was made. */
guint64 language_tokens_computed (const Language *l);
/* Calls of language_decode(), likewise. */
guint64 language_steps (const Language *l);
/* Rows of logits that were read whole, likewise. */
guint64 language_logits_read (const Language *l);
/* Blocks of the cache that were looked at for a prefix or for room, likewise. */
guint64 kv_pool_looked_at (const KvPool *pool);
/* Submits of all steps, that of a prefill's last row apart. */
guint64 language_submits (const Language *l);
/* Tiles encoded since the model was made. */
guint64 vision_tiles_encoded (const Vision *v);

/* Records what language_decode() runs for m sequences of at most `keys` tokens: m is 1, 2, 4 .. LANGUAGE_BATCH. The model need not
 * be committed. */
void language_survey_step (Language *l, OpStream *survey, guint m, guint keys);
/* qkv.0 .. qkv.n-1 (before RoPE), language.0 .. language.n (the last one after the final norm) and language.logits for a prompt of
 * at most LANGUAGE_CHUNK tokens. */
gboolean language_stages (Language *l, const gint32 *ids, guint n, StageFunc on_stage, gpointer user_data, GError **error);
/* Stage by stage, for the picture's last tile: vision.0 .. vision.n, pixel_shuffle, projector. */
gboolean vision_stages (VisionPicture *picture, StageFunc on_stage, gpointer user_data, GError **error);

#endif
