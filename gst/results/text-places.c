#include "textsrc-private.h"

/* Texts that may wait for a branch that is slow to take them. */
#define MAX_WAITING 1024
/* How long EOS of the video waits for a text to arrive where a muxer may be, us. */
#define LONGEST_WAY (G_TIME_SPAN_SECOND / 2)
/* How long a summary is shown at most; it covers far more time than that. */
#define LONGEST_SUMMARY (5 * GST_SECOND)
/* Long enough to be told from the next text in any file. */
#define LEAST_DURATION GST_MSECOND

void
text_item_free (TextItem *item)
{
  g_clear_pointer (&item->start, gst_event_unref);
  g_clear_pointer (&item->event, gst_event_unref);
  g_clear_pointer (&item->result, result_unref);
  g_free (item);
}

TextItem *
text_item_new (GstMinivlTextSrc *pad, GstEvent *event, Result *result)
{
  TextItem *item = g_new0 (TextItem, 1);

  item->event = event;
  item->result = result;
  item->position = pad->position;
  if (event != NULL)
    item->start = g_steal_pointer (&pad->start);
  pad->n_events += event != NULL;
  pad->n_results += result != NULL;
  return item;
}

void
text_src_clear_items (GstMinivlTextSrc *pad)
{
  /* The last STREAM_START still has to be sent. */
  for (GList *l = pad->items.tail; l != NULL && pad->start == NULL; l = l->prev)
    pad->start = g_steal_pointer (&((TextItem *)l->data)->start);
  g_queue_clear_full (&pad->items, (GDestroyNotify)text_item_free);
  pad->lost += pad->n_results;
  pad->n_events = pad->n_results = pad->n_owed = 0;
}

void
text_src_keep_results (GstMinivlTextSrc *pad)
{
  GQueue kept = G_QUEUE_INIT;
  TextItem *item;

  while ((item = g_queue_pop_head (&pad->items)) != NULL) {
    if (item->result != NULL) {
      item->id = 0;
      item->position = GST_CLOCK_TIME_NONE;
      g_queue_push_tail (&kept, item);
      continue;
    }
    if (item->start != NULL)
      gst_event_take (&pad->start, g_steal_pointer (&item->start));
    text_item_free (item);
  }
  pad->items = kept;
  pad->n_events = pad->n_owed = 0;
}

void
text_src_add_segment (GstMinivlTextSrc *pad, GstEvent *event)
{
  TextItem *item = text_item_new (pad, event, NULL);

  /* Texts that came before any segment belong to this one. */
  if (pad->has_segment)
    g_queue_push_tail (&pad->items, item);
  else
    g_queue_push_head (&pad->items, item);
  pad->has_segment = TRUE;
  pad->position = GST_CLOCK_TIME_NONE;
}

gboolean
text_item_is_owed (const TextItem *item)
{
  return item->event == NULL && item->result == NULL;
}

static TextItem *
first_owed (GstMinivlTextSrc *pad)
{
  for (GList *l = pad->n_owed > 0 ? pad->items.head : NULL; l != NULL; l = l->next)
    if (text_item_is_owed (l->data))
      return l->data;
  return NULL;
}

static TextItem *
find_owed (GstMinivlTextSrc *pad, guint64 id)
{
  for (GList *l = pad->n_owed > 0 ? pad->items.head : NULL; l != NULL; l = l->next) {
    TextItem *item = l->data;

    if (text_item_is_owed (item) && item->id == id)
      return item;
  }
  return NULL;
}

/* What is told after all is a text of the moment. */
static void
forgive (GstMinivlTextSrc *pad)
{
  GList *next;

  for (GList *l = pad->items.head; l != NULL; l = next) {
    next = l->next;
    if (!text_item_is_owed (l->data))
      continue;
    text_item_free (l->data);
    g_queue_delete_link (&pad->items, l);
  }
  pad->n_owed = 0;
}

