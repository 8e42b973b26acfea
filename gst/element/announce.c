#include "element.h"
#include "gst/results/log.h"

#define PARTIAL_NAME "minivl-partial"
/* The latency grows by steps of this at least: each is felt by whoever watches. */
#define TENTH (100 * GST_MSECOND)

void
announce_progress (GstMinivl *self, GstProgressType type, const gchar *text)
{
  gst_element_post_message (GST_ELEMENT (self), gst_message_new_progress (GST_OBJECT (self), type, "loading", text));
}

GstStructure *
announce_stats (GstMinivl *self)
{
  g_autoptr (GstMinivlTextSrc) text = element_get_text (self);
  guint64 text_lost = text != NULL ? text_src_get_lost (text) : 0;
  Stats stats;

  GST_OBJECT_LOCK (self);
  text_lost += self->text_lost;
  GST_OBJECT_UNLOCK (self);
  g_mutex_lock (&self->results_lock);
  stats = self->stats;
  g_mutex_unlock (&self->results_lock);
  return stats_to_structure (&stats, text_lost, worker_count_waiting (self->worker), worker_get_device_bytes (self->worker));
}

static void
on_progress (double fraction, gpointer user_data)
{
  GstMinivl *self = user_data;
  gint percent = (gint)(100 * fraction);
  g_autofree gchar *text = g_strdup_printf ("Loading the model: %d%%", percent);

  if (percent == self->percent)
    return;
  self->percent = percent;
  announce_progress (self, GST_PROGRESS_TYPE_CONTINUE, text);
}

static gint
resource_error (const GError *error)
{
  if (error->domain != MINIVL_ERROR)
    return GST_RESOURCE_ERROR_FAILED;
  switch (error->code) {
    case MINIVL_ERROR_USAGE:
    case MINIVL_ERROR_BUDGET:
      return GST_RESOURCE_ERROR_SETTINGS;
    case MINIVL_ERROR_FILE:
    case MINIVL_ERROR_MODEL:
      return GST_RESOURCE_ERROR_OPEN_READ;
    case MINIVL_ERROR_MEMORY:
      return GST_RESOURCE_ERROR_NO_SPACE_LEFT;
    default:
      return GST_RESOURCE_ERROR_FAILED;
  }
}

static void
on_refused (const GError *error, gpointer user_data)
{
  GstMinivl *self = user_data;

  gst_element_message_full (GST_ELEMENT (self), GST_MESSAGE_ERROR, GST_RESOURCE_ERROR, resource_error (error),
      g_strdup (error->message), NULL, __FILE__, GST_FUNCTION, __LINE__);
}

static void
on_opened (const GError *error, gpointer user_data)
{
  GstMinivl *self = user_data;

  self->opened = g_get_monotonic_time ();
  if (error == NULL) {
    announce_progress (self, GST_PROGRESS_TYPE_COMPLETE, "The model is loaded");
    return;
  }
  announce_progress (self, GST_PROGRESS_TYPE_ERROR, error->message);
  on_refused (error, self);
}

static void
on_reopened (guint tries, gpointer user_data)
{
  ((GstMinivl *)user_data)->opened = g_get_monotonic_time ();
  GST_ELEMENT_INFO (user_data, RESOURCE, SETTINGS, ("The device was lost, and works again after %u tries.", tries), (NULL));
}

static void
check_speed (GstMinivl *self, const Result *result)
{
  g_autofree gchar *complaint = NULL;
  Pace pace;

  if (!g_atomic_int_get (&self->live) || !g_str_equal (result->kind, RESULT_SEGMENT))
    return;
  GST_OBJECT_LOCK (self);
  pace = (Pace){ settings_step (&self->settings), self->settings.segments.overlap, self->settings.segments.frames,
    settings_leak (&self->settings, TRUE) != WORKER_WAITS };
  GST_OBJECT_UNLOCK (self);
  if (pace.step == 0)
    pace.step = result->segment_stop - result->segment_start;
  complaint = too_slow_note (&self->too_slow, result, &pace);
  if (complaint != NULL)
    GST_ELEMENT_WARNING (self, RESOURCE, BUSY, ("%s: %s", result->stream, complaint), (NULL));
}

/* How late live texts are is known by how late they were; that nobody answered while the model was loaded is no habit. */
static void
note_answer_time (GstMinivl *self, const Result *result)
{
  guint64 seen = MIN (result->total, (guint64)(g_get_monotonic_time () - self->opened) * 1000), before;
  gboolean grows;

  if (!g_atomic_int_get (&self->live) || !result->answered || !g_str_equal (result->kind, RESULT_SEGMENT))
    return;
  GST_OBJECT_LOCK (self);
  before = settings_text_latency (&self->settings, self->answer_time);
  self->answer_time = MAX (self->answer_time, (seen + TENTH - 1) / TENTH * TENTH);
  grows = settings_text_latency (&self->settings, self->answer_time) > before;
  GST_OBJECT_UNLOCK (self);
  if (grows)
    gst_element_post_message (GST_ELEMENT (self), gst_message_new_latency (GST_OBJECT (self)));
}

