/* What is to be read on the frames of whole pipelines: of minivloverlay, and of GStreamer's own textoverlay behind minivl. */
#include "film.h"
#include "gst/element/gstminivl.h"
#include "gst/overlay/gstminivloverlay.h"

#define VIDEO "video/x-raw,format=RGB,width=320,height=240,framerate=10/1"
#define OVERLAY "minivloverlay name=m model-path=/fake segment-duration=1000000000 num-segments=2 "

/* --- from a file ------------------------------------------------------------------------------------------------------------- */

/* The last segment has half of its frames: the end of the stream stays behind them. */
static void
test_every_frame_of_a_segment_has_its_text (void)
{
  Film *film = film_new ("videotestsrc pattern=black num-buffers=45 ! " VIDEO " ! " OVERLAY "! fakesink name=v");

  fake_add_texts (FILM_TEXTS);
  film_to_eos (film);
  g_assert_cmpuint (film->frames->len, ==, 45);
  for (guint k = 0; k < 5; k++)
    film_assert_one_text (film, 10 * k, MIN (10 * k + 10, 45), k > 0 ? 10 * k - 1 : G_MAXUINT);
  film_free (film);
}

static void
test_overlapping_segments_take_turns (void)
{
  Film *film =
      film_new ("videotestsrc pattern=black num-buffers=25 ! " VIDEO " ! " OVERLAY "segment-overlap=500000000 ! fakesink name=v");

  fake_add_texts (FILM_TEXTS);
  film_to_eos (film);
  g_assert_cmpuint (film->frames->len, ==, 25);
  for (guint k = 0; k < 5; k++)
    film_assert_one_text (film, 5 * k, 5 * k + 5, k > 0 ? 5 * k - 1 : G_MAXUINT);
  film_free (film);
}

typedef struct
{
  guint came, stops;
} Traffic;

static void
on_handoff (GstElement *identity, GstBuffer *buffer, gpointer data)
{
  ((Traffic *)data)->came++;
}

/* The video has to stop: two segments and a frame are there, and are given one answer. */
static void
on_overrun (GstElement *queue, gpointer data)
{
  Traffic *traffic = data;

  g_assert_cmpuint (traffic->came, ==, 21 + 10 * traffic->stops++);
  fake_release (FAKE_ASK, 1);
}

/* What is answered first is drawn while the second one is answered, and more does not wait in the memory. */
static void
test_two_segments_may_wait (void)
{
  Film *film = film_new ("videotestsrc pattern=black num-buffers=60 ! " VIDEO " ! identity name=i ! " OVERLAY "! fakesink name=v");
  g_autoptr (GstElement) bin = gst_bin_get_by_name (GST_BIN (film->pipeline), "m");
  g_autoptr (GstElement) queue = gst_bin_get_by_name (GST_BIN (bin), "queue");
  g_autoptr (GstElement) identity = gst_bin_get_by_name (GST_BIN (film->pipeline), "i");
  Traffic traffic = { 0 };

  fake_add_texts (FILM_TEXTS);
  fake_hold (FAKE_ASK);
  g_signal_connect (identity, "handoff", G_CALLBACK (on_handoff), &traffic);
  g_signal_connect (queue, "overrun", G_CALLBACK (on_overrun), &traffic);
  gst_element_set_state (film->pipeline, GST_STATE_PLAYING);
  film_await_frames (film, 40);
  fake_release_all (FAKE_ASK);
  film_to_eos (film);
  g_assert_cmpuint (traffic.stops, ==, 4);
  for (guint k = 0; k < 5; k++)
    film_assert_one_text (film, 10 * k, 10 * k + 10, k > 0 ? 10 * k - 1 : G_MAXUINT);
  film_free (film);
}

