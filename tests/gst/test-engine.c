/* Elements of one process on one engine, by the real back end and a small random checkpoint. What the back end asks of libminivl is
 * counted on its way (the linker's --wrap), and what libminivl asks of Vulkan can be made to fail. */
#define _GNU_SOURCE /* RTLD_NEXT */
#include "../program.h"
#include "gst/element/gstminivl.h"
#include "pipeline.h"

#include <dlfcn.h>
#include <gst/check/gstharness.h>
#include <gst/video/video.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vulkan/vulkan.h>

#define PATIENCE (300 * GST_SECOND)
#define VIDEO "video/x-raw,format=I420,width=96,height=64,framerate=10/1"

static gchar *folder, *model;

/* --- counting ---------------------------------------------------------------------------------------------------------------- */

static gint opened, released; /* atomic */

MinivlEngine *__real_minivl_engine_open (const MinivlEngineOptions *options, GError **error);
MinivlEngine *__wrap_minivl_engine_open (const MinivlEngineOptions *options, GError **error);
void __real_minivl_engine_unref (MinivlEngine *engine);
void __wrap_minivl_engine_unref (MinivlEngine *engine);
gboolean __real_minivl_session_ask (MinivlSession *session, const gchar *prompt, const MinivlParams *params, MinivlTextFunc on_text,
    gpointer user_data, MinivlAnswer *answer, GError **error);
gboolean __wrap_minivl_session_ask (MinivlSession *session, const gchar *prompt, const MinivlParams *params, MinivlTextFunc on_text,
    gpointer user_data, MinivlAnswer *answer, GError **error);

MinivlEngine *
__wrap_minivl_engine_open (const MinivlEngineOptions *options, GError **error)
{
  g_atomic_int_inc (&opened);
  return __real_minivl_engine_open (options, error);
}

void
__wrap_minivl_engine_unref (MinivlEngine *engine)
{
  if (engine != NULL)
    g_atomic_int_inc (&released);
  __real_minivl_engine_unref (engine);
}

/* --- questions --------------------------------------------------------------------------------------------------------------- */

/* When a session's question was begun and answered, counted in such events. */
typedef struct
{
  MinivlSession *session;
  guint begun, ended;
} Asked;

/* What a question cost. */
typedef struct
{
  gint32 *ids; /* of the prompt */
  guint n, cached;
  gboolean wants_yes;
} Work;

static GMutex asked_lock;
static GArray *work;  /* Work, as they were answered; NULL: nobody looks */
static GArray *asked; /* Asked, as they were begun; NULL: nobody looks */
static guint events;

static gint
note_begun (MinivlSession *session)
{
  Asked ask = { session, 0, G_MAXUINT };
  gint place = -1;

  g_mutex_lock (&asked_lock);
  if (asked != NULL) {
    ask.begun = events++;
    place = asked->len;
    g_array_append_val (asked, ask);
  }
  g_mutex_unlock (&asked_lock);
  return place;
}

static void
note_ended (gint place)
{
  g_mutex_lock (&asked_lock);
  if (place >= 0 && asked != NULL)
    g_array_index (asked, Asked, place).ended = events++;
  g_mutex_unlock (&asked_lock);
}

static void
note_work (const MinivlParams *params, const MinivlAnswer *answer)
{
  Work done = { .n = answer->prompt_tokens, .cached = answer->cached_tokens, .wants_yes = params->want_yes };

  g_mutex_lock (&asked_lock);
  if (work != NULL) {
    done.ids = g_memdup2 (answer->input_ids, sizeof (gint32) * done.n);
    g_array_append_val (work, done);
  }
  g_mutex_unlock (&asked_lock);
}

gboolean
__wrap_minivl_session_ask (MinivlSession *session, const gchar *prompt, const MinivlParams *params, MinivlTextFunc on_text,
    gpointer user_data, MinivlAnswer *answer, GError **error)
{
  gint place = note_begun (session);
  gboolean ok = __real_minivl_session_ask (session, prompt, params, on_text, user_data, answer, error);

  note_ended (place);
  if (ok)
    note_work (params, answer);
  return ok;
}

/* --- devices: what libminivl calls of Vulkan goes through here --------------------------------------------------------------- */

