/* minivloverlay in a harness: what it draws, what does not wait, and that it is minivl. */
#include "film.h"
#include "gst/element/gstminivl.h"
#include "gst/overlay/gstminivloverlay.h"
#include "rig.h"

#include <gst/video/video.h>

#define WIDTH 320
#define HEIGHT 240
#define VIDEO "video/x-raw,format=RGB,width=320,height=240,framerate=10/1"

/* --- in a harness ------------------------------------------------------------------------------------------------------------ */

static Rig *
make_rig (const gchar *properties, gboolean live)
{
  Rig *rig = rig_new_overlay (properties, live);

  rig_set_caps (rig, "RGB", WIDTH, HEIGHT, 10, 1);
  return rig;
}

static Ink
pull_ink (Rig *rig)
{
  g_autoptr (GstBuffer) buffer = gst_harness_pull (rig->video);
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (rig->video->sinkpad);

  g_assert_nonnull (buffer);
  return ink_read (buffer, caps);
}

/* Of a live source, for which nothing waits. */
static Ink
push_and_pull (Rig *rig, guint number)
{
  rig_push (rig, number, number + 1);
  return pull_ink (rig);
}

/* Of a file, up to the end of a segment whose text is there at once. */
static Ink
draw (Rig *rig, const gchar *text)
{
  Ink ink = { 0 };

  fake_set_text (text);
  rig_push (rig, 0, 11);
  for (guint i = 0; i < 10; i++)
    ink = pull_ink (rig);
  return ink;
}

static void
test_live_texts_are_on_the_next_frame (void)
{
  Rig *rig = make_rig (NULL, TRUE);
  Ink ink, last = { 0 };

  fake_add_texts ("M|MMM");
  fake_hold (FAKE_ASK);
  for (guint n = 0; n < 15; n++) {
    ink = push_and_pull (rig, n);
    g_assert_true (ink_is_blank (&ink));
  }
  for (guint k = 0; k < 2; k++) {
    fake_release (FAKE_ASK, 1);
    rig_assert_result (rig, k + 1, 1000 * k, 1000 * k + 1000, "stop");
    for (guint n = 15 + 20 * k; n < 35 + 20 * k; n++) {
      ink = push_and_pull (rig, n);
      g_assert_false (ink_is_blank (&ink));
      if (n > 15 + 20 * k)
        g_assert_true (ink_looks_same (&ink, &last));
      else
        g_assert_cmpuint (ink.right, >, last.right);
      last = ink;
    }
  }
  fake_release_all (FAKE_ASK);
  rig_free (rig);
}

/* Two that come between two frames are on one each. */
static void
test_no_live_text_is_lost (void)
{
  Rig *rig = make_rig (NULL, TRUE);
  Ink first, second;

  fake_add_texts ("M|MMM");
  fake_hold (FAKE_ASK);
  for (guint n = 0; n < 21; n++)
    push_and_pull (rig, n);
  fake_release (FAKE_ASK, 2);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_result (rig, 2, 1000, 2000, "stop");
  first = push_and_pull (rig, 21);
  second = push_and_pull (rig, 22);
  g_assert_false (ink_is_blank (&first));
  g_assert_cmpuint (second.right, >, first.right);
  fake_release_all (FAKE_ASK);
  rig_free (rig);
}

static void
test_a_live_text_ends_after_text_duration (void)
{
  Rig *rig = make_rig ("text-duration=500000000", TRUE);

  fake_add_texts ("M");
  fake_hold (FAKE_ASK);
  for (guint n = 0; n < 11; n++)
    push_and_pull (rig, n);
  fake_release (FAKE_ASK, 1);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  for (guint n = 11; n < 19; n++) {
    Ink ink = push_and_pull (rig, n);

    g_assert_cmpint (ink_is_blank (&ink), ==, n >= 16);
  }
  fake_release_all (FAKE_ASK);
  rig_free (rig);
}

