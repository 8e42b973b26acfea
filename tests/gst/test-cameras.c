/* minivl-cameras as a process: what it says of key files, and what becomes of cameras that end, break, return and are changed.
 * Cameras are a real RTSP server's; files are of a test picture. All waits are for what happens. */
#include "../program.h"
#include "camera.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#define SHARED "[minivl]\nmodel-path=demo\nsegment-duration=1s\nnum-segments=2\nmax-tokens=8\n"
#define CLIP_SECONDS 5

static gchar *folder, *conf, *clip;

/* --- a run ------------------------------------------------------------------------------------------------------------------- */

typedef struct
{
  GSubprocess *process;
  GDataInputStream *out;
  guint n_engines, n_starting; /* since reset */
} Run;

static void G_GNUC_PRINTF (1, 2) write_conf (const gchar *format, ...)
{
  g_autofree gchar *text = NULL;
  g_autoptr (GError) error = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_file_set_contents (conf, text, -1, &error);
  g_assert_no_error (error);
}

/* A test that fails leaves nothing behind. */
static void
end_with_parent (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

/* program: REAL or FAKE */
static Run
run_start (const gchar *program, const gchar *most_delay)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  g_autoptr (GError) error = NULL;
  Run run = { NULL };

  g_subprocess_launcher_set_child_setup (launcher, end_with_parent, NULL, NULL);
  run.process =
      g_subprocess_launcher_spawn (launcher, &error, program, "--journals", folder, "--most-delay", most_delay, conf, NULL);
  g_assert_no_error (error);
  run.out = g_data_input_stream_new (g_subprocess_get_stdout_pipe (run.process));
  return run;
}

static const gchar *
get_text (JsonObject *line, const gchar *name)
{
  return json_object_has_member (line, name) && !json_object_get_null_member (line, name)
             ? json_object_get_string_member (line, name)
             : NULL;
}

/* The next line, NULL at the end. (transfer full) */
static JsonObject *
next_line (Run *run)
{
  g_autofree gchar *text = g_data_input_stream_read_line (run->out, NULL, NULL, NULL);
  g_autoptr (JsonNode) node = NULL;
  g_autoptr (GError) error = NULL;
  JsonObject *line;

  if (text == NULL)
    return NULL;
  g_test_message ("%s", text);
  node = json_from_string (text, &error);
  g_assert_no_error (error);
  line = json_node_dup_object (node);
  run->n_engines += get_text (line, "engine") != NULL;
  run->n_starting += g_strcmp0 (get_text (line, "state"), "starting") == 0;
  return line;
}

/* camera (nullable): that of all. */
static JsonObject *
await_line (Run *run, const gchar *camera, const gchar *state)
{
  for (;;) {
    g_autoptr (JsonObject) line = next_line (run);

    if (line == NULL)
      g_error ("%s is never %s", camera, state);
    if (g_strcmp0 (get_text (line, "state"), state) == 0 && g_strcmp0 (get_text (line, "camera"), camera) == 0)
      return g_steal_pointer (&line);
  }
}

static void
await (Run *run, const gchar *camera, const gchar *state)
{
  json_object_unref (await_line (run, camera, state));
}

/* "CAMERA STATE"..., in any order. */
static void G_GNUC_NULL_TERMINATED
await_all (Run *run, const gchar *first, ...)
{
  g_autoptr (GHashTable) awaited = g_hash_table_new (g_str_hash, g_str_equal);
  va_list args;

  va_start (args, first);
  for (const gchar *item = first; item != NULL; item = va_arg (args, const gchar *))
    g_hash_table_add (awaited, (gpointer)item);
  va_end (args);
  while (g_hash_table_size (awaited) > 0) {
    g_autoptr (JsonObject) line = next_line (run);
    g_autofree gchar *item = NULL;

    g_assert_nonnull (line);
    item = g_strdup_printf ("%s %s", get_text (line, "camera"), get_text (line, "state"));
    g_hash_table_remove (awaited, item);
  }
}

/* Until the process is gone. */
static gint
run_finish (Run *run)
{
  for (;;) {
    g_autoptr (JsonObject) line = next_line (run);

    if (line == NULL)
      break;
  }
  g_assert_true (g_subprocess_wait (run->process, NULL, NULL));
  g_assert_true (g_subprocess_get_if_exited (run->process));
  g_clear_object (&run->out);
  return g_subprocess_get_exit_status (run->process);
}