static gint lose_next;    /* atomic: the next submit finds the device lost */
static gint refuse_opens; /* atomic: so many devices cannot be made */

VKAPI_ATTR VkResult VKAPI_CALL
vkQueueSubmit (VkQueue queue, uint32_t n, const VkSubmitInfo *submits, VkFence fence)
{
  PFN_vkQueueSubmit next = (PFN_vkQueueSubmit)dlsym (RTLD_NEXT, "vkQueueSubmit");

  if (g_atomic_int_compare_and_exchange (&lose_next, TRUE, FALSE))
    return VK_ERROR_DEVICE_LOST;
  return next (queue, n, submits, fence);
}

VKAPI_ATTR VkResult VKAPI_CALL
vkCreateDevice (VkPhysicalDevice physical, const VkDeviceCreateInfo *info, const VkAllocationCallbacks *allocator, VkDevice *device)
{
  PFN_vkCreateDevice next = (PFN_vkCreateDevice)dlsym (RTLD_NEXT, "vkCreateDevice");

  if (g_atomic_int_get (&refuse_opens) > 0 && g_atomic_int_add (&refuse_opens, -1) > 0)
    return VK_ERROR_INITIALIZATION_FAILED;
  return next (physical, info, allocator, device);
}

/* --- pipelines --------------------------------------------------------------------------------------------------------------- */

static GstElement *
make_pipeline (const gchar *source, const gchar *properties)
{
  return pipeline_new ("%s ! " VIDEO
                       " ! minivl name=m model-path=%s precision=f32 segment-duration=1000000000 num-segments=1 %s ! fakesink",
      source, model, properties);
}

static void
await_element_message (GstElement *pipeline, const gchar *name)
{
  for (gboolean found = FALSE; !found;) {
    g_autoptr (GstMessage) message = pipeline_await (pipeline, GST_MESSAGE_ELEMENT);

    found = gst_message_has_name (message, name);
  }
}

/* Results with an answer, to EOS. */
static guint
count_to_eos (GstElement *pipeline)
{
  guint n = 0;

  for (;;) {
    g_autoptr (GstMessage) message = pipeline_await (pipeline, GST_MESSAGE_ELEMENT | GST_MESSAGE_EOS);
    const GstStructure *s = gst_message_get_structure (message);

    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS)
      return n;
    n += gst_message_has_name (message, "minivl") && gst_structure_has_field (s, "prompt_tokens");
  }
}

static void
start_counting (void)
{
  g_atomic_int_set (&opened, 0);
  g_atomic_int_set (&released, 0);
}

static void
await_loaded (GstElement *pipeline)
{
  for (GstProgressType type = GST_PROGRESS_TYPE_START; type != GST_PROGRESS_TYPE_COMPLETE;) {
    g_autoptr (GstMessage) message = pipeline_await (pipeline, GST_MESSAGE_PROGRESS);

    gst_message_parse_progress (message, &type, NULL, NULL);
  }
}

/* Which all have it by then: whoever came later would open another one. */
static void
test_four_pipelines_share_an_engine_and_one_goes_in_mid_answer (void)
{
  GstElement *pipelines[4];

  start_counting ();
  for (guint i = 0; i < 4; i++)
    pipelines[i] = i == 0 ? make_pipeline ("videotestsrc", "max-tokens=8000 context-size=8192 partial=true")
                          : make_pipeline ("videotestsrc num-buffers=30", "max-tokens=4 context-size=8192");
  for (guint i = 0; i < 4; i++)
    gst_element_set_state (pipelines[i], GST_STATE_PAUSED);
  for (guint i = 0; i < 4; i++)
    await_loaded (pipelines[i]);
  for (guint i = 0; i < 4; i++)
    gst_element_set_state (pipelines[i], GST_STATE_PLAYING);
  await_element_message (pipelines[0], "minivl-partial");
  pipeline_free (pipelines[0]);
  for (guint i = 1; i < 4; i++)
    g_assert_cmpuint (count_to_eos (pipelines[i]), ==, 3);
  g_assert_cmpint (g_atomic_int_get (&opened), ==, 1);
  g_assert_cmpint (g_atomic_int_get (&released), ==, 0);
  for (guint i = 1; i < 4; i++)
    pipeline_free (pipelines[i]);
  g_assert_cmpint (g_atomic_int_get (&released), ==, 1); /* by the last one */
}

