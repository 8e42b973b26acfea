/* Whole pipelines, whatever answers in them. */
#ifndef TESTS_PIPELINE_H
#define TESTS_PIPELINE_H

#include <gst/gst.h>

/* As gst_parse_launch(), of a line that is right. (transfer full) */
GstElement *pipeline_new (const gchar *format, ...) G_GNUC_PRINTF (1, 2);
/* To NULL, and gone. */
void pipeline_free (GstElement *pipeline);
/* The next message of the types; fails when none comes, and with an ERROR that is not asked for. (transfer full) */
GstMessage *pipeline_await (GstElement *pipeline, GstMessageType types);
/* Results until EOS. */
guint pipeline_count_results (GstElement *pipeline);

/* How many segments the frames of a live source make. It stamps them with the clock's time, so that it depends on how late it
 * started which segments there are. As the element divides video: the first one begins at 0, or where the video does if that is
 * more than a second later; a frame is of the segment it lies in, and opens the next one if no frame is nearer to its start. */
typedef struct
{
  guint64 frame, segment; /* durations */
  guint64 start;          /* of the first segment */
  guint64 next;           /* the first one that is not open yet, from 0 */
  guint n;                /* that have frames */
} SegmentCount;

void segment_count_init (SegmentCount *count, guint64 frame, guint64 segment);
void segment_count_frame (SegmentCount *count, guint64 time);
/* Where the last one ends that has a frame. */
guint64 segment_count_stop (const SegmentCount *count);

#endif
