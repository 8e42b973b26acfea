/* Questions about the regions that upstream marks: which parts of which frames the model is shown, and what it is asked. A pad
 * probe plays the detector. */
#include "gst/element/gstminivl.h"
#include "rig.h"

#include <gst/video/video.h>
#include <string.h>
#ifdef HAVE_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

typedef struct
{
  guint frame; /* that it is on; EVERY */
  const gchar *label;
  guint x, y, width, height;
} Mark;

#define EVERY G_MAXUINT
/* Sampled of the first second: at 10 frames a second, in two parts. */
#define FIRST 2
#define SECOND 7

static GstPadProbeReturn
mark_regions (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_DATA (info) = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));
  guint frame = GST_BUFFER_PTS (buffer) / (100 * GST_MSECOND);

  for (const Mark *mark = data; mark->width > 0 || mark->label != NULL; mark++) {
    GstVideoRegionOfInterestMeta *meta;

    if (mark->frame != frame && mark->frame != EVERY)
      continue;
    meta = gst_buffer_add_video_region_of_interest_meta (buffer, "", mark->x, mark->y, mark->width, mark->height);
    meta->roi_type = g_quark_from_string (mark->label); /* 0 for NULL */
  }
  return GST_PAD_PROBE_OK;
}

/* marks: ended by one without label and width; they live as long as the rig */
static Rig *
new_rig (const gchar *properties, const Mark *marks)
{
  Rig *rig = rig_new (properties);
  g_autoptr (GstPad) sink = gst_element_get_static_pad (rig->element, "sink");

  rig_set_caps (rig, "RGB", 64, 48, 10, 1);
  gst_pad_add_probe (sink, GST_PAD_PROBE_TYPE_BUFFER, mark_regions, (gpointer)marks, NULL);
  return rig;
}

static void
assert_crop (guint n, guint x, guint y, guint width, guint height)
{
  MinivlImage image = fake_encoded_layout (n);

  g_assert_cmpuint (image.width, ==, 64);
  g_assert_cmpuint (image.height, ==, 48);
  g_assert_cmpuint (image.crop_x, ==, x);
  g_assert_cmpuint (image.crop_y, ==, y);
  g_assert_cmpuint (image.crop_width, ==, width);
  g_assert_cmpuint (image.crop_height, ==, height);
}

static guint
length_of (const GstStructure *s, const gchar *field)
{
  const GValue *value = gst_structure_get_value (s, field);

  return value != NULL ? gst_value_array_get_size (value) : 0;
}

/* --- what is asked ----------------------------------------------------------------------------------------------------------- */

static void
test_only_regions_of_the_label_are_seen (void)
{
  static const Mark marks[] = { { FIRST, "person", 8, 4, 16, 20 }, { FIRST, "car", 0, 0, 60, 40 },
    { SECOND, "person", 10, 5, 16, 20 }, { SECOND, "personal", 0, 0, 60, 40 }, { 0 } };
  Rig *rig = new_rig ("roi=person max-tiles=6 prompt=\"What does the {label} do?\"", marks);
  g_autoptr (GstStructure) result = NULL;

  rig_push (rig, 0, 11);
  result = rig_await_result (rig);
  rig_assert_frames (0, FIRST, SECOND, G_MAXUINT);
  assert_crop (0, 8, 4, 16, 20);
  assert_crop (1, 10, 5, 16, 20);
  g_assert_cmpstr (fake_question (0)->text, ==, "Frame1: <image>\nFrame2: <image>\nWhat does the person do?");
  g_assert_cmpstr (gst_structure_get_string (result, "prompt"), ==, "What does the person do?");
  g_assert_cmpstr (gst_structure_get_string (result, "text"), ==, "answer 1");
  rig_free (rig);
}