/* How many questions of one other session were begun and answered while `ask` waited for its answer. */
static guint
most_overtaking (const Asked *ask)
{
  guint most = 0;

  for (guint i = 0; i < asked->len; i++) {
    guint n = 0;

    for (guint k = 0; k < asked->len; k++) {
      const Asked *other = &g_array_index (asked, Asked, k);

      n += other->session == g_array_index (asked, Asked, i).session && other->session != ask->session && other->begun > ask->begun
           && other->ended < ask->ended;
    }
    most = MAX (most, n);
  }
  return most;
}

static guint
count_running (const Asked *ask)
{
  guint n = 0;

  for (guint i = 0; i < asked->len; i++) {
    const Asked *other = &g_array_index (asked, Asked, i);

    n += other->begun <= ask->begun && other->ended > ask->begun;
  }
  return n;
}

/* All have something to ask all the time, and begin when all have the engine. */
static void
test_no_element_waits_for_two_rounds_of_another (void)
{
  GstElement *pipelines[4];
  guint most_running = 0;

  for (guint i = 0; i < 4; i++)
    pipelines[i] = make_pipeline ("videotestsrc pattern=ball num-buffers=60", "max-tokens=48");
  for (guint i = 0; i < 4; i++)
    gst_element_set_state (pipelines[i], GST_STATE_PAUSED);
  for (guint i = 0; i < 4; i++)
    await_loaded (pipelines[i]);
  asked = g_array_new (FALSE, FALSE, sizeof (Asked));
  events = 0;
  for (guint i = 0; i < 4; i++)
    gst_element_set_state (pipelines[i], GST_STATE_PLAYING);
  for (guint i = 0; i < 4; i++)
    g_assert_cmpuint (count_to_eos (pipelines[i]), ==, 6);
  for (guint i = 0; i < 4; i++)
    pipeline_free (pipelines[i]);

  g_assert_cmpuint (asked->len, ==, 4 * 6);
  for (guint i = 0; i < asked->len; i++) {
    const Asked *ask = &g_array_index (asked, Asked, i);

    g_assert_cmpuint (most_overtaking (ask), <, 2);
    most_running = MAX (most_running, count_running (ask));
  }
  g_assert_cmpuint (most_running, ==, 4); /* together, and not one after the other */
  g_clear_pointer (&asked, g_array_unref);
}

/* --- alerts ------------------------------------------------------------------------------------------------------------------ */

static guint
count_common (const Work *a, const Work *b)
{
  guint n = 0;

  while (n < MIN (a->n, b->n) && a->ids[n] == b->ids[n])
    n++;
  return n;
}

/* Every token that a question has in common with the description in front of it, those of all frames among them, is found; and so
 * is what it has in common with the question before it. */
static void
test_an_alert_costs_its_own_words_alone (void)
{
  static const gchar *const alerts[] = { "Is there a dog in the picture?", "Is there a cat in the picture?" };
  GstElement *pipeline = make_pipeline ("videotestsrc pattern=ball num-buffers=30",
      "num-segments=3 max-tokens=4 history-size=2 alerts=\"Is there a dog in the picture?;Is there a cat in the picture?\"");
  const Work *description = NULL;
  guint n_alerts = 0;

  work = g_array_new (FALSE, FALSE, sizeof (Work));
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  count_to_eos (pipeline);
  pipeline_free (pipeline);
  g_assert_cmpuint (work->len, ==, 3 * 3);
  for (guint i = 0; i < work->len; i++) {
    const Work *done = &g_array_index (work, Work, i);
    guint common;

    if (!done->wants_yes) {
      description = done;
      n_alerts = 0;
      continue;
    }
    g_assert_nonnull (description);
    common = count_common (done, description);
    if (n_alerts == 1)
      common = MAX (common, count_common (done, done - 1));
    g_assert_cmpuint (done->cached, ==, common);
    /* no word is less than a byte, and the chat's own end takes a few tokens */
    g_assert_cmpuint (done->n - done->cached, <=, strlen (alerts[n_alerts]) + 8);
    n_alerts++;
  }
  g_assert_cmpuint (n_alerts, ==, 2);
  for (guint i = 0; i < work->len; i++)
    g_free (g_array_index (work, Work, i).ids);
  g_clear_pointer (&work, g_array_unref);
}

