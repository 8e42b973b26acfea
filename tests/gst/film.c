#include "film.h"

#include <gst/video/video.h>

#define PATIENCE (60 * GST_SECOND)
#define FPS 10

/* --- what is on a frame ------------------------------------------------------------------------------------------------------ */

gchar *
film_words (guint n)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < n; i++)
    g_string_append (text, i % 3 == 0 ? "somebody " : "walks across ");
  return g_string_free (text, FALSE);
}

Ink
ink_read (GstBuffer *buffer, const GstCaps *caps)
{
  Ink ink = { .left = G_MAXUINT, .top = G_MAXUINT, .white_top = G_MAXUINT, .pts = GST_BUFFER_PTS (buffer) };
  GstVideoInfo info;
  GstVideoFrame frame;

  g_assert_true (gst_video_info_from_caps (&info, caps));
  g_assert_true (gst_video_frame_map (&frame, &info, buffer, GST_MAP_READ));
  for (guint y = 0; y < (guint)info.height; y++) {
    const guint8 *row = (const guint8 *)GST_VIDEO_FRAME_PLANE_DATA (&frame, 0) + y * GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0);

    for (guint x = 0; x < (guint)info.width; x++) {
      const guint8 *p = row + 3 * x;
      gboolean white = p[0] > 150 && p[1] > 150 && p[2] > 150, red = p[0] > 150 && p[1] < 120 && p[2] < 120;

      if (!white && !red)
        continue;
      ink.white += white;
      ink.red += red;
      ink.left = MIN (ink.left, x);
      ink.right = MAX (ink.right, x);
      ink.top = MIN (ink.top, y);
      ink.bottom = MAX (ink.bottom, y);
      if (red)
        ink.red_bottom = y;
      else
        ink.white_top = MIN (ink.white_top, y);
    }
  }
  gst_video_frame_unmap (&frame);
  return ink;
}

gboolean
ink_is_blank (const Ink *ink)
{
  return ink->white + ink->red == 0;
}

gboolean
ink_looks_same (const Ink *a, const Ink *b)
{
  return a->white == b->white && a->red == b->red && a->left == b->left && a->right == b->right && a->top == b->top
         && a->bottom == b->bottom;
}

/* --- pipelines --------------------------------------------------------------------------------------------------------------- */

static Film *shown;

static guint64
now (GstElement *pipeline)
{
  g_autoptr (GstClock) clock = gst_element_get_clock (pipeline);

  return clock != NULL ? gst_clock_get_time (clock) - gst_element_get_base_time (pipeline) : GST_CLOCK_TIME_NONE;
}

static GstPadProbeReturn
on_frame (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Film *film = data;
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  Ink ink = ink_read (GST_PAD_PROBE_INFO_BUFFER (info), caps);

  ink.seen = now (film->pipeline);
  g_mutex_lock (&film->lock);
  ink.behind = film->came - film->frames->len - 1;
  g_array_append_val (film->frames, ink);
  g_cond_signal (&film->changed);
  g_mutex_unlock (&film->lock);
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
on_frame_in (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Film *film = data;

  g_mutex_lock (&film->lock);
  film->came++;
  g_mutex_unlock (&film->lock);
  return GST_PAD_PROBE_OK;
}

static GstBusSyncReply
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
  Film *film = data;
  guint64 time = now (film->pipeline);

  if (gst_message_has_name (message, "minivl")) {
    g_mutex_lock (&film->lock);
    g_array_append_val (film->results, time);
    g_mutex_unlock (&film->lock);
  }
  return GST_BUS_PASS;
}

/* A text may be seen before its message is told, for it is handed on first, but not before its answer. */
static void
on_answer (const FakeQuestion *question, const gchar *answer)
{
  guint64 time = now (shown->pipeline);

  g_mutex_lock (&shown->lock);
  g_array_append_val (shown->answers, time);
  g_mutex_unlock (&shown->lock);
}

