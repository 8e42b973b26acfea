/*
 * The `text_src` pad: a sparse stream of texts with a task of its own, so that a slow text branch never holds up the video. Between
 * texts it sends GAP events that reach to the end of the buffer that passes. Without them a text sink never prerolls; and an
 * overlay waits for ever, also for a GAP that ends where its frame begins. Under a subtitle's own duration it sends none, because a
 * muxer makes an empty cue of it and waits for the next text; unless the video is held up for half a second, as by a sink that
 * prerolls or by a queue that is too short for such a muxer.
 *
 * Times are in the video's segment, which is also the pad's: no text lies outside of it, for a sink would throw it away. A text has
 * the time of the video that passes when it is ready (TEXT_NOW), or the start of the segment that it describes (TEXT_SEGMENT). Then
 * time on the pad stops at each such start until the text is ready, and an element that waits for both stops the video, unless that
 * has a queue: of one segment where it needs this text, of two where it waits for the next one.
 */
#ifndef GST_MINIVL_TEXTSRC_H
#define GST_MINIVL_TEXTSRC_H

#include "result.h"

G_BEGIN_DECLS

#define TEXT_SRC_CAPS "application/x-json; text/x-raw, format = (string) utf8"

G_DECLARE_FINAL_TYPE (GstMinivlTextSrc, text_src, GST_MINIVL, TEXT_SRC, GstPad)

typedef enum
{
  TEXT_NOW,
  TEXT_SEGMENT,
} TextTimestamp;

/* held_up: called from a thread of the system's when a video buffer has been held up for a second, with the pad's element, and each
 * second after that; TRUE: not again before the next start or flush. (transfer floating) */
GstMinivlTextSrc *text_src_new (GstPadTemplate *templ, const gchar *name, gboolean (*held_up) (GstElement *element));
/* Before the first buffer. duration: how long a text is shown, ns; GST_CLOCK_TIME_NONE: as long as its segment.
 * is_exact: also if the next one comes before; else plain texts follow one another, in shares of that time where they belong
 * together. */
void text_src_set_times (GstMinivlTextSrc *pad, TextTimestamp timestamp, guint64 duration, gboolean is_exact);
/* Number of results that could not be delivered, or were thrown away by a flush or the end. The first of the former are warned of.
 */
guint64 text_src_get_lost (GstMinivlTextSrc *pad);

/* The video's STREAM_START (borrowed): the next SEGMENT begins another stream, also after EOS. */
void text_src_stream_start (GstMinivlTextSrc *pad, GstEvent *event);
/* The video's SEGMENT (transfer full), before its buffers. */
void text_src_segment (GstMinivlTextSrc *pad, GstEvent *event);
/* A video buffer or GAP passes that reaches from pts to end. */
void text_src_position (GstMinivlTextSrc *pad, guint64 pts, guint64 end);
/* TRUE: a video buffer is about to be pushed; FALSE: the push has returned. */
void text_src_pushing (GstMinivlTextSrc *pad, gboolean pushing);
/* A segment begins that will have a result; pts: its start. Before text_src_position() for its first buffer. */
void text_src_owe (GstMinivlTextSrc *pad, guint64 id, guint64 pts);
/* An alert is given before its segment's own result. */
void text_src_result (GstMinivlTextSrc *pad, Result *result);
/* The video's EOS or SEGMENT_DONE (transfer full), after the last result: texts that are still owed are not waited for. Of
 * plain texts of the moment, waits up to half a second for the first that is on its way to arrive. */
void text_src_eos (GstMinivlTextSrc *pad, GstEvent *event);
/* Results that were not sent are lost; those that come after text_src_flush_start() belong to what follows. The events (transfer
 * full) are passed on. */
void text_src_flush_start (GstMinivlTextSrc *pad, GstEvent *event);
void text_src_flush_stop (GstMinivlTextSrc *pad, GstEvent *event);

/* Somebody else may be behind the pad, or takes other caps: RECONFIGURE. */
void text_src_renewed (GstMinivlTextSrc *pad);
/* Before the pad is taken off its element: it stops as soon as its branch lets it. Texts that wait are lost. */
void text_src_release (GstMinivlTextSrc *pad);

G_END_DECLS

#endif
