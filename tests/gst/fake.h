/* A back end that answers what it is told to, when it is told to. One for all elements of the process. */
#ifndef TESTS_FAKE_H
#define TESTS_FAKE_H

#include "gst/element/element.h"

#define FAKE_MAX_CONTEXT 16384 /* tokens, beyond which context-size cannot be raised */

typedef enum
{
  FAKE_OPEN,
  FAKE_ENCODE,
  FAKE_ASK,
  FAKE_YES, /* ask, where P(yes) is wanted */
  FAKE_PREPARE,
  FAKE_STEPS,
} FakeStep;

/* A picture or a question as the back end saw it. */
typedef struct
{
  gchar *text, *system;
  MinivlParams params;     /* without what it points to */
  gchar *choices, *schema; /* choices with | between them */
  guint n_pictures;
  guint frames[256]; /* numbers written into the pixels, see rig_frame() */
  guint n_history;
  BackendRound history[32];
  gint priority;
  guint expected; /* of what was prepared */
} FakeQuestion;

extern const Backend backend_fake;

/* The element that this back end answers for, under the name minivl. */
GType minivl_fake_get_type (void);
GST_ELEMENT_REGISTER_DECLARE (minivl_fake)

/* Forgets all calls; nothing is held, nothing fails. No element uses the back end. */
void fake_reset (void);
/* Forgets what was asked and encoded so far, but not how often; for runs so long that remembering would fill the memory. */
void fake_forget (void);

/* Calls of a step wait, each for one fake_release(), until they are cancelled. One that has a deadline ends by it, however far away
 * that is: no test races with a clock. */
void fake_hold (FakeStep step);
void fake_release (FakeStep step, guint calls);
/* Ends fake_hold(). */
void fake_release_all (FakeStep step);
/* Waits until so many calls of a step have begun since fake_reset(). */
void fake_await (FakeStep step, guint calls);
/* Waits until so many of the calls that have begun were cancelled. */
void fake_await_cancelled (FakeStep step, guint calls);
guint fake_count (FakeStep step);
/* Of the calls that have begun, those that were cancelled. */
guint fake_count_cancelled (FakeStep step);

/* The next call of a step fails. */
void fake_fail_next (FakeStep step, gint code, const gchar *message);
/* The next so many calls fail. */
void fake_fail_times (FakeStep step, gint code, const gchar *message, guint times);
/* What the answers to come say, of choices the one that is it; default "answer 1", "answer 2"... An empty one has no token. */
void fake_set_text (const gchar *text);
/* What the first ones of them say instead, separated by `|`. */
void fake_add_texts (const gchar *texts);

/* P(yes) of the answers to come that it is wanted of, separated by spaces; 0 when there are no more. */
void fake_add_scores (const gchar *scores);

/* Called with each question to come and its answer, from the thread that asks, with the back end locked; until fake_reset(). */
void fake_listen (void (*asked) (const FakeQuestion *question, const gchar *answer));

/* The n-th question, from 0. It has been asked. */
const FakeQuestion *fake_question (guint n);
/* What was prepared n-th, from 0, whether it was cancelled or not. */
const FakeQuestion *fake_prepared (guint n);
/* The frame whose encoding was n-th, from 0. */
guint fake_encoded_frame (guint n);
/* The image whose encoding was n-th, from 0, without its pixels. */
MinivlImage fake_encoded_layout (guint n);
/* Shows each image to be encoded, with its pixels, to `watch`, from the worker's thread; until fake_reset(). */
void fake_watch (void (*watch) (const MinivlImage *image, gpointer data), gpointer data);
/* The image whose encoding began last, without its pixels. */
MinivlImage fake_last_layout (void);
/* What a frame takes of the context, 1 unless this says otherwise until fake_reset(). */
void fake_set_frame_tokens (guint tokens);
/* What the back end says its steps took, until fake_reset(); default 1, 2, 3 and 4 us. encode is for a frame. */
void fake_set_timings (guint64 preprocess, guint64 encode, guint64 prefill, guint64 decode);
/* How alike two frames are, by their numbers; default 0, whichever they are. */
void fake_set_similarity (double (*similarity) (guint a, guint b));
/* Pixels of the last image: the first one's R, G, B; and its size. */
void fake_last_image (guint8 rgb[3], guint *width, guint *height);

/* Asserts that nothing is left, and forgets all. */
void fake_finish (void);
/* What is not freed yet */
guint fake_open_backends (void);
guint fake_live_pictures (void);

#endif