static void
test_frames_wait_for_their_text (void)
{
  Film *film = film_new ("videotestsrc pattern=black num-buffers=30 ! " VIDEO " ! " OVERLAY "! fakesink name=v");

  fake_add_texts (FILM_TEXTS);
  fake_hold (FAKE_ASK);
  gst_element_set_state (film->pipeline, GST_STATE_PLAYING);
  for (guint k = 0; k < 3; k++) {
    fake_await (FAKE_ASK, k + 1);
    g_assert_cmpuint (film_count (film), <=, 10 * k);
    fake_release (FAKE_ASK, 1);
  }
  film_to_eos (film);
  g_assert_cmpuint (film->frames->len, ==, 30);
  film_free (film);
}

/* Dropped, wrong, or nothing said. */
static void
test_a_text_stays_until_the_next_one (void)
{
  Film *film = film_new ("videotestsrc pattern=black num-buffers=50 ! " VIDEO " ! " OVERLAY "! fakesink name=v");

  fake_add_texts ("M||MMM|MMMMM");
  fake_hold (FAKE_ASK);
  gst_element_set_state (film->pipeline, GST_STATE_PLAYING);
  fake_release (FAKE_ASK, 3);
  fake_await (FAKE_ASK, 4);
  fake_fail_next (FAKE_ASK, MINIVL_ERROR_BUDGET, "too much");
  fake_release_all (FAKE_ASK);
  film_to_eos (film);
  g_assert_cmpuint (film->frames->len, ==, 50);
  film_assert_one_text (film, 0, 20, G_MAXUINT);
  film_assert_one_text (film, 20, 40, 19);
  film_assert_one_text (film, 40, 50, 39);
  film_free (film);
}

static void
test_a_text_ends_after_text_duration (void)
{
  Film *film =
      film_new ("videotestsrc pattern=black num-buffers=20 ! " VIDEO " ! " OVERLAY "text-duration=300000000 ! fakesink name=v");

  fake_add_texts (FILM_TEXTS);
  film_to_eos (film);
  for (guint n = 0; n < 20; n++)
    g_assert_cmpint (ink_is_blank (film_frame (film, n)), ==, n % 10 >= 3);
  film_free (film);
}

static GstPadProbeReturn
copy_frame (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstBuffer *frame = GST_PAD_PROBE_INFO_BUFFER (info);

  info->data = gst_buffer_copy (frame);
  gst_buffer_unref (frame);
  return GST_PAD_PROBE_OK;
}

static void
test_a_frame_that_is_copied_on_its_way_has_its_text (void)
{
  Film *film = film_new ("videotestsrc pattern=black num-buffers=25 ! " VIDEO " ! " OVERLAY "! fakesink name=v");
  g_autoptr (GstElement) bin = gst_bin_get_by_name (GST_BIN (film->pipeline), "m");
  g_autoptr (GstElement) queue = gst_bin_get_by_name (GST_BIN (bin), "queue");
  g_autoptr (GstPad) src = gst_element_get_static_pad (queue, "src");

  gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_BUFFER, copy_frame, NULL, NULL);
  fake_add_texts (FILM_TEXTS);
  film_to_eos (film);
  g_assert_cmpuint (film->frames->len, ==, 25);
  for (guint k = 0; k < 3; k++)
    film_assert_one_text (film, 10 * k, MIN (10 * k + 10, 25), k > 0 ? 10 * k - 1 : G_MAXUINT);
  film_free (film);
}

/* As behind a tee, nobody may write to it. */
static void
test_a_frame_that_is_shared_has_its_text (void)
{
  Film *film = film_new ("videotestsrc pattern=black num-buffers=25 ! " VIDEO " ! tee name=t ! queue ! " OVERLAY
                         "! fakesink name=v t. ! queue max-size-buffers=0 max-size-time=0 max-size-bytes=0 ! fakesink async=false");

  fake_add_texts (FILM_TEXTS);
  film_to_eos (film);
  g_assert_cmpuint (film->frames->len, ==, 25);
  for (guint k = 0; k < 3; k++)
    film_assert_one_text (film, 10 * k, MIN (10 * k + 10, 25), k > 0 ? 10 * k - 1 : G_MAXUINT);
  film_free (film);
}