/* By the model's own tokens: what is counted is what is asked, and that is more than one prompt. */
static void
test_summaries_never_overflow_the_context (void)
{
  GstElement *pipeline = make_pipeline (
      "videotestsrc pattern=ball num-buffers=300", "max-tokens=16 context-size=400 summary-interval=18446744073709551615");
  g_autofree gchar *finish_reason = NULL;
  guint64 tokens = 0, total = 0;
  gboolean ended = FALSE;

  work = g_array_new (FALSE, FALSE, sizeof (Work));
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (!ended) {
    g_autoptr (GstMessage) message = pipeline_await (pipeline, GST_MESSAGE_EOS | GST_MESSAGE_ELEMENT | GST_MESSAGE_WARNING);
    const GstStructure *s = gst_message_get_structure (message);

    g_assert_cmpint (GST_MESSAGE_TYPE (message), !=, GST_MESSAGE_WARNING);
    ended = GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
    if (ended || !gst_message_has_name (message, "minivl") || !g_str_equal (gst_structure_get_string (s, "kind"), "summary"))
      continue;
    finish_reason = g_strdup (gst_structure_get_string (s, "finish_reason"));
    gst_structure_get_uint64 (s, "prompt_tokens", &tokens);
  }
  pipeline_free (pipeline);
  g_assert_true (g_strcmp0 (finish_reason, "stop") == 0 || g_strcmp0 (finish_reason, "length") == 0);
  g_assert_cmpuint (work->len, >=, 30 + 3);
  for (guint i = 0; i < work->len; i++) {
    Work *done = &g_array_index (work, Work, i);

    g_assert_cmpuint (done->n + 16, <=, 400);
    total += done->n;
    g_free (done->ids);
  }
  g_assert_cmpuint (tokens, <, total);
  g_assert_cmpuint (tokens, >, 400);
  g_clear_pointer (&work, g_array_unref);
}

/* What the error says can be asked: one that promises too much is worse than none. */
static void
test_as_many_frames_as_are_advised_are_answered (void)
{
  static const gchar format[] = "num-segments=%u max-tokens=16 context-size=%u prompt=\"What is seen in these frames of the "
                                "video, from the first to the last one?\"";
  g_autofree gchar *all = g_strdup_printf (format, 64, 700), *advised = NULL;
  g_autoptr (GError) error = NULL;
  GstElement *pipeline = make_pipeline ("videotestsrc pattern=ball num-buffers=30", all);
  GstMessage *message;
  const gchar *advice;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = pipeline_await (pipeline, GST_MESSAGE_ERROR);
  gst_message_parse_error (message, &error, NULL);
  gst_message_unref (message);
  pipeline_free (pipeline);
  advice = strstr (error->message, "Lower num-segments to ");
  g_assert_nonnull (advice);
  g_test_message ("%s", error->message);
  advised = g_strdup_printf (format, (guint)strtoul (advice + strlen ("Lower num-segments to "), NULL, 10), 700);
  pipeline = make_pipeline ("videotestsrc pattern=ball num-buffers=30", advised);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_assert_cmpuint (count_to_eos (pipeline), ==, 3);
  pipeline_free (pipeline);
}

static GstPadProbeReturn
mark_regions (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_DATA (info) = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));

  for (guint i = 0; i < 60; i++)
    gst_buffer_add_video_region_of_interest_meta (buffer, "somebody on the stairs", 0, 0, 4 + i, 4 + i);
  return GST_PAD_PROBE_OK;
}

