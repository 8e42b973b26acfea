/*
 * The one thread of an engine that touches the device. Pictures are encoded, prompts prefilled and answers decoded together,
 * whoever asks: each turn of the scheduler is one batch of tiles (encoding.h), one chunk of one prompt, and one token for every
 * answer that is being written (answering.h). So a long prompt holds an answer up for no more than a chunk, and one that is only
 * prepared for no more than a submit.
 *
 * Nothing is called while the scheduler's lock is held, and it is not held while the device works.
 */
#ifndef MODEL_SCHEDULER_H
#define MODEL_SCHEDULER_H

#include "encoding.h"
#include "request.h"

typedef struct _Scheduler Scheduler;

Scheduler *scheduler_new (void);
/* Nothing may be waiting any more. */
void scheduler_free (Scheduler *s);

/* Any other work, on the scheduler's thread, between two turns; waits for it. Thread safe, but not from that thread. Device errors
 * come back in the public domain. */
typedef gboolean (*SchedulerFunc) (gpointer data, GError **error);
gboolean scheduler_run (Scheduler *s, SchedulerFunc func, gpointer data, GError **error);
/* What to work with; from a function that scheduler_run() runs. */
void scheduler_set_model (Scheduler *s, Vision *vision, KvPool *kv, Language *language);

/* Hands a picture in; a reference is taken. The higher priority goes first. */
void scheduler_encode (Scheduler *s, PictureRequest *p);
/* Hands a question in; a reference is taken. */
void scheduler_ask (Scheduler *s, Request *r);
/* From any thread. */
void scheduler_get_work (Scheduler *s, MinivlWork *work);

#endif
