/* Which buffers are looked at, and what is said of those that are not. */
#include "element.h"

/* A stream of which the first so many buffers have no time has none at all. A decoder may begin with some that have none. */
#define FIRST_BUFFERS 10

static void
refuse_untimed (GstMinivl *self)
{
  GST_ELEMENT_ERROR (self, STREAM, FORMAT,
      ("The video has no time stamps: minivl needs buffers with a PTS in a segment of time. Behind appsrc set format=time and "
       "PTS, or do-timestamp=true."),
      (NULL));
}

static void
tell_untimed (GstMinivl *self)
{
  if (!self->is_timed || self->n_untimed == 0 || self->untimed_told)
    return;
  GST_ELEMENT_WARNING (self, STREAM, FORMAT,
      ("A frame without a time stamp was passed on and not looked at; any more are counted in stats, as untimed."), (NULL));
  self->untimed_told = TRUE;
}

static Admission
admit_untimed (GstMinivl *self)
{
  gboolean may_come = GST_BASE_TRANSFORM (self)->segment.format == GST_FORMAT_TIME;

  self->n_untimed++;
  g_mutex_lock (&self->results_lock);
  self->stats.untimed++;
  g_mutex_unlock (&self->results_lock);
  tell_untimed (self);
  if (self->is_timed || (may_come && self->n_untimed < FIRST_BUFFERS))
    return ADMIT_PASSES;
  refuse_untimed (self);
  return ADMIT_REFUSED;
}

static gboolean
plays_backwards (GstMinivl *self)
{
  const GstSegment *segment = &GST_BASE_TRANSFORM (self)->segment;

  if (segment->rate >= 0 && segment->applied_rate >= 0)
    return FALSE;
  if (!self->reverse_told)
    GST_ELEMENT_WARNING (self, STREAM, NOT_IMPLEMENTED, ("Video that plays backwards is passed on and not described."), (NULL));
  self->reverse_told = TRUE;
  return TRUE;
}

static gboolean
is_bounded (GstMinivl *self)
{
  if (!self->bounds_checked && !segmenter_is_bounded (&self->segmenter)) {
    GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS,
        ("segment-duration=0 is all of the video, and this stream does not know its length: set stop-time or a segment-duration."),
        (NULL));
    return FALSE;
  }
  self->bounds_checked = TRUE;
  return TRUE;
}

gboolean
admit_has_caps (GstMinivl *self)
{
  gboolean has_caps = GST_VIDEO_INFO_FORMAT (&self->info) != GST_VIDEO_FORMAT_UNKNOWN;

  if (!has_caps)
    GST_ELEMENT_ERROR (self, CORE, NEGOTIATION,
        ("A buffer came before any caps: minivl has to know the format and size of the video. Set the caps of the source."),
        (NULL));
  return has_caps;
}

Admission
admit_buffer (GstMinivl *self, GstBuffer *buffer)
{
  if (GST_BASE_TRANSFORM (self)->segment.format != GST_FORMAT_TIME || !GST_BUFFER_PTS_IS_VALID (buffer))
    return admit_untimed (self);
  self->is_timed = TRUE;
  tell_untimed (self);
  if (!is_bounded (self))
    return ADMIT_REFUSED;
  return plays_backwards (self) ? ADMIT_TIMED : ADMIT_LOOKED_AT;
}

void
admit_stream_start (GstMinivl *self)
{
  self->is_timed = FALSE;
  self->n_untimed = 0;
}

void
admit_eos (GstMinivl *self)
{
  if (!self->is_timed && self->n_untimed > 0 && self->n_untimed < FIRST_BUFFERS)
    refuse_untimed (self);
}