static void
test_a_live_source_is_not_delayed (void)
{
  Rig *rig = make_rig (NULL, TRUE);
  g_autoptr (GstPad) src = gst_element_get_static_pad (rig->element, "src");
  g_autoptr (GstQuery) query = gst_query_new_latency ();
  GstClockTime min;
  gboolean live;

  gst_harness_set_upstream_latency (rig->video, 40 * GST_MSECOND);
  push_and_pull (rig, 0);
  g_assert_true (gst_pad_query (src, query));
  gst_query_parse_latency (query, &live, &min, NULL);
  g_assert_true (live);
  g_assert_cmpuint (min, ==, 40 * GST_MSECOND);
  rig_free (rig);
}

static void
test_alerts_are_red_while_they_are_on (void)
{
  Rig *rig = make_rig ("alerts=\"Is a dog in it?\"", FALSE);
  Ink ink[4];

  fake_set_text ("M");
  fake_add_scores ("0.1 0.9 0.8 0.2");
  rig_push (rig, 0, 41);
  for (guint n = 0; n < 40; n++)
    ink[n / 10] = pull_ink (rig);
  g_assert_cmpuint (ink[0].red, ==, 0);
  for (guint k = 1; k < 3; k++) {
    g_assert_cmpuint (ink[k].red, >, 50);
    g_assert_cmpuint (ink[k].white, >, 10);
    g_assert_cmpuint (ink[k].red_bottom, <, ink[k].white_top); /* above the report */
  }
  g_assert_cmpuint (ink[3].red, ==, 0);
  g_assert_cmpuint (ink[3].white, >, 10);
  rig_free (rig);
}

/* On the first frame of its segment, too. */
static void
test_an_alert_begins_with_its_segment (void)
{
  Rig *rig = make_rig ("alerts=\"Is a dog in it?\"", FALSE);

  fake_set_text ("M");
  fake_add_scores ("0.1 0.9");
  rig_push (rig, 0, 21);
  for (guint n = 0; n < 20; n++) {
    Ink ink = pull_ink (rig);

    g_assert_cmpint (ink.red > 50, ==, n >= 10);
  }
  rig_free (rig);
}

static void
test_long_texts_stay_in_the_picture (void)
{
  static const guint words[] = { 40, 120, 2000 };
  static const struct
  {
    guint width, height;
  } sizes[] = { { 320, 240 }, { 64, 48 }, { 240, 640 } };

  for (guint s = 0; s < G_N_ELEMENTS (sizes); s++)
    for (guint i = 0; i < G_N_ELEMENTS (words); i++) {
      Rig *rig = make_rig (NULL, FALSE);
      g_autofree gchar *text = film_words (words[i]);
      Ink ink;

      rig_set_caps (rig, "RGB", sizes[s].width, sizes[s].height, 10, 1);
      ink = draw (rig, text);
      g_assert_cmpuint (ink.bottom - ink.top, >, 20); /* lines */
      g_assert_cmpuint (ink.left, >=, 4);
      g_assert_cmpuint (ink.top, >, 0);
      g_assert_cmpuint (ink.right, <, sizes[s].width - 4);
      g_assert_cmpuint (ink.bottom, <, sizes[s].height - 4);
      rig_free (rig);
    }
}

static void
test_markup_is_drawn_as_it_is_written (void)
{
  static const gchar *const texts[][2] = { { "<b>MM</b>", "MMM" }, { "MM &amp; MM", "MM  MM" }, { "& < > ' \" &;", "M" } };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++) {
    Rig *rig = make_rig (NULL, FALSE);
    Ink literal = draw (rig, texts[i][0]), plain;

    rig_free (rig);
    rig = make_rig (NULL, FALSE);
    plain = draw (rig, texts[i][1]);
    rig_free (rig);
    g_assert_cmpuint (literal.right, >, plain.right + 10);
  }
}

static void
test_letters_grow_with_the_picture (void)
{
  guint heights[3];
  static const guint sizes[] = { 320, 640, 1280 };

  for (guint i = 0; i < 3; i++) {
    Rig *rig = make_rig (NULL, FALSE);
    Ink ink;

    rig_set_caps (rig, "RGB", sizes[i], sizes[i] * 9 / 16, 10, 1);
    ink = draw (rig, "MMM");
    heights[i] = ink.bottom - ink.top + 1;
    rig_free (rig);
  }
  g_assert_cmpuint (heights[0], >=, 8);
  g_assert_cmpuint (heights[1], >, heights[0]);
  g_assert_cmpuint (heights[2], >, heights[1]);
}