static void
run_end (Run *run)
{
  g_subprocess_send_signal (run->process, SIGTERM);
  g_assert_cmpint (run_finish (run), ==, 0);
  g_clear_object (&run->process);
}

/* --- journals ---------------------------------------------------------------------------------------------------------------- */

/* Lines that all are whole, with ids from 1 on. NULL: no such file. (transfer full) */
static GPtrArray *
read_journal (const gchar *camera)
{
  g_autofree gchar *name = g_strconcat (camera, ".jsonl", NULL), *path = g_build_filename (folder, name, NULL), *text = NULL;
  g_autoptr (GPtrArray) results = g_ptr_array_new_with_free_func ((GDestroyNotify)json_object_unref);
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return NULL;
  g_assert_true (text[0] == '\0' || g_str_has_suffix (text, "\n"));
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL && lines[i][0] != '\0'; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (JsonNode) node = json_from_string (lines[i], &error);

    g_assert_no_error (error);
    g_ptr_array_add (results, json_node_dup_object (node));
    g_assert_cmpint (json_object_get_int_member (g_ptr_array_index (results, i), "id"), ==, i + 1);
    g_assert_cmpstr (get_text (g_ptr_array_index (results, i), "stream"), ==, camera);
  }
  return g_steal_pointer (&results);
}

static guint
count_results (const gchar *camera)
{
  g_autoptr (GPtrArray) results = read_journal (camera);

  return results->len;
}

/* Polls, for nothing tells of a file that grows on every file system. A line may be half there. */
static void
await_results (const gchar *camera, guint n)
{
  g_autofree gchar *name = g_strconcat (camera, ".jsonl", NULL), *path = g_build_filename (folder, name, NULL);

  for (guint found = 0; found < n; g_usleep (20000)) {
    g_autofree gchar *text = NULL;

    found = 0;
    if (g_file_get_contents (path, &text, NULL, NULL))
      for (const gchar *c = text; *c != '\0'; c++)
        found += *c == '\n';
  }
}

static void
remove_journals (void)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const gchar *name;

  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree gchar *path = g_build_filename (folder, name, NULL);

    if (g_str_has_suffix (name, ".jsonl"))
      g_unlink (path);
  }
}

/* --- key files --------------------------------------------------------------------------------------------------------------- */

/* CLIP stands for the file. */
static const struct
{
  const gchar *text, *says;
} faults[] = {
  { "", "no camera" },
  { SHARED, "no camera" },
  { "uri=file:///CLIP\n", "group" },
  { "[door]\nno equals sign\n", "no equals sign" },
  { "[door]\nuri=file://CLIP\n[door]\nuri=file://CLIP\n", "two groups [door]" },
  { "[door]\nuri=file://CLIP\nprompt=A\nprompt=B\n", "[door]: prompt is there twice" },
  { "[door]\nprompt=A\n", "[door]: uri is missing" },
  { "[door]\nuri=\n", "[door]: uri is missing" },
  { "[door]\nuri=no uri\n", "[door]: uri: " },
  { "[door]\nuri=nothing-known://door\n", "[door]: uri: " },
  { "[door]\nuri=file://CLIP\nprompts=A\n", "[door]: prompts: minivl has no such property" },
  { "[door]\nuri=file://CLIP\nname=A\n", "[door]: name: minivl has no such property" },
  { "[door]\nuri=file://CLIP\nstats=A\n", "[door]: stats: minivl has no such property" },
  { "[door]\nuri=file://CLIP\nprompt[de]=A\n", "[door]: prompt[de]: minivl has no such property" },
  { "[door]\nuri=file://CLIP\nprompt=A\\q\n", "[door]: " },
  { "[door]\nuri=file://CLIP\nnum-segments=many\n", "[door]: num-segments: \"many\" is no value" },
  { "[door]\nuri=file://CLIP\nnum-segments=0\n", "[door]: num-segments: 0 is not in its range" },
  { "[door]\nuri=file://CLIP\nsegment-duration=soon\n", "[door]: segment-duration: \"soon\" is no value" },
  { "[door]\nuri=file://CLIP\ntimeout=-1\n", "[door]: timeout: \"-1\" is no number" },
  { "[door]\nuri=file://CLIP\nsource.colour=red\n", "[door]: colour: filesrc has no such property" },
  { "[door]\nuri=file://CLIP\nprecision=q4\n", "[door]: precision is the same for all" },
  { "[door]\nuri=file://CLIP\nstream=gate\n", "[door]: stream: the camera's name" },
  { "[minivl]\nuri=file://CLIP\n", "[minivl]: uri is of one camera" },
  { "[minivl]\njournal=a\n[door]\nuri=file://CLIP\n", "[minivl]: journal is of one camera" },
  { "[minivl]\nprecision=q5\n[door]\nuri=file://CLIP\n", "[minivl]: precision: \"q5\" is no value" },
  { "[minivl]\nmodel-path=/nonexistent\n[door]\nuri=file://CLIP\n", "[minivl]: No model: " },
  { "[door]\nuri=file://CLIP\nsegment-duration=1s\nsegment-overlap=2s\n", "[door]: segment-overlap" },
  { "[.door]\nuri=file://CLIP\n", "[.door]: no name" },
  { "[a/b]\nuri=file://CLIP\n", "[a/b]: no name" },
  { "[door]\nuri=file://CLIP\njournal=/nonexistent/door\n", "[door]: journal: /nonexistent/door: No such file" },
  { "[door]\nuri=file://CLIP\njournal=/tmp/a\n[gate]\nuri=file://CLIP\njournal=/tmp/a\n", "[gate]: journal: /tmp/a is another" },
};