static void
drop_oldest_result (GstMinivlTextSrc *pad)
{
  for (GList *l = pad->items.head; l != NULL; l = l->next) {
    TextItem *item = l->data;

    if (item->result == NULL)
      continue;
    text_item_free (item);
    g_queue_delete_link (&pad->items, l);
    pad->n_results--;
    text_src_lose (pad, "1024 wait for a branch that does not take them");
    return;
  }
}

gboolean
text_src_item_is_due (GstMinivlTextSrc *pad)
{
  TextItem *item = g_queue_peek_head (&pad->items);

  if (item == NULL || text_item_is_owed (item))
    return FALSE;
  return item->event != NULL || item->id != 0
         || (pad->has_segment && (GST_CLOCK_TIME_IS_VALID (pad->position) || pad->n_events > 0));
}

/* Where texts stand that come after the last frame: in the second half of it, for at the segment's stop nobody sees them. */
static guint64
last_place (const GstMinivlTextSrc *pad)
{
  guint64 stop = pad->segment.stop, half = 1;

  if (!GST_CLOCK_TIME_IS_VALID (stop))
    return GST_CLOCK_TIME_NONE;
  if (GST_CLOCK_TIME_IS_VALID (pad->position) && pad->position < stop)
    half = MAX (1, (MIN (pad->end, stop) - pad->position) / 2);
  return stop - MIN (half, stop);
}

/* Up to where it is known that no text will come. */
static guint64
quiet_until (GstMinivlTextSrc *pad)
{
  const TextItem *owed = first_owed (pad);
  guint64 end = MIN (pad->end, last_place (pad));

  return owed != NULL ? MIN (owed->position, end) : end;
}

gboolean
text_src_gap_is_due (GstMinivlTextSrc *pad)
{
  /* Nor behind EOS, where it would tell nothing, and whoever is linked there just now would be taken for greeted. */
  if (pad->ended || pad->n_events > 0 || !pad->has_segment || !GST_CLOCK_TIME_IS_VALID (pad->position))
    return FALSE;
  if (GST_CLOCK_TIME_IS_VALID (pad->told))
    return quiet_until (pad) > MAX (pad->told, pad->shown);
  /* Of the first frame, with its text still owed, there is nothing to tell. A sink needs it all the same, or it never prerolls; a
   * muxer would write it down. */
  return pad->n_owed == 0 || quiet_until (pad) > pad->first || pad->push_lasts;
}

static void
tell (GstMinivlTextSrc *pad, guint64 position)
{
  if (GST_CLOCK_TIME_IS_VALID (position))
    pad->told = GST_CLOCK_TIME_IS_VALID (pad->told) ? MAX (pad->told, position) : position;
}

void
text_src_forget_told (GstMinivlTextSrc *pad)
{
  pad->told = GST_CLOCK_TIME_NONE;
  pad->shown = pad->spoken = 0;
}

/* Time of the next text in this segment whose time is fixed, and not before `from`. */
static guint64
next_place (GstMinivlTextSrc *pad, guint64 from)
{
  for (GList *l = pad->items.head; l != NULL && ((TextItem *)l->data)->event == NULL; l = l->next) {
    const TextItem *item = l->data;

    if (item->id != 0 && item->position >= from)
      return item->position;
  }
  return GST_CLOCK_TIME_NONE;
}

static guint64
span_of (const Result *result)
{
  guint64 span = result->segment_stop - result->segment_start;

  return g_str_equal (result->kind, RESULT_SUMMARY) ? MIN (span, LONGEST_SUMMARY) : span;
}

/* The time of the video that passes now, as long as that is in the same segment; not before what was told. */
static guint64
place_now (GstMinivlTextSrc *pad, const TextItem *item)
{
  guint64 position = pad->n_events == 0 ? pad->position : item->position;

  if (!GST_CLOCK_TIME_IS_VALID (position))
    position = pad->segment.start;
  if (GST_CLOCK_TIME_IS_VALID (pad->told))
    position = MAX (position, pad->told);
  return MIN (position, next_place (pad, 0));
}