/* More than the context holds are there: all that are let in are answered, and they fill most of it. */
static void
test_as_many_regions_as_are_let_in_are_answered (void)
{
  GstElement *pipeline = make_pipeline ("videotestsrc pattern=ball num-buffers=30",
      "roi=* num-segments=2 max-tokens=16 context-size=700 alerts=\"Does the one who is seen here stand still, or lie?\" "
      "prompt=\"What does {label} do from {start} to {stop}, {utc}?\"");
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (pipeline), "m");
  g_autoptr (GstPad) sink = gst_element_get_static_pad (element, "sink");
  guint answered = 0;

  gst_pad_add_probe (sink, GST_PAD_PROBE_TYPE_BUFFER, mark_regions, NULL, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (;;) {
    g_autoptr (GstMessage) message = pipeline_await (pipeline, GST_MESSAGE_ELEMENT | GST_MESSAGE_EOS | GST_MESSAGE_WARNING);
    const GstStructure *s = gst_message_get_structure (message);
    guint64 tokens = 0;

    g_assert_cmpint (GST_MESSAGE_TYPE (message), !=, GST_MESSAGE_WARNING);
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS)
      break;
    if (!gst_message_has_name (message, "minivl") || g_strcmp0 (gst_structure_get_string (s, "kind"), "segment") != 0)
      continue;
    g_assert_true (gst_structure_get_uint64 (s, "prompt_tokens", &tokens));
    g_test_message (
        "%u regions, %" G_GUINT64_FORMAT " tokens", gst_value_array_get_size (gst_structure_get_value (s, "frames")), tokens);
    g_assert_cmpuint (tokens, >, 450);
    g_assert_cmpuint (tokens + 16, <=, 700);
    answered++;
  }
  g_assert_cmpuint (answered, ==, 3);
  pipeline_free (pipeline);
}

static void
test_different_settings_do_not_share (void)
{
  GstElement *a = make_pipeline ("videotestsrc num-buffers=10", "max-tokens=2 context-size=4096");
  GstElement *b = make_pipeline ("videotestsrc num-buffers=10", "max-tokens=2 context-size=2048");

  start_counting ();
  gst_element_set_state (a, GST_STATE_PLAYING);
  gst_element_set_state (b, GST_STATE_PLAYING);
  count_to_eos (a);
  count_to_eos (b);
  g_assert_cmpint (g_atomic_int_get (&opened), ==, 2);
  pipeline_free (a);
  g_assert_cmpint (g_atomic_int_get (&released), ==, 1);
  pipeline_free (b);
  g_assert_cmpint (g_atomic_int_get (&released), ==, 2);
}

static void
test_what_is_the_same_is_shared_however_it_is_said (void)
{
  g_autofree gchar *link = g_build_filename (folder, "link", NULL), *index = NULL, *digits = NULL;
  MinivlDevice *devices, *chosen = NULL;
  guint n_devices, n_pipelines = 0;
  GstElement *pipelines[6];

  g_assert_true (minivl_devices_list (&devices, &n_devices, NULL));
  for (guint i = 0; i < n_devices; i++)
    if (devices[i].chosen)
      chosen = &devices[i];
  g_assert_nonnull (chosen);
  g_assert_cmpint (symlink (model, link), ==, 0);
  index = g_strdup_printf ("%u", (guint)(chosen - devices));
  digits = g_ascii_strup (chosen->uuid, -1);
  {
    const gchar *const settings[][2] = { { "precision", "f16" }, { "precision", "auto" }, { "device", index }, { "device", digits },
      { "device", chosen->name }, { "model-path", link } };

    for (guint i = 0; i < G_N_ELEMENTS (settings); i++) {
      g_autoptr (GstElement) element = NULL;

      /* a name is one of several when there are more of its kind */
      if (settings[i][1] == chosen->name && n_devices > 1)
        continue;
      pipelines[n_pipelines] = make_pipeline ("videotestsrc num-buffers=10", "max-tokens=2 context-size=4096 precision=auto");
      element = gst_bin_get_by_name (GST_BIN (pipelines[n_pipelines++]), "m");
      gst_util_set_object_arg (G_OBJECT (element), settings[i][0], settings[i][1]);
    }
  }
  start_counting ();
  for (guint i = 0; i < n_pipelines; i++)
    gst_element_set_state (pipelines[i], GST_STATE_PLAYING);
  for (guint i = 0; i < n_pipelines; i++)
    g_assert_cmpuint (count_to_eos (pipelines[i]), ==, 1);
  g_assert_cmpint (g_atomic_int_get (&opened), ==, 1);
  for (guint i = 0; i < n_pipelines; i++)
    pipeline_free (pipelines[i]);
  minivl_devices_free (devices, n_devices);
}

