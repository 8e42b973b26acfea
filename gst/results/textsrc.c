#include "textsrc-private.h"

#include "log.h"

#include <string.h>

/* How long the video may be held up, us, until something is taken to wait for a GAP that was left out. */
#define LONG_PUSH (G_TIME_SPAN_SECOND / 2)
/* How long the video may be held up while a text is owed, us, before a warning. */
#define LONGEST_PUSH G_TIME_SPAN_SECOND

G_DEFINE_FINAL_TYPE (GstMinivlTextSrc, text_src, GST_TYPE_PAD)

/* --- the task ---------------------------------------------------------------------------------------------------------------- */

/* Named as by gst_pad_create_stream_id(), but after the stream of the text: the video may be in the next one already. */
static void
start_stream (GstMinivlTextSrc *pad, GstEvent *video)
{
  g_autofree gchar *id = NULL;
  g_autoptr (GstStream) stream = NULL;
  GstEvent *event;
  const gchar *video_id;
  guint group;

  gst_event_parse_stream_start (video, &video_id);
  id = g_strconcat (video_id, "/text", NULL);
  stream = gst_stream_new (id, NULL, GST_STREAM_TYPE_TEXT, GST_STREAM_FLAG_SPARSE);
  event = gst_event_new_stream_start (id);
  gst_event_set_stream (event, stream);
  gst_event_set_stream_flags (event, GST_STREAM_FLAG_SPARSE);
  if (gst_event_parse_group_id (video, &group))
    gst_event_set_group_id (event, group);
  gst_pad_push_event (GST_PAD (pad), event);
}

/* again: sends caps even if they have not changed. */
static void
negotiate (GstMinivlTextSrc *pad, gboolean again)
{
  g_autoptr (GstCaps) current = gst_pad_get_current_caps (GST_PAD (pad));
  g_autoptr (GstCaps) templ = gst_pad_get_pad_template_caps (GST_PAD (pad));
  g_autoptr (GstCaps) peer = gst_pad_peer_query_caps (GST_PAD (pad), templ);
  g_autoptr (GstCaps) caps = gst_caps_intersect_full (templ, peer, GST_CAPS_INTERSECT_FIRST);

  /* A peer that takes neither form is offered JSON, and refuses it. */
  if (gst_caps_is_empty (caps))
    gst_caps_replace (&caps, templ);
  caps = gst_caps_fixate (g_steal_pointer (&caps));
  pad->is_json = gst_structure_has_name (gst_caps_get_structure (caps, 0), "application/x-json");
  if (again || current == NULL || !gst_caps_is_equal (caps, current))
    gst_pad_push_event (GST_PAD (pad), gst_event_new_caps (caps));
}

static void
send_event (GstMinivlTextSrc *pad, GstEvent *start, GstEvent *event)
{
  if (start != NULL)
    start_stream (pad, start);
  /* Asked first, since asking clears the flag. */
  if (gst_pad_check_reconfigure (GST_PAD (pad)) || start != NULL || !gst_pad_has_current_caps (GST_PAD (pad)))
    negotiate (pad, start != NULL);
  gst_pad_push_event (GST_PAD (pad), event);
}

/* Of subtitles alone: who is told what was said at this moment needs no queue, and would wait for the next GAP without end. Nothing
 * is told where the video has gone back since the item was taken; a video that is held up already gets its GAPs. */
static void
show (GstMinivlTextSrc *pad, const TextItem *item)
{
  g_mutex_lock (&pad->lock);
  if (pad->timestamp == TEXT_SEGMENT && GST_CLOCK_TIME_IS_VALID (pad->told) && !pad->push_lasts)
    pad->shown = MAX (pad->shown, item->position + MIN (item->duration, G_MAXUINT64 - item->position));
  g_mutex_unlock (&pad->lock);
}

static GstFlowReturn
send_result (GstMinivlTextSrc *pad, const TextItem *item)
{
  const Result *result = item->result;
  GstBuffer *buffer;
  gchar *text;

  if (gst_pad_check_reconfigure (GST_PAD (pad)))
    negotiate (pad, FALSE);
  if (!pad->is_json && !result_has_text (result))
    return GST_FLOW_OK;
  show (pad, item);
  text = pad->is_json ? result_to_json (result) : g_strdup (result->text);
  buffer = gst_buffer_new_wrapped (text, strlen (text));
  GST_BUFFER_PTS (buffer) = item->position;
  GST_BUFFER_DURATION (buffer) = item->duration;
  GST_DEBUG_OBJECT (
      pad, "%s: %" G_GUINT64_FORMAT ": text at %" GST_TIME_FORMAT, result->stream, result->id, GST_TIME_ARGS (item->position));
  return gst_pad_push (GST_PAD (pad), buffer);
}

