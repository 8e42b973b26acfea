/* Which frames stand for a stretch of a video, at any rate and in any container, whole or damaged. */
#include "../clip.h"
#include "examples/media.h"
#include "model/minivl.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define TS_PACKET 188
#define MOST 64

static gchar *folder;

static gchar *
path_of (const gchar *name)
{
  return g_build_filename (folder, name, NULL);
}

/* Frames of a video, by the number that each shows. */
typedef struct
{
  guint n, numbers[MOST];
  guint64 frames; /* of the whole video */
  gint64 times[MOST];
  gchar *damage, *error; /* NULL: none */
} Shown;

static void
shown_clear (Shown *s)
{
  g_free (s->damage);
  g_free (s->error);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Shown, shown_clear)

static void
show (const gchar *name, double start, double stop, guint n, Shown *s)
{
  g_autofree gchar *path = path_of (name);
  g_autoptr (GError) error = NULL;
  g_autoptr (MediaVideo) video = media_video_open (path, &error);
  gint64 indices[MOST];

  *s = (Shown){ 0 };
  if (!video || !media_video_choose (video, start, stop, n, indices, &error)) {
    s->error = g_strdup (error->message);
    return;
  }
  s->frames = media_video_get_frames (video);
  for (guint k = 0; k < n && !error; k++) {
    g_auto (MediaFrame) frame = { NULL };
    guint64 index;

    if (indices[k] < 0 || !media_video_read (video, indices[k], &index, &frame, &error))
      continue;
    g_assert_cmpuint (index, <, s->frames);
    s->times[s->n] = media_video_get_time (video, index);
    s->numbers[s->n++] =
        frame.width == CLIP_WIDTH && frame.height == CLIP_HEIGHT ? clip_read_number (frame.data, frame.stride, 3) : 0;
  }
  s->error = error ? g_strdup (error->message) : NULL;
  s->damage = media_video_tell_damage (video);
}

static void
assert_numbers (const Shown *s, guint n, const guint *numbers)
{
  g_assert_cmpstr (s->error, ==, NULL);
  g_assert_cmpuint (s->n, ==, n);
  for (guint i = 0; i < n; i++)
    g_assert_cmpuint (s->numbers[i], ==, numbers[i]);
}

#define ASSERT_NUMBERS(s, ...)                                                                                                     \
  assert_numbers (s, sizeof ((const guint[]){ __VA_ARGS__ }) / sizeof (guint), (const guint[]){ __VA_ARGS__ })

static gchar *
read_bytes (const gchar *name, gsize *n)
{
  g_autofree gchar *path = path_of (name);
  gchar *bytes;

  g_assert_true (g_file_get_contents (path, &bytes, n, NULL));
  return bytes;
}

static void
write_bytes (const gchar *name, const gchar *bytes, gsize n)
{
  g_autofree gchar *path = path_of (name);

  g_assert_true (g_file_set_contents (path, bytes, n, NULL));
}

/* --- whole videos ---------------------------------------------------------------------------------------------------------- */

#define FRAMES 60
#define FPS 10

static const Clip constant[] = {
  { "a.mp4", "libx264", FRAMES, FPS, 1, .b_frames = 2 },
  { "no-edit-list.mp4", "libx264", FRAMES, FPS, 1, .b_frames = 2, .options = "use_editlist=0" },
  { "fragments.mp4", "libx264", FRAMES, FPS, 1, .b_frames = 2, .options = "movflags=frag_keyframe+empty_moov+default_base_moof" },
  { "mpeg4.mp4", "mpeg4", FRAMES, FPS, 1, .b_frames = 2 },
  { "a.mov", "mjpeg", FRAMES, FPS, 1 },
  { "a.mkv", "libx264", FRAMES, FPS, 1, .b_frames = 2 },
  { "odd-rate.mkv", "libx264", FRAMES, 30000, 1001, .b_frames = 2 },
  { "vp8.webm", "libvpx", FRAMES, FPS, 1 },
  { "vp9.webm", "libvpx-vp9", FRAMES, FPS, 1 },
  { "a.ts", "libx264", FRAMES, FPS, 1, .b_frames = 2 },
  { "a.mpg", "mpeg2video", FRAMES, 25, 1, .b_frames = 2 },
  { "a.ogv", "libtheora", FRAMES, FPS, 1 },
  { "b-frames.avi", "mpeg4", FRAMES, FPS, 1, .b_frames = 2 },
  { "a.avi", "mjpeg", FRAMES, FPS, 1 },
  { "a.flv", "flv", FRAMES, FPS, 1 },
  { "a.h264", "libx264", FRAMES, FPS, 1, .b_frames = 2 },
  { "late.mp4", "libx264", FRAMES, FPS, 1, .b_frames = 2, .audio_ms = 7000, .video_late_ms = 700 },
  { "late.mkv", "libx264", FRAMES, FPS, 1, .b_frames = 2, .audio_ms = 7000, .video_late_ms = 700 },
  { "late.ts", "libx264", FRAMES, FPS, 1, .b_frames = 2, .audio_ms = 7000, .video_late_ms = 700 },
  { "hours.mkv", "libx264", FRAMES, 1, 3600 },
};

