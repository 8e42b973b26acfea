#include "clips.h"

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>

#define N_ELEMENTS (1 + CLIP_QUESTIONS)
#define PATTERN_EVERY 10 /* seeds */

GstBuffer *
clips_draw (const YardScene *scene, guint n, guint n_frames, guint width, guint height)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, (gsize)width * height * 3, NULL);
  GstMapInfo map;

  gst_buffer_map (buffer, &map, GST_MAP_WRITE);
  yard_scene_draw (scene, n * 1000 / n_frames, width, height, map.data);
  gst_buffer_unmap (buffer, &map);
  return buffer;
}

/* --- a clip ---------------------------------------------------------------------------------------------------------------- */

/* Of questions with an answer that says something, if there are any, for most have none in a given clip. */
static guint
pick_telling (YardRandom *rng, const YardFacts *facts)
{
  guint n = grammar_n_questions (), first = yard_random_within (rng, 0, n - 1);

  for (guint i = 0; i < n; i++) {
    guint question = (first + i) % n;

    if (!grammar_answer_is_empty (grammar_answer (question, facts)))
      return question;
  }
  return first;
}

void
clip_init (Clip *clip, guint64 seed)
{
  YardRandom rng = ~seed;

  *clip = (Clip){ 0 };
  yard_scene_init (&clip->scene, seed, NULL, NULL);
  yard_scene_get_facts (&clip->scene, &clip->facts);
  if (seed % PATTERN_EVERY == 0)
    clip->facts = (YardFacts){ .pattern = grammar_patterns[seed / PATTERN_EVERY % GRAMMAR_N_PATTERNS] };
  for (guint i = 0; i < CLIP_QUESTIONS; i++) {
    guint question = i == 0 ? pick_telling (&rng, &clip->facts) : (guint)yard_random_within (&rng, 0, grammar_n_questions () - 1);
    const gchar *const *phrasings = grammar_question_phrasings (question);

    clip->questions[i] = question;
    clip->asked[i] = phrasings[yard_random_within (&rng, 0, g_strv_length ((gchar **)phrasings) - 1)];
  }
}

void
clip_clear (Clip *clip)
{
  g_free (clip->report);
  for (guint i = 0; i < CLIP_QUESTIONS; i++)
    g_free (clip->answers[i]);
  *clip = (Clip){ 0 };
}

/* --- from a seed to the pipeline --------------------------------------------------------------------------------------------- */

typedef struct
{
  Clip *clips;
  guint n, width, height;
  guint drawn;         /* frames */
  GstElement *pattern; /* what makes the frames of the clip at hand; NULL: its scene does */
  GstElement *sink;    /* where they come out */

  GMutex lock; /* the answers, and: */
  guint missing[N_ELEMENTS], done;
  void (*on_clip) (guint done);
} Show;

static void
stop_pattern (Show *show)
{
  if (show->pattern == NULL)
    return;
  gst_element_set_state (show->pattern, GST_STATE_NULL);
  gst_clear_object (&show->sink);
  gst_clear_object (&show->pattern);
}

static GstBuffer *
pull_pattern (Show *show, const gchar *name)
{
  g_autoptr (GstSample) sample = NULL;

  if (show->pattern == NULL) {
    g_autofree gchar *line = g_strdup_printf ("videotestsrc pattern=%s num-buffers=%u ! "
                                              "video/x-raw,format=RGB,width=%u,height=%u,framerate=%u/1 ! "
                                              "appsink name=sink sync=false max-buffers=2",
        name, CLIP_FRAMES, show->width, show->height, CLIP_RATE);

    show->pattern = gst_object_ref_sink (gst_parse_launch (line, NULL));
    show->sink = gst_bin_get_by_name (GST_BIN (show->pattern), "sink");
    gst_element_set_state (show->pattern, GST_STATE_PLAYING);
  }
  sample = gst_app_sink_pull_sample (GST_APP_SINK (show->sink));
  return gst_buffer_copy (gst_sample_get_buffer (sample));
}

