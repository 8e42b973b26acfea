/* The element and minivl-chat show the same frames of the same file and bounds. */
#include "../clip.h"
#include "examples/media.h"
#include "gst/element/gstminivl.h"
#include "pipeline.h"
#include "rig.h"

#include <glib/gstdio.h>
#include <gst/video/video.h>

#define FRAMES 60
#define FPS 10
#define PLACES 5
#define TIMED 512 /* frames that passed, at most */

static gchar *folder;

/* --- the element ----------------------------------------------------------------------------------------------------------- */

typedef struct
{
  guint n;
  guint64 times[TIMED];
  guint numbers[TIMED];
} Passed;

static GstPadProbeReturn
note_frame (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  g_autoptr (GstEvent) event = gst_pad_get_sticky_event (pad, GST_EVENT_SEGMENT, 0);
  const GstSegment *segment;
  Passed *passed = data;
  GstVideoInfo layout;
  GstMapInfo map;

  gst_event_parse_segment (event, &segment);
  g_assert_cmpuint (passed->n, <, TIMED);
  gst_video_info_from_caps (&layout, caps);
  gst_buffer_map (buffer, &map, GST_MAP_READ);
  passed->times[passed->n] = gst_segment_to_stream_time (segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));
  passed->numbers[passed->n++] = clip_read_number (map.data, GST_VIDEO_INFO_PLANE_STRIDE (&layout, 0), 3);
  gst_buffer_unmap (buffer, &map);
  return GST_PAD_PROBE_OK;
}

static guint
number_at (const Passed *passed, guint64 time)
{
  guint i = 0;

  while (i < passed->n && passed->times[i] != time)
    i++;
  g_assert_cmpuint (i, <, passed->n);
  return passed->numbers[i];
}

/* Appends a number that is not the last one. */
static void
add_number (GString *list, guint number)
{
  g_autofree gchar *text = g_strdup_printf (" %u", number);

  if (!g_str_has_suffix (list->str, text))
    g_string_append (list, text);
}

/* The numbers of the frames of the only segment. (transfer full) */
static gchar *
shown_by_the_element (const gchar *path, double start, double stop)
{
  GString *list = g_string_new (NULL);
  Passed passed = { 0 };
  GstElement *pipeline =
      pipeline_new ("filesrc location=%s ! decodebin ! videoconvert ! video/x-raw,format=RGB ! "
                    "minivl name=m model-path=/fake segment-duration=0 num-segments=%d start-time=%" G_GINT64_FORMAT
                    " stop-time=%" G_GINT64_FORMAT " ! fakesink",
          path, PLACES, (gint64)(start * GST_SECOND), stop < start ? -1 : (gint64)(stop * GST_SECOND));
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (pipeline), "m");
  g_autoptr (GstPad) sink = gst_element_get_static_pad (element, "sink");

  gst_pad_add_probe (sink, GST_PAD_PROBE_TYPE_BUFFER, note_frame, &passed, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (gboolean eos = FALSE; !eos;) {
    g_autoptr (GstMessage) message = pipeline_await (pipeline, GST_MESSAGE_ELEMENT | GST_MESSAGE_EOS);
    const GValue *frames;

    eos = GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
    if (eos || !gst_message_has_name (message, "minivl"))
      continue;
    frames = gst_structure_get_value (gst_message_get_structure (message), "frames");
    g_string_append_c (list, '|');
    for (guint i = 0; i < gst_value_array_get_size (frames); i++)
      add_number (list, number_at (&passed, g_value_get_uint64 (gst_value_array_get_value (frames, i))));
  }
  pipeline_free (pipeline);
  fake_finish ();
  return g_string_free (list, FALSE);
}

/* --- minivl-chat ----------------------------------------------------------------------------------------------------------- */

static gchar *
shown_by_chat (const gchar *path, double start, double stop)
{
  GString *list = g_string_new ("|");
  g_autoptr (GError) error = NULL;
  g_autoptr (MediaVideo) video = media_video_open (path, &error);
  gint64 indices[PLACES];

  g_assert_no_error (error);
  media_video_choose (video, start, stop, PLACES, indices, &error);
  g_assert_no_error (error);
  for (guint k = 0; k < PLACES; k++) {
    g_auto (MediaFrame) frame = { NULL };
    guint64 shown;

    if (indices[k] < 0)
      continue;
    media_video_read (video, indices[k], &shown, &frame, &error);
    g_assert_no_error (error);
    add_number (list, clip_read_number (frame.data, frame.stride, 3));
  }
  return g_string_free (list, FALSE);
}

