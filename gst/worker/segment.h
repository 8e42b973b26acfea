/* A segment while the worker has it: its question, its frames, how far it is. Guarded by the worker's lock. */
#ifndef GST_MINIVL_SEGMENT_H
#define GST_MINIVL_SEGMENT_H

#include "frame.h"
#include "gst/results/result.h"

G_BEGIN_DECLS

/* What is asked of a segment; copied when the segment is opened. */
typedef struct
{
  gchar *prompt;       /* with placeholders */
  gchar *system;       /* NULL: the checkpoint's own */
  MinivlParams params; /* of no shape */
  gchar *choices;      /* of a segment's answer, as the property has them; NULL: any */
  gchar *schema;       /* the JSON schema that it fits; NULL: any */
  guint64 deadline;    /* ns after the segment is complete; 0: none */
  guint history;       /* most earlier answers that the model is told */
  gchar *alerts;       /* yes/no questions, as the property has them; NULL: none */
  double alert_threshold, alert_hysteresis;
  gchar *alert_picture;     /* folder; NULL: none is wanted */
  double similar;           /* as alike as this it is not asked about, see similar.h; 0: always asked */
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
  guint prepared;    /* frames, from the first on, that the back end has prepared */
  guint early;       /* frames, from the first on, that early_prepare() is done with */
  gboolean differs;  /* in one of those from what it is compared with */
  guint room;        /* regions of each frame that fit the context; 0: not counted yet */
  gboolean looked;   /* regions were asked about, and a frame had none */
  Frame *picture;    /* for an alert's picture, never encoded; NULL: none is wanted */
  guint places;      /* that had a picture so far */
  GPtrArray *begun;  /* see ahead.h; NULL: nothing is */
  gboolean complete, dropped, flushed;
  gboolean given_up;          /* the answer ends with the text so far */
  guint64 preprocess, encode; /* ns; a shared frame counts for the segment that it was encoded for */
  gint64 completed;           /* monotonic time, us */
} Segment;

/* Copies the settings. */
Segment *segment_new (const SegmentSettings *settings);
void segment_free (Segment *s);

void segment_add_place (Segment *s, Frame *frame);
/* times: places that the frame takes. frame (nullable): NULL shows nothing. */
void segment_add_frame (Segment *s, Frame *frame, guint times);
/* Call it before segment_add_frame(). Keeps the picture at place `middle`, or the last one if the segment ends before. */
void segment_add_picture (Segment *s, Frame *picture, guint times, guint middle);
/* Keeps the `most` largest regions of each picture; the others (transfer full) are added to gone. */
void segment_keep_regions (Segment *s, guint most, GPtrArray *gone);
/* Its places are added to gone (transfer full). */
void segment_leave_out (Segment *s, const Frame *frame, GPtrArray *gone);
/* Of pixels that wait to be encoded. */
gsize segment_bytes (const Segment *s);
/* Complete, and to be answered. */
gboolean segment_waits (const Segment *s);
/* Complete, and its deadline has passed. */
gboolean segment_is_late (const Segment *s);
/* NULL when nothing is left to encode, or the segment will not be answered. */
Frame *segment_first_to_encode (const Segment *s);
/* From the first on. */
guint segment_count_encoded (const Segment *s);
/* None of its frames showed anything. */
gboolean segment_is_blank (const Segment *s);
/* Why a frame of it could not be encoded; NULL: none of them failed. */
const GError *segment_first_error (const Segment *s);
/* Frees pixels at once. Encoded pictures are left to segment_free(): freeing one may take long. */
void segment_drop (Segment *s);
/* Removes places whose pictures belong to a back end that is closed; their frames (transfer full) are added to gone. */
void segment_forget_pictures (Segment *s, GPtrArray *gone);
/* When the answer has to be there, as in MinivlParams. */
guint64 segment_deadline (const Segment *s);

G_END_DECLS

#endif