static void
test_font_desc_is_the_letters (void)
{
  Rig *rig = make_rig ("font-desc=\"Sans 40\"", FALSE);
  g_autofree gchar *value = NULL;
  Ink large, usual;

  g_object_get (rig->element, "font-desc", &value, NULL);
  g_assert_cmpstr (value, ==, "Sans 40");
  large = draw (rig, "MMM");
  rig_free (rig);
  rig = make_rig (NULL, FALSE);
  usual = draw (rig, "MMM");
  rig_free (rig);
  g_assert_cmpuint (large.bottom - large.top, >, 2 * (usual.bottom - usual.top));

  rig = make_rig ("font-desc=\"Sans 40\"", FALSE);
  g_object_set (rig->element, "font-desc", "", NULL);
  large = draw (rig, "MMM");
  rig_free (rig);
  g_assert_cmpint (ABS ((gint)(large.bottom - large.top) - (gint)(usual.bottom - usual.top)), <=, 2); /* but for the outline */
}

/* Whoever draws texts himself does not darken what is behind them. */
static void
test_drawing_is_not_left_to_others (void)
{
  Rig *rig = make_rig (NULL, FALSE);
  Ink ink;

  gst_harness_add_propose_allocation_meta (rig->video, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, NULL);
  ink = draw (rig, "MMM");
  g_assert_false (ink_is_blank (&ink));
  rig_free (rig);
}

/* A decoder that waits for its few buffers to come back would wait for ever, and so would this test. */
static void
test_frames_of_a_small_pool_are_given_back (void)
{
  Rig *rig = make_rig (NULL, FALSE);
  g_autoptr (GstCaps) caps = gst_caps_from_string (VIDEO);
  g_autoptr (GstBufferPool) pool = gst_video_buffer_pool_new ();
  GstStructure *config = gst_buffer_pool_get_config (pool);

  gst_buffer_pool_config_set_params (config, caps, WIDTH * HEIGHT * 3, 0, 2);
  g_assert_true (gst_buffer_pool_set_config (pool, config));
  g_assert_true (gst_buffer_pool_set_active (pool, TRUE));
  for (guint i = 0; i < 11; i++) {
    GstBuffer *buffer;

    g_assert_cmpint (gst_buffer_pool_acquire_buffer (pool, &buffer, NULL), ==, GST_FLOW_OK);
    gst_buffer_memset (buffer, 0, 0, -1);
    GST_BUFFER_PTS (buffer) = i * 100 * GST_MSECOND;
    g_assert_cmpint (gst_harness_push (rig->video, buffer), ==, GST_FLOW_OK);
  }
  for (guint i = 0; i < 10; i++) {
    Ink ink = pull_ink (rig);

    g_assert_false (ink_is_blank (&ink));
  }
  gst_buffer_pool_set_active (pool, FALSE);
  rig_free (rig);
}

/* Frames that share their memory: 40 of 67 MB are more than may wait. */
static void
test_a_segment_that_is_too_large_does_not_wait (void)
{
  Rig *rig = rig_new_overlay ("segment-duration=100000000000 num-segments=1 start-time=0", FALSE);
  g_autoptr (GstBuffer) frame = gst_buffer_new_and_alloc (8192 * 8192);
  g_autoptr (GstMessage) warning = NULL;

  rig_set_caps (rig, "GRAY8", 8192, 8192, 10, 1);
  gst_buffer_memset (frame, 0, 0, -1);
  for (guint i = 0; i < 40; i++) {
    GstBuffer *buffer = gst_buffer_copy (frame);

    GST_BUFFER_PTS (buffer) = i * 100 * GST_MSECOND;
    g_assert_cmpint (gst_harness_push (rig->video, buffer), ==, GST_FLOW_OK);
  }
  warning = rig_await_message (rig, GST_MESSAGE_WARNING);
  rig_assert_error (warning, "segment-duration");
  for (guint i = 0; i < 8; i++)
    gst_buffer_unref (gst_harness_pull (rig->video));
  rig_free (rig);
}