static void
test_frames_outside_of_the_bounds_have_none (void)
{
  Film *film = film_new ("videotestsrc pattern=black num-buffers=100 ! " VIDEO " ! " OVERLAY
                         "start-time=4000000000 stop-time=5000000000 ! fakesink name=v");

  fake_add_texts (FILM_TEXTS);
  film_to_eos (film);
  g_assert_cmpuint (film->frames->len, ==, 100);
  for (guint n = 0; n < 100; n++)
    g_assert_cmpint (ink_is_blank (film_frame (film, n)), ==, n < 40 || n >= 50);
  film_free (film);
}

/* All of the video would have to be held. */
static void
test_nothing_waits_for_one_segment_of_all (void)
{
  Film *film = film_new ("videotestsrc pattern=black num-buffers=30 ! " VIDEO " ! " OVERLAY
                         "segment-duration=0 stop-time=3000000000 ! fakesink name=v");

  fake_hold (FAKE_ASK);
  gst_element_set_state (film->pipeline, GST_STATE_PLAYING);
  film_await_frames (film, 30);
  fake_release_all (FAKE_ASK);
  film_to_eos (film);
  film_free (film);
}

static void
test_a_seek_frees_what_waits_and_forgets_it (void)
{
  Film *film = film_new ("videotestsrc pattern=black num-buffers=100 ! " VIDEO " ! " OVERLAY "! fakesink name=v");
  guint n;

  fake_add_texts ("MMMMMMM|MMMMMMMMM|M|MMM");
  fake_hold (FAKE_ASK);
  fake_release (FAKE_ASK, 1);
  gst_element_set_state (film->pipeline, GST_STATE_PAUSED);
  fake_await (FAKE_ASK, 2);
  film_await_frames (film, 1);
  g_assert_true (gst_element_seek_simple (film->pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 5 * GST_SECOND));
  fake_release_all (FAKE_ASK);
  film_to_eos (film);
  for (n = 0; film_frame (film, n)->pts < 5 * GST_SECOND; n++)
    g_assert_cmpuint (n, <, 10); /* of the first segment */
  film_assert_one_text (film, n, n + 10, G_MAXUINT);
  g_assert_cmpuint (film_frame (film, n)->right, <, film_frame (film, 0)->right);
  film_assert_one_text (film, n + 10, n + 20, n + 9);
  film_free (film);
}

static void
test_stops_while_frames_wait (void)
{
  Film *film = film_new ("videotestsrc pattern=black ! " VIDEO " ! " OVERLAY "! fakesink name=v");

  fake_hold (FAKE_ASK);
  for (guint i = 0; i < 3; i++) {
    gst_element_set_state (film->pipeline, GST_STATE_PLAYING);
    fake_await (FAKE_ASK, i + 1);
    g_assert_cmpint (gst_element_set_state (film->pipeline, GST_STATE_NULL), ==, GST_STATE_CHANGE_SUCCESS);
  }
  g_assert_cmpuint (film_count (film), ==, 0);
  film_free (film);
}

static void
test_plays_twice (void)
{
  Film *film = film_new ("videotestsrc pattern=black num-buffers=15 ! " VIDEO " ! " OVERLAY "! fakesink name=v");

  fake_add_texts ("M|MMM|MMMMM|MMMMMMM");
  film_to_eos (film);
  gst_element_set_state (film->pipeline, GST_STATE_NULL);
  film_to_eos (film);
  g_assert_cmpuint (film->frames->len, ==, 30);
  film_assert_one_text (film, 0, 10, G_MAXUINT);
  film_assert_one_text (film, 10, 15, 9);
  film_assert_one_text (film, 15, 25, 14);
  film_assert_one_text (film, 25, 30, 24);
  film_free (film);
}