/* The fake's grid is as wide as the most tiles. */
static void
test_a_region_is_one_tile_and_one_entry_of_the_result (void)
{
  static const Mark marks[] = { { FIRST, "person", 0, 0, 16, 20 }, { FIRST, "person", 20, 0, 8, 20 },
    { SECOND, "person", 0, 0, 16, 20 }, { 0 } };
  Rig *rig = new_rig ("roi=person max-tiles=6", marks);
  g_autoptr (GstStructure) result = NULL;
  static const guint frames[] = { FIRST, FIRST, SECOND };
  const GValue *value;

  rig_push (rig, 0, 11);
  result = rig_await_result (rig);
  g_assert_cmpuint (length_of (result, "frames"), ==, 3);
  g_assert_cmpuint (length_of (result, "tiles"), ==, 3);
  for (guint i = 0; i < 3; i++) {
    value = gst_value_array_get_value (gst_structure_get_value (result, "frames"), i);
    g_assert_cmpuint (g_value_get_uint64 (value), ==, frames[i] * 100 * GST_MSECOND);
    value = gst_value_array_get_value (gst_structure_get_value (result, "tiles"), i);
    g_assert_cmpuint (g_value_get_uint (gst_value_array_get_value (value, 0)), ==, 1);
  }
  g_assert_nonnull (strstr (fake_question (0)->text, "Frame3: <image>\n"));
  rig_free (rig);
}

static void
test_a_star_is_any_label (void)
{
  static const Mark marks[] = { { FIRST, "dog", 0, 0, 4, 4 }, { FIRST, "person", 0, 0, 8, 8 }, { FIRST, NULL, 0, 0, 6, 6 },
    { SECOND, "dog", 0, 0, 5, 5 }, { 0 } };
  Rig *rig = new_rig ("roi=* prompt=\"What of {label}? {labels}\"", marks);
  g_autoptr (GstStructure) result = NULL;

  rig_push (rig, 0, 11);
  result = rig_await_result (rig);
  rig_assert_frames (0, FIRST, FIRST, FIRST, SECOND, G_MAXUINT);
  assert_crop (0, 0, 0, 8, 8); /* the largest of a frame first */
  assert_crop (1, 0, 0, 6, 6);
  assert_crop (2, 0, 0, 4, 4);
  assert_crop (3, 0, 0, 5, 5);
  g_assert_cmpstr (gst_structure_get_string (result, "prompt"), ==, "What of person, dog? {labels}");
  rig_free (rig);
}

/* And not asked where there are none. */
static void
test_alerts_are_about_the_regions_too (void)
{
  static const Mark marks[] = { { 10 + FIRST, "a", 0, 0, 4, 4 }, { 10 + SECOND, "a", 0, 0, 5, 5 }, { 10 + SECOND, "a", 0, 0, 3, 3 },
    { 0 } };
  Rig *rig = new_rig ("roi=a alerts=\"Is it open?\"", marks);

  rig_push (rig, 0, 21);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_result (rig, 2, 1000, 2000, "stop");
  g_assert_cmpuint (fake_count (FAKE_YES), ==, 1);
  g_assert_cmpstr (fake_question (1)->text, ==, "Frame1: <image>\nFrame2: <image>\nFrame3: <image>\nIs it open?");
  rig_assert_frames (1, 10 + FIRST, 10 + SECOND, 10 + SECOND, G_MAXUINT);
  rig_free (rig);
}

static void
test_without_roi_marks_mean_nothing (void)
{
  static const Mark marks[] = { { EVERY, "person", 8, 4, 16, 20 }, { 0 } };
  Rig *rig = new_rig ("prompt=\"{label}?\"", marks);
  g_autoptr (GstStructure) result = NULL;

  rig_push (rig, 0, 11);
  result = rig_await_result (rig);
  assert_crop (0, 0, 0, 0, 0);
  g_assert_cmpstr (gst_structure_get_string (result, "prompt"), ==, "{label}?");
  rig_free (rig);
}

/* --- how sure the detector is ------------------------------------------------------------------------------------------------ */

/* What a detector says of frame FIRST. */
typedef struct
{
  const gchar *label;
  gint x, y, width, height;
  double confidence; /* below 0: it tells none */
} Detection;

/* As DL Streamer writes it; what classified the region later has a confidence, too. */
static void
add_as_region_of_interest (GstBuffer *buffer, const Detection *d)
{
  GstVideoRegionOfInterestMeta *meta =
      gst_buffer_add_video_region_of_interest_meta (buffer, d->label, d->x, d->y, d->width, d->height);

  gst_video_region_of_interest_meta_add_param (meta, gst_structure_new ("age", "confidence", G_TYPE_DOUBLE, 0.01, NULL));
  if (d->confidence >= 0)
    gst_video_region_of_interest_meta_add_param (
        meta, gst_structure_new ("detection", "confidence", G_TYPE_DOUBLE, d->confidence, NULL));
}

