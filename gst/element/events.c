#include "element.h"
#include "gst/results/log.h"

/* Event that ends the open segments; its optional field "prompt" replaces their prompt. */
#define CUT_NAME "minivl-segment"

#define PARENT_CLASS GST_BASE_TRANSFORM_CLASS (g_type_class_peek (GST_TYPE_BASE_TRANSFORM))

static gboolean
differs_in_more_than_position (const GstSegment *a, const GstSegment *b)
{
  GstSegment at_same_position = *a;

  at_same_position.position = b->position;
  return !gst_segment_is_equal (&at_same_position, b);
}

/* Keeps a SEGMENT, and the EOS behind it, for a text pad that is requested later. Returns the pad that exists now and has to be
 * told. (transfer full) (nullable) */
static GstMinivlTextSrc *
keep (GstMinivl *self, GstEvent *event)
{
  GstMinivlTextSrc *text;

  GST_OBJECT_LOCK (self);
  if (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT)
    gst_event_replace (&self->segment, event);
  gst_event_replace (&self->eos, GST_EVENT_TYPE (event) == GST_EVENT_EOS ? event : NULL);
  text = self->text != NULL ? gst_object_ref (self->text) : NULL;
  GST_OBJECT_UNLOCK (self);
  return text;
}

static void
on_segment (GstMinivl *self, GstEvent *event)
{
  g_autoptr (GstMinivlTextSrc) text = NULL;
  const GstSegment *segment;

  gst_event_parse_segment (event, &segment);
  if (differs_in_more_than_position (segment, &GST_BASE_TRANSFORM (self)->segment)) {
    sampling_close (self);
    worker_forget (self->worker);
    sampling_start (self, segment);
  }
  sampling_set_rate (self, segment->applied_rate);
  text = keep (self, event);
  if (text != NULL)
    text_src_segment (text, gst_event_ref (event));
}

static void
on_tag (GstMinivl *self, GstEvent *event)
{
  g_autofree gchar *orientation = NULL;
  GstTagList *tags;

  gst_event_parse_tag (event, &tags);
  if (gst_tag_list_get_string (tags, GST_TAG_IMAGE_ORIENTATION, &orientation))
    self->copier.orientation = frame_orientation_of_tag (orientation);
}

/* An element upstream or the application has seen something. The event is passed on, since others may wait for it too. */
static void
on_custom (GstMinivl *self, GstEvent *event)
{
  const GstStructure *s = gst_event_get_structure (event);
  g_autofree gchar *prompt = NULL;

  if (s == NULL || !gst_structure_has_name (s, CUT_NAME))
    return;
  if (gst_structure_has_field_typed (s, "prompt", G_TYPE_STRING) && gst_structure_get_string (s, "prompt") != NULL)
    prompt = g_utf8_make_valid (gst_structure_get_string (s, "prompt"), -1);
  sampling_cut (self, prompt);
}

/* EOS, or the end of a seek with the SEGMENT flag: all results are sent before it is passed on. */
static void
on_end (GstMinivl *self, GstEvent *event)
{
  g_autoptr (GstMinivlTextSrc) text = NULL;
  guint64 timeout;
  WorkerDrain drain;

  worker_close (self->worker); /* eos-timeout counts from here */
  sampling_close (self);
  if (GST_EVENT_TYPE (event) == GST_EVENT_EOS) {
    admit_eos (self);
    worker_end (self->worker);
  }
  GST_OBJECT_LOCK (self);
  timeout = self->settings.eos_timeout;
  GST_OBJECT_UNLOCK (self);
  drain = worker_drain (self->worker, timeout);
  if (drain == WORKER_INTERRUPTED)
    return;
  if (drain == WORKER_TIMED_OUT)
    GST_ELEMENT_WARNING (self, LIBRARY, FAILED,
        ("eos-timeout: answers were not there %.3f s after the end of the video, and what was left has been given up.",
            timeout / 1e9),
        (NULL));
  text = keep (self, event);
  if (text != NULL)
    text_src_eos (text, gst_event_ref (event));
  if (GST_EVENT_TYPE (event) == GST_EVENT_EOS)
    gst_element_post_message (GST_ELEMENT (self), gst_message_new_element (GST_OBJECT (self), announce_stats (self)));
}

/* Of the text, too, time goes on where upstream has nothing to show. */
static void
on_gap (GstMinivlTextSrc *text, GstEvent *event)
{
  GstClockTime start, duration;

  gst_event_parse_gap (event, &start, &duration);
  text_src_position (text, start, start + (GST_CLOCK_TIME_IS_VALID (duration) ? MAX (1, duration) : 1));
  text_src_pushing (text, TRUE);
}

