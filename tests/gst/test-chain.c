/* The plugin as users load it, with libminivl and a small random checkpoint: its texts are those of the frames it was shown. */
#include "../model/checkpoint.h"
#include "../program.h"
#include "gst/element/frame-copier.h"
#include "gst/worker/prompt.h"
#include "media.h"
#include "pipeline.h"

#include <gst/app/gstappsrc.h>
#include <json-glib/json-glib.h>
#include <string.h>

#define PATIENCE (300 * GST_SECOND)
#define FRAMES 25 /* at 10 a second */
#define PROMPT "What?"
#define ELEMENT                                                                                                                    \
  "minivl name=m precision=f32 segment-duration=1000000000 num-segments=3 max-tokens=6 prompt=" PROMPT " model-path=%s"

static gchar *folder, *model, *clip;

/* --- pipelines --------------------------------------------------------------------------------------------------------------- */

/* Runs to EOS; the results' structures in order. */
static GPtrArray *
run_to_eos (GstElement *pipeline)
{
  GPtrArray *results = g_ptr_array_new_with_free_func ((GDestroyNotify)gst_structure_free);
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (gboolean eos = FALSE; !eos;) {
    g_autoptr (GstMessage) message =
        gst_bus_timed_pop_filtered (bus, PATIENCE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_WARNING | GST_MESSAGE_ELEMENT);
    g_autoptr (GError) error = NULL;

    g_assert_nonnull (message);
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
      gst_message_parse_error (message, &error, NULL);
    else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING)
      gst_message_parse_warning (message, &error, NULL);
    else if (gst_message_has_name (message, "minivl"))
      g_ptr_array_add (results, gst_structure_copy (gst_message_get_structure (message)));
    g_assert_no_error (error);
    eos = GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return results;
}

static guint
frame_of (const GstStructure *result, guint n)
{
  const GValue *frames = gst_structure_get_value (result, "frames");

  return (guint)(g_value_get_uint64 (gst_value_array_get_value (frames, n)) / (100 * GST_MSECOND));
}

/* --- against minivl-chat ----------------------------------------------------------------------------------------------------- */

static void
push_clip_as_rgb (GstElement *pipeline)
{
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (pipeline), "src");
  GstAppSrc *src = GST_APP_SRC (element);
  g_autoptr (MediaVideo) video = media_video_open (clip, NULL);

  g_assert_cmpuint (media_video_get_frames (video), ==, FRAMES);
  gst_app_src_set_duration (src, FRAMES * 100 * GST_MSECOND);
  for (guint i = 0; i < FRAMES; i++) {
    g_auto (MediaFrame) frame = { NULL };
    GstBuffer *buffer;
    gsize stride;

    g_assert_true (media_video_read (video, i, NULL, &frame, NULL));
    stride = GST_ROUND_UP_4 (3 * frame.width);
    buffer = gst_buffer_new_and_alloc (stride * frame.height);
    for (guint y = 0; y < frame.height; y++)
      gst_buffer_fill (buffer, y * stride, frame.data + y * frame.stride, 3 * frame.width);
    GST_BUFFER_PTS (buffer) = i * 100 * GST_MSECOND;
    GST_BUFFER_DURATION (buffer) = 100 * GST_MSECOND;
    gst_app_src_push_buffer (src, buffer);
  }
  gst_app_src_end_of_stream (src);
}

static JsonNode *
chat (const gchar *bound)
{
  g_autofree gchar *video = g_strdup_printf ("%s:3:%s", clip, bound);
  const gchar *argv[] = { MINIVL_CHAT, "--model", model, "--precision", "f32", "--json", "--max-tokens", "6", "--video", video,
    PROMPT, NULL };
  g_auto (ProgramResult) result = { 0 };
  JsonNode *node;

  program_run (argv, &result);
  if (result.code != 0)
    g_test_message ("%s", result.err);
  g_assert_cmpint (result.code, ==, 0);
  node = json_from_string (result.out, NULL);
  g_assert_nonnull (node);
  return node;
}

