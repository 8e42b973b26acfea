#include "remote-run.h"

#include "gst/element/element.h"

#include <string.h>

static void
outcome_free (gpointer data)
{
  Outcome *o = data;

  g_free (o->kind);
  g_free (o->text);
  g_free (o->finish_reason);
  g_free (o);
}

void
run_clear (Run *run)
{
  g_ptr_array_unref (run->outcomes);
  g_free (run->warnings);
}

static guint port;

GstElement *
make_pipeline (guint segments, guint parallel, const gchar *settings)
{
  return pipeline_new ("videotestsrc pattern=ball num-buffers=%u ! video/x-raw,format=RGB,width=96,height=64,framerate=10/1 ! "
                       "minivl name=m endpoint=http://127.0.0.1:%u/v1 segment-duration=1s num-segments=2 endpoint-parallel=%u %s ! "
                       "fakesink",
      segments * 10, port, parallel, settings);
}

static void
note_result (Run *run, const GstStructure *s)
{
  Outcome *o = g_new0 (Outcome, 1);

  gst_structure_get (s, "kind", G_TYPE_STRING, &o->kind, "finish_reason", G_TYPE_STRING, &o->finish_reason, "id", G_TYPE_UINT64,
      &o->id, "segment_start", G_TYPE_UINT64, &o->start, NULL);
  gst_structure_get (s, "text", G_TYPE_STRING, &o->text, NULL);
  gst_structure_get (s, "prompt_tokens", G_TYPE_UINT64, &o->prompt_tokens, "output_tokens", G_TYPE_UINT64, &o->output_tokens,
      "cached_tokens", G_TYPE_UINT64, &o->cached_tokens, NULL);
  gst_structure_get (s, "score", G_TYPE_DOUBLE, &o->score, "active", G_TYPE_BOOLEAN, &o->active, NULL);
  g_ptr_array_add (run->outcomes, o);
}

Run
finish (GstElement *pipeline)
{
  Run run = { g_ptr_array_new_with_free_func (outcome_free), NULL };
  g_autoptr (GString) warnings = g_string_new (NULL);

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (gboolean ended = FALSE; !ended;) {
    g_autoptr (GstMessage) message = pipeline_await (pipeline, GST_MESSAGE_ELEMENT | GST_MESSAGE_EOS | GST_MESSAGE_WARNING);
    g_autoptr (GError) error = NULL;

    ended = GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
    if (gst_message_has_name (message, "minivl"))
      note_result (&run, gst_message_get_structure (message));
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING) {
      gst_message_parse_warning (message, &error, NULL);
      g_string_append_printf (warnings, "%s\n", error->message);
    }
  }
  run.warnings = g_string_free (g_steal_pointer (&warnings), FALSE);
  pipeline_free (pipeline);
  return run;
}

Run
run_line (const gchar *settings)
{
  return finish (make_pipeline (N_SEGMENTS, 1, settings));
}

const Outcome *
outcome (const Run *run, guint n)
{
  g_assert_cmpuint (n, <, run->outcomes->len);
  return g_ptr_array_index (run->outcomes, n);
}

void
assert_text (const Run *run, guint n, const gchar *text)
{
  g_assert_cmpstr (outcome (run, n)->finish_reason, ==, "stop");
  g_assert_cmpstr (outcome (run, n)->text, ==, text);
}

void
assert_says (const gchar *all, const gchar *part)
{
  if (strstr (all, part) == NULL)
    g_error ("\"%s\" is not in: %s", part, all);
}

void
assert_all_there (const Run *run)
{
  g_assert_cmpuint (run->outcomes->len, ==, N_SEGMENTS);
  for (guint i = 0; i < N_SEGMENTS; i++) {
    g_assert_cmpuint (outcome (run, i)->id, ==, i + 1);
    g_assert_cmpuint (outcome (run, i)->start, ==, i * GST_SECOND);
  }
}

void
run_init (int *argc, char ***argv)
{
  gst_init (argc, argv);
  g_test_init (argc, argv, NULL);
  g_assert_true (GST_ELEMENT_REGISTER (minivl, NULL));
  port = desk_open ();
}

void
run_rule (gconstpointer test)
{
  ((void (*) (void))test) ();
  desk_reset ();
}

void
add_case (const gchar *rule, const gchar *name, GTestDataFunc test, guint i)
{
  g_autofree gchar *path = g_strdup_printf ("/remote/%s/%s", rule, name);

  g_test_add_data_func (path, GUINT_TO_POINTER (i), test);
}