void
events_sink (GstMinivl *self, GstEvent *event)
{
  g_autoptr (GstMinivlTextSrc) text = element_get_text (self);

  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_STREAM_START:
      sampling_close (self);
      admit_stream_start (self);
      worker_forget (self->worker);
      self->copier.orientation = 0;
      gst_clear_object (&text);
      text = keep (self, event);
      if (text != NULL)
        text_src_stream_start (text, event);
      break;
    case GST_EVENT_TAG:
      on_tag (self, event);
      break;
    case GST_EVENT_FLUSH_START:
      /* The text first: what the worker gives up is reported behind the flush. */
      if (text != NULL)
        text_src_flush_start (text, gst_event_ref (event));
      worker_flush_start (self->worker);
      break;
    case GST_EVENT_FLUSH_STOP:
      sampling_reset (self);
      worker_flush_stop (self->worker);
      gst_clear_object (&text);
      text = keep (self, event);
      if (text != NULL)
        text_src_flush_stop (text, gst_event_ref (event));
      break;
    case GST_EVENT_SEGMENT:
      on_segment (self, event);
      break;
    case GST_EVENT_CUSTOM_DOWNSTREAM:
      on_custom (self, event);
      break;
    case GST_EVENT_SEGMENT_DONE:
    case GST_EVENT_EOS:
      on_end (self, event);
      break;
    case GST_EVENT_GAP:
      if (text != NULL)
        on_gap (text, event);
      break;
    case GST_EVENT_INSTANT_RATE_CHANGE: /* is in no order with texts */
      if (text != NULL)
        gst_pad_push_event (GST_PAD (text), gst_event_ref (event));
      break;
    default:
      break;
  }
}

/* Every sink of the pipeline sends its own copy of a SEEK; only the first goes upstream. FALSE: it was sent already, with *result.
 */
static gboolean
is_new_seek (GstMinivl *self, GstEvent *event, gboolean *result)
{
  gboolean is_new;

  GST_OBJECT_LOCK (self);
  is_new = self->seek_seqnum != gst_event_get_seqnum (event);
  self->seek_seqnum = gst_event_get_seqnum (event);
  *result = self->seek_result;
  GST_OBJECT_UNLOCK (self);
  return is_new;
}

gboolean
events_src (GstMinivl *self, GstEvent *event)
{
  gboolean is_seek = GST_EVENT_TYPE (event) == GST_EVENT_SEEK;
  gboolean result;

  if (is_seek && !is_new_seek (self, event, &result)) {
    gst_event_unref (event);
    return result;
  }
  if (GST_EVENT_TYPE (event) == GST_EVENT_LATENCY)
    g_atomic_int_set (&self->ask_live, TRUE);
  result = PARENT_CLASS->src_event (GST_BASE_TRANSFORM (self), event);
  if (is_seek) {
    GST_OBJECT_LOCK (self);
    self->seek_result = result;
    GST_OBJECT_UNLOCK (self);
  }
  return result;
}

gboolean
events_text (GstPad *pad, GstObject *parent, GstEvent *event)
{
  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_RECONFIGURE:
      text_src_renewed (GST_MINIVL_TEXT_SRC (pad));
      gst_event_unref (event);
      return TRUE;
    case GST_EVENT_QOS: /* late text is no reason to degrade the video */
      gst_event_unref (event);
      return TRUE;
    default:
      return events_src ((GstMinivl *)parent, event);
  }
}

/* A text at the start of its segment comes when that segment is over and answered: by its deadline, or as late as any so far. Text
 * itself can wait for any time. */
static gboolean
answer_latency (GstMinivl *self, GstPad *pad, GstQuery *query)
{
  GstClockTime min, max;
  gboolean live;

  if (!gst_pad_query_default (pad, GST_OBJECT (self), query))
    return FALSE;
  gst_query_parse_latency (query, &live, &min, &max);
  GST_OBJECT_LOCK (self);
  if (live)
    min += settings_text_latency (&self->settings, self->answer_time);
  GST_OBJECT_UNLOCK (self);
  gst_query_set_latency (query, live, min, GST_CLOCK_TIME_NONE);
  return TRUE;
}

gboolean
events_text_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  if (GST_QUERY_TYPE (query) == GST_QUERY_LATENCY)
    return answer_latency ((GstMinivl *)parent, pad, query);
  return gst_pad_query_default (pad, parent, query);
}
