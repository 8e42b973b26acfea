/* A segment while the worker has it: its question, its frames, how far it is. Guarded by the worker's lock. */
#ifndef GST_MINIVL_SEGMENT_H
#define GST_MINIVL_SEGMENT_H

#include "frame.h"
#include "gst/results/result.h"

G_BEGIN_DECLS

/* What is asked of a segment; copied when the segment is opened. */
typedef struct
{
  gchar *prompt; /* with placeholders */
  gchar *system; /* NULL: the checkpoint's own */
  MinivlParams params;
  guint64 deadline; /* ns after the segment is complete; 0: none */
  guint history;    /* most earlier answers that are told */
  gchar *alerts;    /* yes/no questions, as the property has them; NULL: none */
  double alert_threshold, alert_hysteresis;
  gchar *alert_picture;     /* folder; NULL: none is wanted */
  double similar;           /* from which on it is not asked, see similar.h; 0: always asked */
  guint64 summary_interval; /* ns of stream time; 0: no summaries, GST_CLOCK_TIME_NONE: only at the end */
  gchar *summary_prompt;    /* with {reports} and other placeholders */
} SegmentSettings;

void segment_settings_copy (SegmentSettings *to, const SegmentSettings *from);
void segment_settings_clear (SegmentSettings *settings);

typedef struct
{
  const gchar *kind; /* of its result: RESULT_SEGMENT, or RESULT_QUESTION for frames that were asked about apart */
  guint64 id, number, start, stop, running_time;
  gint64 utc; /* of the start, ns since 1970; negative: not known */
  guint run;  /* segments of one run follow one another: nothing was sought or flushed between them */
  SegmentSettings settings;
  GPtrArray *frames; /* Frame, one a place */
  GArray *times;     /* guint64, stream time, one a place; outlives the frames of a dropped segment */
  GPtrArray *spares; /* Frame, what is seen of the first one, as long as no place is filled; NULL: nothing */
  gboolean looked;   /* at a frame in which there was nothing to be seen: regions were asked about, and it had none */
  Frame *picture;    /* to be shown with an alert, not encoded; NULL: none is wanted */
  guint places;      /* in which a picture was seen so far */
  gboolean complete, dropped, flushed;
  gboolean given_up;          /* the answer in hand is to end with the text so far */
  guint64 preprocess, encode; /* ns, of the frames that were encoded for it: of those it shares, for the first one */
  gint64 completed;           /* monotonic time, us */
} Segment;

/* Copies the settings. */
Segment *segment_new (const SegmentSettings *settings);
void segment_free (Segment *s);

void segment_add_place (Segment *s, Frame *frame);
/* times: places that the frame takes; 0: only if the segment ends without any other. NULL: nothing is seen of it. Returns frames
 * that are not wanted any more: the back end may take its time to free their pictures. (transfer full) (nullable) */
GPtrArray *segment_add_frame (Segment *s, Frame *frame, guint times);
/* In front of segment_add_frame(). Keeps the picture of place `middle`; of a segment that ends before, that of its last one. */
void segment_add_picture (Segment *s, Frame *picture, guint times, guint middle);
/* Takes the regions away that stand behind the `most` largest of their picture; they (transfer full) are added to gone. */
void segment_keep_regions (Segment *s, guint most, GPtrArray *gone);
/* Of pixels that wait to be encoded. */
gsize segment_bytes (const Segment *s);
/* Complete, and to be answered. */
gboolean segment_waits (const Segment *s);
/* Complete, and its deadline has passed. */
gboolean segment_is_late (const Segment *s);
/* NULL when nothing is left to be encoded, or nothing more will be. */
Frame *segment_first_to_encode (const Segment *s);
/* There was nothing to be seen in any of its frames. */
gboolean segment_is_blank (const Segment *s);
/* Why a frame of it could not be encoded; NULL: none of them failed. */
const GError *segment_first_error (const Segment *s);
/* Pixels go at once. Pictures are left to segment_free(): the back end may take its time to free one. */
void segment_drop (Segment *s);
/* Places whose pictures belong to a back end that is gone are no places; the frames (transfer full) are added to gone. */
void segment_forget_pictures (Segment *s, GPtrArray *gone);
/* Before which the answer is to be there, as MinivlParams has it. */
guint64 segment_deadline (const Segment *s);

G_END_DECLS

#endif