/* The text that could not be pushed. */
static void
lose_text (GstMinivlTextSrc *pad)
{
  g_mutex_lock (&pad->lock);
  pad->lost++;
  g_mutex_unlock (&pad->lock);
}

/* Downstream takes no more: this text and all that wait are lost, up to the next stream. */
static void
stop_saying (GstMinivlTextSrc *pad, GstFlowReturn flow)
{
  TextItem *item;

  GST_DEBUG_OBJECT (pad, "no more text: %s", gst_flow_get_name (flow));
  g_mutex_lock (&pad->lock);
  pad->lost++;
  while ((item = g_queue_peek_head (&pad->items)) != NULL && item->start == NULL) {
    pad->lost += item->result != NULL;
    pad->n_results -= item->result != NULL;
    pad->n_events -= item->event != NULL;
    pad->n_owed -= text_item_is_owed (item);
    text_item_free (g_queue_pop_head (&pad->items));
  }
  pad->dead = item == NULL;
  if (pad->dead) /* under the lock, since the next stream starts it again */
    gst_pad_pause_task (GST_PAD (pad));
  g_mutex_unlock (&pad->lock);
}

static void
tell_missing_queue (GstMinivlTextSrc *pad)
{
  g_autoptr (GstElement) element = gst_pad_get_parent_element (GST_PAD (pad));

  if (element != NULL && !pad->is_paused (element))
    GST_ELEMENT_WARNING (element, STREAM, FAILED,
        ("The video has been held up for a second while a text is owed: with text-timestamp=segment, whatever joins text and video "
         "again needs a queue of at least two segments in the video branch, e.g. \"queue max-size-buffers=0 max-size-bytes=0 "
         "max-size-time=\" and 2.1 times segment-duration behind minivl."),
        (NULL));
}

/* Holds the lock. Whether it matters how long the video is held up. */
static gboolean
push_is_watched (GstMinivlTextSrc *pad)
{
  return pad->n_owed > 0 ? !pad->push_lasts || !pad->push_told : pad->shown > 0 && !pad->push_lasts;
}

/* Holds the lock. As g_cond_wait(), and looks at how long the video is held up. */
static void
wait_for_change (GstMinivlTextSrc *pad)
{
  gint64 began = pad->push_began;

  if (began == 0 || !push_is_watched (pad)) {
    g_cond_wait (&pad->changed, &pad->lock);
    return;
  }
  if (g_cond_wait_until (&pad->changed, &pad->lock, began + (pad->push_lasts ? LONGEST_PUSH : LONG_PUSH))
      || pad->push_began != began)
    return;
  if (!pad->push_lasts) {
    pad->push_lasts = TRUE;
    pad->shown = 0;
    return;
  }
  pad->push_told = TRUE;
  g_mutex_unlock (&pad->lock);
  tell_missing_queue (pad);
  g_mutex_lock (&pad->lock);
}

static void
loop (gpointer data)
{
  GstMinivlTextSrc *pad = data;
  GstFlowReturn flow = GST_FLOW_OK;
  GstEvent *event = NULL;
  TextItem *item = NULL;

  g_mutex_lock (&pad->lock);
  while (!pad->flushing && !text_src_item_is_due (pad) && !text_src_gap_is_due (pad))
    wait_for_change (pad);
  if (pad->flushing) {
    g_mutex_unlock (&pad->lock);
    gst_pad_pause_task (GST_PAD (pad));
    return;
  }
  if (text_src_item_is_due (pad))
    item = text_src_take_item (pad);
  else
    event = text_src_take_gap (pad);
  g_mutex_unlock (&pad->lock);

  if (event != NULL)
    send_event (pad, NULL, event);
  else if (item->event != NULL)
    send_event (pad, item->start, g_steal_pointer (&item->event));
  else
    flow = send_result (pad, item);
  g_clear_pointer (&item, text_item_free);

  if (flow == GST_FLOW_NOT_LINKED) /* it may be linked later */
    lose_text (pad);
  else if (flow != GST_FLOW_OK)
    stop_saying (pad, flow);
}

/* --- the element's side ------------------------------------------------------------------------------------------------------ */

void
text_src_set_times (GstMinivlTextSrc *pad, TextTimestamp timestamp, guint64 duration)
{
  g_mutex_lock (&pad->lock);
  pad->timestamp = timestamp;
  pad->duration = duration;
  g_mutex_unlock (&pad->lock);
}