static void
test_rgb_frames_give_the_text_of_minivl_chat (void)
{
  static const gchar *const bounds[] = { "0-1", "1-2", "2-3" };
  g_autoptr (GstElement) pipeline = pipeline_new (
      "appsrc name=src format=time max-bytes=0 caps=video/x-raw,format=RGB,width=96,height=64,framerate=10/1 ! " ELEMENT
      " ! fakesink",
      model);
  g_autoptr (GPtrArray) results = NULL;

  push_clip_as_rgb (pipeline);
  results = run_to_eos (pipeline);
  g_assert_cmpuint (results->len, ==, 3);
  for (guint i = 0; i < 3; i++) {
    const GstStructure *result = g_ptr_array_index (results, i);
    g_autoptr (JsonNode) node = chat (bounds[i]);
    JsonObject *expected = json_node_get_object (node);
    JsonArray *frames = json_object_get_array_member (expected, "frames");
    guint64 tokens;

    g_assert_cmpuint (json_array_get_length (frames), ==, 3);
    for (guint k = 0; k < 3; k++)
      g_assert_cmpint (json_array_get_int_element (frames, k), ==, frame_of (result, k));
    g_assert_cmpstr (gst_structure_get_string (result, "text"), ==, json_object_get_string_member (expected, "text"));
    g_assert_cmpstr (
        gst_structure_get_string (result, "finish_reason"), ==, json_object_get_string_member (expected, "finish_reason"));
    g_assert_cmpstr (gst_structure_get_string (result, "model_hash"), ==, json_object_get_string_member (expected, "model_hash"));
    g_assert_true (gst_structure_get_uint64 (result, "prompt_tokens", &tokens));
    g_assert_cmpint (tokens, ==, json_object_get_int_member (expected, "prompt_tokens"));
  }
}

/* --- against the library ----------------------------------------------------------------------------------------------------- */

typedef struct
{
  GstVideoInfo info;
  GPtrArray *buffers;
} Seen;

static GstPadProbeReturn
on_buffer (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Seen *seen = data;

  if (seen->buffers->len == 0) {
    g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);

    g_assert_true (gst_video_info_from_caps (&seen->info, caps));
  }
  g_ptr_array_add (seen->buffers, gst_buffer_ref (GST_PAD_PROBE_INFO_BUFFER (info)));
  return GST_PAD_PROBE_OK;
}

/* told: results of the segments before. (transfer full) */
static gchar *
ask_library (MinivlEngine *engine, Seen *seen, const GstStructure *result, GPtrArray *told, guint n_told, guint *prompt_tokens)
{
  g_autoptr (MinivlSession) session = minivl_session_new (engine, NULL);
  g_autofree gchar *question = minivl_prompt_add_marks (PROMPT, 0, 3);
  FrameCopier copier = { 0 };
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_auto (MinivlAnswer) answer = { NULL };
  GError *error = NULL;

  for (guint i = 0; i < n_told; i++)
    minivl_session_add_round (session, PROMPT, gst_structure_get_string (g_ptr_array_index (told, i), "text"));
  frame_copier_init (&copier, &seen->info);
  for (guint k = 0; k < 3; k++) {
    g_autoptr (Frame) frame = frame_copier_copy (&copier, g_ptr_array_index (seen->buffers, frame_of (result, k)), 0, NULL);
    g_autoptr (MinivlPicture) picture = NULL;

    g_assert_true (frame_await (frame, NULL));
    picture = minivl_picture_new (engine, &frame->image, 1, NULL, &error);
    g_assert_no_error (error);
    minivl_session_add_pictures (session, &picture, 1);
  }
  frame_copier_clear (&copier);
  params.max_tokens = 6;
  minivl_session_ask (session, question, &params, NULL, NULL, &answer, &error);
  g_assert_no_error (error);
  *prompt_tokens = answer.prompt_tokens;
  return g_strdup (answer.text);
}

static guint64
tokens_of (const GstStructure *result, const gchar *field)
{
  guint64 tokens;

  g_assert_true (gst_structure_get_uint64 (result, field, &tokens));
  return tokens;
}