/* --- files ----------------------------------------------------------------------------------------------------------------- */

static gint64
slows_down (guint i)
{
  return i < 20 ? i : 20 + 10 * (i - 20);
}

static gint64
slows_down_ms (guint i)
{
  return 100 * slows_down (i);
}

static gint64
drops (guint i)
{
  return i + i / 3;
}

static const Clip clips[] = {
  { "a.mp4", "libx264", FRAMES, FPS, 1, .b_frames = 2 },
  { "mpeg4.mp4", "mpeg4", FRAMES, FPS, 1, .b_frames = 2 },
  { "mpeg2.mp4", "mpeg2video", FRAMES, 24000, 1001 },
  { "sound.mp4", "libx264", FRAMES, FPS, 1, .b_frames = 2, .audio_ms = 5900 },
  { "a.mov", "mjpeg", FRAMES, FPS, 1 },
  { "a.mkv", "libx264", FRAMES, FPS, 1, .b_frames = 2 },
  { "odd-rate.mkv", "libx264", FRAMES, 30000, 1001, .b_frames = 2 },
  { "lossless.mkv", "ffv1", FRAMES, 12, 1 },
  { "mpeg2.mkv", "mpeg2video", FRAMES, 50, 1 },
  { "vp8.webm", "libvpx", FRAMES, FPS, 1 },
  { "vp9.webm", "libvpx-vp9", FRAMES, 15, 1 },
  { "a.ogv", "libtheora", FRAMES, FPS, 1 },
  { "odd-rate.ogv", "libtheora", FRAMES, 30000, 1001 },
  { "a.avi", "mjpeg", FRAMES, FPS, 1 },
  { "mpeg4.avi", "mpeg4", FRAMES, 25, 1 },
  { "h264.avi", "libx264", FRAMES, FPS, 1 },
  { "a.flv", "flv", FRAMES, FPS, 1 },
  { "h264.flv", "libx264", FRAMES, FPS, 1 },
  { "a.h264", "libx264", FRAMES, FPS, 1, .b_frames = 2 },
  { "no-edit-list.mp4", "libx264", FRAMES, FPS, 1, .b_frames = 2, .options = "use_editlist=0" },
  { "fragments.mp4", "libx264", FRAMES, FPS, 1, .b_frames = 2, .options = "movflags=frag_keyframe+empty_moov+default_base_moof" },
  { "late.mp4", "libx264", FRAMES, FPS, 1, .b_frames = 2, .audio_ms = 6000, .video_late_ms = 700 },
  { "late.mkv", "libx264", FRAMES, FPS, 1, .b_frames = 2, .audio_ms = 6000, .video_late_ms = 700 },
  { "late.ts", "libx264", FRAMES, FPS, 1, .b_frames = 2, .audio_ms = 6000, .video_late_ms = 700 },
  { "a.ts", "libx264", FRAMES, FPS, 1, .b_frames = 2 },
  { "mpeg2.ts", "mpeg2video", FRAMES, 25, 1 },
  { "slow.mp4", "libx264", FRAMES, FPS, 1, slows_down, .b_frames = 2 },
  { "slow.mkv", "libx264", FRAMES, 0, 0, slows_down_ms, .b_frames = 2 },
  { "slow.webm", "libvpx", FRAMES, 0, 0, slows_down_ms },
  { "drops.mp4", "libx264", FRAMES, FPS, 1, drops, .b_frames = 2 },
  { "drops.mkv", "libx264", FRAMES, FPS, 1, drops, .b_frames = 2 },
};

static void
assert_same (const gchar *path, double start, double stop)
{
  g_autofree gchar *chat = shown_by_chat (path, start, stop);
  g_autofree gchar *element = shown_by_the_element (path, start, stop);

  g_test_message ("%s, %g to %g: %s", path, start, stop, chat);
  g_assert_cmpstr (element, ==, chat);
}

/* Bounds of some seconds, a short one, nearly all and all; the last two where GStreamer does not take the file for shorter than it
 * is, or know of no length. */