static void
check (ProgramResult *result)
{
  program_run ((const gchar *[]){ REAL, "--check", "--journals", folder, conf, NULL }, result);
}

static void
test_each_fault_is_named (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (faults); i++) {
    g_autoptr (GString) text = g_string_new (faults[i].text);
    g_auto (ProgramResult) r = { 0 };

    g_string_replace (text, "CLIP", clip, 0);
    write_conf ("%s", text->str);
    check (&r);
    if (r.code != 2 || strstr (r.err, faults[i].says) == NULL || strstr (r.err, conf) == NULL)
      g_error ("%s: %d: %s%s", faults[i].text, r.code, r.out, r.err);
  }
}

static void
test_what_is_right_is_counted_and_nothing_is_made (void)
{
  g_auto (ProgramResult) r = { 0 };
  g_autofree gchar *journal = g_build_filename (folder, "door.jsonl", NULL);

  write_conf (SHARED "# A comment = one\n[door]\nuri = file://%s\nprompt=\"What\"\\nis it?\nalerts=A?;B?\ntimeout=0\n\n"
                     "[gate]\nuri=rtsp://127.0.0.1:1/a\nsource.latency=100\nnum-frames=4\n",
      clip);
  check (&r);
  g_assert_cmpstr (r.err, ==, "");
  g_assert_cmpint (r.code, ==, 0);
  g_assert_nonnull (strstr (r.out, ": 2 cameras"));
  g_assert_null (strstr (r.out, "engine"));
  g_assert_false (g_file_test (journal, G_FILE_TEST_EXISTS));
}

static void
test_usage (void)
{
  g_auto (ProgramResult) none = { 0 }, gone = { 0 }, delay = { 0 }, help = { 0 };

  program_run ((const gchar *[]){ REAL, NULL }, &none);
  g_assert_cmpint (none.code, ==, 2);
  program_run ((const gchar *[]){ REAL, "/nonexistent.conf", NULL }, &gone);
  g_assert_cmpint (gone.code, ==, 2);
  g_assert_nonnull (strstr (gone.err, "/nonexistent.conf"));
  program_run ((const gchar *[]){ REAL, "--most-delay", "0", conf, NULL }, &delay);
  g_assert_cmpint (delay.code, ==, 2);
  program_run ((const gchar *[]){ REAL, "--help", NULL }, &help);
  g_assert_cmpint (help.code, ==, 0);
  g_assert_nonnull (strstr (help.out, "SIGHUP"));
}

/* --- cameras ----------------------------------------------------------------------------------------------------------------- */

static void
test_files_end_and_then_the_program (void)
{
  Run run;

  remove_journals ();
  write_conf (SHARED "[a]\nuri=file://%s\n[b]\nuri=file://%s\nsegment-duration=2s\n", clip, clip);
  run = run_start (FAKE, "60");
  g_assert_cmpint (run_finish (&run), ==, 0);
  g_assert_cmpuint (count_results ("a"), ==, CLIP_SECONDS);
  g_assert_cmpuint (count_results ("b"), ==, (CLIP_SECONDS + 1) / 2);
  g_object_unref (run.process);
}

static void
assert_retry (Run *run, const gchar *camera, double delay)
{
  g_autoptr (JsonObject) line = await_line (run, camera, "failed");

  g_assert_nonnull (get_text (line, "reason"));
  g_assert_cmpfloat (json_object_get_double_member (line, "retry_in"), ==, delay);
}