static void
on_need_data (GstElement *source, guint length, gpointer data)
{
  Show *show = data;
  guint n = show->drawn % CLIP_FRAMES;
  const Clip *clip;
  GstBuffer *buffer;

  if (n == 0)
    stop_pattern (show);
  if (show->drawn == show->n * CLIP_FRAMES) {
    gst_app_src_end_of_stream (GST_APP_SRC (source));
    return;
  }
  clip = &show->clips[show->drawn / CLIP_FRAMES];
  buffer = clip->facts.pattern ? pull_pattern (show, clip->facts.pattern)
                               : clips_draw (&clip->scene, n, CLIP_FRAMES, show->width, show->height);
  GST_BUFFER_PTS (buffer) = gst_util_uint64_scale (show->drawn++, GST_SECOND, CLIP_RATE);
  GST_BUFFER_DURATION (buffer) = GST_SECOND / CLIP_RATE;
  gst_app_src_push_buffer (GST_APP_SRC (source), buffer);
}

/* --- from the pipeline to the answers ---------------------------------------------------------------------------------------- */

/* One element that asks: each frame that comes to it. */
typedef struct
{
  Show *show;
  guint question, frames;
} Asking;

static GstPadProbeReturn
on_frame (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Asking *asking = data;
  guint clip = asking->frames++ / CLIP_FRAMES;

  if (clip < asking->show->n)
    g_object_set (GST_PAD_PARENT (pad), "prompt", asking->show->clips[clip].asked[asking->question], NULL);
  return GST_PAD_PROBE_OK;
}

static void
note_result (Show *show, GstMessage *message, const GstStructure *result)
{
  guint element = GST_MESSAGE_SRC_NAME (message)[1] - '0', done;
  guint64 start = G_MAXUINT64;
  gchar **slot;
  Clip *clip;

  gst_structure_get_uint64 (result, "segment_start", &start);
  if (start / (CLIP_SECONDS * GST_SECOND) >= show->n)
    return;
  clip = &show->clips[start / (CLIP_SECONDS * GST_SECOND)];
  slot = element == 0 ? &clip->report : &clip->answers[element - 1];
  g_mutex_lock (&show->lock);
  g_free (*slot);
  *slot = g_strdup (gst_structure_get_string (result, "text"));
  done = show->n;
  show->missing[element]--;
  for (guint i = 0; i < N_ELEMENTS; i++)
    done = MIN (done, show->n - show->missing[i]);
  if (done > show->done)
    show->on_clip (show->done = done);
  g_mutex_unlock (&show->lock);
}

static GstBusSyncReply
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
  const GstStructure *structure = gst_message_get_structure (message);

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT && gst_structure_has_name (structure, "minivl"))
    note_result (data, message, structure);
  return GST_MESSAGE_TYPE (message) & (GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_WARNING) ? GST_BUS_PASS : GST_BUS_DROP;
}

static gboolean
wait (GstElement *pipeline, GError **error)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);

  for (;;) {
    g_autoptr (GstMessage) message = gst_bus_timed_pop (bus, GST_CLOCK_TIME_NONE);
    g_autoptr (GError) warning = NULL;

    switch (GST_MESSAGE_TYPE (message)) {
      case GST_MESSAGE_EOS:
        return TRUE;
      case GST_MESSAGE_ERROR:
        gst_message_parse_error (message, error, NULL);
        return FALSE;
      default:
        gst_message_parse_warning (message, &warning, NULL);
        g_printerr ("%s\n", warning->message);
    }
  }
}

/* --- the pipeline ------------------------------------------------------------------------------------------------------------ */