/* Its result comes when it is closed, and that is behind the flush. */
static void
test_a_flush_frees_frames_of_an_open_segment (void)
{
  Rig *rig = make_rig (NULL, FALSE);
  g_autoptr (GstMessage) warning = NULL;

  fake_set_text ("M");
  rig_push (rig, 0, 5);
  g_assert_true (gst_harness_push_event (rig->video, gst_event_new_flush_start ()));
  g_assert_true (gst_harness_push_event (rig->video, gst_event_new_flush_stop (TRUE)));
  g_assert_cmpuint (gst_harness_buffers_received (rig->video), ==, 0);
  warning = gst_bus_pop_filtered (rig->bus, GST_MESSAGE_WARNING); /* that they waited for too long */
  g_assert_null (warning);
  rig_push_segment (rig, 0, 0, 0);
  rig_push (rig, 300, 311);
  for (guint i = 0; i < 10; i++) {
    Ink ink = pull_ink (rig);

    g_assert_false (ink_is_blank (&ink));
    g_assert_cmpuint (ink.pts, ==, (30 * 10 + i) * 100 * GST_MSECOND);
  }
  rig_free (rig);
}

/* Which segment the first two of a jump lie in is known with the third; a stray has the text of those around it. */
static void
test_frames_of_a_jump_have_the_text_of_the_new_segment (void)
{
  Rig *rig = make_rig (NULL, FALSE);

  fake_add_texts ("|M");
  rig_push (rig, 0, 5);
  rig_push (rig, 300, 305);
  rig_push (rig, 9000, 9001);
  rig_push (rig, 305, 311);
  for (guint i = 0; i < 5 + 11; i++) {
    Ink ink = pull_ink (rig);

    g_assert_cmpint (ink_is_blank (&ink), ==, i < 5);
  }
  rig_free (rig);
}

/* Two wait when the video ends, and then one. */
static void
test_the_end_frees_frames_that_wait (void)
{
  for (guint n = 1; n <= 2; n++) {
    Rig *rig = make_rig (NULL, FALSE);

    rig_push (rig, 0, 5);
    rig_push (rig, 300, 300 + n);
    rig_eos (rig);
    for (guint i = 0; i < 5 + n; i++)
      pull_ink (rig);
    rig_free (rig);
  }
}

/* Nobody will ever say what is in them. */
static void
test_frames_pass_at_the_end_if_there_is_no_answer (void)
{
  Rig *rig = make_rig (NULL, FALSE);
  g_autoptr (GstMessage) error = NULL;

  fake_hold (FAKE_ENCODE);
  rig_push (rig, 0, 5);
  fake_fail_next (FAKE_ENCODE, MINIVL_ERROR_BUDGET, "too much");
  fake_release_all (FAKE_ENCODE);
  error = rig_await_message (rig, GST_MESSAGE_ERROR);
  rig_eos (rig);
  for (guint i = 0; i < 5; i++) {
    Ink ink = pull_ink (rig);

    g_assert_true (ink_is_blank (&ink));
  }
  rig_free (rig);
}

/* As a demuxer stands still whose sound has no room left. */
static void
test_frames_do_not_wait_for_a_source_that_stands_still (void)
{
  Rig *rig = make_rig (NULL, FALSE);
  g_autoptr (GstMessage) warning = NULL;

  fake_set_text ("M");
  rig_push (rig, 0, 5);
  warning = rig_await_message (rig, GST_MESSAGE_WARNING);
  rig_assert_error (warning, "queue of two segments");
  for (guint i = 0; i < 5; i++) {
    Ink ink = pull_ink (rig);

    g_assert_true (ink_is_blank (&ink));
  }
  rig_push (rig, 5, 11); /* and goes on */
  for (guint i = 5; i < 10; i++) {
    Ink ink = pull_ink (rig);

    g_assert_false (ink_is_blank (&ink));
  }
  rig_free (rig);
}

static void
assert_no_warning (Rig *rig)
{
  g_autoptr (GstMessage) warning = gst_bus_timed_pop_filtered (rig->bus, 5200 * GST_MSECOND, GST_MESSAGE_WARNING);

  g_assert_null (warning);
  g_assert_cmpuint (gst_harness_buffers_received (rig->video), ==, 0);
}

