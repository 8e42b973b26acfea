#include "textsrc-private.h"

#include "log.h"

#include <string.h>

/* How long the video may be held up, us, until something is taken to wait for a GAP that was left out. */
#define LONG_PUSH (G_TIME_SPAN_SECOND / 2)
/* How long the video may be held up, us, before the element is asked whether the text is why, and asked again. */
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

/* again: sends caps even if they have not changed. FALSE: the branch takes neither form. */
static gboolean
negotiate (GstMinivlTextSrc *pad, gboolean again)
{
  g_autoptr (GstCaps) current = gst_pad_get_current_caps (GST_PAD (pad));
  g_autoptr (GstCaps) templ = gst_pad_get_pad_template_caps (GST_PAD (pad));
  g_autoptr (GstCaps) peer = gst_pad_peer_query_caps (GST_PAD (pad), templ);
  g_autoptr (GstCaps) caps = gst_caps_intersect_full (templ, peer, GST_CAPS_INTERSECT_FIRST);
  gboolean refused = gst_caps_is_empty (caps);

  /* A branch that takes neither form is offered JSON all the same: caps that come behind a SEGMENT would be out of order. */
  if (refused)
    gst_caps_replace (&caps, templ);
  caps = gst_caps_fixate (g_steal_pointer (&caps));
  g_mutex_lock (&pad->lock);
  pad->is_json = gst_structure_has_name (gst_caps_get_structure (caps, 0), "application/x-json");
  g_mutex_unlock (&pad->lock);
  if (again || current == NULL || !gst_caps_is_equal (caps, current))
    gst_pad_push_event (GST_PAD (pad), gst_event_new_caps (caps));
  return !refused;
}

/* As for any stream, an error that nobody can mend but the application; once, unless there may be somebody else by now. */
static void
tell_refusal (GstMinivlTextSrc *pad, GstFlowReturn flow)
{
  g_autoptr (GstElement) element = gst_pad_get_parent_element (GST_PAD (pad));
  gboolean told;

  g_mutex_lock (&pad->lock);
  told = pad->refused || pad->seen != pad->renewals;
  pad->refused = pad->refused || !told;
  g_mutex_unlock (&pad->lock);
  if (!told && element != NULL)
    GST_ELEMENT_FLOW_ERROR (element, flow);
}