static void
test_same_frames (gconstpointer data)
{
  static const double bounds[][2] = { { 0, 2 }, { 0.5, 2.3 }, { 1, 1.2 }, { 0.1, 5.8 } };
  const Clip *clip = data;
  gboolean is_endless = g_str_has_suffix (clip->name, ".h264") || g_str_has_suffix (clip->name, ".ts");
  double scale = clip->fps_n > 0 ? (double)FPS * clip->fps_d / clip->fps_n : 1;
  g_autofree gchar *path = g_build_filename (folder, clip->name, NULL);

  clip_write (folder, clip);
  for (guint i = 0; i < G_N_ELEMENTS (bounds) - (clip->options != NULL); i++)
    assert_same (path, bounds[i][0] * scale, bounds[i][1] * scale);
  if (!is_endless && clip->options == NULL)
    assert_same (path, 0, -1);
}

/* --- damage ---------------------------------------------------------------------------------------------------------------- */

typedef struct
{
  Clip clip;
  double from, to; /* which part of its bytes is left */
  gboolean twice;
  double start, stop;
} Damage;

static const Damage damages[] = {
  { { "cut.mp4", "libx264", FRAMES, FPS, 1, .b_frames = 2, .options = "movflags=faststart" }, 0, 0.7, .stop = -1 },
  { { "cut.mov", "mjpeg", FRAMES, FPS, 1, .options = "movflags=faststart" }, 0, 0.6, .start = 1, .stop = 5.5 },
  { { "cut.mkv", "libx264", FRAMES, FPS, 1, .b_frames = 2 }, 0, 0.7, .stop = -1 },
  { { "cut.webm", "libvpx", FRAMES, FPS, 1 }, 0, 0.5, .start = 1, .stop = 5.5 },
  { { "cut.flv", "flv", FRAMES, FPS, 1 }, 0, 0.6, .stop = -1 },
  { { "cut.avi", "mjpeg", FRAMES, FPS, 1 }, 0, 0.6, .start = 0.5, .stop = 2 },
  { { "cut.ts", "mpeg2video", FRAMES, 25, 1 }, 0, 0.7, .start = 0.3, .stop = 1.3 },
  { { "late-begin.ts", "mpeg2video", FRAMES, 25, 1 }, 0.3, 1, .start = 0.3, .stop = 1 },
  { { "twice.ts", "mpeg2video", FRAMES, 25, 1 }, 0, 1, TRUE, .start = 0.4, .stop = 2 },
};

static void
test_same_frames_of_what_is_left (gconstpointer data)
{
  const Damage *damage = data;
  g_autofree gchar *path = g_build_filename (folder, damage->clip.name, NULL), *bytes = NULL;
  g_autoptr (GString) left = NULL;
  gsize n, from;

  clip_write (folder, &damage->clip);
  g_assert_true (g_file_get_contents (path, &bytes, &n, NULL));
  from = n * damage->from;
  left = g_string_new_len (bytes + from, (gsize)(n * damage->to) - from);
  if (damage->twice)
    g_string_append_len (left, bytes, n);
  g_assert_true (g_file_set_contents (path, left->str, left->len, NULL));
  assert_same (path, damage->start, damage->stop);
}

static void
remove_file (const gchar *name)
{
  g_autofree gchar *path = g_build_filename (folder, name, NULL);

  g_unlink (path);
}

int
main (int argc, char **argv)
{
  int code;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  fake_reset ();
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));
  folder = g_dir_make_tmp ("minivl-same-XXXXXX", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (clips); i++) {
    g_autofree gchar *name = g_strconcat ("/same-frames/", clips[i].name, NULL);

    g_test_add_data_func (name, &clips[i], test_same_frames);
  }
  for (guint i = 0; i < G_N_ELEMENTS (damages); i++) {
    g_autofree gchar *name = g_strconcat ("/same-frames/of-what-is-left/", damages[i].clip.name, NULL);

    g_test_add_data_func (name, &damages[i], test_same_frames_of_what_is_left);
  }
  code = g_test_run ();
  for (guint i = 0; i < G_N_ELEMENTS (clips); i++)
    remove_file (clips[i].name);
  for (guint i = 0; i < G_N_ELEMENTS (damages); i++)
    remove_file (damages[i].clip.name);
  g_rmdir (folder);
  g_free (folder);
  return code;
}