/* The model takes its time. */
static void
test_a_pause_or_a_slow_answer_is_no_standstill (void)
{
  Rig *rig = make_rig (NULL, FALSE);

  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 5);
  gst_element_set_state (rig->element, GST_STATE_PAUSED);
  assert_no_warning (rig);
  gst_element_set_state (rig->element, GST_STATE_PLAYING);
  rig_push (rig, 5, 8);
  rig_push_in_thread (rig, 8, 8); /* the end of the video, which waits for the answer */
  assert_no_warning (rig);
  fake_release_all (FAKE_ASK);
  g_assert_cmpint (rig_join (rig), ==, GST_FLOW_OK);
  for (guint i = 0; i < 8; i++) {
    Ink ink = pull_ink (rig);

    g_assert_false (ink_is_blank (&ink));
  }
  rig_free (rig);

  rig = make_rig (NULL, FALSE);
  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 11);
  assert_no_warning (rig);
  fake_release_all (FAKE_ASK);
  rig_free (rig);
}

/* It would come to its turn when the segment is over, which it holds up. */
static void
test_queries_do_not_wait_behind_frames (void)
{
  Rig *rig = make_rig (NULL, FALSE);
  g_autoptr (GstCaps) caps = gst_caps_from_string (VIDEO);
  g_autoptr (GstQuery) query = gst_query_new_allocation (caps, TRUE);

  rig_push (rig, 0, 5);
  g_assert_false (gst_pad_peer_query (rig->video->srcpad, query));
  rig_push (rig, 5, 11);
  for (guint i = 0; i < 10; i++)
    pull_ink (rig);
  rig_free (rig);
}

/* --- the same element as minivl ---------------------------------------------------------------------------------------------- */

static void
assert_same_property (GParamSpec *expected, GParamSpec *got)
{
  g_assert_nonnull (got);
  g_assert_true (G_PARAM_SPEC_TYPE (got) == G_PARAM_SPEC_TYPE (expected));
  g_assert_true (got->value_type == expected->value_type);
  g_assert_cmpuint (got->flags, ==, expected->flags);
  g_assert_cmpstr (g_param_spec_get_blurb (got), ==, g_param_spec_get_blurb (expected));
  g_assert_cmpint (
      g_param_values_cmp (expected, g_param_spec_get_default_value (expected), g_param_spec_get_default_value (got)), ==, 0);
}

/* Another value than the default. */
static void
set_other (GObject *object, GParamSpec *pspec)
{
  g_auto (GValue) value = G_VALUE_INIT;

  g_value_init (&value, pspec->value_type);
  g_param_value_set_default (pspec, &value);
  if (G_VALUE_HOLDS_STRING (&value))
    g_value_set_string (&value, "other");
  else if (G_VALUE_HOLDS_BOOLEAN (&value))
    g_value_set_boolean (&value, !g_value_get_boolean (&value));
  else if (G_VALUE_HOLDS_UINT64 (&value))
    g_value_set_uint64 (&value, 7);
  else if (G_VALUE_HOLDS_UINT (&value))
    g_value_set_uint (&value, 9);
  else if (G_VALUE_HOLDS_DOUBLE (&value))
    g_value_set_double (&value, 0.25);
  else if (G_VALUE_HOLDS_ENUM (&value))
    g_value_set_enum (&value, g_value_get_enum (&value) + 1);
  else
    g_error ("%s: what is a %s?", pspec->name, G_VALUE_TYPE_NAME (&value));
  g_object_set_property (object, pspec->name, &value);
}

static void
test_every_property_is_minivls (void)
{
  g_autoptr (GstElement) bin = gst_object_ref_sink (gst_element_factory_make ("minivloverlay", NULL));
  g_autoptr (GstElement) minivl = gst_bin_get_by_name (GST_BIN (bin), "minivl");
  guint n, own = 0;
  g_autofree GParamSpec **pspecs = g_object_class_list_properties (G_OBJECT_GET_CLASS (minivl), &n);

  for (guint i = 0; i < n; i++) {
    g_auto (GValue) of_bin = G_VALUE_INIT, of_minivl = G_VALUE_INIT;
    GParamSpec *pspec = pspecs[i];

    if (pspec->owner_type != GST_TYPE_MINIVL)
      continue;
    own++;
    assert_same_property (pspec, g_object_class_find_property (G_OBJECT_GET_CLASS (bin), pspec->name));
    if ((pspec->flags & G_PARAM_WRITABLE) == 0)
      continue;
    set_other (G_OBJECT (bin), pspec);
    g_value_init (&of_bin, pspec->value_type);
    g_value_init (&of_minivl, pspec->value_type);
    g_object_get_property (G_OBJECT (bin), pspec->name, &of_bin);
    g_object_get_property (G_OBJECT (minivl), pspec->name, &of_minivl);
    g_assert_cmpint (g_param_values_cmp (pspec, &of_bin, &of_minivl), ==, 0);
    g_assert_false (g_param_value_defaults (pspec, &of_minivl));
  }
  g_assert_cmpuint (own, >, 30);
}