static void
send_event (GstMinivlTextSrc *pad, GstEvent *start, GstEvent *event)
{
  gboolean negotiated = TRUE;

  if (start != NULL)
    start_stream (pad, start);
  /* Asked first, since asking clears the flag. */
  if (gst_pad_check_reconfigure (GST_PAD (pad)) || start != NULL || !gst_pad_has_current_caps (GST_PAD (pad)))
    negotiated = negotiate (pad, start != NULL);
  gst_pad_push_event (GST_PAD (pad), event);
  if (!negotiated)
    tell_refusal (pad, GST_FLOW_NOT_NEGOTIATED);
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

/* FALSE: it has nothing to say. */
static gboolean
place_plain (GstMinivlTextSrc *pad, TextItem *item)
{
  if (!result_has_text (item->result))
    return FALSE;
  g_mutex_lock (&pad->lock);
  if (!pad->is_exact)
    text_src_put_behind_last (pad, item);
  g_mutex_unlock (&pad->lock);
  return TRUE;
}

static GstFlowReturn
send_result (GstMinivlTextSrc *pad, TextItem *item)
{
  const Result *result = item->result;
  GstBuffer *buffer;
  gchar *text;

  if (gst_pad_check_reconfigure (GST_PAD (pad)) && !negotiate (pad, FALSE))
    return GST_FLOW_NOT_NEGOTIATED;
  if (!pad->is_json && !place_plain (pad, item))
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

/* Holds the lock. Whether somebody may be behind the pad who has to be told how far the stream is, and nothing else will tell. */
static gboolean
greeting_is_due (GstMinivlTextSrc *pad)
{
  return pad->greeted != pad->renewals && (pad->ended || (pad->push_lasts && GST_CLOCK_TIME_IS_VALID (pad->told)));
}

/* To whoever is linked behind EOS. As copies: the pad takes events for received that went to the one before just now. */
static void
repeat_end (GstMinivlTextSrc *pad)
{
  static const GstEventType types[] = { GST_EVENT_STREAM_START, GST_EVENT_CAPS, GST_EVENT_SEGMENT, GST_EVENT_EOS };
  g_autoptr (GstPad) peer = gst_pad_get_peer (GST_PAD (pad));
  g_autoptr (GstEvent) eos = peer != NULL ? gst_pad_get_sticky_event (peer, GST_EVENT_EOS, 0) : NULL;
  GstEvent *events[G_N_ELEMENTS (types)];

  if (eos != NULL)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    events[i] = gst_pad_get_sticky_event (GST_PAD (pad), types[i], 0);
  for (guint i = 0; i < G_N_ELEMENTS (types); i++) {
    if (events[i] == NULL) /* a stream without a SEGMENT */
      continue;
    gst_pad_push_event (GST_PAD (pad), gst_event_copy (events[i]));
    gst_event_unref (events[i]);
  }
}

/* Holds the lock. What the next item or GAP changes. */
static void
note_sent (GstMinivlTextSrc *pad, const TextItem *item)
{
  if (item != NULL && item->start != NULL)
    pad->refused = pad->ended = FALSE;
  if (item != NULL && item->event != NULL && GST_EVENT_TYPE (item->event) == GST_EVENT_EOS)
    pad->ended = TRUE;
  if (item == NULL || item->event != NULL) /* an event brings all that stands on the pad, EOS too */
    pad->greeted = pad->renewals;
  pad->seen = pad->renewals;
}

/* The text that was pushed last has found nobody. What is worse than EOS is told as an error, and a flush is somebody's will. */
static void
lose_text (GstMinivlTextSrc *pad, GstFlowReturn flow)
{
  const gchar *why = NULL;

  g_mutex_lock (&pad->lock);
  if (flow == GST_FLOW_NOT_LINKED)
    why = "nothing is linked to it";
  else if (flow == GST_FLOW_EOS)
    why = "its branch takes no more of this stream";
  else if (flow == GST_FLOW_FLUSHING && !pad->flushing)
    why = "its branch is being flushed or has been stopped";
  text_src_lose (pad, why);
  g_mutex_unlock (&pad->lock);
}

/* If the video's EOS waits for it: a serialized query comes back when all that was pushed before has gone through the queues. */
static void
tell_arrival (GstMinivlTextSrc *pad)
{
  g_autoptr (GstCaps) caps = NULL;
  g_autoptr (GstQuery) query = NULL;
  gboolean awaited;

  g_mutex_lock (&pad->lock);
  awaited = pad->awaited;
  g_mutex_unlock (&pad->lock);
  if (!awaited)
    return;
  caps = gst_pad_get_current_caps (GST_PAD (pad));
  query = gst_query_new_allocation (caps, FALSE);
  gst_pad_peer_query (GST_PAD (pad), query);
  g_mutex_lock (&pad->lock);
  pad->awaited = FALSE;
  g_cond_broadcast (&pad->arrived);
  g_mutex_unlock (&pad->lock);
}

static void
loop (gpointer data)
{
  GstMinivlTextSrc *pad = data;
  GstFlowReturn flow = GST_FLOW_OK;
  GstEvent *gap = NULL;
  TextItem *item = NULL;
  gboolean refused;

  g_mutex_lock (&pad->lock);
  while (!pad->flushing && !text_src_item_is_due (pad) && !text_src_gap_is_due (pad) && !greeting_is_due (pad))
    g_cond_wait (&pad->changed, &pad->lock);
  if (pad->flushing) {
    g_mutex_unlock (&pad->lock);
    gst_pad_pause_task (GST_PAD (pad));
    return;
  }
  if (text_src_item_is_due (pad))
    item = text_src_take_item (pad);
  else if (text_src_gap_is_due (pad))
    gap = text_src_take_gap (pad);
  else if (!pad->ended)
    gap = gst_event_new_gap (pad->told, 0);
  note_sent (pad, item);
  refused = pad->refused;
  g_mutex_unlock (&pad->lock);

  if (item == NULL && gap == NULL)
    repeat_end (pad);
  else if (item == NULL)
    send_event (pad, NULL, gap);
  else if (item->result != NULL)
    flow = refused ? GST_FLOW_ERROR : send_result (pad, item);
  if (item != NULL)
    tell_arrival (pad);
  if (item != NULL && item->event != NULL)
    send_event (pad, item->start, g_steal_pointer (&item->event));
  g_clear_pointer (&item, text_item_free);

  /* The next text is tried again, unless it was refused: somebody else may be there by then. */
  if (flow < GST_FLOW_OK)
    lose_text (pad, flow);
  if (flow < GST_FLOW_EOS)
    tell_refusal (pad, flow);
  text_src_tell_lost (pad);
}

/* --- how long the video is held up ------------------------------------------------------------------------------------------- */

/* When to look next, us; the push lasts. A frame that a sink shows for more than a second holds nothing up. */
static gint64
next_look (GstMinivlTextSrc *pad)
{
  if (!pad->push_lasts)
    return pad->push_began + LONG_PUSH;
  return MAX (pad->push_began + (gint64)(pad->pace / 1000), pad->push_asked) + LONGEST_PUSH;
}

static gboolean on_time (GstClock *clock, GstClockTime time, GstClockID id, gpointer data);

static void
weak_ref_free (gpointer weak)
{
  g_weak_ref_clear (weak);
  g_free (weak);
}

/* Holds the lock. The clock's thread looks, for the task itself may be held up by the branch. */
static void
look_later (GstMinivlTextSrc *pad)
{
  g_autoptr (GstClock) clock = gst_system_clock_obtain ();
  GstClockTime in = (GstClockTime)MAX (0, next_look (pad) - g_get_monotonic_time ()) * 1000;
  GstClockID id = gst_clock_new_single_shot_id (clock, gst_clock_get_time (clock) + in);
  GWeakRef *weak = g_new (GWeakRef, 1);

  g_weak_ref_init (weak, pad);
  pad->push_watched = TRUE;
  gst_clock_id_wait_async (id, on_time, weak, weak_ref_free);
  gst_clock_id_unref (id);
}

/* Holds the lock. Whether the element has to be asked. */
static gboolean
look (GstMinivlTextSrc *pad)
{
  gint64 now = g_get_monotonic_time ();
  gboolean is_over = now >= next_look (pad), ask = is_over && pad->push_lasts && !pad->push_told;

  if (ask)
    pad->push_asked = now;
  if (is_over && !pad->push_lasts) {
    pad->push_lasts = TRUE;
    pad->shown = 0;
    g_cond_signal (&pad->changed);
  }
  if (!pad->push_lasts || !pad->push_told)
    look_later (pad);
  return ask;
}

static gboolean
on_time (GstClock *clock, GstClockTime time, GstClockID id, gpointer data)
{
  g_autoptr (GstMinivlTextSrc) pad = g_weak_ref_get (data);
  g_autoptr (GstElement) element = pad != NULL ? gst_pad_get_parent_element (GST_PAD (pad)) : NULL;
  gboolean ask;

  if (element == NULL)
    return TRUE;
  g_mutex_lock (&pad->lock);
  pad->push_watched = FALSE;
  ask = pad->push_began != 0 && !pad->flushing && look (pad);
  g_mutex_unlock (&pad->lock);
  if (!ask || !pad->held_up (element))
    return TRUE;
  g_mutex_lock (&pad->lock);
  pad->push_told = TRUE;
  g_mutex_unlock (&pad->lock);
  return TRUE;
}

/* --- the element's side ------------------------------------------------------------------------------------------------------ */

void
text_src_set_times (GstMinivlTextSrc *pad, TextTimestamp timestamp, guint64 duration, gboolean is_exact)
{
  g_mutex_lock (&pad->lock);
  pad->timestamp = timestamp;
  pad->duration = duration;
  pad->is_exact = is_exact;
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
  text_src_add_segment (pad, event);
  g_cond_signal (&pad->changed);
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
  pad->push_asked = 0;
  pad->push_lasts = FALSE;
  if (pushing && !pad->push_watched)
    look_later (pad);
  g_mutex_unlock (&pad->lock);
}

/* is_end: nobody will take a text any more. */
static void
halt (GstMinivlTextSrc *pad, gboolean is_end)
{
  g_mutex_lock (&pad->lock);
  pad->flushing = TRUE;
  pad->stopped |= is_end;
  text_src_clear_items (pad);
  g_cond_signal (&pad->changed);
  g_cond_broadcast (&pad->arrived);
  g_mutex_unlock (&pad->lock);
}

/* Results that have come since halt() stay. */
static gboolean
resume (GstMinivlTextSrc *pad)
{
  g_mutex_lock (&pad->lock);
  text_src_keep_results (pad);
  pad->flushing = pad->stopped = pad->refused = pad->ended = pad->has_segment = pad->push_told = FALSE;
  pad->position = GST_CLOCK_TIME_NONE;
  text_src_forget_told (pad);
  g_mutex_unlock (&pad->lock);
  return gst_pad_start_task (GST_PAD (pad), loop, pad, NULL);
}

void
text_src_flush_start (GstMinivlTextSrc *pad, GstEvent *event)
{
  halt (pad, FALSE);
  gst_pad_push_event (GST_PAD (pad), event);
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

  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  if (active) {
    pad->lost = 0;
    pad->lost_told = FALSE;
    return resume (pad);
  }
  halt (pad, TRUE);
  return gst_pad_stop_task (base);
}

void
text_src_renewed (GstMinivlTextSrc *pad)
{
  g_mutex_lock (&pad->lock);
  pad->refused = FALSE;
  pad->renewals++;
  g_cond_signal (&pad->changed);
  g_mutex_unlock (&pad->lock);
}

static gpointer
await_task (gpointer pad)
{
  gst_pad_stop_task (pad);
  gst_object_unref (pad);
  return NULL;
}

void
text_src_release (GstMinivlTextSrc *pad)
{
  halt (pad, TRUE);
  GST_OBJECT_LOCK (pad);
  GST_PAD_SET_FLUSHING (pad);
  GST_PAD_BLOCK_BROADCAST (pad);
  GST_OBJECT_UNLOCK (pad);
  /* The branch may keep the task for as long as it likes, or be what releases the pad: nobody else waits for that. */
  g_thread_unref (g_thread_new ("text_src-end", await_task, gst_object_ref (pad)));
}

static void
text_src_finalize (GObject *object)
{
  GstMinivlTextSrc *pad = GST_MINIVL_TEXT_SRC (object);

  text_src_clear_items (pad);
  gst_event_replace (&pad->start, NULL);
  g_mutex_clear (&pad->lock);
  g_cond_clear (&pad->changed);
  g_cond_clear (&pad->arrived);
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
  g_cond_init (&pad->arrived);
  gst_segment_init (&pad->segment, GST_FORMAT_TIME);
  pad->position = pad->told = pad->duration = GST_CLOCK_TIME_NONE;
  gst_pad_set_activatemode_function (GST_PAD (pad), activate_mode);
}

GstMinivlTextSrc *
text_src_new (GstPadTemplate *templ, const gchar *name, gboolean (*held_up) (GstElement *element))
{
  GstMinivlTextSrc *pad = g_object_new (text_src_get_type (), "name", name, "direction", GST_PAD_SRC, "template", templ, NULL);

  pad->held_up = held_up;
  return pad;
}