static GstPadProbeReturn
mark_regions_of_interest (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_DATA (info) = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));

  for (const Detection *d = data; GST_BUFFER_PTS (buffer) == FIRST * 100 * GST_MSECOND && d->label != NULL; d++)
    add_as_region_of_interest (buffer, d);
  return GST_PAD_PROBE_OK;
}

/* Pushes a segment. detections: ended by one without label */
static Rig *
detect (const gchar *properties, GstPadProbeCallback mark, const Detection *detections)
{
  Rig *rig = rig_new (properties);
  g_autoptr (GstPad) sink = gst_element_get_static_pad (rig->element, "sink");

  rig_set_caps (rig, "RGB", 64, 48, 10, 1);
  gst_pad_add_probe (sink, GST_PAD_PROBE_TYPE_BUFFER, mark, (gpointer)detections, NULL);
  rig_push (rig, 0, 11);
  gst_structure_free (rig_await_result (rig));
  return rig;
}

static const Detection sure_and_unsure[] = { { "a", 0, 0, 9, 9, 0.4 }, { "a", 0, 0, 8, 8, 0.5 }, { "a", 0, 0, 7, 7, 0.9 },
  { "a", 0, 0, 6, 6, -1 }, { NULL } };

static void
test_a_region_that_is_not_sure_enough_does_not_count (void)
{
  Rig *rig = detect ("roi=a roi-confidence=0.5", mark_regions_of_interest, sure_and_unsure);

  rig_assert_frames (0, FIRST, FIRST, FIRST, G_MAXUINT);
  assert_crop (0, 0, 0, 8, 8);
  assert_crop (1, 0, 0, 7, 7);
  assert_crop (2, 0, 0, 6, 6);
  rig_free (rig);
}

static void
test_without_a_least_confidence_all_count (void)
{
  Rig *rig = detect ("roi=*", mark_regions_of_interest, sure_and_unsure);

  rig_assert_frames (0, FIRST, FIRST, FIRST, FIRST, G_MAXUINT);
  rig_free (rig);
}

#ifdef HAVE_ANALYTICS
static GstPadProbeReturn
mark_objects (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_DATA (info) = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));
  GstAnalyticsRelationMeta *meta;
  GstAnalyticsClsMtd class;
  GstAnalyticsODMtd object;

  if (GST_BUFFER_PTS (buffer) != FIRST * 100 * GST_MSECOND)
    return GST_PAD_PROBE_OK;
  meta = gst_buffer_add_analytics_relation_meta (buffer);
  gst_analytics_relation_meta_add_one_cls_mtd (meta, 0.1f, g_quark_from_static_string ("night"), &class);
  for (const Detection *d = data; d->label != NULL; d++)
    gst_analytics_relation_meta_add_od_mtd (
        meta, d->label[0] != '\0' ? g_quark_from_string (d->label) : 0, d->x, d->y, d->width, d->height, d->confidence, &object);
  return GST_PAD_PROBE_OK;
}

/* Objects may reach beyond the picture on any side, and need not have a label. */
static void
test_objects_of_the_label_are_seen (void)
{
  static const Detection objects[] = { { "person", 8, 4, 16, 20, 0.9 }, { "car", 0, 0, 60, 40, 0.9 },
    { "person", -10, -5, 20, 10, 0.5 }, { "person", 60, 40, 100, 100, 0.6 }, { "person", -10, 0, 10, 10, 1 },
    { "person", 5, 5, -3, 7, 1 }, { "person", G_MAXINT, 0, G_MAXINT, 5, 1 }, { "person", 1, 1, 30, 30, 0.49 },
    { "", 0, 0, 64, 48, 1 }, { NULL } };
  Rig *rig = detect ("roi=person roi-confidence=0.5", mark_objects, objects);

  rig_assert_frames (0, FIRST, FIRST, FIRST, G_MAXUINT);
  assert_crop (0, 8, 4, 16, 20);
  assert_crop (1, 0, 0, 10, 5);
  assert_crop (2, 60, 40, 4, 8);
  rig_free (rig);
}

