/* Reports that are kept for long: over a day, and in the journal from one run of the element to the next. */
#include "gst/element/gstminivl.h"
#include "rig.h"

#include <glib/gstdio.h>
#include <malloc.h>
#include <string.h>

#define INTERVAL "summary-interval=3000000000 "

/* --- a day ------------------------------------------------------------------------------------------------------------------- */

#define DAY 8640

/* Under the back end's lock */
static struct
{
  guint8 of_segment[2 * DAY], told[2 * DAY]; /* by number of the answer: it is a segment's; in how many prompts it was */
  guint answers, stages;
  gsize longest;
} day;

static void
note_day (const FakeQuestion *question, const gchar *answer)
{
  g_assert_cmpuint (++day.answers, <, 2 * DAY);
  day.of_segment[day.answers] = question->n_pictures > 0;
  if (question->n_pictures > 0)
    return;
  day.stages++;
  day.longest = MAX (day.longest, strlen (question->text));
  for (const gchar *p = question->text; (p = strstr (p, ": answer ")) != NULL; p++)
    day.told[g_ascii_strtoull (p + strlen (": answer "), NULL, 10)]++;
}

static void
test_a_whole_day (void)
{
  Rig *rig = rig_new ("segment-duration=10000000000 num-segments=1 summary-interval=-1 context-size=1000 max-tokens=50");
  gsize warm = 0, in_use = 0, grown;
  guint kept = 0;

  memset (&day, 0, sizeof day);
  fake_listen (note_day);
  rig_set_caps (rig, "RGB", 8, 4, 1, 10);
  gst_harness_set_drop_buffers (rig->video, TRUE);
  for (guint i = 0; i < DAY; i++) {
    rig_push (rig, i, i + 1);
    if (i % 100 > 0)
      continue;
    gst_bus_set_flushing (rig->bus, TRUE);
    gst_bus_set_flushing (rig->bus, FALSE);
    fake_forget ();
    in_use = mallinfo2 ().uordblks;
    if (i == 1000)
      warm = in_use;
  }
  grown = in_use - warm;
  rig_eos (rig);
  for (;;) {
    g_autoptr (GstStructure) s = rig_await_result (rig);

    if (g_strcmp0 (gst_structure_get_string (s, "kind"), "summary") != 0)
      continue;
    g_assert_cmpstr (gst_structure_get_string (s, "finish_reason"), ==, "stop");
    g_assert_cmpuint (rig_uint64 (s, "segment_start"), ==, 0);
    g_assert_cmpuint (rig_uint64 (s, "segment_stop"), ==, 24 * 3600 * GST_SECOND);
    g_assert_cmpuint (rig_uint64 (s, "prompt_tokens"), ==, 100 * day.stages);
    break;
  }
  rig_free (rig);

  for (guint i = 1; i <= day.answers; i++) {
    kept += day.of_segment[i];
    g_assert_cmpuint (day.told[i], ==, i < day.answers); /* reports and earlier stages in one prompt each; the summary in none */
  }
  g_assert_cmpuint (kept, ==, DAY);
  g_assert_cmpuint (day.stages, >, 20);
  g_test_message ("%u stages, the longest prompt has %" G_GSIZE_FORMAT " bytes; memory grew by %" G_GSIZE_FORMAT " bytes",
      day.stages, day.longest, grown);
  g_assert_cmpuint (20 + (day.longest + 3) / 4 + 50, <=, 1000);
#ifndef SANITIZED
  g_assert_cmpint ((gssize)grown, <, 256 << 10);
#endif
}

/* --- the journal ------------------------------------------------------------------------------------------------------------- */

static gchar *
make_folder (gchar **path)
{
  gchar *folder = g_dir_make_tmp ("minivl-summaries-XXXXXX", NULL);

  g_assert_nonnull (folder);
  *path = g_build_filename (folder, "journal", NULL);
  return folder;
}

