/* The lines of gst/README.md run as they are written, by the demo model on a film of its yard. Only what is not there is replaced:
 * cameras and windows. */
#include "../program.h"

#include <glib/gstdio.h>
#include <string.h>

#define FIRST "By day, a person leaves a bag. A red car arrives."
#define SECOND "At dusk, a person takes a bag away. A red car is parked. A dog runs about."

static gchar *folder; /* of the film, and of what is written */
static GPtrArray *lines;

/* --- the file ---------------------------------------------------------------------------------------------------------------- */

/* Lines that begin with a command, with those that they go on in. */
static void
read_lines (void)
{
  g_autofree gchar *text = NULL;
  g_autoptr (GString) joined = NULL;
  g_auto (GStrv) all = NULL;

  g_assert_true (g_file_get_contents (README, &text, NULL, NULL));
  joined = g_string_new (text);
  g_string_replace (joined, "\\\n", "", 0);
  all = g_strsplit (joined->str, "\n", -1);
  lines = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; all[i] != NULL; i++)
    if (g_str_has_prefix (all[i], "gst-launch-1.0 "))
      g_ptr_array_add (lines, g_strdup (all[i]));
}

/* The one line with all these parts. */
static const gchar *
find_line (const gchar *a, const gchar *b)
{
  const gchar *found = NULL;

  for (guint i = 0; i < lines->len; i++) {
    const gchar *line = g_ptr_array_index (lines, i);

    if (strstr (line, a) == NULL || strstr (line, b) == NULL)
      continue;
    if (found != NULL)
      g_error ("two lines with %s and %s", a, b);
    found = line;
  }
  if (found == NULL)
    g_error ("no line with %s and %s", a, b);
  return found;
}

/* --- running them ------------------------------------------------------------------------------------------------------------ */

static void
run (const gchar *line, ProgramResult *result)
{
  g_autofree gchar *script = g_strdup_printf ("cd %s && MODEL=demo && %s", folder, line);

  program_run ((const gchar *[]){ "timeout", "300", "sh", "-c", script, NULL }, result);
  if (result->code != 0)
    g_error ("%s: %d: %s%s", line, result->code, result->out, result->err);
}

static gchar *
read_file (const gchar *name)
{
  g_autofree gchar *path = g_build_filename (folder, name, NULL);
  GString *text = NULL;
  gchar *bytes;
  gsize length;

  g_assert_true (g_file_get_contents (path, &bytes, &length, NULL));
  for (gsize i = 0; i < length; i++)
    if (bytes[i] == '\0')
      bytes[i] = ' ';
  text = g_string_new_len (bytes, (gssize)length);
  g_free (bytes);
  return g_string_free (text, FALSE);
}

static void
assert_says (const gchar *text, const gchar *part)
{
  if (strstr (text, part) == NULL)
    g_error ("no \"%s\" in: %s", part, text);
}

/* As a message shows it: blanks have a backslash in front. */
static void
assert_told (const gchar *out, const gchar *text)
{
  g_autoptr (GString) escaped = g_string_new (text);

  g_string_replace (escaped, " ", "\\ ", 0);
  g_string_replace (escaped, ",", "\\,", 0);
  assert_says (out, escaped->str);
}

static void
test_a_json_line_for_each_segment (void)
{
  g_auto (ProgramResult) r = { 0 };
  g_autofree gchar *json = NULL;

  run (find_line ("num-segments=8", "location=out.jsonl"), &r);
  json = read_file ("out.jsonl");
  assert_says (json, "\"segment_start\":10000000000,\"segment_stop\":20000000000");
}

static void
test_text_on_standard_output (void)
{
  g_auto (ProgramResult) r = { 0 };

  run (find_line ("gst-launch-1.0 -q filesrc", "fdsink"), &r);
  assert_says (r.out, FIRST);
}

static void
test_messages (void)
{
  g_auto (ProgramResult) r = { 0 };

  run (find_line ("gst-launch-1.0 -m filesrc location=street.avi", "! fakesink"), &r);
  assert_told (r.out, FIRST);
  assert_told (r.out, SECOND);
}

static void
test_in_a_player (void)
{
  g_autofree gchar *line = g_strconcat (find_line ("playbin3", "video-filter="), " video-sink=fakesink audio-sink=fakesink", NULL);
  g_auto (ProgramResult) r = { 0 };

  run (line, &r);
  assert_told (r.out, FIRST);
  assert_told (r.out, SECOND);
}

static void
test_a_webcam_in_yuy2 (void)
{
  g_autoptr (GString) line = g_string_new (find_line ("v4l2src", "format=YUY2"));
  g_auto (ProgramResult) r = { 0 };

  g_string_replace (line, "v4l2src", "videotestsrc is-live=true num-buffers=15", 1);
  g_string_replace (line, "format=YUY2", "format=YUY2,width=320,height=240,framerate=10/1", 1);
  run (line->str, &r);
  assert_says (r.out, "finish_reason=(string)stop");
}

