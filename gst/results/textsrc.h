/*
 * The `text_src` pad: what is said, as a sparse stream with a task of its own, so that whoever takes the text never holds up the
 * video. Between texts it sends GAP events up to the end of the buffer that passes; without them a text sink never prerolls, and an
 * overlay waits for ever: also for one that ends where its frame begins.
 *
 * Times are in the video's segment, which is also the pad's. A text stands at the time of the video that passes when it is there
 * (TEXT_NOW), or at the start of what it speaks of (TEXT_SEGMENT). Then time on the pad stops at every start until its text is
 * there, and so does the video of whoever waits for both, if it has no queue.
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

/* is_paused: whether somebody has paused the pad's element, so that nothing is missing when no text is taken. (transfer floating)
 */
GstMinivlTextSrc *text_src_new (GstPadTemplate *templ, const gchar *name, gboolean (*is_paused) (GstElement *element));
/* Before the first buffer. duration: how long a text is shown, ns; GST_CLOCK_TIME_NONE: as long as its segment. */
void text_src_set_times (GstMinivlTextSrc *pad, TextTimestamp timestamp, guint64 duration);
/* Texts that nobody took. */
guint64 text_src_get_lost (GstMinivlTextSrc *pad);

/* The video's STREAM_START (borrowed): its next SEGMENT begins another stream, also where the last one has ended. */
void text_src_stream_start (GstMinivlTextSrc *pad, GstEvent *event);
/* The video's SEGMENT (transfer full), in front of the buffers it is for. */
void text_src_segment (GstMinivlTextSrc *pad, GstEvent *event);
/* A video buffer passes that reaches from pts to end. */
void text_src_position (GstMinivlTextSrc *pad, guint64 pts, guint64 end);
/* A video buffer is handed on; FALSE: it has been taken. */
void text_src_pushing (GstMinivlTextSrc *pad, gboolean pushing);
/* A segment begins that will have a result; pts: its start. In front of text_src_position() for its first buffer. */
void text_src_owe (GstMinivlTextSrc *pad, guint64 id, guint64 pts);
/* One that stands beside another comes before it. */
void text_src_result (GstMinivlTextSrc *pad, Result *result);
/* The video's EOS or SEGMENT_DONE (transfer full), behind the last result: what is still owed then is lost. */
void text_src_eos (GstMinivlTextSrc *pad, GstEvent *event);
/* Results that were not sent are lost. The events (transfer full) are passed on. */
void text_src_flush_start (GstMinivlTextSrc *pad, GstEvent *event);
void text_src_flush_stop (GstMinivlTextSrc *pad, GstEvent *event);

G_END_DECLS

#endif