static void
test_another_tokenizer_is_another_engine (void)
{
  GstElement *fast = make_pipeline ("videotestsrc num-buffers=10", "max-tokens=2 tokenizer=fast");
  GstElement *slow = make_pipeline ("videotestsrc num-buffers=10", "max-tokens=2 tokenizer=slow");

  start_counting ();
  gst_element_set_state (fast, GST_STATE_PLAYING);
  gst_element_set_state (slow, GST_STATE_PLAYING);
  g_assert_true (count_to_eos (fast) == 1 && count_to_eos (slow) == 1);
  g_assert_cmpint (g_atomic_int_get (&opened), ==, 2);
  pipeline_free (fast);
  pipeline_free (slow);
}

/* The element that noticed opens another one, and so does its neighbour once it notices; nobody gets the lost one again. */
static void
test_a_lost_engine_is_shared_no_more (void)
{
  GstElement *a = make_pipeline ("videotestsrc num-buffers=40", "max-tokens=2");
  GstElement *b = make_pipeline ("videotestsrc num-buffers=10", "max-tokens=2");

  start_counting ();
  gst_element_set_state (b, GST_STATE_PLAYING);
  g_assert_cmpuint (count_to_eos (b), ==, 1);
  g_atomic_int_set (&lose_next, TRUE);
  gst_element_set_state (a, GST_STATE_PLAYING);
  g_assert_cmpuint (count_to_eos (a), ==, 3);
  g_assert_cmpint (g_atomic_int_get (&opened), ==, 2);
  pipeline_free (a);
  pipeline_free (b);
  g_assert_cmpint (g_atomic_int_get (&released), ==, 2);
}

/* --- a device that is lost --------------------------------------------------------------------------------------------------- */

static void
push_frames (GstHarness *h, guint from, guint to)
{
  for (guint i = from; i < to; i++) {
    GstBuffer *buffer = gst_buffer_new_and_alloc (96 * 64 * 3 / 2);

    gst_buffer_memset (buffer, 0, i, -1);
    GST_BUFFER_PTS (buffer) = i * 100 * GST_MSECOND;
    GST_BUFFER_DURATION (buffer) = 100 * GST_MSECOND;
    g_assert_cmpint (gst_harness_push (h, buffer), ==, GST_FLOW_OK);
  }
}

static gchar *
finish_reason_of_next (GstBus *bus)
{
  for (;;) {
    g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (bus, PATIENCE, GST_MESSAGE_ELEMENT);

    g_assert_nonnull (message);
    if (gst_message_has_name (message, "minivl"))
      return g_strdup (gst_structure_get_string (gst_message_get_structure (message), "finish_reason"));
  }
}

static void
assert_next (GstBus *bus, const gchar *finish_reason)
{
  g_autofree gchar *found = finish_reason_of_next (bus);

  g_assert_cmpstr (found, ==, finish_reason);
}

static void
test_a_folder_that_is_none_fails_the_change_of_state (void)
{
  GstElement *pipeline = gst_parse_launch ("videotestsrc ! minivl model-path=/nonexistent ! fakesink", NULL);
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
  message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR | GST_MESSAGE_PROGRESS);
  g_assert_cmpint (GST_MESSAGE_TYPE (message), ==, GST_MESSAGE_ERROR);
  gst_message_parse_error (message, &error, NULL);
  g_assert_error (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ);
  g_assert_nonnull (strstr (error->message, "/nonexistent"));
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}

