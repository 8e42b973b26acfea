/* One element in a harness, its messages, its text, and video whose frames carry their number. */
#ifndef TESTS_RIG_H
#define TESTS_RIG_H

#include "fake.h"

#include <gst/check/gstharness.h>
#include <gst/gst.h>
#include <json-glib/json-glib.h>

typedef struct
{
  GstElement *element;
  GstHarness *video;
  GstHarness *text; /* NULL unless rig_add_text() */
  GstBus *bus;
  guint fps_n, fps_d, width, height;
  GThread *pusher;
  GstFlowReturn flow; /* of the pusher */
  guint from, to;
} Rig;

/* What passed a pad: cleared to nothing at first, see rig_count(). */
typedef struct
{
  GMutex lock;
  GCond changed;
  guint passed;
} RigCounter;

/* Not live, 10 frames a second of RGB unless the caller sets other caps. properties: as in gst_parse_launch(), may be NULL;
 * segment-duration is 1 s and num-segments 2 unless they say otherwise. */
Rig *rig_new (const gchar *properties);
/* Asserts that nothing of the back end is left. */
void rig_free (Rig *rig);
/* As rig_new(), with another element than minivl. */
Rig *rig_new_of (const gchar *factory, const gchar *properties);
/* As rig_new(), from a live source. */
Rig *rig_new_live (const gchar *properties);
/* The same with minivloverlay. */
Rig *rig_new_overlay (const gchar *properties, gboolean live);
/* caps: what the sink of the text takes; NULL is anything. Before the first buffer. */
void rig_add_text (Rig *rig, const gchar *caps);

void rig_set_caps (Rig *rig, const gchar *format, guint width, guint height, guint fps_n, guint fps_d);
/* Frame number at its time of the rate; every pixel carries the number. RGB only. */
GstBuffer *rig_frame (Rig *rig, guint number);
guint rig_frame_of (const guint8 *rgb);
/* Pushes frames from <= number < to and asserts that they pass. */
void rig_push (Rig *rig, guint from, guint to);
/* Second n of 10 frames a second, which is a segment unless segment-duration says otherwise, with the frame that tells that it is
 * over; what is before it has been pushed. */
void rig_push_second (Rig *rig, guint n);
/* A pad probe that counts each call; data: a RigCounter. */
GstPadProbeReturn rig_count (GstPad *pad, GstPadProbeInfo *info, gpointer data);
/* Waits until so many have passed, and asserts that there are no more of them. */
void rig_await_passed (RigCounter *counter, guint passed);
/* A pad probe that blocks until it is removed. */
GstPadProbeReturn rig_block (GstPad *pad, GstPadProbeInfo *info, gpointer data);
/* Pushes a frame and takes it off behind the element; freed gets something in when nobody has it any more. */
void rig_push_watched (Rig *rig, GstBuffer *frame, GAsyncQueue *freed);
/* Waits until n of them are free. */
void rig_await_freed (GAsyncQueue *freed, guint n);
/* The same as rig_push() in a thread of its own; EOS behind it when to is reached. */
void rig_push_in_thread (Rig *rig, guint from, guint to);
GstFlowReturn rig_join (Rig *rig);
void rig_eos (Rig *rig);

/* The next message of the types; fails when none comes. */
GstMessage *rig_await_message (Rig *rig, GstMessageType types);
/* The next result; takes what lies before it off the bus. */
GstStructure *rig_await_result (Rig *rig);
/* The next result is of that kind (segment, alert, summary), from start to stop. (transfer full) */
GstStructure *rig_await_kind (Rig *rig, const gchar *kind, guint start_ms, guint stop_ms, const gchar *finish_reason);
/* The next result is of the segment that second n is. */
void rig_await_second (Rig *rig, guint n, const gchar *finish_reason);
/* The next result is a summary, made by the prompt of summary-prompt's default about those lines. */
void rig_await_summary (Rig *rig, guint start_ms, guint stop_ms, const gchar *lines);
/* The next warning says part. */
void rig_await_warning (Rig *rig, const gchar *part);
/* Neither a warning nor an error is on the bus. */
void rig_assert_no_warning (Rig *rig);
/* Asserts a result's id, bounds in ms and reason. */
void rig_assert_result (Rig *rig, guint64 id, guint start_ms, guint stop_ms, const gchar *finish_reason);
/* No further result is on the bus. */
void rig_assert_no_result (Rig *rig);
/* Asserts the frames of the n-th question: numbers, ended by G_MAXUINT. */
void rig_assert_frames (guint question, ...);

/* The next text, without a NUL at its end. (transfer full) */
gchar *rig_pull_text (Rig *rig);
/* The next text, which is a line of JSON. (transfer full) */
JsonObject *rig_pull_json (Rig *rig);
/* The next event of the type on text_src; takes what lies before it off. (transfer full) */
GstEvent *rig_await_text_event (Rig *rig, GstEventType type);
/* Waits until so many texts are lost, and asserts that there are no more of them. */
void rig_await_text_lost (Rig *rig, guint64 lost);
/* A segment of time from start on, that starts at stream time `time` and running time base. */
void rig_push_segment (Rig *rig, guint64 start, guint64 time, guint64 base);
/* Asserts that an error or warning says part. */
void rig_assert_error (GstMessage *message, const gchar *part);

guint64 rig_uint64 (const GstStructure *s, const gchar *field);

#endif