static void
remove_folder (const gchar *folder, const gchar *path)
{
  g_unlink (path);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

static Rig *
rig_with_journal (const gchar *path, const gchar *properties)
{
  g_autofree gchar *line = g_strdup_printf ("journal=%s %s", path, properties);

  return rig_new (line);
}

/* Asserts the members of the lines of the file, joined by spaces. */
static void
assert_journal (const gchar *path, const gchar *member, const gchar *values)
{
  g_autofree gchar *content = NULL;
  g_auto (GStrv) lines = NULL;
  g_autoptr (GString) got = g_string_new (NULL);

  g_assert_true (g_file_get_contents (path, &content, NULL, NULL));
  lines = g_strsplit (content, "\n", -1);
  for (guint i = 0; lines[i] != NULL && lines[i][0] != '\0'; i++) {
    g_autoptr (JsonNode) node = json_from_string (lines[i], NULL);
    JsonNode *value;

    g_assert_nonnull (node);
    value = json_object_get_member (json_node_get_object (node), member);
    if (json_node_get_value_type (value) == G_TYPE_STRING)
      g_string_append_printf (got, "%s ", json_node_get_string (value));
    else
      g_string_append_printf (got, "%" G_GINT64_FORMAT " ", json_node_get_int (value));
  }
  g_assert_cmpstr (got->str, ==, values);
}

static void
test_every_result_is_a_line (void)
{
  g_autofree gchar *path = NULL, *folder = make_folder (&path);
  Rig *rig = rig_with_journal (path, "summary-interval=2000000000 alerts=Fire? max-backlog=1");
  guint64 id = 0;

  fake_add_scores ("0.1 0.9");
  rig_push_second (rig, 0);
  rig_await_second (rig, 0, "stop");
  assert_journal (path, "kind", "segment "); /* it is there before it is told */
  g_signal_emit_by_name (rig->element, "ask", "What?", 1.0, &id);
  g_assert_cmpuint (id, >, 0);
  gst_structure_free (rig_await_result (rig));
  rig_push_second (rig, 1);
  gst_structure_free (rig_await_kind (rig, "alert", 1000, 2000, "length"));
  rig_await_second (rig, 1, "stop");
  gst_structure_free (rig_await_kind (rig, "summary", 0, 2000, "stop"));
  fake_fail_next (FAKE_ASK, MINIVL_ERROR_MEMORY, "no memory");
  rig_push_second (rig, 2);
  gst_structure_free (rig_await_kind (rig, "segment", 2000, 3000, "error"));
  assert_journal (path, "kind", "segment question alert segment summary segment ");
  assert_journal (path, "finish_reason", "stop stop length stop stop error ");
  rig_free (rig);
  remove_folder (folder, path);
}

static void
test_a_restart_loses_nothing (void)
{
  g_autofree gchar *path = NULL, *folder = make_folder (&path);
  Rig *rig = rig_with_journal (path, INTERVAL);
  g_autoptr (GstStructure) first = NULL;

  for (guint i = 0; i < 4; i++) {
    rig_push_second (rig, i);
    rig_await_second (rig, i, "stop");
    if (i == 2)
      gst_structure_free (rig_await_kind (rig, "summary", 0, 3000, "stop"));
  }
  rig_free (rig);
  assert_journal (path, "kind", "segment segment segment summary segment ");

  /* Another process, by all that the file can tell; what was watched before counts. */
  rig = rig_with_journal (path, INTERVAL);
  fake_set_text ("anew");
  rig_push_second (rig, 0);
  first = rig_await_kind (rig, "segment", 0, 1000, "stop");
  g_assert_cmpuint (rig_uint64 (first, "id"), >=, 6);
  rig_push_second (rig, 1);
  rig_await_second (rig, 1, "stop");
  rig_await_summary (rig, 0, 2000, "0:00:03 - 0:00:04: answer 5\n0:00:00 - 0:00:01: anew\n0:00:01 - 0:00:02: anew");
  rig_assert_no_warning (rig);
  rig_free (rig);
  {
    g_autofree gchar *content = NULL;
    g_auto (GStrv) lines = NULL;
    g_autoptr (GHashTable) ids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

    g_assert_true (g_file_get_contents (path, &content, NULL, NULL));
    lines = g_strsplit (g_strchomp (content), "\n", -1);
    for (guint i = 0; lines[i] != NULL; i++)
      g_assert_true (g_hash_table_add (ids, g_strndup (lines[i], strcspn (lines[i], ","))));
    g_assert_cmpuint (g_hash_table_size (ids), ==, 8);
  }

  /* Nothing reported in this run: the journal keeps it for the next one. */
  rig = rig_with_journal (path, "summary-interval=-1");
  rig_eos (rig);
  rig_assert_no_result (rig);
  rig_free (rig);
  remove_folder (folder, path);
}

/* Within one element's life, too. */
static void
test_to_null_and_back (void)
{
  g_autofree gchar *path = NULL, *folder = make_folder (&path);
  Rig *rig = rig_with_journal (path, "summary-interval=-1");

  rig_push_second (rig, 0);
  rig_await_second (rig, 0, "stop");
  gst_element_set_state (rig->element, GST_STATE_NULL);
  gst_harness_play (rig->video);
  rig_set_caps (rig, "RGB", 8, 4, 10, 1);
  rig_push_segment (rig, 0, 0, 0);
  rig_push (rig, 0, 10);
  rig_eos (rig);
  rig_await_second (rig, 0, "stop");
  rig_await_summary (rig, 0, 1000, "0:00:00 - 0:00:01: answer 1\n0:00:00 - 0:00:01: answer 2");
  rig_free (rig);
  remove_folder (folder, path);
}

/* More than one prompt holds, from an earlier run: in stages, as ever. */
static void
test_a_long_journal (void)
{
  g_autofree gchar *path = NULL, *folder = make_folder (&path);
  Rig *rig = rig_with_journal (path, "");
  guint stages;

  rig_push (rig, 0, 1000);
  rig_eos (rig);
  rig_free (rig);

  memset (&day, 0, sizeof day);
  rig = rig_with_journal (path, "summary-interval=-1 context-size=600 max-tokens=50");
  fake_set_text ("anew");
  fake_listen (note_day);
  rig_push (rig, 0, 10);
  rig_eos (rig);
  rig_await_second (rig, 0, "stop");
  gst_structure_free (rig_await_kind (rig, "summary", 0, 1000, "stop"));
  for (guint i = 1; i <= 100; i++)
    g_assert_cmpuint (day.told[i], ==, 1);
  stages = day.stages;
  g_assert_cmpuint (stages, >, 1);
  rig_free (rig);
  remove_folder (folder, path);
}

/* n reports of a second each, told in an earlier run as "old 0." and so on: behind those that are there. */
static void
write_old_reports (const gchar *path, guint n)
{
  FILE *file = g_fopen (path, "a");

  for (guint64 i = 0; i < n; i++)
    fprintf (file,
        "{\"id\":%" G_GUINT64_FORMAT ",\"kind\":\"segment\",\"stream\":\"m\",\"text\":\"old %" G_GUINT64_FORMAT
        ".\",\"segment_start\":%" G_GUINT64_FORMAT ",\"segment_stop\":%" G_GUINT64_FORMAT
        ",\"utc\":null,\"finish_reason\":\"stop\"}\n",
        i + 1, i, i * GST_SECOND, (i + 1) * GST_SECOND);
  fclose (file);
}

/* Under the back end's lock. alerts' questions apart: `s` for one about a segment, `t` for one in text only; in how many prompts
 * each old report and each answer was. */
static struct
{
  GString *order;
  guint8 old[3000], answers[1000];
} told;

static void
count_told (const gchar *prompt, const gchar *before, guint8 *counts, guint most)
{
  for (const gchar *p = prompt; (p = strstr (p, before)) != NULL; p++) {
    guint64 n = g_ascii_strtoull (p + strlen (before), NULL, 10);

    g_assert_cmpuint (n, <, most);
    counts[n]++;
  }
}

static void
note_order (const FakeQuestion *question, const gchar *answer)
{
  if (question->params.want_yes)
    return;
  g_string_append_c (told.order, question->n_pictures > 0 ? 's' : 't');
  if (question->n_pictures > 0)
    return;
  count_told (question->text, ": old ", told.old, G_N_ELEMENTS (told.old));
  count_told (question->text, ": answer ", told.answers, G_N_ELEMENTS (told.answers));
}

static void
listen_to_order (void)
{
  memset (&told, 0, sizeof told);
  told.order = g_string_new (NULL);
  fake_listen (note_order);
}

/* Twelve segments wait at once: the first one does not wait for any stage, each other one for one, though the summary of what the
 * first one makes due takes many more. What is told meanwhile is for the next summary, in another run, too. */
static void
test_segments_before_old_reports (void)
{
  g_autofree gchar *path = NULL, *folder = make_folder (&path);
  Rig *rig;
  guint segments = 0, stages;

  write_old_reports (path, 2999);
  rig = rig_with_journal (path, "summary-interval=3000000000000 context-size=600 max-tokens=50 max-backlog=20 alerts=Fire?");
  fake_add_scores ("0.1 0.1 0.1 0.1 0.1 0.9 0.1");
  listen_to_order ();
  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 121);
  fake_release_all (FAKE_ASK);
  for (guint i = 0; i < 12; i++) {
    if (i == 5 || i == 6)
      gst_structure_free (rig_await_kind (rig, "alert", 1000 * i, 1000 * (i + 1), "length"));
    rig_await_second (rig, i, "stop");
  }
  gst_structure_free (rig_await_kind (rig, "summary", 0, 1000, "stop"));
  rig_assert_no_warning (rig);
  rig_free (rig);
  g_assert_true (g_str_has_prefix (told.order->str, "ststststststststststststt"));
  for (guint i = 0; i < 2999; i++)
    g_assert_cmpuint (told.old[i], ==, 1);
  for (guint i = 0; i < told.order->len; i++) {
    gboolean summed_up = told.order->str[i] == 's' ? segments++ == 0 : i + 1 < told.order->len;

    g_assert_cmpuint (told.answers[i + 1], ==, summed_up);
  }
  stages = told.order->len - segments;
  g_assert_cmpuint (segments, ==, 12);
  g_assert_cmpuint (stages, >, 30);
  g_string_free (told.order, TRUE);

  rig = rig_with_journal (path, "summary-interval=-1");
  fake_set_text ("anew");
  rig_push (rig, 0, 10);
  rig_eos (rig);
  rig_await_second (rig, 0, "stop");
  rig_await_summary (rig, 0, 1000,
      "0:00:01 - 0:00:02: answer 3\n0:00:02 - 0:00:03: answer 5\n0:00:03 - 0:00:04: answer 7\n0:00:04 - 0:00:05: answer 9\n"
      "0:00:05 - 0:00:06: ALERT: Fire?\n0:00:05 - 0:00:06: answer 11\n"
      "0:00:06 - 0:00:07: ALERT OVER: Fire?\n0:00:06 - 0:00:07: answer 13\n0:00:07 - 0:00:08: answer 15\n"
      "0:00:08 - 0:00:09: answer 17\n0:00:09 - 0:00:10: answer 19\n0:00:10 - 0:00:11: answer 21\n0:00:11 - 0:00:12: answer 23\n"
      "0:00:00 - 0:00:01: anew");
  rig_free (rig);
  remove_folder (folder, path);
}

