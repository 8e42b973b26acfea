/*
 * Which requests are let in, and what room of the cache they take. Used by the scheduler's thread only.
 *
 * A request is let in when the cache has room for its prompt and all of its answer: what is let in is never put out again. The
 * highest priority comes first, and a request that does not fit blocks those behind it. One whose beginning is just being computed
 * for another request waits for that, and then takes it from the cache. One that grows into the long factors gives its room back to
 * be computed anew, and is let in again before any that has not started, whatever their priorities: its asker has half an answer.
 *
 * What is only prepared uses time and room that nobody else wants: it is let in while there are neither answers nor pictures, and
 * put out when one comes. What it has computed stays in the cache, until its room is needed, and is found when it is let in again.
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
  gboolean pictures;   /* there are some to be encoded */
} Admission;

/* r: (transfer full) */
void admission_add (Admission *a, Request *r);
/* All requests, the highest priority first. They stay valid when they are done meanwhile. (transfer full) */
GList *admission_list (Admission *a);
/* Whether there is more to do than to prepare. */
gboolean admission_is_occupied (const Admission *a);
/* Lets in what may be let in, and puts out what has to go. */
void admission_let_in (Admission *a);
/* Puts a request behind all others of its priority. */
void admission_to_the_end (Admission *a, Request *r);
/* The request is done, and leaves its room to others. error: (nullable) (transfer full) */
void admission_finish (Admission *a, Request *r, MinivlFinish how, GError *error);
/* Ends the requests that nobody wants any more. Also called between two submits. */
void admission_end_unwanted (Admission *a);

#endif