/* At a constant rate the frames are the reference's, whatever times the container gives them. */
static void
test_constant_rate_is_the_references (gconstpointer data)
{
  static const double bounds[][2] = { { 0, -1 }, { 0, 1 }, { 0.5, 2.5 }, { 1.26, 1.31 }, { 1, 5.9 }, { 3, 100 } };
  const Clip *clip = data;
  double fps = (double)clip->fps_n / clip->fps_d;

  clip_write (folder, clip);
  for (guint i = 0; i < G_N_ELEMENTS (bounds); i++)
    for (guint n = 1; n <= 8; n += 7) {
      /* Bounds of a video whose rate is ten. */
      double start = bounds[i][0] * FPS / fps, stop = bounds[i][1] * FPS / fps;
      g_auto (Shown) s = { 0 };
      gint64 expected[8];

      show (clip->name, start, stop, n, &s);
      g_assert_cmpstr (s.error, ==, NULL);
      g_assert_cmpstr (s.damage, ==, NULL);
      g_assert_cmpuint (s.frames, ==, FRAMES);
      g_assert_cmpuint (s.n, ==, n);
      minivl_sample_frames (FRAMES, fps, start, stop, n, expected);
      for (guint k = 0; k < n; k++) {
        g_assert_cmpuint (s.numbers[k], ==, expected[k]);
        g_assert_cmpfloat_with_epsilon (s.times[k] / 1e9, expected[k] / fps, 0.002);
      }
    }
}

/* Ten frames a second for two seconds, then one. */
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
wobbles (guint i)
{
  return 100 * i + i * 37 % 80;
}

static const Clip variable[] = {
  { "v.mp4", "libx264", 40, FPS, 1, slows_down, .b_frames = 2 },
  { "v.mkv", "libx264", 40, 0, 0, slows_down_ms, .b_frames = 2 },
  { "v.webm", "libvpx", 40, 0, 0, slows_down_ms },
  { "v.flv", "flv", 40, 0, 0, slows_down_ms },
  { "vj.mkv", "mjpeg", 40, 0, 0, slows_down_ms },
  { "w.mkv", "mjpeg", 40, 0, 0, wobbles },
  { "w.mp4", "libx264", 40, 0, 0, wobbles },
};