/* (transfer full): at a bitrate that is usual for the size, a key frame where a clip begins. NULL with an error. */
static gchar *
describe_encoder (guint width, guint height, GError **error)
{
  static const struct
  {
    const gchar *name, *settings;
    guint unit; /* of the bitrate, in bits a second */
  } encoders[] = {
    { "openh264enc", "complexity=medium gop-size", 1 },
    { "x264enc", "speed-preset=veryfast key-int-max", 1000 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (encoders); i++) {
    g_autoptr (GstElementFactory) factory = gst_element_factory_find (encoders[i].name);

    if (factory != NULL)
      return g_strdup_printf (
          "%s bitrate=%u %s=%u", encoders[i].name, 3 * width * height / encoders[i].unit, encoders[i].settings, CLIP_FRAMES);
  }
  g_set_error (error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN,
      "no H.264 encoder: install the package gstreamer1.0-plugins-bad or gstreamer1.0-plugins-ugly");
  return NULL;
}

static GstElement *
make_pipeline (Show *show, const gchar *precision, GError **error)
{
  g_autofree gchar *encoder = describe_encoder (show->width, show->height, error);
  g_autoptr (GstElementFactory) factory = gst_element_factory_find ("minivl");
  g_autoptr (GString) line = g_string_new (NULL);

  if (encoder == NULL)
    return NULL;
  if (factory == NULL) {
    g_set_error (error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN,
        "no element minivl: set GST_PLUGIN_PATH to the folder of libgstminivl.so");
    return NULL;
  }
  g_string_printf (line,
      "appsrc name=source format=time caps=video/x-raw,format=RGB,width=%u,height=%u,framerate=%u/1 ! videoconvert ! "
      "video/x-raw,format=I420 ! %s ! avdec_h264 ! tee name=t",
      show->width, show->height, CLIP_RATE, encoder);
  for (guint i = 0; i < N_ELEMENTS; i++)
    g_string_append_printf (line,
        " t. ! minivl name=m%u precision=%s segment-duration=%" G_GUINT64_FORMAT " num-segments=8 ! fakesink async=false", i,
        precision != NULL ? precision : "auto", CLIP_SECONDS * GST_SECOND);
  return gst_parse_launch_full (line->str, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
}

static GstElement *
set_up (Show *show, GstElement *pipeline, Asking *askings, const gchar *model)
{
  g_autoptr (GstElement) source = gst_bin_get_by_name (GST_BIN (pipeline), "source");
  GstElement *first = NULL;

  g_signal_connect (source, "need-data", G_CALLBACK (on_need_data), show);
  for (guint i = 0; i < N_ELEMENTS; i++) {
    g_autofree gchar *name = g_strdup_printf ("m%u", i);
    g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (pipeline), name);
    g_autoptr (GstPad) pad = gst_element_get_static_pad (element, "sink");

    if (model != NULL)
      g_object_set (element, "model-path", model, NULL);
    if (i == 0)
      first = gst_object_ref (element);
    else
      gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_frame, &askings[i], NULL);
    askings[i] = (Asking){ show, i - 1, 0 };
    show->missing[i] = show->n;
  }
  return first;
}

gboolean
clips_describe (Clip *clips, guint n, guint width, guint height, const gchar *model, const gchar *precision,
    void (*on_clip) (guint done), gint *precision_used, GError **error)
{
  Show show = { .clips = clips, .n = n, .width = width, .height = height, .on_clip = on_clip };
  GstElement *pipeline = make_pipeline (&show, precision, error), *first;
  Asking askings[N_ELEMENTS];
  g_autoptr (GstBus) bus = NULL;
  gboolean ok;

  if (pipeline == NULL)
    return FALSE;
  gst_object_ref_sink (pipeline);
  g_mutex_init (&show.lock);
  first = set_up (&show, pipeline, askings, model);
  g_object_get (first, "precision", precision_used, NULL);
  bus = gst_element_get_bus (pipeline);
  gst_bus_set_sync_handler (bus, on_message, &show, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  ok = wait (pipeline, error);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  stop_pattern (&show);
  gst_object_unref (first);
  gst_object_unref (pipeline);
  g_mutex_clear (&show.lock);
  if (ok && show.done < n) {
    g_set_error (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "%u of %u clips got no answers", n - show.done, n);
    return FALSE;
  }
  return ok;
}