/* Tries come after 0.1, 0.2 and 0.4 s. */
static void
test_a_device_lost_in_vulkan_costs_one_segment_and_is_opened_with_backoff (void)
{
  g_autofree gchar *line =
      g_strdup_printf ("minivl name=m model-path=%s precision=f32 segment-duration=1000000000 num-segments=1 max-tokens=4", model);
  GstElement *element = gst_object_ref_sink (gst_parse_launch (line, NULL));
  GstHarness *h = gst_harness_new_with_element (element, "sink", "src");
  g_autoptr (GstBus) bus = gst_bus_new ();
  g_autoptr (GstMessage) info = NULL;
  g_autoptr (GError) told = NULL;
  gint64 start;

  gst_element_set_bus (element, bus);
  gst_harness_set_src_caps_str (h, VIDEO);
  push_frames (h, 0, 11);
  assert_next (bus, "length");

  g_atomic_int_set (&refuse_opens, 2);
  g_atomic_int_set (&lose_next, TRUE);
  start = g_get_monotonic_time ();
  push_frames (h, 11, 21); /* the picture in the middle is encoded, and finds out */
  assert_next (bus, "error");
  info = gst_bus_timed_pop_filtered (bus, PATIENCE, GST_MESSAGE_INFO);
  g_assert_nonnull (info);
  gst_message_parse_info (info, &told, NULL);
  g_assert_nonnull (strstr (told->message, "works again after 3 tries"));
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 700 * G_TIME_SPAN_MILLISECOND);
  g_assert_cmpint (g_atomic_int_get (&lose_next) + g_atomic_int_get (&refuse_opens), ==, 0);

  push_frames (h, 21, 31);
  assert_next (bus, "length");
  g_assert_cmpuint (gst_harness_buffers_received (h), ==, 31);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, NULL);
  gst_harness_teardown (h);
  gst_object_unref (element);
}

/* --- what all need ----------------------------------------------------------------------------------------------------------- */

static void
must_run (const gchar *const *argv)
{
  g_auto (ProgramResult) result = { 0 };

  program_run (argv, &result);
  if (result.code != 0)
    g_error ("%s: %s", argv[0], result.err);
}

static void
set_up (void)
{
  g_autofree gchar *prefix = NULL, *tokenizer = NULL, *yes_no = NULL, *input = NULL;
  g_autoptr (GString) words = g_string_new (NULL);

  folder = g_dir_make_tmp ("minivl-XXXXXX", NULL);
  model = g_build_filename (folder, "model", NULL);
  prefix = g_strdup_printf ("--model_prefix=%s/tokenizer", folder);
  tokenizer = g_build_filename (folder, "tokenizer.model", NULL);
  yes_no = g_build_filename (folder, "yes-no.txt", NULL);
  for (guint i = 0; i < 100; i++) /* often enough to be tokens */
    g_string_append (words, "Yes No\n");
  g_assert_true (g_file_set_contents (yes_no, words->str, -1, NULL));
  input = g_strdup_printf ("--input=%s,%s", TEST_DATA "/tokenizer-text.txt", yes_no);
  must_run ((const gchar *[]){ "spm_train", input, prefix, "--vocab_size=1000", "--model_type=bpe", "--byte_fallback=true", NULL });
  must_run ((const gchar *[]){ MAKE_CHECKPOINT, TEST_DATA "/demo-config.json", model, "--tokenizer", tokenizer, NULL });
}

int
main (int argc, char **argv)
{
  gint code;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_assert_true (GST_ELEMENT_REGISTER (minivl, NULL));
  set_up ();

#define RULE(name) g_test_add_func ("/engine/" #name, test_##name)
  RULE (four_pipelines_share_an_engine_and_one_goes_in_mid_answer);
  RULE (no_element_waits_for_two_rounds_of_another);
  RULE (an_alert_costs_its_own_words_alone);
  RULE (summaries_never_overflow_the_context);
  RULE (as_many_frames_as_are_advised_are_answered);
  RULE (as_many_regions_as_are_let_in_are_answered);
  RULE (different_settings_do_not_share);
  RULE (what_is_the_same_is_shared_however_it_is_said);
  RULE (another_tokenizer_is_another_engine);
  RULE (a_lost_engine_is_shared_no_more);
  RULE (a_folder_that_is_none_fails_the_change_of_state);
  RULE (a_device_lost_in_vulkan_costs_one_segment_and_is_opened_with_backoff);
#undef RULE
  code = g_test_run ();
  must_run ((const gchar *[]){ "/bin/rm", "-r", folder, NULL });
  g_free (folder);
  g_free (model);
  return code;
}