static void
test_any_object_is_any_object (void)
{
  static const Detection objects[] = { { "", 0, 0, 64, 48, 1 }, { "dog", 0, 0, 5, 5, 0 }, { NULL } };
  Rig *rig = detect ("roi=*", mark_objects, objects);

  rig_assert_frames (0, FIRST, FIRST, G_MAXUINT);
  assert_crop (0, 0, 0, 64, 48);
  assert_crop (1, 0, 0, 5, 5);
  rig_free (rig);
}

static GstPadProbeReturn
mark_both (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  mark_regions_of_interest (pad, info, data);
  return mark_objects (pad, info, data);
}

/* Some detectors write both for those that know only one. */
static void
test_what_is_marked_both_ways_is_one_region (void)
{
  static const Detection objects[] = { { "dog", 1, 2, 6, 6, 0.7 }, { "dog", 10, 2, 5, 5, 0.8 }, { NULL } };
  Rig *rig = detect ("roi=dog", mark_both, objects);

  rig_assert_frames (0, FIRST, FIRST, G_MAXUINT);
  assert_crop (0, 1, 2, 6, 6);
  assert_crop (1, 10, 2, 5, 5);
  rig_free (rig);
}
#endif

/* --- which part -------------------------------------------------------------------------------------------------------------- */

static void
test_regions_end_where_the_picture_ends (void)
{
  static const Mark marks[] = { { FIRST, "a", 60, 40, 10, 20 }, { FIRST, "a", 64, 0, 5, 5 }, { FIRST, "a", 0, 48, 5, 5 },
    { FIRST, "a", 5, 5, 0, 7 }, { FIRST, "a", 5, 5, 7, 0 }, { FIRST, "a", 63, 47, G_MAXUINT, G_MAXUINT }, { 0 } };
  Rig *rig = new_rig ("roi=a", marks);

  rig_push (rig, 0, 11);
  gst_structure_free (rig_await_result (rig));
  rig_assert_frames (0, FIRST, FIRST, G_MAXUINT);
  assert_crop (0, 60, 40, 4, 8);
  assert_crop (1, 63, 47, 1, 1);
  rig_free (rig);
}

static GstPadProbeReturn
add_crop (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_DATA (info) = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));
  GstVideoCropMeta *crop = gst_buffer_add_video_crop_meta (buffer);

  crop->x = 10;
  crop->y = 10;
  crop->width = 40;
  crop->height = 30;
  return GST_PAD_PROBE_OK;
}

/* Regions count from the first pixel of the buffer, as metas do that pass an element which only adds the crop. */
static void
test_a_crop_meta_and_the_orientation_hold_for_regions (void)
{
  static const Mark marks[] = { { FIRST, "a", 0, 5, 30, 20 }, { FIRST, "a", 30, 30, 34, 18 }, { FIRST, "a", 0, 0, 64, 10 }, { 0 } };
  Rig *rig = new_rig ("roi=a", marks);
  g_autoptr (GstPad) sink = gst_element_get_static_pad (rig->element, "sink");

  gst_pad_add_probe (sink, GST_PAD_PROBE_TYPE_BUFFER, add_crop, NULL, NULL);
  gst_harness_push_event (rig->video, gst_event_new_tag (gst_tag_list_new (GST_TAG_IMAGE_ORIENTATION, "rotate-90", NULL)));
  rig_push (rig, 0, 11);
  gst_structure_free (rig_await_result (rig));
  rig_assert_frames (0, FIRST, FIRST, G_MAXUINT);
  assert_crop (0, 10, 10, 20, 15);
  assert_crop (1, 30, 30, 20, 10);
  g_assert_cmpuint (fake_encoded_layout (0).orientation, ==, 6);
  rig_free (rig);
}

/* --- which frames ------------------------------------------------------------------------------------------------------------ */

static void
test_frames_without_a_region_are_not_seen (void)
{
  static const Mark marks[] = { { SECOND, "a", 1, 1, 2, 2 }, { 0 } };
  Rig *rig = new_rig ("roi=a", marks);

  rig_push (rig, 0, 11);
  gst_structure_free (rig_await_result (rig));
  rig_assert_frames (0, SECOND, G_MAXUINT);
  rig_free (rig);
}