/* At a variable rate they are those that are shown at the middle of each part. */
static void
test_variable_rate_goes_by_time (gconstpointer data)
{
  static const double bounds[][2] = { { 0.25, 1.25 }, { 1, 3.4 } };
  const Clip *clip = data;
  gboolean slow = clip->time != wobbles;

  clip_write (folder, clip);
  for (guint i = 0; i < G_N_ELEMENTS (bounds); i++) {
    double start = bounds[i][0], stop = bounds[i][1];
    g_auto (Shown) s = { 0 };

    show (clip->name, start, stop, 5, &s);
    g_assert_cmpstr (s.error, ==, NULL);
    g_assert_cmpuint (s.n, ==, 5);
    for (guint k = 0; k < 5; k++) {
      double middle = start + (stop - start) * (2 * k + 1) / 10, at = s.numbers[k], shown, next;

      shown = slow ? slows_down_ms (at) / 1e3 : wobbles (at) / 1e3;
      next = slow ? slows_down_ms (at + 1) / 1e3 : wobbles (at + 1) / 1e3;
      /* A middle may be rounded to a frame of the nominal rate. */
      g_assert_cmpfloat (shown, <=, middle + 0.051);
      g_assert_cmpfloat (next, >, middle - 0.1);
      g_assert_cmpfloat_with_epsilon (s.times[k] / 1e9, shown, 0.002);
    }
  }
  if (slow) {
    g_auto (Shown) s = { 0 };

    show (clip->name, 5, 10, 4, &s);
    ASSERT_NUMBERS (&s, 23, 24, 26, 27);
    shown_clear (&s);
    show (clip->name, 5.2, 5.8, 2, &s);
    ASSERT_NUMBERS (&s, 23, 23);
    shown_clear (&s);
    show (clip->name, 22, 23, 2, &s);
    g_assert_nonnull (strstr (s.error, "past the end"));
  }
}

/* What has neither times nor a rate is divided by count, and has no seconds. */
static void
test_no_times_go_by_count (gconstpointer data)
{
  const Clip *clip = data;
  g_auto (Shown) s = { 0 };

  clip_write (folder, clip);
  show (clip->name, 0, -1, 4, &s);
  ASSERT_NUMBERS (&s, 2, 7, 12, 16);
  g_assert_cmpint (s.times[0], ==, -1);
  shown_clear (&s);
  show (clip->name, 0, 1, 4, &s);
  g_assert_nonnull (strstr (s.error, "time stamps"));
}

static const Clip untimed[] = {
  { "a.mjpg", "mjpeg", 20, FPS, 1, .format = "mpjpeg" },
  { "a.mjpeg", "mjpeg", 20, FPS, 1 },
};

static gint64
hours (guint i)
{
  return i * G_GINT64_CONSTANT (3600000);
}

static gint64
hours_and_more (guint i)
{
  return hours (i) + (i % 3 == 1) * 1200000;
}

static void
test_all_is_all_of_a_long_video (void)
{
  static const struct
  {
    Clip clip;
    guint numbers[4];
  } rows[] = {
    { { "long.mkv", "libx264", 200, 1, 3600 }, { 24, 74, 124, 173 } },
    { { "long-of-no-rate.mkv", "libx264", 200, 0, 0, hours }, { 24, 74, 124, 173 } },
    { { "long-and-variable.mkv", "libx264", 200, 0, 0, hours_and_more }, { 24, 74, 124, 174 } },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (Shown) s = { 0 };

    clip_write (folder, &rows[i].clip);
    show (rows[i].clip.name, 0, -1, 4, &s);
    assert_numbers (&s, 4, rows[i].numbers);
  }
}

/* --- damaged videos -------------------------------------------------------------------------------------------------------- */

/* Of the first stream that is not a table, the packet in which the n-th frame's data begins. */
static gsize
find_frame (const guint8 *ts, gsize n_packets, guint n)
{
  for (gsize i = 0; i < n_packets; i++) {
    const guint8 *p = ts + i * TS_PACKET;
    guint pid = (p[1] & 0x1f) << 8 | p[2];

    if (pid == 0x100 && p[1] & 0x40 && n-- == 0)
      return i;
  }
  g_assert_not_reached ();
}

static const Clip ts = { "whole.ts", "mpeg2video", FRAMES, 25, 1 };

