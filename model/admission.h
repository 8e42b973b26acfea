/*
 * Which requests are let in, and what room of the cache they take. Used by the scheduler's thread only.
 *
 * A request is let in when the cache has room for its prompt and all of its answer: what is let in is never put out again. The
 * highest priority comes first, and a request that does not fit blocks those behind it. One whose beginning is just being computed
 * for another request waits for that, and then takes it from the cache. One that grows into the long factors gives its room back to
 * be computed anew, and is let in again before any that has not started, whatever their priorities: its asker has half an answer.
 */
#ifndef MODEL_ADMISSION_H
#define MODEL_ADMISSION_H

#include "request.h"

/* Zeroed memory is one without requests. */
typedef struct
{
  KvPool *kv;
  Language *language;
  GQueue requests;     /* Request, a reference each: those that are not done, in turns */
  const Request *busy; /* (nullable): its prompt is being computed, so that only who computes it may end it */
} Admission;

/* r: (transfer full) */
void admission_add (Admission *a, Request *r);
/* All requests, the highest priority first. They stay valid when they are done meanwhile. (transfer full) */
GList *admission_list (Admission *a);
/* Lets in what may be let in. */
void admission_let_in (Admission *a);
/* Puts a request behind all others of its priority. */
void admission_to_the_end (Admission *a, Request *r);
/* The request is done, and leaves its room to others. error: (nullable) (transfer full) */
void admission_finish (Admission *a, Request *r, MinivlFinish how, GError *error);
/* Ends the requests that nobody wants any more. Also called between two submits. */
void admission_end_unwanted (Admission *a);

#endif
