/* What is to be read on frames: of one, and of all that a pipeline shows. */
#ifndef TESTS_FILM_H
#define TESTS_FILM_H

#include "fake.h"

#include <gst/gst.h>

/* Each is wider than the one before, and all are one line. */
#define FILM_TEXTS "M|MMM|MMMMM|MMMMMMM|MMMMMMMMM"

/* So many words of a report. (transfer full) */
gchar *film_words (guint n);

/* Of letters on dark video, RGB */
typedef struct
{
  guint white, red;               /* pixels */
  guint left, right, top, bottom; /* of both */
  guint red_bottom, white_top;
  guint64 pts;
  guint64 seen; /* in a film: running time of the clock */
  guint behind; /* in a film: so many frames had come to the element since this one did */
} Ink;

Ink ink_read (GstBuffer *buffer, const GstCaps *caps);
gboolean ink_is_blank (const Ink *ink);
gboolean ink_looks_same (const Ink *a, const Ink *b);

typedef struct
{
  GstElement *pipeline;
  GMutex lock;
  GCond changed;
  GArray *frames;  /* Ink, as they came to the sink */
  GArray *answers; /* guint64, the running time of the clock when each was given, and when its result was told */
  GArray *results;
  guint came; /* frames, to the element */
} Film;

/* A pipeline whose element is called m and whose sink v, not started; one at a time. */
Film *film_new (const gchar *line);
/* Asserts that nothing of the back end is left. */
void film_free (Film *film);
/* Plays; fails on an error. */
void film_to_eos (Film *film);
/* At the end, or of those that were awaited. */
const Ink *film_frame (Film *film, guint n);
guint film_count (Film *film);
void film_await_frames (Film *film, guint n);

/* Frames from <= n < to have one text, that is wider than the one of frame `before`; G_MAXUINT: than none. */
void film_assert_one_text (Film *film, guint from, guint to, guint before);
/* From a result on it takes half a second of video at most until its text is seen, and no frame is held for longer. Not of the
 * machine's time, which others may need. texts: of results, a second each. stays: there is always one from
 * the first on; else it is textoverlay that shows each to its end, and the next one not before. */
void film_assert_seen_in_time (Film *film, guint texts, gboolean stays);

#endif
