#include "similar.h"

static gboolean
asks_the_same (const SegmentSettings *a, const SegmentSettings *b)
{
  return g_strcmp0 (a->prompt, b->prompt) == 0 && g_strcmp0 (a->system, b->system) == 0 && g_strcmp0 (a->alerts, b->alerts) == 0
         && g_strcmp0 (a->choices, b->choices) == 0 && g_strcmp0 (a->schema, b->schema) == 0
         && a->alert_threshold == b->alert_threshold && a->alert_hysteresis == b->alert_hysteresis;
}

double
similar (const Segment *described, const Segment *s)
{
  return described->frames->len == s->frames->len ? similar_so_far (described, &s->settings, s->frames, 0) : -1;
}

double
similar_so_far (const Segment *described, const SegmentSettings *settings, const GPtrArray *frames, guint first)
{
  double least = 1;

  if (described->frames->len < frames->len || !asks_the_same (&described->settings, settings))
    return -1;
  for (guint i = first; i < frames->len; i++) {
    const Frame *a = g_ptr_array_index (described->frames, i), *b = g_ptr_array_index (frames, i);

    least = MIN (least, a->backend->similarity (a->picture, b->picture));
  }
  return least;
}
