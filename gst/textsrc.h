/*
 * The `text_src` pad: what is said, as a sparse stream with a task of its own, so that whoever takes the text never holds up the
 * video. Between texts it sends GAP events up to the video's position; without them a text sink never prerolls, and an overlay
 * waits for ever.
 *
 * Times are in the video's segment, which is also the pad's.
 */
#ifndef GST_MINIVL_TEXTSRC_H
#define GST_MINIVL_TEXTSRC_H

#include "result.h"

G_BEGIN_DECLS

#define TEXT_SRC_CAPS "application/x-json; text/x-raw, format = (string) utf8"

G_DECLARE_FINAL_TYPE (GstMinivlTextSrc, text_src, GST_MINIVL, TEXT_SRC, GstPad)

/* (transfer floating) */
GstMinivlTextSrc *text_src_new (GstPadTemplate *templ, const gchar *name);
/* How long a text is shown, ns. */
void text_src_set_duration (GstMinivlTextSrc *pad, guint64 duration);

/* The video's SEGMENT (transfer full), in front of the buffers it is for. */
void text_src_segment (GstMinivlTextSrc *pad, GstEvent *event);
/* A video buffer passes. */
void text_src_position (GstMinivlTextSrc *pad, guint64 pts);
void text_src_result (GstMinivlTextSrc *pad, Result *result);
/* The video's EOS (transfer full), behind the last result. */
void text_src_eos (GstMinivlTextSrc *pad, GstEvent *event);
/* Results that were not sent are lost. The events (transfer full) are passed on. */
void text_src_flush_start (GstMinivlTextSrc *pad, GstEvent *event);
void text_src_flush_stop (GstMinivlTextSrc *pad, GstEvent *event);

G_END_DECLS

#endif