/* White on white cannot be read. */
static void
test_the_background_is_darkened (void)
{
  Film *film = film_new ("videotestsrc pattern=white num-buffers=10 ! " VIDEO " ! " OVERLAY "! fakesink name=v");
  guint dark;

  fake_set_text ("MMMMMMMMMMMMMMMMMMMM");
  film_to_eos (film);
  dark = 320 * 240 - film_frame (film, 0)->white;
  g_assert_cmpuint (dark, >, 2000); /* of the box around the line */
  film_free (film);
}

/* --- in real time ------------------------------------------------------------------------------------------------------------ */

static void
test_a_camera_is_drawn_on_in_half_a_second (void)
{
  Film *film =
      film_new ("videotestsrc is-live=true pattern=black num-buffers=50 ! " VIDEO " ! " OVERLAY "! fakesink sync=true name=v");

  fake_add_texts (FILM_TEXTS);
  film_to_eos (film);
  g_assert_cmpuint (film->frames->len, ==, 50);
  film_assert_seen_in_time (film, 3, TRUE);
  film_free (film);
}

/* --- the README's lines with textoverlay ------------------------------------------------------------------------------------- */

static void
test_plain_textoverlay_on_a_camera (void)
{
  Film *film = film_new ("videotestsrc is-live=true pattern=black num-buffers=50 ! " VIDEO
                         " ! minivl name=m model-path=/fake segment-duration=1000000000 num-segments=2 ! textoverlay name=o ! "
                         "fakesink sync=true name=v m.text_src ! text/x-raw,format=utf8 ! o.text_sink");

  fake_add_texts (FILM_TEXTS);
  film_to_eos (film);
  g_assert_cmpuint (film->frames->len, ==, 50);
  film_assert_seen_in_time (film, 3, FALSE);
  film_free (film);
}

static void
test_plain_textoverlay_on_a_file (void)
{
  Film *film = film_new ("videotestsrc pattern=black num-buffers=45 ! " VIDEO " ! minivl name=m model-path=/fake "
                         "segment-duration=1000000000 num-segments=2 text-timestamp=segment ! queue max-size-buffers=0 "
                         "max-size-bytes=0 max-size-time=1100000000 ! textoverlay name=o ! fakesink name=v "
                         "m.text_src ! text/x-raw,format=utf8 ! o.text_sink");

  fake_add_texts (FILM_TEXTS);
  film_to_eos (film);
  g_assert_cmpuint (film->frames->len, ==, 45);
  for (guint k = 0; k < 5; k++)
    film_assert_one_text (film, 10 * k, MIN (10 * k + 10, 45), k > 0 ? 10 * k - 1 : G_MAXUINT);
  film_free (film);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  fake_reset ();
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));
  g_assert_true (GST_ELEMENT_REGISTER (minivloverlay, NULL));

#define RULE(name) g_test_add_func ("/overlay/" #name, test_##name)
  RULE (every_frame_of_a_segment_has_its_text);
  RULE (overlapping_segments_take_turns);
  RULE (frames_wait_for_their_text);
  RULE (two_segments_may_wait);
  RULE (a_text_stays_until_the_next_one);
  RULE (a_text_ends_after_text_duration);
  RULE (a_frame_that_is_copied_on_its_way_has_its_text);
  RULE (a_frame_that_is_shared_has_its_text);
  RULE (frames_outside_of_the_bounds_have_none);
  RULE (nothing_waits_for_one_segment_of_all);
  RULE (a_seek_frees_what_waits_and_forgets_it);
  RULE (stops_while_frames_wait);
  RULE (plays_twice);
  RULE (the_background_is_darkened);
  RULE (a_camera_is_drawn_on_in_half_a_second);
  RULE (plain_textoverlay_on_a_camera);
  RULE (plain_textoverlay_on_a_file);
#undef RULE
  return g_test_run ();
}