/* Between two segments that wait there is one question, and one stage behind it. */
static void
test_questions_before_old_reports (void)
{
  g_autofree gchar *path = NULL, *folder = make_folder (&path);
  Rig *rig;
  guint64 first = 0, second = 0;

  write_old_reports (path, 1000);
  rig = rig_with_journal (path, "summary-interval=-1 context-size=600 max-tokens=50 max-backlog=20");
  listen_to_order ();
  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 31);
  fake_await (FAKE_ASK, 1);
  g_signal_emit_by_name (rig->element, "ask", "What?", 1.0, &first);
  g_signal_emit_by_name (rig->element, "ask", "What?", 1.0, &second);
  fake_release_all (FAKE_ASK);
  rig_await_second (rig, 0, "stop");
  for (guint i = 1; i < 3; i++) {
    g_autoptr (GstStructure) question = rig_await_result (rig);

    g_assert_cmpuint (rig_uint64 (question, "id"), ==, i == 1 ? first : second);
    rig_await_second (rig, i, "stop");
  }
  rig_free (rig);
  g_assert_true (g_str_has_prefix (told.order->str, "sstssts"));
  g_string_free (told.order, TRUE);
  remove_folder (folder, path);
}

/* Whether the segment was answered, and a stage begun behind it, in time; that is held. Of frames that come late a stage may be in
 * front. */