/* Of the clip, as the element gives them and as the library does; history: as many rounds are told. */
static void
check_clip (guint history)
{
  g_autoptr (GstElement) pipeline = pipeline_new (
      "filesrc location=%s ! decodebin ! videoconvert ! " ELEMENT " history-size=%u ! fakesink", clip, model, history);
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (pipeline), "m");
  g_autoptr (GstPad) sink = gst_element_get_static_pad (element, "sink");
  MinivlEngineOptions options = { .model_path = model, .precision = MINIVL_PRECISION_F32 };
  Seen seen = { .buffers = g_ptr_array_new_with_free_func ((GDestroyNotify)gst_buffer_unref) };
  g_autoptr (GPtrArray) results = NULL;
  g_autoptr (MinivlEngine) engine = NULL;
  g_autoptr (GError) error = NULL;

  gst_pad_add_probe (sink, GST_PAD_PROBE_TYPE_BUFFER, on_buffer, &seen, NULL);
  results = run_to_eos (pipeline);
  g_assert_cmpuint (results->len, ==, 3);
  g_assert_cmpuint (seen.buffers->len, ==, FRAMES);
  g_assert_cmpint (GST_VIDEO_INFO_FORMAT (&seen.info), !=, GST_VIDEO_FORMAT_RGB);

  engine = minivl_engine_open (&options, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < 3; i++) {
    const GstStructure *result = g_ptr_array_index (results, i);
    guint prompt_tokens;
    g_autofree gchar *text = ask_library (engine, &seen, result, results, MIN (i, history), &prompt_tokens);

    g_assert_cmpstr (gst_structure_get_string (result, "text"), ==, text);
    g_assert_cmpuint (tokens_of (result, "prompt_tokens"), ==, prompt_tokens);
  }
  g_ptr_array_unref (seen.buffers);
}

static void
test_a_file_gives_the_text_of_its_own_pixels (void)
{
  check_clip (0);
}

static void
test_history_is_told_as_rounds_of_a_conversation (void)
{
  check_clip (2);
}

/* --- once and again ---------------------------------------------------------------------------------------------------------- */

/* (transfer full): all that is said */
static gchar *
run_drawing (guint seed)
{
  g_autoptr (GstElement) pipeline =
      pipeline_new ("filesrc location=%s ! decodebin ! videoconvert ! " ELEMENT " temperature=1 seed=%u history-size=1 ! fakesink",
          clip, model, seed);
  g_autoptr (GPtrArray) results = run_to_eos (pipeline);
  GString *said = g_string_new (NULL);

  g_assert_cmpuint (results->len, ==, 3);
  for (guint i = 0; i < results->len; i++)
    g_string_append_printf (said, "%s\n", gst_structure_get_string (g_ptr_array_index (results, i), "text"));
  return g_string_free (said, FALSE);
}

static void
test_runs_repeat_bit_for_bit (void)
{
  g_autofree gchar *first = run_drawing (5), *second = run_drawing (5), *other = run_drawing (6);

  g_assert_cmpstr (first, ==, second);
  g_assert_cmpstr (first, !=, other);
}

/* --- segments that follow one another ---------------------------------------------------------------------------------------- */

/* Rounds that the next segment is told too are not computed again, though its frames are others. */
static void
test_what_stays_of_a_growing_history_is_not_computed_again (void)
{
  g_autoptr (GstElement) pipeline =
      pipeline_new ("videotestsrc pattern=ball num-buffers=60 ! "
                    "video/x-raw,format=I420,width=96,height=64,framerate=10/1 ! " ELEMENT " history-size=8 ! fakesink",
          model);
  g_autoptr (GPtrArray) results = run_to_eos (pipeline);
  guint64 system, alone, told = 0;

  g_assert_cmpuint (results->len, ==, 6);
  alone = tokens_of (g_ptr_array_index (results, 0), "prompt_tokens");
  /* Frames differ from the first one on, so that what stands in front of them is all there is in common; the second segment has
   * nothing but that, the system message. */
  system = tokens_of (g_ptr_array_index (results, 1), "cached_tokens");
  g_assert_cmpuint (system, >, 0);
  for (guint i = 1; i < 6; i++) {
    const GstStructure *result = g_ptr_array_index (results, i);

    g_assert_cmpstr (gst_structure_get_string (result, "text"), !=, "");
    g_assert_cmpuint (tokens_of (result, "prompt_tokens"), >, alone + told);
    g_assert_cmpuint (tokens_of (result, "cached_tokens"), >=, system + told);
    told = tokens_of (result, "prompt_tokens") - alone;
  }
  g_assert_cmpuint (told, >, 5 * 6);
}