static void
put_inside_segment (GstMinivlTextSrc *pad, TextItem *item)
{
  const GstSegment *segment = &pad->segment;

  if (item->position >= segment->stop)
    item->position = last_place (pad);
  item->position = MAX (item->position, segment->start);
  item->duration = MIN (item->duration, segment->stop - item->position);
}

/* How many texts will share the time of the one that was taken: those at its own fixed time; else of an alert, the other ones about
 * its segment and that segment's own, which may be still to come. */
static guint
count_beside (const GstMinivlTextSrc *pad, const TextItem *item)
{
  guint64 segment = item->result->beside;
  gboolean awaits_own = item->id == 0 && segment != 0;
  guint n = 0;

  for (GList *l = pad->items.head; l != NULL; l = l->next, n++) {
    const TextItem *other = l->data;

    if (item->id != 0 ? other->id == 0 || other->position != item->position
                      : !awaits_own || other->result == NULL || (other->result->beside != segment && other->result->id != segment))
      break;
    awaits_own = awaits_own && other->result->id != segment;
  }
  return n + awaits_own;
}

void
text_src_put_behind_last (GstMinivlTextSrc *pad, TextItem *item)
{
  guint64 begin = MAX (item->position, pad->spoken), last = last_place (pad), end = item->position + item->duration, room;
  guint n = count_beside (pad, item) + 1;

  end = MAX (end, begin + item->duration / 4); /* whoever is late makes up for it */
  if (begin + n * LEAST_DURATION <= last) {
    end = MIN (end, MIN (last, next_place (pad, begin + 1)));
    item->duration = MAX (LEAST_DURATION, (end - begin) / n);
  } else { /* the video is over: as many as may be */
    room = pad->segment.stop - begin;
    item->duration = pad->n_events > 0 && pad->n_results == 0 ? room : MIN (LEAST_DURATION, room / 2);
  }
  item->position = begin;
  if (!GST_CLOCK_TIME_IS_VALID (pad->told)) /* the video has gone back since the item was taken */
    return;
  tell (pad, begin);
  pad->spoken = begin + item->duration;
}

TextItem *
text_src_take_item (GstMinivlTextSrc *pad)
{
  TextItem *item = g_queue_pop_head (&pad->items);

  if (item->result != NULL) {
    if (item->id == 0)
      item->position = place_now (pad, item);
    item->duration = pad->duration;
    if (!GST_CLOCK_TIME_IS_VALID (item->duration))
      item->duration = span_of (item->result);
    pad->n_results--;
    pad->is_stuck = FALSE;
    g_cond_broadcast (&pad->arrived);
    put_inside_segment (pad, item);
    pad->on_its_way = TRUE;
    tell (pad, item->position);
  } else {
    pad->n_events--;
    if (GST_EVENT_TYPE (item->event) == GST_EVENT_SEGMENT) {
      gst_event_copy_segment (item->event, &pad->segment);
      text_src_forget_told (pad);
    }
  }
  return item;
}

GstEvent *
text_src_take_gap (GstMinivlTextSrc *pad)
{
  guint64 until = quiet_until (pad);
  guint64 from = GST_CLOCK_TIME_IS_VALID (pad->told) ? MAX (pad->told, pad->shown) : MIN (pad->first, until);

  pad->on_its_way = FALSE;
  tell (pad, until);
  return gst_event_new_gap (from, until - from);
}

void
text_src_position (GstMinivlTextSrc *pad, guint64 pts, guint64 end)
{
  g_mutex_lock (&pad->lock);
  pad->pace = end - pts;
  if (!GST_CLOCK_TIME_IS_VALID (pad->position)) {
    pad->first = pts;
  } else if (pts < pad->position) {
    pad->first = pts;
    text_src_forget_told (pad);
  } else {
    pad->pace = MAX (pad->pace, pts - pad->position);
  }
  pad->position = pts;
  pad->end = end;
  if (text_src_item_is_due (pad) || text_src_gap_is_due (pad))
    g_cond_signal (&pad->changed);
  g_mutex_unlock (&pad->lock);
}