/* Told apart from an answer by having neither prompt nor frames nor counts. */
static void
test_none_present_nothing_asked (void)
{
  static const Mark marks[] = { { 10 + FIRST, "a", 1, 1, 2, 2 }, { 0, "a", 1, 1, 2, 2 }, { SECOND, "b", 1, 1, 2, 2 }, { 0 } };
  static const gchar *const absent[] = { "prompt", "tiles", "prompt_tokens", "output_tokens", "cached_tokens", "drafted",
    "accepted" };
  Rig *rig = new_rig ("roi=a", marks);
  g_autoptr (GstStructure) result = NULL, stats = NULL;
  g_autoptr (JsonObject) json = NULL;
  guint64 prefill;

  rig_add_text (rig, NULL);
  rig_push (rig, 0, 11);
  result = rig_await_result (rig);
  json = rig_pull_json (rig);
  g_assert_cmpuint (fake_count (FAKE_ENCODE) + fake_count (FAKE_ASK), ==, 0);
  g_assert_cmpuint (rig_uint64 (result, "id"), ==, 1);
  g_assert_cmpstr (gst_structure_get_string (result, "finish_reason"), ==, "stop");
  g_assert_cmpstr (gst_structure_get_string (result, "text"), ==, "");
  g_assert_cmpuint (length_of (result, "frames"), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (absent); i++) {
    g_assert_false (gst_structure_has_field (result, absent[i]));
    g_assert_true (json_object_get_null_member (json, absent[i]));
  }

  rig_push (rig, 11, 21);
  rig_assert_result (rig, 2, 1000, 2000, "stop");
  rig_assert_frames (0, 10 + FIRST, G_MAXUINT);
  /* means are over what was answered */
  g_object_get (rig->element, "stats", &stats, NULL);
  prefill = rig_uint64 (stats, "prefill");
  g_assert_cmpuint (prefill, ==, 3000);
  rig_free (rig);
}

static void
test_a_reader_of_plain_text_is_told_nothing_of_nothing (void)
{
  static const Mark marks[] = { { 10 + FIRST, "a", 1, 1, 2, 2 }, { 0 } };
  Rig *rig = new_rig ("roi=a", marks);
  g_autofree gchar *text = NULL;

  rig_add_text (rig, "text/x-raw, format = utf8");
  rig_push (rig, 0, 21);
  text = rig_pull_text (rig);
  g_assert_cmpstr (text, ==, "answer 1");
  rig_free (rig);
}

/* The stream ends before the first place: the first frame is there in case of that, with all its regions. */
static void
test_a_short_segment_is_about_the_first_frames_regions (void)
{
  static const Mark marks[] = { { 0, "a", 1, 1, 2, 2 }, { 0, "a", 4, 4, 3, 3 }, { 0 } };
  Rig *rig = new_rig ("roi=a", marks);

  rig_push (rig, 0, 2);
  rig_eos (rig);
  gst_structure_free (rig_await_result (rig));
  rig_assert_frames (0, 0, 0, G_MAXUINT);
  assert_crop (0, 4, 4, 3, 3);
  assert_crop (1, 1, 1, 2, 2);
  rig_free (rig);
}

/* Where a frame stands at several places, so do its regions; each is encoded once. */
static void
test_regions_of_a_frame_of_several_places_are_encoded_once (void)
{
  static const Mark marks[] = { { 0, "a", 1, 1, 2, 2 }, { 0, "a", 4, 4, 3, 3 }, { 0 } };
  Rig *rig = new_rig ("roi=a num-segments=4", marks);
  g_autoptr (GstStructure) result = NULL;

  rig_set_caps (rig, "RGB", 64, 48, 2, 1);
  rig_push (rig, 0, 3);
  result = rig_await_result (rig);
  g_assert_cmpuint (fake_count (FAKE_ENCODE), ==, 2);
  g_assert_cmpuint (length_of (result, "frames"), ==, fake_question (0)->n_pictures);
  g_assert_cmpuint (fake_question (0)->n_pictures, >, 2);
  g_assert_cmpuint (fake_question (0)->n_pictures % 2, ==, 0);
  rig_free (rig);
}

/* --- how many ---------------------------------------------------------------------------------------------------------------- */

static gchar *told; /* of regions that were left out */

