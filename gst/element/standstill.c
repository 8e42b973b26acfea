#include "standstill.h"

/* How often the clock is looked at, at least, us. */
#define LOOK_AGAIN (100 * G_TIME_SPAN_MILLISECOND)

struct _Standstill
{
  GstElement *element; /* which owns this */
  void (*due) (GstElement *element, GstClockTime running_time);
  GThread *thread; /* NULL: there was nothing to wait for yet */

  GMutex lock;
  GCond changed;
  GstClockTime moment;
  gboolean plays, quits;
};

static GstClockTime
running_time (GstElement *element)
{
  g_autoptr (GstClock) clock = gst_element_get_clock (element);
  GstClockTime base = gst_element_get_base_time (element), now = clock != NULL ? gst_clock_get_time (clock) : 0;

  return now > base ? now - base : 0;
}

static gpointer
watch (gpointer data)
{
  Standstill *s = data;

  g_mutex_lock (&s->lock);
  while (!s->quits) {
    GstClockTime now = running_time (s->element);

    if (!s->plays || !GST_CLOCK_TIME_IS_VALID (s->moment)) {
      g_cond_wait (&s->changed, &s->lock);
    } else if (now < s->moment) {
      gint64 left = MIN ((s->moment - now) / 1000 + 1, LOOK_AGAIN);

      g_cond_wait_until (&s->changed, &s->lock, g_get_monotonic_time () + left);
    } else {
      s->moment = GST_CLOCK_TIME_NONE;
      g_mutex_unlock (&s->lock);
      s->due (s->element, now);
      g_mutex_lock (&s->lock);
    }
  }
  g_mutex_unlock (&s->lock);
  return NULL;
}

Standstill *
standstill_new (GstElement *element, void (*due) (GstElement *element, GstClockTime running_time))
{
  Standstill *s = g_new0 (Standstill, 1);

  s->element = element;
  s->due = due;
  s->moment = GST_CLOCK_TIME_NONE;
  g_mutex_init (&s->lock);
  g_cond_init (&s->changed);
  return s;
}

void
standstill_free (Standstill *s)
{
  g_mutex_clear (&s->lock);
  g_cond_clear (&s->changed);
  g_free (s);
}

void
standstill_stop (Standstill *s)
{
  g_mutex_lock (&s->lock);
  s->quits = TRUE;
  g_cond_signal (&s->changed);
  g_mutex_unlock (&s->lock);
  g_clear_pointer (&s->thread, g_thread_join);
  s->quits = FALSE;
  s->moment = GST_CLOCK_TIME_NONE;
}

void
standstill_play (Standstill *s, gboolean plays)
{
  g_mutex_lock (&s->lock);
  s->plays = plays;
  g_cond_signal (&s->changed);
  g_mutex_unlock (&s->lock);
}

void
standstill_set (Standstill *s, GstClockTime running_time)
{
  g_mutex_lock (&s->lock);
  if (running_time < s->moment) /* a later one is seen to when this one has come */
    g_cond_signal (&s->changed);
  s->moment = running_time;
  if (s->thread == NULL && GST_CLOCK_TIME_IS_VALID (running_time))
    s->thread = g_thread_new ("minivl-clock", watch, s);
  g_mutex_unlock (&s->lock);
}