void
text_src_owe (GstMinivlTextSrc *pad, guint64 id, guint64 pts)
{
  g_mutex_lock (&pad->lock);
  if (pad->timestamp == TEXT_SEGMENT) {
    TextItem *item = g_new0 (TextItem, 1);

    item->id = id;
    item->position = pts;
    g_queue_push_tail (&pad->items, item);
    pad->n_owed++;
  }
  g_mutex_unlock (&pad->lock);
}

/* Holds the lock. Puts an alert before the owed text that it belongs to, with the same time. */
static void
put_beside (GstMinivlTextSrc *pad, const TextItem *owed, Result *result)
{
  TextItem *item = text_item_new (pad, NULL, result_ref (result));

  item->id = result->id;
  item->position = owed->position;
  g_queue_insert_before (&pad->items, g_queue_find (&pad->items, owed), item);
}

/* Holds the lock. A task that merely had no time gets some; a branch that takes nothing is waited for once. */
static void
make_room (GstMinivlTextSrc *pad)
{
  gint64 end = g_get_monotonic_time () + LONGEST_WAY;

  while (pad->n_results >= MAX_WAITING && !pad->is_stuck && !pad->flushing)
    pad->is_stuck = !g_cond_wait_until (&pad->arrived, &pad->lock, end);
  if (pad->n_results >= MAX_WAITING)
    drop_oldest_result (pad);
}

void
text_src_result (GstMinivlTextSrc *pad, Result *result)
{
  TextItem *owed, *beside;

  g_mutex_lock (&pad->lock);
  make_room (pad);
  owed = find_owed (pad, result->id);
  beside = find_owed (pad, result->beside);
  /* A summary, and what a flush has ended, stand before the next segment's text. */
  if (owed == NULL && beside == NULL && !g_str_equal (result->kind, RESULT_QUESTION))
    beside = first_owed (pad);

  if (pad->stopped) {
    text_src_lose (pad, NULL);
  } else if (owed != NULL) {
    owed->result = result_ref (result);
    pad->n_owed--;
    pad->n_results++;
  } else if (beside != NULL) {
    put_beside (pad, beside, result);
  } else {
    g_queue_push_tail (&pad->items, text_item_new (pad, NULL, result_ref (result)));
  }
  g_cond_signal (&pad->changed);
  g_mutex_unlock (&pad->lock);
  text_src_tell_lost (pad);
}

/* Holds the lock. GStreamer 1.22's matroskamux takes its file to be complete when the video's EOS comes and the last it was told of
 * the text is a GAP: a text must not come after that. Once one has come, the muxer waits for the others. */
static void
wait_for_arrival (GstMinivlTextSrc *pad)
{
  gint64 end = g_get_monotonic_time () + LONGEST_WAY;

  pad->awaited = !pad->is_json && (pad->on_its_way || pad->n_results > 0);
  while (pad->awaited && !pad->flushing && g_cond_wait_until (&pad->arrived, &pad->lock, end))
    ;
  pad->awaited = FALSE;
}

void
text_src_eos (GstMinivlTextSrc *pad, GstEvent *event)
{
  gboolean is_last = GST_EVENT_TYPE (event) == GST_EVENT_EOS;

  g_mutex_lock (&pad->lock);
  forgive (pad);
  if (!pad->has_segment && pad->n_results > 0) { /* a flush, and nothing behind it */
    GstSegment segment;

    gst_segment_init (&segment, GST_FORMAT_TIME);
    text_src_add_segment (pad, gst_event_new_segment (&segment));
  }
  g_queue_push_tail (&pad->items, text_item_new (pad, event, NULL));
  g_cond_signal (&pad->changed);
  if (is_last)
    wait_for_arrival (pad);
  g_mutex_unlock (&pad->lock);
}