static void
note_info (GstDebugCategory *category, GstDebugLevel level, const gchar *file, const gchar *function, gint line, GObject *object,
    GstDebugMessage *message, gpointer data)
{
  const gchar *text = gst_debug_message_get (message);

  if (level == GST_LEVEL_INFO && text != NULL && strstr (text, "left out") != NULL && told == NULL)
    told = g_strdup (text);
}

/* Two of four fit: (700 tokens - 128 for what is not known yet - 100 of the answer - 22 of the prompt) / 2 frames / about 106 a
 * region, its mark included. */
static void
test_the_largest_that_the_context_has_room_for (void)
{
  static const Mark marks[] = { { FIRST, "a", 0, 0, 4, 4 }, { FIRST, "a", 0, 0, 7, 7 }, { FIRST, "a", 0, 0, 5, 5 },
    { FIRST, "a", 0, 0, 6, 6 }, { SECOND, "a", 0, 0, 1, 1 }, { SECOND, "a", 0, 0, 9, 9 }, { SECOND, "a", 0, 0, 2, 2 }, { 0 } };
  Rig *rig = new_rig ("roi=a context-size=700 max-tokens=100 prompt=\"What?\"", marks);
  g_autoptr (GstStructure) result = NULL;

  fake_set_frame_tokens (100);
  gst_debug_set_threshold_for_name ("minivl", GST_LEVEL_INFO);
  gst_debug_add_log_function (note_info, NULL, NULL);
  rig_push (rig, 0, 11);
  result = rig_await_result (rig);
  gst_debug_remove_log_function (note_info);
  gst_debug_unset_threshold_for_name ("minivl");

  rig_assert_frames (0, FIRST, FIRST, SECOND, SECOND, G_MAXUINT);
  assert_crop (0, 0, 0, 7, 7);
  assert_crop (1, 0, 0, 6, 6);
  assert_crop (2, 0, 0, 9, 9);
  assert_crop (3, 0, 0, 2, 2);
  g_assert_cmpuint (fake_count (FAKE_ENCODE), ==, 4);
  g_assert_cmpuint (length_of (result, "frames"), ==, 4);
  g_assert_nonnull (told);
  g_assert_nonnull (strstr (told, "room for 2 regions of each frame"));
  g_clear_pointer (&told, g_free);
  rig_free (rig);
}

static void
test_one_region_of_each_frame_has_to_fit (void)
{
  static const Mark marks[] = { { EVERY, "a", 0, 0, 4, 4 }, { 0 } };
  Rig *rig = new_rig ("roi=a context-size=250 max-tokens=100", marks);
  g_autoptr (GstMessage) error = NULL;

  fake_set_frame_tokens (100);
  rig_push (rig, 0, FIRST + 1);
  error = rig_await_message (rig, GST_MESSAGE_ERROR);
  rig_assert_error (error, "Lower num-segments to 1");
  rig_free (rig);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  GST_ELEMENT_REGISTER (minivl_fake, NULL);
#define RULE(name) g_test_add_func ("/regions/" #name, test_##name)
  RULE (only_regions_of_the_label_are_seen);
  RULE (a_region_is_one_tile_and_one_entry_of_the_result);
  RULE (a_star_is_any_label);
  RULE (alerts_are_about_the_regions_too);
  RULE (without_roi_marks_mean_nothing);
  RULE (a_region_that_is_not_sure_enough_does_not_count);
  RULE (without_a_least_confidence_all_count);
#ifdef HAVE_ANALYTICS
  RULE (objects_of_the_label_are_seen);
  RULE (any_object_is_any_object);
  RULE (what_is_marked_both_ways_is_one_region);
#endif
  RULE (regions_end_where_the_picture_ends);
  RULE (a_crop_meta_and_the_orientation_hold_for_regions);
  RULE (frames_without_a_region_are_not_seen);
  RULE (none_present_nothing_asked);
  RULE (a_reader_of_plain_text_is_told_nothing_of_nothing);
  RULE (a_short_segment_is_about_the_first_frames_regions);
  RULE (regions_of_a_frame_of_several_places_are_encoded_once);
  RULE (the_largest_that_the_context_has_room_for);
  RULE (one_region_of_each_frame_has_to_fit);
#undef RULE
  return g_test_run ();
}