/* A file beside it, and one that is not there, which is tried ever more slowly. */
static void
test_a_camera_breaks_and_returns (void)
{
  Camera *camera = camera_new ();
  guint before;
  Run run;

  remove_journals ();
  write_conf (SHARED "[film]\nuri=file://%s\n[door]\nuri=%s\ntimeout=300\n", clip, camera_get_url (camera));
  run = run_start (REAL, "2");
  await_all (&run, "film playing", "door playing", NULL);
  await_results ("door", 2);
  camera_unplug (camera);
  assert_retry (&run, "door", 1);
  before = count_results ("door"); /* whatever was seen is reported when it is given up */
  assert_retry (&run, "door", 2);
  assert_retry (&run, "door", 2);
  g_assert_cmpuint (count_results ("door"), ==, before);
  camera_plug_in (camera);
  await (&run, "door", "playing");
  await_results ("door", before + 2);
  run_end (&run);
  g_assert_cmpuint (run.n_engines, ==, 1);
  g_assert_cmpuint (count_results ("film"), ==, CLIP_SECONDS);
  g_assert_cmpuint (count_results ("door"), >=, before + 2);
  camera_free (camera);
}

/* Another one goes on. */
static void
test_a_silent_camera_has_failed (void)
{
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  guint16 port = g_socket_listener_add_any_inet_port (listener, NULL, NULL);
  g_autoptr (JsonObject) failed = NULL;
  Run run;

  remove_journals ();
  write_conf (SHARED "[mute]\nuri=rtsp://user:secret@127.0.0.1:%u/door\ntimeout=1\n[film]\nuri=file://%s\n", port, clip);
  run = run_start (FAKE, "60");
  failed = await_line (&run, "mute", "failed");
  g_assert_cmpstr (get_text (failed, "reason"), ==, "no frame for 1 s");
  await_results ("film", CLIP_SECONDS);
  run_end (&run);
}

/* The segment that is open lasts an hour. */
static void
test_what_was_seen_is_reported_at_the_end (void)
{
  Camera *camera = camera_new ();
  g_autoptr (GPtrArray) results = NULL;
  Run run;

  remove_journals ();
  write_conf (SHARED "[door]\nuri=%s\nsegment-duration=1h\ntimeout=300\n", camera_get_url (camera));
  run = run_start (FAKE, "60");
  await (&run, "door", "playing");
  run_end (&run);
  results = read_journal ("door");
  g_assert_cmpuint (results->len, ==, 1);
  g_assert_cmpstr (get_text (g_ptr_array_index (results, 0), "text"), !=, "");
  camera_free (camera);
}

static void
reload (Run *run)
{
  g_subprocess_send_signal (run->process, SIGHUP);
}

static void
test_a_reload_begins_anew_what_has_changed_alone (void)
{
  Camera *camera = camera_new ();
  const gchar *url = camera_get_url (camera);
  g_autoptr (JsonObject) refused = NULL;
  g_autoptr (GPtrArray) results = NULL;
  Run run;

  remove_journals ();
  write_conf (SHARED "[door]\nuri=%s\ntimeout=300\n[gate]\nuri=%s\ntimeout=300\nprompt=A?\n", url, url);
  run = run_start (FAKE, "60");
  await_all (&run, "door playing", "gate playing", NULL);
  await_results ("gate", 1);
  run.n_starting = 0;

  write_conf (SHARED "[door]\nuri=%s\n[gate]\nuri=%s\nprompts=B?\n", url, url);
  reload (&run);
  refused = await_line (&run, NULL, "refused");
  g_assert_nonnull (strstr (get_text (refused, "reason"), "[gate]: prompts: "));

  /* What it says itself is what it had from all. */
  write_conf (SHARED "[door]\nuri=%s\ntimeout=300\nmax-tokens=8\n[gate]\nuri=%s\ntimeout=300\nprompt=B?\n", url, url);
  reload (&run);
  await_all (&run, "gate stopped", "gate playing", NULL);
  await_results ("gate", count_results ("gate") + 1);

  write_conf (SHARED "[yard]\nuri=%s\ntimeout=300\n[door]\nuri=%s\ntimeout=300\n", url, url);
  reload (&run);
  await_all (&run, "gate stopped", "yard playing", NULL);
  g_assert_cmpuint (run.n_starting, ==, 2);
  await_results ("yard", 1);
  run_end (&run);
  g_assert_cmpuint (count_results ("door"), >, 0);
  results = read_journal ("gate");
  g_assert_cmpstr (get_text (g_ptr_array_index (results, 0), "prompt"), ==, "A?");
  g_assert_cmpstr (get_text (g_ptr_array_index (results, results->len - 1), "prompt"), ==, "B?");
  camera_free (camera);
}