Film *
film_new (const gchar *line)
{
  Film *film = g_new0 (Film, 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) element = NULL, sink = NULL;
  g_autoptr (GstPad) in = NULL, pad = NULL;
  g_autoptr (GstBus) bus = NULL;

  fake_reset ();
  fake_listen (on_answer);
  shown = film;
  film->frames = g_array_new (FALSE, FALSE, sizeof (Ink));
  film->answers = g_array_new (FALSE, FALSE, sizeof (guint64));
  film->results = g_array_new (FALSE, FALSE, sizeof (guint64));
  film->pipeline = gst_parse_launch (line, &error);
  g_assert_no_error (error);
  sink = gst_bin_get_by_name (GST_BIN (film->pipeline), "v");
  pad = gst_element_get_static_pad (sink, "sink");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_frame, film, NULL);
  element = gst_bin_get_by_name (GST_BIN (film->pipeline), "m");
  in = gst_element_get_static_pad (element, "sink");
  gst_pad_add_probe (in, GST_PAD_PROBE_TYPE_BUFFER, on_frame_in, film, NULL);
  bus = gst_element_get_bus (film->pipeline);
  gst_bus_set_sync_handler (bus, on_message, film, NULL);
  return film;
}

void
film_free (Film *film)
{
  g_assert_cmpint (gst_element_set_state (film->pipeline, GST_STATE_NULL), ==, GST_STATE_CHANGE_SUCCESS);
  gst_object_unref (film->pipeline);
  g_array_unref (film->frames);
  g_array_unref (film->answers);
  g_array_unref (film->results);
  g_mutex_clear (&film->lock);
  g_cond_clear (&film->changed);
  g_free (film);
  g_assert_cmpuint (fake_open_backends (), ==, 0);
  g_assert_cmpuint (fake_live_pictures (), ==, 0);
}

void
film_to_eos (Film *film)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (film->pipeline);
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GError) error = NULL;

  gst_element_set_state (film->pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, PATIENCE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    gst_message_parse_error (message, &error, NULL);
  g_assert_no_error (error);
}

const Ink *
film_frame (Film *film, guint n)
{
  g_assert_cmpuint (n, <, film->frames->len);
  return &g_array_index (film->frames, Ink, n);
}

guint
film_count (Film *film)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&film->lock);

  return film->frames->len;
}

void
film_await_frames (Film *film, guint n)
{
  gint64 end = g_get_monotonic_time () + (gint64)(PATIENCE / 1000);

  g_mutex_lock (&film->lock);
  while (film->frames->len < n)
    g_assert_true (g_cond_wait_until (&film->changed, &film->lock, end));
  g_mutex_unlock (&film->lock);
}

void
film_assert_one_text (Film *film, guint from, guint to, guint before)
{
  const Ink *first = film_frame (film, from);

  g_assert_false (ink_is_blank (first));
  if (before != G_MAXUINT)
    g_assert_cmpuint (first->right, >, film_frame (film, before)->right);
  for (guint n = from; n < to; n++)
    g_assert_true (ink_looks_same (film_frame (film, n), first));
}

void
film_assert_seen_in_time (Film *film, guint texts, gboolean stays)
{
  guint n = 0, right = 0;
  guint64 over = 0; /* what textoverlay shows */

  for (guint k = 0; k < texts; k++) {
    guint64 answered = g_array_index (film->answers, guint64, k), told = g_array_index (film->results, guint64, k);

    for (; ink_is_blank (film_frame (film, n)) || film_frame (film, n)->right <= right; n++)
      if (stays && k > 0)
        g_assert_false (ink_is_blank (film_frame (film, n)));
    g_assert_cmpuint (film_frame (film, n)->seen, >=, answered);
    g_assert_cmpuint (film_frame (film, n)->pts, <=, MAX (told, over) + GST_SECOND / 2);
    if (!stays)
      over = film_frame (film, n)->pts + GST_SECOND;
    right = film_frame (film, n)->right;
  }
  for (n = 0; n < film->frames->len; n++)
    g_assert_cmpuint (film_frame (film, n)->behind, <, FPS / 2);
}
