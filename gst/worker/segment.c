#include "segment.h"

void
segment_settings_copy (SegmentSettings *to, const SegmentSettings *from)
{
  *to = *from;
  to->prompt = g_strdup (from->prompt);
  to->system = g_strdup (from->system);
  to->choices = g_strdup (from->choices);
  to->schema = g_strdup (from->schema);
  to->alerts = g_strdup (from->alerts);
  to->alert_picture = g_strdup (from->alert_picture);
  to->summary_prompt = g_strdup (from->summary_prompt);
}

void
segment_settings_clear (SegmentSettings *settings)
{
  g_clear_pointer (&settings->prompt, g_free);
  g_clear_pointer (&settings->system, g_free);
  g_clear_pointer (&settings->choices, g_free);
  g_clear_pointer (&settings->schema, g_free);
  g_clear_pointer (&settings->alerts, g_free);
  g_clear_pointer (&settings->alert_picture, g_free);
  g_clear_pointer (&settings->summary_prompt, g_free);
}

Segment *
segment_new (const SegmentSettings *settings)
{
  Segment *s = g_new0 (Segment, 1);

  s->kind = RESULT_SEGMENT;
  s->frames = g_ptr_array_new_with_free_func ((GDestroyNotify)frame_unref);
  s->times = g_array_new (FALSE, FALSE, sizeof (guint64));
  segment_settings_copy (&s->settings, settings);
  return s;
}

void
segment_free (Segment *s)
{
  segment_settings_clear (&s->settings);
  g_ptr_array_unref (s->frames);
  g_array_unref (s->times);
  g_clear_pointer (&s->picture, frame_unref);
  g_clear_pointer (&s->begun, g_ptr_array_unref);
  g_free (s);
}

void
segment_add_place (Segment *s, Frame *frame)
{
  g_ptr_array_add (s->frames, frame_ref (frame));
  g_array_append_val (s->times, frame->time);
}

void
segment_add_frame (Segment *s, Frame *frame, guint times)
{
  s->looked = s->looked || frame == NULL;
  for (guint i = 0; i < times && frame != NULL; i++)
    segment_add_place (s, frame);
}

void
segment_add_picture (Segment *s, Frame *picture, guint times, guint middle)
{
  if (picture != NULL && s->settings.alert_picture != NULL && (s->picture == NULL || s->places <= middle)) {
    g_clear_pointer (&s->picture, frame_unref);
    s->picture = frame_ref (picture);
  }
  s->places += times;
}

static void
remove_place (Segment *s, guint i, GPtrArray *gone)
{
  g_ptr_array_add (gone, frame_ref (g_ptr_array_index (s->frames, i)));
  g_ptr_array_remove_index (s->frames, i);
  g_array_remove_index (s->times, i);
  s->prepared = MIN (s->prepared, i);
  s->early = MIN (s->early, i);
}

void
segment_keep_regions (Segment *s, guint most, GPtrArray *gone)
{
  for (guint i = s->frames->len; i-- > 0;) {
    const Frame *frame = g_ptr_array_index (s->frames, i);

    if (frame->rank >= most)
      remove_place (s, i, gone);
  }
}

void
segment_leave_out (Segment *s, const Frame *frame, GPtrArray *gone)
{
  for (guint i = s->frames->len; i-- > 0;)
    if (g_ptr_array_index (s->frames, i) == frame)
      remove_place (s, i, gone);
}

gsize
segment_bytes (const Segment *s)
{
  gsize bytes = 0;

  for (guint i = 0; i < s->frames->len; i++) {
    Frame *frame = g_ptr_array_index (s->frames, i);

    if (i == 0 || frame != g_ptr_array_index (s->frames, i - 1))
      bytes += frame->size;
  }
  return bytes;
}

gboolean
segment_waits (const Segment *s)
{
  return s->complete && !s->dropped && !s->flushed;
}

guint64
segment_deadline (const Segment *s)
{
  return s->settings.deadline > 0 ? (guint64)s->completed * 1000 + s->settings.deadline : 0;
}

gboolean
segment_is_late (const Segment *s)
{
  return s->complete && s->settings.deadline > 0 && (guint64)g_get_monotonic_time () * 1000 >= segment_deadline (s);
}

Frame *
segment_first_to_encode (const Segment *s)
{
  if (s->dropped || s->flushed || segment_is_late (s))
    return NULL;
  for (guint i = 0; i < s->frames->len; i++) {
    Frame *frame = g_ptr_array_index (s->frames, i);

    if (frame->picture == NULL && frame->error == NULL)
      return frame;
  }
  return NULL;
}

guint
segment_count_encoded (const Segment *s)
{
  guint n = 0;

  while (n < s->frames->len && ((const Frame *)g_ptr_array_index (s->frames, n))->picture != NULL)
    n++;
  return n;
}

gboolean
segment_is_blank (const Segment *s)
{
  return s->frames->len == 0 && s->looked;
}

const GError *
segment_first_error (const Segment *s)
{
  for (guint i = 0; i < s->frames->len; i++) {
    const Frame *frame = g_ptr_array_index (s->frames, i);

    if (frame->error != NULL)
      return frame->error;
  }
  return NULL;
}

void
segment_drop (Segment *s)
{
  s->dropped = TRUE;
  g_clear_pointer (&s->picture, frame_unref);
  for (guint i = s->frames->len; i-- > 0;) {
    Frame *frame = g_ptr_array_index (s->frames, i);

    if (frame->picture == NULL)
      g_ptr_array_remove_index (s->frames, i);
  }
}

void
segment_forget_pictures (Segment *s, GPtrArray *gone)
{
  if (s->dropped)
    return;
  for (guint i = s->frames->len; i-- > 0;) {
    Frame *frame = g_ptr_array_index (s->frames, i);

    if (frame->picture != NULL)
      remove_place (s, i, gone);
  }
}