/* Never two engines at once; and one that cannot be opened is not the end. */
static void
test_a_reload_may_change_the_engine (void)
{
  Camera *camera = camera_new ();
  const gchar *url = camera_get_url (camera);
  g_autoptr (JsonObject) refused = NULL;
  Run run;

  remove_journals ();
  write_conf (SHARED "[door]\nuri=%s\ntimeout=300\n", url);
  run = run_start (REAL, "60");
  await (&run, "door", "playing");

  write_conf (SHARED "context-size=1024\n[door]\nuri=%s\ntimeout=300\n", url);
  reload (&run);
  await (&run, "door", "stopped");
  await (&run, NULL, "loaded");
  await (&run, "door", "playing");
  g_assert_cmpuint (run.n_engines, ==, 2);

  write_conf (SHARED "device=none such\n[door]\nuri=%s\ntimeout=300\n", url);
  reload (&run);
  refused = await_line (&run, NULL, "refused");
  g_assert_nonnull (strstr (get_text (refused, "reason"), "none such"));
  await (&run, NULL, "loaded");
  await (&run, "door", "playing");
  await_results ("door", count_results ("door") + 1);
  run_end (&run);
  camera_free (camera);
}

/* Whoever holds the old one keeps its memory. */
static void
test_an_engine_that_is_lost_is_held_by_nobody (void)
{
  Camera *camera = camera_new ();
  Run run;

  remove_journals ();
  write_conf (SHARED "[door]\nuri=%s\ntimeout=300\n", camera_get_url (camera));
  run = run_start (REAL, "60");
  await (&run, "door", "playing");
  await_results ("door", 1);
  g_subprocess_send_signal (run.process, SIGUSR1);
  await (&run, NULL, "released");
  await_results ("door", count_results ("door") + 2);
  run_end (&run);
  g_assert_cmpuint (run.n_engines, ==, 2);
  camera_free (camera);
}

static void
test_an_engine_that_cannot_be_opened_ends_it (void)
{
  g_autoptr (JsonObject) failed = NULL;
  Run run;

  write_conf (SHARED "device=none such\n[film]\nuri=file://%s\n", clip);
  run = run_start (REAL, "60");
  failed = await_line (&run, NULL, "failed");
  g_assert_nonnull (strstr (get_text (failed, "reason"), "none such"));
  g_assert_cmpint (run_finish (&run), ==, 1);
  g_object_unref (run.process);
}

/* --- all of it --------------------------------------------------------------------------------------------------------------- */

static void
make_clip (void)
{
  g_autofree gchar *line =
      g_strdup_printf ("gst-launch-1.0 -q videotestsrc pattern=ball num-buffers=%d ! "
                       "video/x-raw,width=64,height=48,framerate=10/1 ! jpegenc ! avimux ! filesink location=%s",
          10 * CLIP_SECONDS, clip);
  g_auto (ProgramResult) r = { 0 };

  program_run ((const gchar *[]){ "sh", "-c", line, NULL }, &r);
  if (r.code != 0)
    g_error ("%s: %s", line, r.err);
}

int
main (int argc, char **argv)
{
  int code;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("minivl-cameras-XXXXXX", NULL);
  conf = g_build_filename (folder, "cameras.conf", NULL);
  clip = g_build_filename (folder, "clip.avi", NULL);
  make_clip ();

#define RULE(name) g_test_add_func ("/cameras/" #name, test_##name)
  RULE (each_fault_is_named);
  RULE (what_is_right_is_counted_and_nothing_is_made);
  RULE (usage);
  RULE (files_end_and_then_the_program);
  RULE (a_camera_breaks_and_returns);
  RULE (a_silent_camera_has_failed);
  RULE (what_was_seen_is_reported_at_the_end);
  RULE (a_reload_begins_anew_what_has_changed_alone);
  RULE (a_reload_may_change_the_engine);
  RULE (an_engine_that_is_lost_is_held_by_nobody);
  RULE (an_engine_that_cannot_be_opened_ends_it);
#undef RULE
  code = g_test_run ();
  remove_journals ();
  g_unlink (conf);
  g_unlink (clip);
  g_rmdir (folder);
  g_free (folder);
  g_free (conf);
  g_free (clip);
  return code;
}
