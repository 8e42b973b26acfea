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

#endif