/* Frame 26 is lost, and those up to the key frame 36 are made of it; FFmpeg tells of a loss up to two frames early. */
static void
test_lost_packet_costs_what_is_made_of_it (void)
{
  g_auto (Shown) s = { 0 };
  g_autofree gchar *bytes = NULL;
  gsize n, at;

  clip_write (folder, &ts);
  bytes = read_bytes ("whole.ts", &n);
  at = find_frame ((const guint8 *)bytes, n / TS_PACKET, 26) * TS_PACKET;
  memmove (bytes + at, bytes + at + TS_PACKET, n - at - TS_PACKET);
  write_bytes ("lost.ts", bytes, n - TS_PACKET);

  show ("lost.ts", 0, 0.8, 4, &s);
  ASSERT_NUMBERS (&s, 2, 7, 12, 17);
  g_assert_cmpstr (s.damage, ==, NULL);
  shown_clear (&s);
  show ("lost.ts", 0, -1, 8, &s);
  g_assert_cmpuint (s.numbers[3], >=, 23);
  g_assert_cmpuint (s.numbers[3], <, 26);
  /* What was shown last stands for them. */
  ASSERT_NUMBERS (&s, 3, 10, 18, s.numbers[3], s.numbers[3], 40, 47, 55);
  g_assert_nonnull (strstr (s.damage, " frames are damaged: "));
  shown_clear (&s);
  show ("lost.ts", 1.12, 1.2, 2, &s);
  g_assert_nonnull (strstr (s.error, "nothing to be shown"));
}

static void
test_two_recordings_in_a_row (void)
{
  g_auto (Shown) s = { 0 };
  g_autofree gchar *bytes = NULL, *twice = NULL;
  gsize n;

  clip_write (folder, &ts);
  bytes = read_bytes ("whole.ts", &n);
  twice = g_malloc (2 * n);
  memcpy (twice, bytes, n);
  memcpy (twice + n, bytes, n);
  write_bytes ("twice.ts", twice, 2 * n);
  show ("twice.ts", 0, -1, 6, &s);
  g_assert_cmpuint (s.frames, ==, 2 * FRAMES);
  ASSERT_NUMBERS (&s, 9, 29, 49, 9, 28, 48);
  shown_clear (&s);
  show ("twice.ts", 2.4, 3.2, 2, &s);
  ASSERT_NUMBERS (&s, 5, 15);
}

static void
test_a_video_that_begins_between_key_frames (void)
{
  g_auto (Shown) s = { 0 };
  g_autofree gchar *bytes = NULL;
  gsize n, at;

  clip_write (folder, &ts);
  bytes = read_bytes ("whole.ts", &n);
  at = find_frame ((const guint8 *)bytes, n / TS_PACKET, 5) * TS_PACKET;
  write_bytes ("late.ts", bytes + at, n - at);
  show ("late.ts", 0, -1, 4, &s);
  /* The first key frame is 12, which is frame 0 then. */
  g_assert_cmpuint (s.frames, ==, FRAMES - 12);
  ASSERT_NUMBERS (&s, 12 + 5, 12 + 17, 12 + 29, 12 + 40);
  g_assert_nonnull (strstr (s.damage, "7 frames in front of frame 0 are lost"));
  shown_clear (&s);
  show ("late.ts", 1, 1.8, 2, &s);
  g_assert_cmpstr (s.damage, ==, NULL);
}

/* Of each container at least what is in the first third is shown, in its place; and it is told that the rest is lost, where the
 * file says that there was one. */
static void
test_cut_off (gconstpointer data)
{
  static const double parts[] = { 0.5, 0.7, 0.9, 0.97 };
  const Clip *clip = data;
  double fps = (double)clip->fps_n / clip->fps_d;
  gboolean tells = !g_str_has_suffix (clip->name, ".ts") && !strstr (clip->name, "fragments");
  g_autofree gchar *bytes = NULL;
  gsize n;

  clip_write (folder, clip);
  bytes = read_bytes (clip->name, &n);
  for (guint i = 0; i < G_N_ELEMENTS (parts); i++) {
    g_auto (Shown) s = { 0 }, front = { 0 };

    write_bytes (clip->name, bytes, n * parts[i]);
    show (clip->name, 0, -1, 8, &s);
    g_assert_cmpstr (s.error, ==, NULL);
    g_assert_cmpuint (s.n, >=, 2);
    for (guint k = 0; k < s.n; k++)
      g_assert_cmpuint (s.numbers[k], ==, llrint (s.times[k] / 1e9 * fps));
    if (tells && s.frames + 1 < FRAMES)
      g_assert_nonnull (strstr (s.damage, "ends early"));
    show (clip->name, 0, 0.5, 2, &front);
    g_assert_cmpstr (front.damage, ==, NULL);
    g_assert_cmpuint (front.n, ==, 2);
  }
}

