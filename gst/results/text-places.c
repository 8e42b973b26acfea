#include "textsrc-private.h"

#include "log.h"

/* Texts that may wait for a branch that is slow to take them. */
#define MAX_WAITING 1024
/* How long a summary is shown at most; it covers far more time than that. */
#define LONGEST_SUMMARY (5 * GST_SECOND)

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
    pad->lost++;
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
    GST_WARNING_OBJECT (pad, "the text is not taken: result %" G_GUINT64_FORMAT " is lost on it", item->result->id);
    text_item_free (item);
    g_queue_delete_link (&pad->items, l);
    pad->n_results--;
    pad->lost++;
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

/* Up to where it is known that no text will come. */
static guint64
quiet_until (GstMinivlTextSrc *pad)
{
  const TextItem *owed = first_owed (pad);

  return owed != NULL ? MIN (owed->position, pad->end) : pad->end;
}

gboolean
text_src_gap_is_due (GstMinivlTextSrc *pad)
{
  if (pad->n_events > 0 || !pad->has_segment || !GST_CLOCK_TIME_IS_VALID (pad->position))
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
  pad->shown = 0;
}

/* Time of the next text whose time is fixed. */
static guint64
next_place (GstMinivlTextSrc *pad)
{
  for (GList *l = pad->items.head; l != NULL; l = l->next) {
    const TextItem *item = l->data;

    if (item->id != 0)
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

TextItem *
text_src_take_item (GstMinivlTextSrc *pad)
{
  TextItem *item = g_queue_pop_head (&pad->items);

  if (item->result != NULL) {
    /* The text gets the time of the video that passes now, as long as that is in the same segment. */
    if (pad->n_events == 0 && item->id == 0)
      item->position = MIN (GST_CLOCK_TIME_IS_VALID (pad->told) ? MAX (pad->position, pad->told) : pad->position, next_place (pad));
    item->duration = pad->duration;
    if (!GST_CLOCK_TIME_IS_VALID (item->duration))
      item->duration = span_of (item->result);
    pad->n_results--;
    tell (pad, item->position);
  } else {
    pad->n_events--;
    if (GST_EVENT_TYPE (item->event) == GST_EVENT_SEGMENT)
      text_src_forget_told (pad);
  }
  return item;
}

GstEvent *
text_src_take_gap (GstMinivlTextSrc *pad)
{
  guint64 until = quiet_until (pad);
  guint64 from = GST_CLOCK_TIME_IS_VALID (pad->told) ? MAX (pad->told, pad->shown) : MIN (pad->first, until);

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

void
text_src_result (GstMinivlTextSrc *pad, Result *result)
{
  TextItem *owed, *beside;

  g_mutex_lock (&pad->lock);
  owed = find_owed (pad, result->id);
  beside = find_owed (pad, result->beside);
  /* A summary stands before the next segment's text. */
  if (g_str_equal (result->kind, RESULT_SUMMARY))
    beside = first_owed (pad);

  if (pad->n_results >= MAX_WAITING)
    drop_oldest_result (pad);
  if (owed != NULL) {
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
}

void
text_src_eos (GstMinivlTextSrc *pad, GstEvent *event)
{
  g_mutex_lock (&pad->lock);
  forgive (pad);
  g_queue_push_tail (&pad->items, text_item_new (pad, event, NULL));
  g_cond_signal (&pad->changed);
  g_mutex_unlock (&pad->lock);
}