/* Before anybody is told, so that the journal has all that others know. */
static void
append_to_journal (GstMinivl *self, const Result *result)
{
  g_autoptr (GError) error = NULL;
  guint64 skipped = journal_get_skipped (self->journal);

  if (skipped > 0 && !self->skipped_told)
    GST_ELEMENT_WARNING (self, RESOURCE, READ,
        ("journal: lines that are no results have been skipped, %" G_GUINT64_FORMAT " so far.", skipped), (NULL));
  self->skipped_told = skipped > 0;
  journal_append (self->journal, result, &error);
  if (error != NULL && !self->journal_failed)
    GST_ELEMENT_WARNING (
        self, RESOURCE, WRITE, ("journal: results are not kept, until this works again: %s", error->message), (NULL));
  self->journal_failed = error != NULL;
}

static void
on_result (Result *result, const GError *error, gpointer user_data)
{
  GstMinivl *self = user_data;
  g_autoptr (GstMinivlTextSrc) text = element_get_text (self);

  GST_DEBUG_OBJECT (
      self, "%s: %" G_GUINT64_FORMAT ": result: %s: %s", result->stream, result->id, result->finish_reason, result->text);
  if (error != NULL)
    GST_ELEMENT_WARNING (self, LIBRARY, FAILED,
        ("%s: no answer about %s %" G_GUINT64_FORMAT ": %s", result->stream, result->kind, result->id, error->message), (NULL));
  if (self->journal != NULL)
    append_to_journal (self, result);
  check_speed (self, result);
  note_answer_time (self, result);
  g_mutex_lock (&self->results_lock);
  stats_add (&self->stats, result);
  g_queue_push_tail (&self->results, result_ref (result));
  g_mutex_unlock (&self->results_lock);
  if (text != NULL)
    text_src_result (text, result);
  gst_element_post_message (
      GST_ELEMENT (self), gst_message_new_element (GST_OBJECT (self), result_to_structure (result, RESULT_MESSAGE_NAME)));
  if (g_str_equal (result->kind, RESULT_ALERT))
    gst_element_post_message (
        GST_ELEMENT (self), gst_message_new_element (GST_OBJECT (self), result_to_structure (result, RESULT_ALERT_NAME)));
}

static void
on_trouble (const gchar *text, gpointer user_data)
{
  GST_ELEMENT_WARNING (user_data, LIBRARY, FAILED, ("%s", text), (NULL));
}

static void
on_partial (const gchar *kind, guint64 id, guint64 start, guint64 stop, const gchar *text, gpointer user_data)
{
  GstMinivl *self = user_data;
  g_autofree gchar *stream = NULL;
  gboolean wanted;

  GST_OBJECT_LOCK (self);
  wanted = self->settings.partial;
  stream = g_strdup (self->settings.stream != NULL ? self->settings.stream : GST_OBJECT_NAME (self));
  GST_OBJECT_UNLOCK (self);
  if (wanted)
    gst_element_post_message (
        GST_ELEMENT (self), gst_message_new_element (GST_OBJECT (self),
                                gst_structure_new (PARTIAL_NAME, "id", G_TYPE_UINT64, id, "kind", G_TYPE_STRING, kind, "final",
                                    G_TYPE_BOOLEAN, FALSE, "stream", G_TYPE_STRING, stream, "text", G_TYPE_STRING, text,
                                    "segment_start", G_TYPE_UINT64, start, "segment_stop", G_TYPE_UINT64, stop, NULL)));
}

static void
on_dropped (guint64 answered, guint64 dropped, guint64 running_time, gpointer user_data)
{
  GstMinivl *self = user_data;
  GstMessage *message = gst_message_new_qos (GST_OBJECT (self), g_atomic_int_get (&self->live), running_time, GST_CLOCK_TIME_NONE,
      GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE);

  gst_message_set_qos_stats (message, GST_FORMAT_DEFAULT, answered, dropped);
  gst_element_post_message (GST_ELEMENT (self), message);
}

static void
on_unread (const GError *error, gpointer user_data)
{
  GstMinivl *self = user_data;

  if (!self->unread_told)
    GST_ELEMENT_WARNING (self, STREAM, DECODE,
        ("A frame could not be read: %s. Such frames pass on, and the model is not shown them.", error->message), (NULL));
  self->unread_told = TRUE;
}

const WorkerCallbacks announce_callbacks = {
  .progress = on_progress,
  .opened = on_opened,
  .refused = on_refused,
  .reopened = on_reopened,
  .trouble = on_trouble,
  .result = on_result,
  .partial = on_partial,
  .dropped = on_dropped,
  .unread = on_unread,
};