static gboolean
end_in_a_stage (const gchar *path, guint64 timeout, Rig **rig)
{
  g_autoptr (GstStructure) s = NULL;

  *rig = rig_with_journal (path, "summary-interval=-1 context-size=600 max-tokens=50");
  g_object_set ((*rig)->element, "eos-timeout", timeout, NULL);
  fake_hold (FAKE_ASK);
  rig_push_in_thread (*rig, 0, 10);
  fake_release (FAKE_ASK, 1);
  rig_join (*rig);
  s = rig_await_result (*rig);
  return fake_count (FAKE_ASK) > 1 && g_str_equal (gst_structure_get_string (s, "finish_reason"), "stop");
}

/* Of a hundred stages none follows the one that was given up. The reports stay in the journal. */
static void
test_eos_timeout_in_a_stage (void)
{
  g_autofree gchar *path = NULL, *folder = make_folder (&path);
  guint64 timeout = 300 * GST_MSECOND;
  Rig *rig;

  write_old_reports (path, 1000);
  while (!end_in_a_stage (path, timeout, &rig)) {
    timeout *= 2;
    g_assert_cmpuint (timeout, <, 20 * GST_SECOND);
    rig_free (rig);
    g_unlink (path);
    write_old_reports (path, 1000);
  }
  rig_await_warning (rig, "eos-timeout");
  gst_element_set_state (rig->element, GST_STATE_NULL);
  g_assert_cmpuint (fake_count (FAKE_ASK), ==, 2);
  rig_free (rig);

  rig = rig_with_journal (path, "summary-interval=-1 context-size=600 max-tokens=50");
  listen_to_order ();
  rig_push (rig, 0, 10);
  rig_eos (rig);
  rig_await_second (rig, 0, "stop");
  gst_structure_free (rig_await_kind (rig, "summary", 0, 1000, "stop"));
  for (guint i = 0; i < 1000; i++)
    g_assert_cmpuint (told.old[i], ==, 1);
  rig_free (rig);
  g_string_free (told.order, TRUE);
  remove_folder (folder, path);
}

