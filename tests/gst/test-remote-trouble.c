/* Engines on other machines that are down, slow, busy, break off or answer nonsense: the video goes on, each segment has its
 * result, and work resumes. */
#include "remote-run.h"

#include <string.h>

static gchar *
cut_off (void)
{
  gchar *response = desk_stream ("one two three");

  response[strlen (response) - 230] = '\0'; /* within the third word's event */
  return response;
}

/* Without a length, so that only what is missing tells. */
static gchar *
end_early (void)
{
  return g_strdup ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"one\"}}]}\n\n");
}

static gchar *
closes (void)
{
  return g_strdup (DESK_CLOSES);
}

static gchar *
is_busy (void)
{
  return desk_response ("503 Service Unavailable", NULL, "<html>busy</html>");
}

static const struct
{
  const gchar *name;
  gchar *(*make) (void);
} once_wrong[] = { { "cut-off", cut_off }, { "ends-early", end_early }, { "closes", closes }, { "busy", is_busy } };

static void
test_it_is_asked_again (gconstpointer data)
{
  desk_tell (once_wrong[GPOINTER_TO_UINT (data)].make ());
  {
    g_auto (Run) run = run_line ("");

    assert_all_there (&run);
    assert_text (&run, 0, "answer 2");
    g_assert_cmpstr (run.warnings, ==, "");
    g_assert_cmpuint (desk_count (), ==, N_SEGMENTS + 1);
    /* Half the first pause at least */
    g_assert_cmpint (desk_request (1)->time - desk_request (0)->time, >=, 250 * G_TIME_SPAN_MILLISECOND);
  }
  desk_reset ();
}

static void
test_retry_after_is_honoured (void)
{
  desk_tell (desk_response ("429 Too Many Requests", "Retry-After: 2\r\n", "{}"));
  {
    g_auto (Run) run = run_line ("");

    assert_all_there (&run);
    assert_text (&run, 0, "answer 2");
    g_assert_cmpint (desk_request (1)->time - desk_request (0)->time, >=, 2 * G_TIME_SPAN_SECOND - G_TIME_SPAN_MILLISECOND);
  }
}

/* Longer than a question may take: none is asked that long, and nobody waits. */
static void
test_a_long_retry_after_is_no_wait (void)
{
  desk_tell (desk_response ("429 Too Many Requests", "Retry-After: 3600\r\n", "{\"error\":{\"message\":\"slowly\"}}"));
  {
    g_auto (Run) run = run_line ("");

    assert_all_there (&run);
    for (guint i = 0; i < N_SEGMENTS; i++)
      g_assert_cmpstr (outcome (&run, i)->finish_reason, ==, "error");
    assert_says (run.warnings, "slowly");
    g_assert_cmpuint (desk_count (), ==, 1);
  }
}

/* After four tries; then one each, until it works again. */
static void
test_a_broken_server_is_left_alone (void)
{
  for (guint i = 0; i < 5; i++)
    desk_tell (desk_response ("500 Internal Server Error", NULL, "{\"error\":{\"message\":\"broken\"}}"));
  {
    g_auto (Run) run = run_line ("");

    assert_all_there (&run);
    g_assert_cmpstr (outcome (&run, 0)->finish_reason, ==, "error");
    g_assert_cmpstr (outcome (&run, 1)->finish_reason, ==, "error");
    g_assert_cmpstr (outcome (&run, 1)->text, ==, "");
    assert_text (&run, 2, "answer 6");
    g_assert_cmpuint (desk_count (), ==, 6);
    assert_says (run.warnings, "status 500: broken");
  }
}

/* One that cuts off what is under way when it is asked more would else be left alone for ever. */
static void
test_a_server_that_begins_an_answer_is_not_down (void)
{
  for (guint i = 0; i < 4; i++)
    desk_tell (is_busy ());
  desk_tell (cut_off ());
  {
    g_auto (Run) run = run_line ("");

    assert_all_there (&run);
    g_assert_cmpstr (outcome (&run, 0)->finish_reason, ==, "error");
    assert_text (&run, 1, "answer 6");
    assert_text (&run, 2, "answer 7");
  }
}