static const Clip cut[] = {
  { "cut.mp4", "libx264", FRAMES, FPS, 1, .b_frames = 2, .options = "movflags=faststart" },
  { "fragments.mp4", "libx264", FRAMES, FPS, 1, .options = "movflags=frag_keyframe+empty_moov+default_base_moof" },
  { "cut.mov", "mjpeg", FRAMES, FPS, 1, .options = "movflags=faststart" },
  { "cut.mkv", "libx264", FRAMES, FPS, 1, .b_frames = 2 },
  { "cut.webm", "libvpx", FRAMES, FPS, 1 },
  { "cut.ts", "mpeg2video", FRAMES, 25, 1, .b_frames = 2 },
  { "cut.avi", "mjpeg", FRAMES, FPS, 1 },
  { "cut.flv", "flv", FRAMES, FPS, 1 },
};

/* Ten containers, bytes changed, cut out or cut off at random: a frame, or an error that names the file. */
static void
test_random_damage (void)
{
  static const guint chosen[] = { 0, 2, 3, 5, 7, 9, 10, 11, 12, 14 };

  for (guint i = 0; i < G_N_ELEMENTS (chosen); i++) {
    const Clip *clip = &constant[chosen[i]];
    g_autofree gchar *whole = NULL;
    gsize n;

    clip_write (folder, clip);
    whole = read_bytes (clip->name, &n);
    for (guint k = 0; k < 50; k++) {
      g_autofree gchar *bytes = g_memdup2 (whole, n);
      g_auto (Shown) s = { 0 };
      gsize length = n;

      if (k % 3 == 1)
        length = g_test_rand_int_range (1, n);
      for (gint m = k % 3 == 2 ? 0 : g_test_rand_int_range (1, 20); m > 0; m--)
        bytes[g_test_rand_int_range (0, length)] = g_test_rand_int_range (0, 256);
      if (k % 3 == 2) {
        gsize at = g_test_rand_int_range (0, n - 1), less = g_test_rand_int_range (1, MIN (n - at, 1000) + 1);

        memmove (bytes + at, bytes + at + less, n - at - less);
        length -= less;
      }
      write_bytes (clip->name, bytes, length);
      show (clip->name, 0, -1, 8, &s);
      g_assert_true (s.n > 0 ? s.error == NULL : s.error && strstr (s.error, folder));
    }
  }
}

static void
remove_folder (void)
{
  GDir *dir = g_dir_open (folder, 0, NULL);

  for (const gchar *name = g_dir_read_name (dir); name; name = g_dir_read_name (dir)) {
    g_autofree gchar *path = path_of (name);

    g_unlink (path);
  }
  g_dir_close (dir);
  g_rmdir (folder);
  g_free (folder);
}

static void
add (const gchar *what, const Clip *clips, guint n, GTestDataFunc test)
{
  for (guint i = 0; i < n; i++) {
    g_autofree gchar *name = g_strconcat ("/videos/", what, "/", clips[i].name, NULL);

    g_test_add_data_func (name, &clips[i], test);
  }
}

int
main (int argc, char **argv)
{
  int code;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("minivl-videos-XXXXXX", NULL);
  g_assert_nonnull (folder);
  add ("constant-rate-is-the-references", constant, G_N_ELEMENTS (constant), test_constant_rate_is_the_references);
  add ("variable-rate-goes-by-time", variable, G_N_ELEMENTS (variable), test_variable_rate_goes_by_time);
  add ("no-times-go-by-count", untimed, G_N_ELEMENTS (untimed), test_no_times_go_by_count);
  g_test_add_func ("/videos/all-is-all-of-a-long-video", test_all_is_all_of_a_long_video);
  g_test_add_func ("/videos/lost-packet-costs-what-is-made-of-it", test_lost_packet_costs_what_is_made_of_it);
  g_test_add_func ("/videos/two-recordings-in-a-row", test_two_recordings_in_a_row);
  g_test_add_func ("/videos/begins-between-key-frames", test_a_video_that_begins_between_key_frames);
  add ("cut-off", cut, G_N_ELEMENTS (cut), test_cut_off);
  g_test_add_func ("/videos/random-damage", test_random_damage);
  code = g_test_run ();
  remove_folder ();
  return code;
}