/* A stage that is flushed is asked again. */
static void
test_flush_in_a_stage (void)
{
  g_autofree gchar *path = NULL, *folder = make_folder (&path);
  Rig *rig;

  write_old_reports (path, 1000);
  rig = rig_with_journal (path, "summary-interval=-1 context-size=600 max-tokens=50");
  fake_hold (FAKE_ASK);
  rig_push (rig, 0, 10);
  rig_push (rig, 10, 11);
  fake_release (FAKE_ASK, 1);
  rig_await_second (rig, 0, "stop");
  fake_await (FAKE_ASK, 2);
  gst_harness_push_event (rig->video, gst_event_new_flush_start ());
  gst_harness_push_event (rig->video, gst_event_new_flush_stop (TRUE));
  gst_structure_free (rig_await_kind (rig, "segment", 1000, 1100, "flush"));
  listen_to_order ();
  fake_release_all (FAKE_ASK);
  rig_push_segment (rig, 0, 0, 0);
  rig_push (rig, 0, 10);
  rig_eos (rig);
  rig_await_second (rig, 0, "stop");
  gst_structure_free (rig_await_kind (rig, "summary", 0, 1100, "stop"));
  for (guint i = 0; i < 1000; i++)
    g_assert_cmpuint (told.old[i], ==, 1);
  rig_assert_no_warning (rig);
  rig_free (rig);
  g_string_free (told.order, TRUE);
  remove_folder (folder, path);
}