static const struct
{
  const gchar *name, *status, *headers, *body, *says;
} refusals[] = {
  { "not-json", "200 OK", NULL, "It is nice here.", "no chat completion" },
  { "page", "200 OK", NULL, "<html>{</html>", "no chat completion" },
  { "other-json", "200 OK", NULL, "{\"answer\":1}", "no chat completion" },
  { "no-choice", "200 OK", NULL, "{\"choices\":[]}", "no chat completion" },
  { "odd-types", "200 OK", NULL, "{\"choices\":[3,{\"message\":[]}],\"usage\":7}", "no chat completion" },
  { "event-of-nonsense", "200 OK", NULL, "data: {\"choices\":[{\"delta\":{\"content\":\"one\"}}]}\n\ndata: [[[\n\n",
      "no chat completion" },
  { "not-utf-8", "200 OK", NULL, "data: {\"choices\":[{\"delta\":{\"content\":\"\xff\xfe\"}}]}\n\n", "no chat completion" },
  { "error-in-mid-answer", "200 OK", NULL,
      "data: {\"choices\":[{\"delta\":{\"content\":\"one\"}}]}\n\ndata: {\"error\":{\"message\":\"device\\nlost\"}}\n\n",
      "it fails: device lost" },
  { "redirect", "307 Temporary Redirect", "Location: http://localhost:1/v1\r\n", "", "redirects are not followed" },
  { "bad-request", "400 Bad Request", NULL, "{\"error\":{\"message\":\"too warm\",\"code\":null}}", "status 400: too warm" },
  { "no-such-model", "404 Not Found", NULL, "{\"detail\":\"no model\"}", "no model. Set endpoint" },
};

/* Nothing of it gets better by being asked again. */
static void
test_nonsense_and_refusals_are_errors (gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);

  desk_tell (desk_response (refusals[i].status, refusals[i].headers, refusals[i].body));
  {
    g_auto (Run) run = run_line ("");

    assert_all_there (&run);
    g_assert_cmpstr (outcome (&run, 0)->finish_reason, ==, "error");
    assert_text (&run, 1, "answer 2");
    assert_text (&run, 2, "answer 3");
    assert_says (run.warnings, refusals[i].says);
    assert_says (run.warnings, "endpoint: 127.0.0.1:");
    g_assert_cmpuint (desk_count (), ==, N_SEGMENTS);
  }
  desk_reset ();
}

/* An answer without end, and brackets without end, which json-glib would follow down the stack. */
static void
test_memory_and_stack_are_bounded (void)
{
  g_autofree gchar *deep = g_strnfill (1 << 20, '['), *long_line = g_strnfill (9 << 20, 'x');
  g_autofree gchar *deep_event = g_strconcat ("data: {\"choices\":", deep, "\n\n", NULL);
  g_autofree gchar *comment = g_strconcat ("{\"choices\":/* \" */", deep, NULL);

  desk_tell (desk_response ("200 OK", NULL, deep_event));
  desk_tell (desk_response ("200 OK", NULL, comment));
  desk_tell (desk_response ("200 OK", NULL, long_line));
  {
    g_auto (Run) run = run_line ("");

    assert_all_there (&run);
    for (guint i = 0; i < N_SEGMENTS; i++)
      g_assert_cmpstr (outcome (&run, i)->finish_reason, ==, "error");
    assert_says (run.warnings, "does not end");
  }
}

static void
test_a_silent_server_is_given_up (void)
{
  desk_tell (g_strdup (DESK_HOLDS));
  {
    g_auto (Run) run = run_line ("endpoint-timeout=300ms");

    assert_all_there (&run);
    g_assert_cmpstr (outcome (&run, 0)->finish_reason, ==, "error");
    assert_says (run.warnings, "no answer within endpoint-timeout (0.3 s)");
    desk_await_broken_off (1);
  }
}

static GstBusSyncReply
open_desk (GstBus *bus, GstMessage *message, gpointer opened)
{
  if (gst_message_has_name (message, "minivl") && !*(gboolean *)opened) {
    *(gboolean *)opened = TRUE;
    desk_open_reserved ();
  }
  return GST_BUS_PASS;
}