static void
test_stats_are_minivls (void)
{
  Rig *rig = make_rig (NULL, FALSE);
  g_autoptr (GstStructure) stats = NULL;

  draw (rig, "M");
  g_object_get (rig->element, "stats", &stats, NULL);
  g_assert_cmpuint (rig_uint64 (stats, "segments"), ==, 2);
  rig_free (rig);
}

static void
test_the_stream_is_called_after_the_bin (void)
{
  static const gchar *const properties[] = { NULL, "stream=door" }, *const names[] = { "m", "door" };

  for (guint i = 0; i < 2; i++) {
    Rig *rig = make_rig (properties[i], FALSE);
    g_autoptr (GstStructure) result = NULL;

    draw (rig, "M");
    result = rig_await_result (rig);
    g_assert_cmpstr (gst_structure_get_string (result, "stream"), ==, names[i]);
    rig_free (rig);
  }
}

static void
test_questions_are_handed_on_and_their_answers_drawn (void)
{
  Rig *rig = make_rig (NULL, TRUE);
  g_autoptr (GstStructure) result = NULL;
  guint64 id = 0;
  Ink report, both;

  fake_add_texts ("M|MMMMMMM");
  for (guint n = 0; n < 12; n++)
    report = push_and_pull (rig, n);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  report = push_and_pull (rig, 12);
  g_signal_emit_by_name (rig->element, "ask", "What was that?", 5.0, &id);
  g_assert_cmpuint (id, >, 1);
  result = rig_await_result (rig);
  g_assert_cmpstr (gst_structure_get_string (result, "kind"), ==, "question");
  g_assert_cmpuint (rig_uint64 (result, "id"), ==, id);
  both = push_and_pull (rig, 13);
  g_assert_cmpuint (both.right, >, report.right);
  g_assert_cmpuint (both.bottom - both.top, >, 2 * (report.bottom - report.top)); /* below the report */
  rig_free (rig);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  fake_reset ();
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));
  g_assert_true (GST_ELEMENT_REGISTER (minivloverlay, NULL));

#define RULE(name) g_test_add_func ("/drawing/" #name, test_##name)
  RULE (live_texts_are_on_the_next_frame);
  RULE (no_live_text_is_lost);
  RULE (a_live_text_ends_after_text_duration);
  RULE (a_live_source_is_not_delayed);
  RULE (alerts_are_red_while_they_are_on);
  RULE (an_alert_begins_with_its_segment);
  RULE (long_texts_stay_in_the_picture);
  RULE (markup_is_drawn_as_it_is_written);
  RULE (letters_grow_with_the_picture);
  RULE (font_desc_is_the_letters);
  RULE (drawing_is_not_left_to_others);
  RULE (frames_of_a_small_pool_are_given_back);
  RULE (a_segment_that_is_too_large_does_not_wait);
  RULE (a_flush_frees_frames_of_an_open_segment);
  RULE (frames_of_a_jump_have_the_text_of_the_new_segment);
  RULE (the_end_frees_frames_that_wait);
  RULE (frames_pass_at_the_end_if_there_is_no_answer);
  RULE (frames_do_not_wait_for_a_source_that_stands_still);
  RULE (a_pause_or_a_slow_answer_is_no_standstill);
  RULE (queries_do_not_wait_behind_frames);
  RULE (every_property_is_minivls);
  RULE (stats_are_minivls);
  RULE (the_stream_is_called_after_the_bin);
  RULE (questions_are_handed_on_and_their_answers_drawn);
#undef RULE
  return g_test_run ();
}