/* Switched off while one is in stages: that one is made, and no other. */
static void
test_switched_off_in_a_stage (void)
{
  g_autofree gchar *path = NULL, *folder = make_folder (&path);
  Rig *rig;

  write_old_reports (path, 1000);
  rig = rig_with_journal (path, "summary-interval=1000000000000 context-size=600 max-tokens=50");
  fake_hold (FAKE_ASK);
  g_object_set (rig->element, "max-backlog", 9, NULL);
  rig_push (rig, 0, 11);
  g_object_set (rig->element, "summary-interval", (guint64)0, NULL);
  rig_push (rig, 11, 31);
  fake_release_all (FAKE_ASK);
  rig_push (rig, 31, 35);
  rig_eos (rig);
  for (guint i = 0; i < 3; i++)
    rig_await_second (rig, i, "stop");
  gst_structure_free (rig_await_kind (rig, "segment", 3000, 3500, "stop"));
  gst_structure_free (rig_await_kind (rig, "summary", 0, 1000, "stop"));
  rig_assert_no_result (rig);
  rig_free (rig);
  remove_folder (folder, path);
}

static void
test_of_one_interval (void)
{
  g_autofree gchar *path = NULL, *folder = make_folder (&path);
  Rig *rig;

  write_old_reports (path, 1000);
  rig = rig_with_journal (path, INTERVAL);
  rig_push_second (rig, 0);
  rig_await_second (rig, 0, "stop");
  rig_await_warning (rig, "m: journal: the newest 3 reports of earlier runs go into the next summary, and older ones are left out");
  rig_await_summary (rig, 0, 1000,
      "0:16:37 - 0:16:37: Earlier reports are left out.\n0:16:37 - 0:16:38: old 997.\n0:16:38 - 0:16:39: old 998.\n"
      "0:16:39 - 0:16:40: old 999.\n0:00:00 - 0:00:01: answer 1");
  rig_free (rig);

  /* They are in no other one. */
  rig = rig_with_journal (path, INTERVAL);
  rig_push_second (rig, 0);
  rig_push_second (rig, 1);
  rig_push_second (rig, 2);
  for (guint i = 0; i < 3; i++)
    rig_await_second (rig, i, "stop");
  rig_await_summary (rig, 0, 3000, "0:00:00 - 0:00:01: answer 1\n0:00:01 - 0:00:02: answer 2\n0:00:02 - 0:00:03: answer 3");
  rig_assert_no_warning (rig);
  rig_free (rig);
  remove_folder (folder, path);
}

/* By stream time, which begins anew: two runs of 2 s are longer than an interval. One report that is longer stays. */
static void
test_of_one_interval_over_runs (void)
{
  g_autofree gchar *path = NULL, *folder = make_folder (&path);
  Rig *rig;

  write_old_reports (path, 2);
  write_old_reports (path, 2);
  rig = rig_with_journal (path, INTERVAL);
  rig_push_second (rig, 0);
  rig_await_second (rig, 0, "stop");
  rig_await_warning (rig, "m: journal: the newest 3 reports");
  rig_await_summary (rig, 0, 1000,
      "0:00:01 - 0:00:01: Earlier reports are left out.\n0:00:01 - 0:00:02: old 1.\n0:00:00 - 0:00:01: old 0.\n"
      "0:00:01 - 0:00:02: old 1.\n0:00:00 - 0:00:01: answer 1");
  rig_free (rig);

  g_unlink (path);
  write_old_reports (path, 2);
  rig = rig_with_journal (path, "summary-interval=500000000");
  rig_push_second (rig, 0);
  rig_await_second (rig, 0, "stop");
  rig_await_warning (rig, "m: journal: the newest 1 reports");
  rig_await_summary (
      rig, 0, 1000, "0:00:01 - 0:00:01: Earlier reports are left out.\n0:00:01 - 0:00:02: old 1.\n0:00:00 - 0:00:01: answer 1");
  rig_free (rig);
  remove_folder (folder, path);
}

/* While results come: each is where the name leads to, and nothing is warned of. */
static void
test_rotation (void)
{
  g_autofree gchar *path = NULL, *folder = make_folder (&path), *old = g_strconcat (path, ".1", NULL);
  Rig *rig = rig_with_journal (path, "");

  rig_push_second (rig, 0);
  rig_await_second (rig, 0, "stop");
  g_assert_cmpint (g_rename (path, old), ==, 0);
  rig_push_second (rig, 1);
  rig_await_second (rig, 1, "stop");
  rig_push_second (rig, 2);
  rig_await_second (rig, 2, "stop");
  assert_journal (old, "id", "1 ");
  assert_journal (path, "id", "2 3 ");
  rig_assert_no_warning (rig);

  /* What is in its place is no file. */
  g_assert_cmpint (g_unlink (path), ==, 0);
  g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
  rig_push_second (rig, 3);
  rig_await_warning (rig, "journal: results are not kept, until this works again: ");
  rig_await_second (rig, 3, "stop");
  g_assert_cmpint (g_rmdir (path), ==, 0);
  rig_push_second (rig, 4);
  rig_await_second (rig, 4, "stop");
  assert_journal (path, "id", "5 ");
  rig_assert_no_warning (rig);
  rig_free (rig);
  g_unlink (old);
  remove_folder (folder, path);
}