/* When the pipeline starts, and until the first result is there. */
static void
test_work_resumes_when_the_server_is_back (void)
{
  gboolean opened = FALSE;
  guint reserved = desk_reserve ();
  g_autofree gchar *endpoint = g_strdup_printf ("endpoint=http://127.0.0.1:%u/v1", reserved);
  GstElement *pipeline = make_pipeline (N_SEGMENTS, 1, endpoint);
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);

  gst_bus_set_sync_handler (bus, open_desk, &opened, NULL);
  {
    g_auto (Run) run = finish (pipeline);

    assert_all_there (&run);
    g_assert_cmpstr (outcome (&run, 0)->finish_reason, ==, "error");
    assert_text (&run, 1, "answer 1");
    assert_text (&run, 2, "answer 2");
  }
}

/* Once it has begun a stream that it then cannot fill, a server says nothing: it is asked for the answer as a whole. */
static void
test_an_empty_stream_is_asked_for_as_a_whole (void)
{
  desk_tell (desk_response ("200 OK", NULL, ""));
  desk_tell (desk_response ("200 OK", NULL, "")); /* the whole, which is asked for again as any other answer */
  desk_tell (desk_completion ("whole", NULL));
  {
    g_auto (Run) run = run_line ("");

    assert_all_there (&run);
    g_assert_cmpstr (outcome (&run, 0)->text, ==, "whole");
    assert_text (&run, 1, "answer 4");
    for (guint i = 0; i < 4; i++)
      g_assert_true (json_object_has_member (desk_request (i)->body, "stream") == (i == 0 || i == 3));
    g_assert_cmpstr (run.warnings, ==, "");
  }
}

/* It is no stream: that of the alert is asked for again as it was. */
static void
test_an_empty_answer_to_an_alert_is_asked_for_again (void)
{
  desk_tell (desk_stream ("first"));
  desk_tell (desk_response ("200 OK", NULL, ""));
  desk_tell (desk_completion ("Yes", NULL));
  {
    g_auto (Run) run = run_line ("alerts=\"Is it?\"");

    g_assert_true (outcome (&run, 0)->active);
    g_assert_true (json_object_has_member (desk_request (2)->body, "logprobs"));
  }
}

static const struct
{
  const gchar *name, *status, *error;
} too_long[] = {
  { "by-code", "400 Bad Request", "{\"message\":\"too long\",\"code\":\"context_length_exceeded\"}" },
  { "as-a-failure", "500 Internal Server Error", "{\"message\":\"Prompt exceeds n_ctx: 622 > 512\",\"code\":null}" },
};

static void
test_too_long_a_history_is_shortened (gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  g_autofree gchar *body = g_strdup_printf ("{\"error\":%s}", too_long[i].error);

  desk_tell (desk_stream ("one"));
  desk_tell (desk_stream ("two"));
  desk_tell (desk_response (too_long[i].status, NULL, body));
  {
    g_auto (Run) run = run_line ("history-size=2");

    assert_all_there (&run);
    assert_text (&run, 2, "answer 4");
    g_assert_cmpuint (json_array_get_length (json_object_get_array_member (desk_request (2)->body, "messages")), ==, 5);
    g_assert_cmpuint (json_array_get_length (json_object_get_array_member (desk_request (3)->body, "messages")), ==, 3);
  }
  desk_reset ();
}

int
main (int argc, char **argv)
{
  run_init (&argc, &argv);
  for (guint i = 0; i < G_N_ELEMENTS (once_wrong); i++)
    add_case ("it_is_asked_again", once_wrong[i].name, test_it_is_asked_again, i);
  RULE (retry_after_is_honoured);
  RULE (a_long_retry_after_is_no_wait);
  RULE (a_broken_server_is_left_alone);
  RULE (a_server_that_begins_an_answer_is_not_down);
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++)
    add_case ("nonsense_and_refusals_are_errors", refusals[i].name, test_nonsense_and_refusals_are_errors, i);
  RULE (memory_and_stack_are_bounded);
  RULE (a_silent_server_is_given_up);
  RULE (work_resumes_when_the_server_is_back);
  RULE (an_empty_stream_is_asked_for_as_a_whole);
  RULE (an_empty_answer_to_an_alert_is_asked_for_again);
  for (guint i = 0; i < G_N_ELEMENTS (too_long); i++)
    add_case ("too_long_a_history_is_shortened", too_long[i].name, test_too_long_a_history_is_shortened, i);
  return g_test_run ();
}
