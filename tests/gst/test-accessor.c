/* minivl-gst.h reads every field that a result has, of every kind, from each of its forms. typed.c does so as an application. */
#include "gst/results/result.h"

#include <string.h>

static Result *
make_result (void)
{
  static const guint64 frames[] = { 600000000, 1800000000 };
  Result *r = result_new ();

  r->id = 7;
  r->stream = g_strdup ("door");
  r->text = g_strdup ("A dog.");
  r->prompt = g_strdup ("What?");
  r->utc = g_strdup ("2026-11-30T12:00:00.000Z");
  r->segment_start = 10 * GST_SECOND;
  r->segment_stop = 20 * GST_SECOND;
  r->running_time = 21 * GST_SECOND;
  g_array_append_vals (r->frames, frames, 2);
  r->answered = TRUE;
  r->prompt_tokens = 300;
  r->output_tokens = 12;
  r->cached_tokens = 4;
  r->seed = G_MAXINT64;
  r->finish_reason = "stop";
  r->wait = 1;
  r->preprocess = 2;
  r->encode = 3;
  r->prefill = 4;
  r->decode = 5;
  r->total = 6;
  r->dropped_segments = 8;
  return r;
}

static void
assert_reads (const MinivlResult *read, const Result *r)
{
  g_assert_cmpuint (read->id, ==, r->id);
  g_assert_cmpstr (read->kind, ==, r->kind);
  g_assert_cmpstr (read->finish_reason, ==, r->finish_reason);
  g_assert_cmpstr (read->stream, ==, r->stream);
  g_assert_cmpstr (read->text, ==, r->text);
  g_assert_cmpstr (read->data, ==, r->data);
  g_assert_cmpstr (read->prompt, ==, r->prompt);
  g_assert_cmpstr (read->utc, ==, r->utc);
  g_assert_cmpstr (read->question, ==, r->question);
  g_assert_cmpint (read->active, ==, r->active);
  g_assert_cmpfloat (read->score, ==, r->score);
  g_assert_cmpuint (read->same_as, ==, r->same_as);
  g_assert_cmpuint (read->segment_start, ==, r->segment_start);
  g_assert_cmpuint (read->segment_stop, ==, r->segment_stop);
  g_assert_cmpuint (read->running_time, ==, r->running_time);
  g_assert_cmpuint (read->n_frames, ==, r->frames->len);
  for (guint i = 0; i < read->n_frames; i++)
    g_assert_cmpuint (minivl_result_get_frame (read, i), ==, g_array_index (r->frames, guint64, i));
  g_assert_cmpuint (read->prompt_tokens, ==, r->prompt_tokens);
  g_assert_cmpuint (read->output_tokens, ==, r->output_tokens);
  g_assert_cmpuint (read->cached_tokens, ==, r->cached_tokens);
  g_assert_cmpuint (read->wait, ==, r->wait);
  g_assert_cmpuint (read->preprocess, ==, r->preprocess);
  g_assert_cmpuint (read->encode, ==, r->encode);
  g_assert_cmpuint (read->prefill, ==, r->prefill);
  g_assert_cmpuint (read->decode, ==, r->decode);
  g_assert_cmpuint (read->total, ==, r->total);
  g_assert_cmpuint (read->dropped_segments, ==, r->dropped_segments);
  g_assert_cmpuint (read->seed, ==, r->seed);
  g_assert_true (gst_structure_has_field (read->fields, "model") == (r->model != NULL));
}

/* What was there before is no part of it. */
static MinivlResult
rubbish (void)
{
  MinivlResult read;

  memset (&read, 0x55, sizeof read);
  return read;
}

static void
assert_read_from_all (const Result *r)
{
  g_autoptr (GstBuffer) buffer = gst_buffer_new ();
  g_autoptr (GstBuffer) copy = NULL;
  const gchar *const names[] = { RESULT_MESSAGE_NAME, RESULT_ALERT_NAME };
  MinivlResult read = rubbish ();

  result_meta_register ();
  result_meta_add (r, buffer);
  copy = gst_buffer_copy (buffer);
  g_assert_true (minivl_result_from_buffer (&read, copy));
  assert_reads (&read, r);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autoptr (GstMessage) message = gst_message_new_element (NULL, result_to_structure (r, names[i]));

    read = rubbish ();
    g_assert_true (minivl_result_from_message (&read, message));
    assert_reads (&read, r);
  }
}

static void
test_a_segment (void)
{
  g_autoptr (Result) r = make_result ();

  assert_read_from_all (r);
  r->model = g_strdup ("m");
  r->data = g_strdup ("{\"n\":1}");
  assert_read_from_all (r);
}

static void
test_an_alert (void)
{
  g_autoptr (Result) r = make_result ();

  r->kind = RESULT_ALERT;
  r->question = g_strdup ("A dog?");
  r->score = 0.75;
  r->active = TRUE;
  assert_read_from_all (r);
  r->active = FALSE;
  r->score = 0;
  assert_read_from_all (r);
}

static void
test_a_summary_has_no_frames (void)
{
  g_autoptr (Result) r = make_result ();

  r->kind = RESULT_SUMMARY;
  g_array_set_size (r->frames, 0);
  assert_read_from_all (r);
}

static void
test_what_does_not_apply (void)
{
  g_autoptr (Result) r = result_new ();

  r->finish_reason = "unchanged";
  r->same_as = 3;
  assert_read_from_all (r);
}

static void
test_others_are_no_results (void)
{
  g_autoptr (GstBuffer) buffer = gst_buffer_new ();
  g_autoptr (GstMessage) eos = gst_message_new_eos (NULL);
  g_autoptr (GstMessage) stats = gst_message_new_element (NULL, gst_structure_new_empty ("minivl-stats"));
  g_autoptr (GstMessage) partial = gst_message_new_element (NULL, gst_structure_new_empty ("minivl-partial"));
  MinivlResult read = rubbish (), before = read;

  g_assert_false (minivl_result_from_buffer (&read, buffer));
  g_assert_false (minivl_result_from_message (&read, eos));
  g_assert_false (minivl_result_from_message (&read, stats));
  g_assert_false (minivl_result_from_message (&read, partial));
  g_assert_cmpmem (&read, sizeof read, &before, sizeof before);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/accessor/others_are_no_results", test_others_are_no_results); /* nobody knows the meta yet */
  g_test_add_func ("/accessor/a_segment", test_a_segment);
  g_test_add_func ("/accessor/an_alert", test_an_alert);
  g_test_add_func ("/accessor/a_summary_has_no_frames", test_a_summary_has_no_frames);
  g_test_add_func ("/accessor/what_does_not_apply", test_what_does_not_apply);
  return g_test_run ();
}