static void
test_subtitles (void)
{
  g_auto (ProgramResult) vtt_result = { 0 }, srt_result = { 0 };
  g_autofree gchar *vtt = NULL, *srt = NULL;

  /* Half of the last frame is left to what may be told behind it. */
  run (find_line ("text-timestamp=segment", "webvttenc"), &vtt_result);
  vtt = read_file ("street.vtt");
  g_assert_cmpstr (vtt, ==, "WEBVTT\n\n00:00:00.000 --> 00:00:10.000\n" FIRST "\n\n00:00:10.000 --> 00:00:19.950\n" SECOND "\n\n");
  run (find_line ("text-timestamp=segment", "srtenc"), &srt_result);
  srt = read_file ("street.srt");
  assert_says (srt, "00:00:10,000 --> 00:00:19,950\n" SECOND);
}

static void
test_subtitles_in_a_file (void)
{
  static const gchar *const muxers[][2] = { { "matroskamux", "out.mkv" }, { "mp4mux", "out.mp4" } };

  for (guint i = 0; i < G_N_ELEMENTS (muxers); i++) {
    g_auto (ProgramResult) r = { 0 };
    g_autofree gchar *file = NULL;

    run (find_line ("text-timestamp=segment", muxers[i][0]), &r);
    file = read_file (muxers[i][1]);
    assert_says (file, FIRST);
    assert_says (file, SECOND);
  }
}

static void
test_watching (void)
{
  g_autoptr (GString) line = g_string_new (find_line ("alerts=", "alert-picture"));
  g_auto (ProgramResult) alerts = { 0 }, summary = { 0 }, still = { 0 };
  g_autofree gchar *journal = NULL;

  g_string_replace (line, "alert-picture=/tmp", "alert-picture=.", 1);
  run (line->str, &alerts);
  assert_says (alerts.out, "minivl-alert");
  run (find_line ("summary-interval=1h", "journal="), &summary);
  assert_says (summary.out, "kind=(string)summary");
  journal = read_file ("yard.journal");
  assert_says (journal, SECOND);
  run (find_line ("skip-similar=0.9", "videotestsrc"), &still);
  assert_says (still.out, "finish_reason=(string)unchanged");
}

static void
test_drawn_on_the_video (void)
{
  static const gchar *const drawers[][2] = { { "minivloverlay", "build/demo/yard.mkv" }, { "textoverlay", "build/demo/yard.mkv" } };

  for (guint i = 0; i < G_N_ELEMENTS (drawers); i++) {
    g_autoptr (GString) line = g_string_new (find_line (drawers[i][0], drawers[i][1]));
    g_auto (ProgramResult) r = { 0 };

    g_string_replace (line, "autovideosink", "fakesink", 1);
    run (line->str, &r);
  }
}

/* --- the film ---------------------------------------------------------------------------------------------------------------- */

static void
film (void)
{
  g_autofree gchar *demo = g_build_filename (folder, "build", "demo", NULL);
  g_auto (ProgramResult) yard = { 0 }, avi = { 0 }, mp4 = { 0 };

  g_assert_cmpint (g_mkdir_with_parents (demo, 0700), ==, 0);
  run (YARD " build/demo/yard.mkv 1257 13427", &yard);
  assert_says (yard.out, FIRST);
  assert_says (yard.out, SECOND);
  run ("gst-launch-1.0 -q filesrc location=build/demo/yard.mkv ! decodebin ! videoconvert ! jpegenc ! avimux ! filesink "
       "location=street.avi",
      &avi);
  run ("gst-launch-1.0 -q filesrc location=build/demo/yard.mkv ! decodebin ! videoconvert ! openh264enc ! h264parse ! mp4mux ! "
       "filesink location=street.mp4",
      &mp4);
}

int
main (int argc, char **argv)
{
  g_auto (ProgramResult) removed = { 0 };
  int code;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("readme-XXXXXX", NULL);
  read_lines ();
  film ();

#define RULE(name) g_test_add_func ("/readme/" #name, test_##name)
  RULE (a_json_line_for_each_segment);
  RULE (text_on_standard_output);
  RULE (messages);
  RULE (in_a_player);
  RULE (a_webcam_in_yuy2);
  RULE (subtitles);
  RULE (subtitles_in_a_file);
  RULE (watching);
  RULE (drawn_on_the_video);
#undef RULE
  code = g_test_run ();
  program_run ((const gchar *[]){ "rm", "-rf", folder, NULL }, &removed);
  g_ptr_array_unref (lines);
  g_free (folder);
  return code;
}