static void
test_garbage_is_told_once (void)
{
  g_autofree gchar *path = NULL, *folder = make_folder (&path);
  Rig *rig;

  g_assert_true (g_file_set_contents (path, "what?\n{}\nhalf", -1, NULL));
  rig = rig_with_journal (path, "");
  rig_push_second (rig, 0);
  rig_await_warning (rig, "journal: lines that are no results have been skipped");
  rig_await_second (rig, 0, "stop");
  rig_push_second (rig, 1);
  rig_await_second (rig, 1, "stop");
  rig_assert_no_warning (rig);
  rig_free (rig);
  remove_folder (folder, path);
}

static void
test_no_journal_no_file (void)
{
  g_autofree gchar *path = NULL, *folder = make_folder (&path), *before = g_get_current_dir ();
  Rig *rig;

  g_assert_cmpint (g_chdir (folder), ==, 0);
  rig = rig_new (INTERVAL);
  rig_push (rig, 0, 35);
  rig_eos (rig);
  rig_free (rig);
  g_assert_cmpint (g_chdir (before), ==, 0);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

static void
test_unwritable_journal (void)
{
  g_autoptr (GstElement) element = gst_object_ref_sink (gst_element_factory_make ("minivl", NULL));
  g_autoptr (GstBus) bus = gst_bus_new ();
  g_autoptr (GstMessage) message = NULL;

  gst_element_set_bus (element, bus);
  g_object_set (element, "model-path", "/fake", "journal", "/nowhere/at/all", NULL);
  g_assert_cmpint (gst_element_set_state (element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
  message = gst_bus_timed_pop_filtered (bus, 0, GST_MESSAGE_ERROR);
  g_assert_nonnull (message);
  rig_assert_error (message, "/nowhere/at/all");
  rig_assert_error (message, "Set the property journal to a file");
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, NULL);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  GST_ELEMENT_REGISTER (minivl_fake, NULL);
#define RULE(name, function) g_test_add_func ("/summaries/" name, function)
  RULE ("a_day_goes_through_stages_in_bounded_memory_and_nothing_is_left_out", test_a_whole_day);
  RULE ("every_result_is_a_line_of_the_journal", test_every_result_is_a_line);
  RULE ("a_restart_loses_nothing_reported", test_a_restart_loses_nothing);
  RULE ("the_journal_is_read_again_by_the_same_element", test_to_null_and_back);
  RULE ("a_long_journal_goes_through_stages", test_a_long_journal);
  RULE ("segments_and_alerts_come_before_old_reports", test_segments_before_old_reports);
  RULE ("questions_come_before_old_reports", test_questions_before_old_reports);
  RULE ("eos_timeout_ends_a_stage_and_no_other_follows", test_eos_timeout_in_a_stage);
  RULE ("a_flushed_stage_is_asked_again", test_flush_in_a_stage);
  RULE ("switched_off_in_a_stage_only_that_one_is_made", test_switched_off_in_a_stage);
  RULE ("of_a_journal_the_newest_reports_within_an_interval_are_summed_up", test_of_one_interval);
  RULE ("an_interval_goes_over_several_runs", test_of_one_interval_over_runs);
  RULE ("a_journal_may_be_rotated_while_results_come", test_rotation);
  RULE ("garbage_in_the_journal_is_told_once", test_garbage_is_told_once);
  RULE ("without_a_journal_nothing_is_written", test_no_journal_no_file);
  RULE ("a_journal_that_cannot_be_written_is_an_error_at_the_start", test_unwritable_journal);
  return g_test_run ();
}