void
text_src_stream_start (GstMinivlTextSrc *pad, GstEvent *event)
{
  g_mutex_lock (&pad->lock);
  gst_event_replace (&pad->start, event);
  g_mutex_unlock (&pad->lock);
}

void
text_src_segment (GstMinivlTextSrc *pad, GstEvent *event)
{
  g_mutex_lock (&pad->lock);
  if (pad->dead && pad->start != NULL && !pad->flushing) {
    pad->dead = FALSE;
    gst_pad_start_task (GST_PAD (pad), loop, pad, NULL);
  }
  if (pad->dead) {
    gst_event_unref (event);
  } else {
    TextItem *item = text_item_new (pad, event, NULL);

    /* Texts that came before any segment belong to this one. */
    if (pad->has_segment)
      g_queue_push_tail (&pad->items, item);
    else
      g_queue_push_head (&pad->items, item);
    pad->has_segment = TRUE;
    pad->position = GST_CLOCK_TIME_NONE;
    g_cond_signal (&pad->changed);
  }
  g_mutex_unlock (&pad->lock);
}

guint64
text_src_get_lost (GstMinivlTextSrc *pad)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&pad->lock);

  return pad->lost;
}

void
text_src_pushing (GstMinivlTextSrc *pad, gboolean pushing)
{
  g_mutex_lock (&pad->lock);
  pad->push_began = pushing ? g_get_monotonic_time () : 0;
  pad->push_lasts = FALSE;
  if (pushing && push_is_watched (pad))
    g_cond_signal (&pad->changed);
  g_mutex_unlock (&pad->lock);
}

static void
halt (GstMinivlTextSrc *pad)
{
  g_mutex_lock (&pad->lock);
  pad->flushing = TRUE;
  g_cond_signal (&pad->changed);
  g_mutex_unlock (&pad->lock);
}

static gboolean
resume (GstMinivlTextSrc *pad)
{
  g_mutex_lock (&pad->lock);
  text_src_clear_items (pad);
  pad->flushing = pad->dead = pad->has_segment = pad->push_told = FALSE;
  pad->position = GST_CLOCK_TIME_NONE;
  text_src_forget_told (pad);
  g_mutex_unlock (&pad->lock);
  return gst_pad_start_task (GST_PAD (pad), loop, pad, NULL);
}

void
text_src_flush_start (GstMinivlTextSrc *pad, GstEvent *event)
{
  gst_pad_push_event (GST_PAD (pad), event);
  halt (pad);
  gst_pad_pause_task (GST_PAD (pad));
}

void
text_src_flush_stop (GstMinivlTextSrc *pad, GstEvent *event)
{
  gst_pad_push_event (GST_PAD (pad), event);
  if (gst_pad_is_active (GST_PAD (pad)))
    resume (pad);
}

static gboolean
activate_mode (GstPad *base, GstObject *parent, GstPadMode mode, gboolean active)
{
  GstMinivlTextSrc *pad = GST_MINIVL_TEXT_SRC (base);
  gboolean stopped;

  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  if (active) {
    pad->lost = 0;
    return resume (pad);
  }
  halt (pad);
  stopped = gst_pad_stop_task (base);
  text_src_clear_items (pad);
  return stopped;
}

static void
text_src_finalize (GObject *object)
{
  GstMinivlTextSrc *pad = GST_MINIVL_TEXT_SRC (object);

  text_src_clear_items (pad);
  gst_event_replace (&pad->start, NULL);
  g_mutex_clear (&pad->lock);
  g_cond_clear (&pad->changed);
  G_OBJECT_CLASS (text_src_parent_class)->finalize (object);
}

static void
text_src_class_init (GstMinivlTextSrcClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = text_src_finalize;
}

static void
text_src_init (GstMinivlTextSrc *pad)
{
  g_mutex_init (&pad->lock);
  g_cond_init (&pad->changed);
  pad->position = pad->told = pad->duration = GST_CLOCK_TIME_NONE;
  gst_pad_set_activatemode_function (GST_PAD (pad), activate_mode);
}

GstMinivlTextSrc *
text_src_new (GstPadTemplate *templ, const gchar *name, gboolean (*is_paused) (GstElement *element))
{
  GstMinivlTextSrc *pad = g_object_new (text_src_get_type (), "name", name, "direction", GST_PAD_SRC, "template", templ, NULL);

  pad->is_paused = is_paused;
  return pad;
}