/* Three segments; (transfer full): their results */
static GPtrArray *
run_skipping (const gchar *pattern)
{
  g_autoptr (GstElement) pipeline =
      pipeline_new ("videotestsrc pattern=%s num-buffers=30 ! "
                    "video/x-raw,format=I420,width=96,height=64,framerate=10/1 ! " ELEMENT " skip-similar=0.9 ! fakesink",
          pattern, model);
  GPtrArray *results = run_to_eos (pipeline);

  g_assert_cmpuint (results->len, ==, 3);
  g_assert_cmpuint (tokens_of (g_ptr_array_index (results, 0), "output_tokens"), >, 0);
  return results;
}

/* smpte itself has noise in a corner. */
static void
test_a_still_picture_is_described_once (void)
{
  g_autoptr (GPtrArray) results = run_skipping ("smpte75");

  for (guint i = 1; i < 3; i++) {
    const GstStructure *result = g_ptr_array_index (results, i);

    g_assert_cmpstr (gst_structure_get_string (result, "finish_reason"), ==, "unchanged");
    g_assert_cmpstr (gst_structure_get_string (result, "text"), ==, "");
    g_assert_cmpuint (tokens_of (result, "same_as"), ==, 1);
    g_assert_false (gst_structure_has_field (result, "prompt_tokens"));
  }
}

static void
test_a_moving_ball_is_described_each_time (void)
{
  g_autoptr (GPtrArray) results = run_skipping ("ball");

  for (guint i = 1; i < 3; i++) {
    const GstStructure *result = g_ptr_array_index (results, i);

    g_assert_cmpstr (gst_structure_get_string (result, "finish_reason"), !=, "unchanged");
    g_assert_false (gst_structure_has_field (result, "same_as"));
    g_assert_cmpuint (tokens_of (result, "output_tokens"), >, 0);
  }
}

/* --- what all need ---------------------------------------------------------------------------------------------------------- */

static void
set_up (void)
{
  g_autoptr (GstElement) encode = NULL;
  g_autoptr (GPtrArray) none = NULL;

  folder = g_dir_make_tmp ("minivl-XXXXXX", NULL);
  model = checkpoint_make (folder);
  clip = g_build_filename (folder, "clip.avi", NULL);
  encode = pipeline_new ("videotestsrc pattern=ball num-buffers=%d ! video/x-raw,format=I420,width=96,height=64,framerate=10/1 ! "
                         "jpegenc ! avimux ! filesink location=%s",
      FRAMES, clip);
  none = run_to_eos (encode);
}

int
main (int argc, char **argv)
{
  gint code;

  /* A sanitized plugin cannot be loaded by a scanner that is not. */
  gst_registry_fork_set_enabled (FALSE);
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  set_up ();
  g_test_add_func ("/chain/rgb_frames_give_the_text_of_minivl_chat", test_rgb_frames_give_the_text_of_minivl_chat);
  g_test_add_func ("/chain/a_file_gives_the_text_of_its_own_pixels", test_a_file_gives_the_text_of_its_own_pixels);
  g_test_add_func ("/chain/history_is_told_as_rounds_of_a_conversation", test_history_is_told_as_rounds_of_a_conversation);
  g_test_add_func ("/chain/runs_repeat_bit_for_bit", test_runs_repeat_bit_for_bit);
  g_test_add_func (
      "/chain/what_stays_of_a_growing_history_is_not_computed_again", test_what_stays_of_a_growing_history_is_not_computed_again);
  g_test_add_func ("/chain/a_still_picture_is_described_once", test_a_still_picture_is_described_once);
  g_test_add_func ("/chain/a_moving_ball_is_described_each_time", test_a_moving_ball_is_described_each_time);
  code = g_test_run ();
  checkpoint_remove (folder);
  g_free (folder);
  g_free (model);
  g_free (clip);
  return code;
}
