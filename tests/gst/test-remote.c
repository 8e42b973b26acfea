/* Engines on other machines: what is sent, what is made of what comes back, several questions at once, and how it ends. */
#include "remote-run.h"

#include "gst/element/element.h"

#include <glib/gstdio.h>
#include <string.h>

/* --- what is sent ------------------------------------------------------------------------------------------------------------ */

static JsonObject *
message_of (const DeskRequest *request, guint n, const gchar *role)
{
  JsonArray *messages = json_object_get_array_member (request->body, "messages");
  JsonObject *message = json_array_get_object_element (messages, n);

  g_assert_cmpstr (json_object_get_string_member (message, "role"), ==, role);
  return message;
}

static void
assert_text_part (JsonArray *parts, guint n, const gchar *text)
{
  JsonObject *part = json_array_get_object_element (parts, n);

  g_assert_cmpstr (json_object_get_string_member (part, "type"), ==, "text");
  g_assert_cmpstr (json_object_get_string_member (part, "text"), ==, text);
}

/* The length of what it has as JPEG. */
static gsize
assert_picture_part (JsonArray *parts, guint n, const gchar *detail)
{
  static const gchar start[] = "data:image/jpeg;base64,";
  JsonObject *image = json_object_get_object_member (json_array_get_object_element (parts, n), "image_url");
  const gchar *url = json_object_get_string_member (image, "url");
  g_autofree guint8 *jpeg = NULL;
  gsize size;

  g_assert_cmpstr (json_object_get_string_member (image, "detail"), ==, detail);
  g_assert_true (g_str_has_prefix (url, start));
  jpeg = g_base64_decode (url + strlen (start), &size);
  g_assert_cmpmem (jpeg, 3, "\xff\xd8\xff", 3);
  return size;
}

static void
test_frames_and_questions_are_openais (void)
{
  g_auto (Run) run = run_line ("model=a-model prompt=\"What?\" max-tokens=9");
  const DeskRequest *request = desk_request (0);
  JsonArray *parts = json_object_get_array_member (message_of (request, 0, "user"), "content");
  g_autofree gchar *key = desk_header (0, "Authorization");

  assert_all_there (&run);
  g_assert_cmpuint (desk_count (), ==, N_SEGMENTS);
  assert_text (&run, 0, "answer 1");
  assert_text (&run, 2, "answer 3");
  g_assert_cmpuint (outcome (&run, 0)->prompt_tokens, ==, 7);
  g_assert_cmpuint (outcome (&run, 0)->output_tokens, ==, 3);
  g_assert_cmpuint (outcome (&run, 0)->cached_tokens, ==, 2);
  g_assert_true (g_str_has_prefix (request->head, "POST /v1/chat/completions HTTP/1.1\r\n"));
  g_assert_null (key);
  g_assert_cmpstr (json_object_get_string_member (request->body, "model"), ==, "a-model");
  g_assert_cmpint (json_object_get_int_member (request->body, "max_tokens"), ==, 9);
  g_assert_cmpfloat (json_object_get_double_member (request->body, "temperature"), ==, 0);
  g_assert_true (json_object_get_boolean_member (request->body, "stream"));
  g_assert_false (json_object_has_member (request->body, "top_k"));
  g_assert_cmpuint (json_array_get_length (parts), ==, 5);
  assert_text_part (parts, 0, "Frame1: ");
  assert_picture_part (parts, 1, "low");
  assert_text_part (parts, 2, "\nFrame2: ");
  assert_picture_part (parts, 3, "low");
  assert_text_part (parts, 4, "\nWhat?");
}

static void
test_sampling_system_and_history_are_sent (void)
{
  g_auto (Run) run = run_line ("temperature=0.5 top-p=0.25 top-k=7 seed=11 repetition-penalty=1.5 system-prompt=Brief. "
                               "history-size=1 prompt=\"What?\" max-tiles=3");
  const DeskRequest *request = desk_request (1);
  JsonArray *parts = json_object_get_array_member (message_of (request, 3, "user"), "content");
  JsonObject *image = json_object_get_object_member (json_array_get_object_element (parts, 1), "image_url");

  assert_all_there (&run);
  g_assert_cmpfloat (json_object_get_double_member (request->body, "temperature"), ==, 0.5);
  g_assert_cmpfloat (json_object_get_double_member (request->body, "top_p"), ==, 0.25);
  g_assert_cmpint (json_object_get_int_member (request->body, "top_k"), ==, 7);
  g_assert_cmpint (json_object_get_int_member (request->body, "seed"), ==, 11);
  g_assert_cmpfloat (json_object_get_double_member (request->body, "repetition_penalty"), ==, 1.5);
  g_assert_cmpstr (json_object_get_string_member (message_of (request, 0, "system"), "content"), ==, "Brief.");
  assert_says (json_object_get_string_member (message_of (request, 1, "user"), "content"), "What?");
  g_assert_cmpstr (json_object_get_string_member (message_of (request, 2, "assistant"), "content"), ==, "answer 1");
  assert_picture_part (parts, 1, "high");
  g_assert_cmpint (json_object_get_int_member (image, "max_tiles"), ==, 3);
}

/* What is no JSON, or brackets without end, is text and no data. */
static void
test_a_schema_is_sent (void)
{
  g_autofree gchar *deep = g_strnfill (100000, '[');
  GstElement *pipeline = make_pipeline (N_SEGMENTS, 1, "json-schema=\"{\\\"type\\\":\\\"integer\\\"}\"");
  const gchar *data[N_SEGMENTS] = { "12", NULL, NULL };

  desk_tell (desk_stream ("12"));
  desk_tell (desk_stream ("twelve"));
  desk_tell (desk_stream (deep));
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (guint i = 0; i < N_SEGMENTS; i++) {
    g_autoptr (GstMessage) message = pipeline_await (pipeline, GST_MESSAGE_ELEMENT);

    g_assert_cmpstr (gst_structure_get_string (gst_message_get_structure (message), "data"), ==, data[i]);
  }
  pipeline_free (pipeline);
  {
    JsonObject *format = json_object_get_object_member (desk_request (0)->body, "response_format");
    JsonObject *schema = json_object_get_object_member (format, "json_schema");

    g_assert_cmpstr (json_object_get_string_member (format, "type"), ==, "json_schema");
    schema = json_object_get_object_member (schema, "schema");
    g_assert_cmpstr (json_object_get_string_member (schema, "type"), ==, "integer");
  }
}

static void
test_jpeg_quality_counts (void)
{
  gsize sizes[2];

  for (guint i = 0; i < 2; i++) {
    g_auto (Run) run = run_line (i == 0 ? "jpeg-quality=10" : "jpeg-quality=95");
    JsonArray *parts = json_object_get_array_member (message_of (desk_request (0), 0, "user"), "content");

    assert_all_there (&run);
    sizes[i] = assert_picture_part (parts, 1, "low");
    desk_reset ();
  }
  g_assert_cmpuint (sizes[0], <, sizes[1]);
}

static void
test_the_key_is_sent_and_told_to_nobody (void)
{
  g_autofree gchar *path = NULL, *settings = NULL, *sent = NULL;
  gint fd = g_file_open_tmp ("minivl-key-XXXXXX", &path, NULL);

  g_close (fd, NULL);
  g_assert_true (g_file_set_contents (path, "  sk-secret.123\n", -1, NULL));
  settings = g_strdup_printf ("api-key-file=%s", path);
  desk_tell (desk_response ("401 Unauthorized", NULL, "{\"error\":{\"message\":\"Incorrect key: sk-secret.123\"}}"));
  {
    g_auto (Run) run = run_line (settings);

    sent = desk_header (0, "Authorization");
    g_assert_cmpstr (sent, ==, "Bearer sk-secret.123");
    assert_all_there (&run);
    g_assert_cmpstr (outcome (&run, 0)->finish_reason, ==, "error");
    assert_says (run.warnings, "status 401: Incorrect key: ***");
    assert_says (run.warnings, "api-key-file");
    g_assert_null (strstr (run.warnings, "secret"));
    assert_text (&run, 1, "answer 2");
  }
  g_unlink (path);
}

/* --- alerts ------------------------------------------------------------------------------------------------------------------ */

#define LIKELY                                                                                                                     \
  "{\"content\":[{\"token\":\"Yes\",\"logprob\":-0.3,\"top_logprobs\":[{\"token\":\"Yes\",\"logprob\":-0.6931},"                   \
  "{\"token\":\" yes\",\"logprob\":-1.3863},{\"token\":\"No\",\"logprob\":-1.3863},{\"token\":\"maybe\",\"logprob\":-5}]}]}"

static void
test_alerts_are_decided_by_probabilities (void)
{
  desk_tell (desk_stream ("first"));
  desk_tell (desk_completion ("Yes", LIKELY));
  {
    g_auto (Run) run = run_line ("alerts=\"Is it?\" alert-threshold=0.7");
    JsonObject *asked = desk_request (1)->body;

    /* 1/2 and 1/4 for yes, 1/4 for no */
    g_assert_cmpstr (outcome (&run, 0)->kind, ==, "alert");
    g_assert_cmpfloat_with_epsilon (outcome (&run, 0)->score, 0.75, 1e-3);
    g_assert_true (json_object_get_boolean_member (asked, "logprobs"));
    g_assert_cmpint (json_object_get_int_member (asked, "max_tokens"), ==, 1);
    g_assert_false (json_object_has_member (asked, "stream"));
  }
}

static const struct
{
  const gchar *name, *status, *says; /* status: NULL: it is an answer */
} without[] = {
  { "refused", "400 Bad Request", "logprobs?" },
  { "failed", "500 Internal Server Error", "logprobs is not supported for models created with logits_all=False" },
  { "left-out", NULL, "Hm" },
};

/* By the first word, which is asked for once more; from then on at once. */
static void
test_alerts_without_probabilities (gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  g_autofree gchar *error = g_strdup_printf ("{\"error\":{\"message\":\"%s\"}}", without[i].says);

  desk_tell (desk_stream ("first"));
  desk_tell (without[i].status != NULL ? desk_response (without[i].status, NULL, error) : desk_completion (without[i].says, NULL));
  desk_tell (desk_completion ("**Yes**, it is", NULL));
  desk_tell (desk_stream ("second"));
  desk_tell (desk_completion ("No.", NULL));
  desk_tell (desk_stream ("third"));
  desk_tell (desk_completion ("It depends", NULL));
  {
    g_auto (Run) run = run_line ("alerts=\"Is it?\"");
    JsonObject *asked = desk_request (2)->body;

    g_assert_cmpuint (run.outcomes->len, ==, N_SEGMENTS + 2);
    g_assert_true (outcome (&run, 0)->active);
    g_assert_cmpfloat (outcome (&run, 0)->score, ==, 1);
    g_assert_false (outcome (&run, 2)->active);
    g_assert_cmpfloat (outcome (&run, 2)->score, ==, 0);
    g_assert_false (json_object_has_member (asked, "logprobs"));
    g_assert_cmpint (json_object_get_int_member (asked, "max_tokens"), ==, 8);
    g_assert_cmpuint (desk_count (), ==, 7);
    assert_says (run.warnings, "neither yes nor no, but \"It depends\"");
  }
  desk_reset ();
}

/* --- several at once --------------------------------------------------------------------------------------------------------- */

static gpointer
release (gpointer data)
{
  desk_await (N_SEGMENTS);
  desk_release ();
  return NULL;
}

/* All are held until all have come. Results keep their order. */
static void
test_segments_are_answered_at_once (void)
{
  GThread *thread;
  GstElement *pipeline = make_pipeline (N_SEGMENTS, N_SEGMENTS, "");

  for (guint i = 0; i < N_SEGMENTS; i++)
    desk_tell (g_strdup (DESK_HOLDS));
  thread = g_thread_new ("release", release, NULL);
  {
    g_auto (Run) run = finish (pipeline);

    assert_all_there (&run);
    g_assert_cmpuint (desk_most (), ==, 3);
    for (guint i = 0; i < N_SEGMENTS; i++)
      g_assert_cmpstr (outcome (&run, i)->finish_reason, ==, "stop");
  }
  g_thread_join (thread);
}

static void
test_no_more_than_that_are_asked_at_once (void)
{
  g_auto (Run) run = run_line ("alerts=\"One?;Two?;Three?\"");

  assert_all_there (&run);
  g_assert_cmpuint (desk_most (), ==, 1);
}

/* Once its answer has begun. */
static void
test_alerts_are_asked_beside_the_segment (void)
{
  GThread *thread;
  GstElement *pipeline = make_pipeline (1, 8, "alerts=\"One?;Two?\"");

  desk_tell (g_strdup ("HTTP/1.1 200 OK\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"It \"}}]}\n\n" DESK_HOLDS));
  for (guint i = 1; i < N_SEGMENTS; i++)
    desk_tell (g_strdup (DESK_HOLDS));
  thread = g_thread_new ("release", release, NULL);
  {
    g_auto (Run) run = finish (pipeline);

    g_assert_cmpuint (run.outcomes->len, ==, 1);
    g_assert_cmpuint (desk_most (), ==, N_SEGMENTS);
    assert_says (outcome (&run, 0)->text, "It answer 1");
  }
  g_thread_join (thread);
}

/* --- the end ----------------------------------------------------------------------------------------------------------------- */

static void
test_stopping_breaks_off_at_once (void)
{
  GstElement *pipeline = make_pipeline (N_SEGMENTS, 1, "");

  desk_tell_all (DESK_HOLDS);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  desk_await (1);
  pipeline_free (pipeline);
  desk_await_broken_off (1);
}

static void
test_a_flush_breaks_off_all (void)
{
  GstElement *pipeline = make_pipeline (2, 2, "");
  g_autoptr (GstElement) minivl = gst_bin_get_by_name (GST_BIN (pipeline), "m");
  g_autoptr (GstPad) sink = gst_element_get_static_pad (minivl, "sink");

  desk_tell_all (DESK_HOLDS);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  desk_await (2);
  g_assert_true (gst_pad_send_event (sink, gst_event_new_flush_start ()));
  desk_await_broken_off (2);
  for (guint i = 0; i < 2; i++) {
    g_autoptr (GstMessage) message = pipeline_await (pipeline, GST_MESSAGE_ELEMENT);

    g_assert_true (gst_message_has_name (message, "minivl"));
    g_assert_cmpstr (gst_structure_get_string (gst_message_get_structure (message), "finish_reason"), ==, "flush");
  }
  pipeline_free (pipeline);
}

/* The text so far is the answer. */
static void
test_a_deadline_ends_an_answer (void)
{
  desk_tell_all ("HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n"
                 "data: {\"choices\":[{\"delta\":{\"content\":\"so far\"}}]}\n\n" DESK_HOLDS);
  {
    g_auto (Run) run = finish (make_pipeline (1, 1, "deadline=3s"));

    g_assert_cmpuint (run.outcomes->len, ==, 1);
    g_assert_cmpstr (outcome (&run, 0)->finish_reason, ==, "deadline");
    g_assert_cmpstr (outcome (&run, 0)->text, ==, "so far");
    desk_await_broken_off (1);
  }
}

/* --- settings ---------------------------------------------------------------------------------------------------------------- */

static const struct
{
  const gchar *settings, *says;
} impossible[] = {
  { "endpoint=http://x/v1 precision=q8", "precision is not possible with endpoint" },
  { "endpoint=http://x/v1 device=0", "device is not possible with endpoint" },
  { "endpoint=http://x/v1 context-size=100", "context-size is not possible with endpoint" },
  { "endpoint=http://x/v1 cache-size=100", "cache-size is not possible with endpoint" },
  { "endpoint=http://x/v1 cache-precision=q8", "cache-precision is not possible with endpoint" },
  { "endpoint=http://x/v1 cache-dir=/tmp", "cache-dir is not possible with endpoint" },
  { "endpoint=http://x/v1 tokenizer=slow", "tokenizer is not possible with endpoint" },
  { "endpoint=http://x/v1 lora=/tmp", "lora is not possible with endpoint" },
  { "endpoint=http://x/v1 skip-similar=0.9", "skip-similar is not possible with endpoint" },
  { "endpoint=http://x/v1 model-path=/tmp", "model-path is not possible with endpoint" },
  { "endpoint=http://x/v1 choices=a|b", "choices: it is not possible with endpoint" },
  { "model-path=demo model=x", "model is of a server" },
  { "endpoint-parallel=2", "endpoint-parallel is of a server" },
  { "endpoint=x:1/v1", "endpoint: a URL such as" },
  { "endpoint=ftp://x/v1", "endpoint: a URL such as" },
  { "endpoint=http://x/v1?key=secret", "endpoint: a URL such as" },
  { "endpoint=http://me:secret@x/v1", "endpoint: no user and no password" },
  { "endpoint=http://x/v1 api-key-file=/nonexistent", "api-key-file: " },
  { "endpoint=http://x/v1 api-key-file=/dev/null", "api-key-file: " },
  { "endpoint=http://x/v1 ca-file=/nonexistent", "ca-file: " },
};

static void
test_what_is_impossible_is_named (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (impossible); i++) {
    GstElement *pipeline = pipeline_new ("videotestsrc num-buffers=1 ! minivl %s ! fakesink", impossible[i].settings);
    g_autoptr (GstMessage) message = NULL;
    g_autoptr (GError) error = NULL;

    g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_PLAYING), ==, GST_STATE_CHANGE_FAILURE);
    message = pipeline_await (pipeline, GST_MESSAGE_ERROR);
    gst_message_parse_error (message, &error, NULL);
    assert_says (error->message, impossible[i].says);
    g_assert_null (strstr (error->message, "secret"));
    pipeline_free (pipeline);
  }
}

static void
test_what_is_impossible_stays_unset (void)
{
  GstElement *pipeline = make_pipeline (N_SEGMENTS, 1, "");
  g_autoptr (GstElement) minivl = gst_bin_get_by_name (GST_BIN (pipeline), "m");
  gdouble similar;

  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  g_object_set (minivl, "skip-similar", 0.5, NULL);
  g_object_get (minivl, "skip-similar", &similar, NULL);
  g_assert_cmpfloat (similar, ==, 0);
  {
    g_auto (Run) run = finish (pipeline);

    assert_all_there (&run);
    assert_says (run.warnings, "skip-similar is not possible with endpoint");
  }
}

/* An element goes back to its own engine's table when endpoint is unset. */
static void
test_endpoint_may_be_unset (void)
{
  g_autoptr (GstElement) minivl = g_object_ref_sink (gst_element_factory_make ("minivl", NULL));
  GstMinivl *self = GST_MINIVL (minivl);

  g_object_set (minivl, "endpoint", "http://127.0.0.1:1/v1", NULL);
  g_assert_cmpint (gst_element_set_state (minivl, GST_STATE_PAUSED), !=, GST_STATE_CHANGE_FAILURE);
  g_assert_true (self->backend == &backend_remote);
  gst_element_set_state (minivl, GST_STATE_NULL);
  g_object_set (minivl, "endpoint", NULL, "model-path", "/nonexistent", NULL);
  g_assert_cmpint (gst_element_set_state (minivl, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
  g_assert_true (self->backend == &backend_local);
  gst_element_set_state (minivl, GST_STATE_NULL);
}

int
main (int argc, char **argv)
{
  run_init (&argc, &argv);
  RULE (frames_and_questions_are_openais);
  RULE (sampling_system_and_history_are_sent);
  RULE (a_schema_is_sent);
  RULE (jpeg_quality_counts);
  RULE (the_key_is_sent_and_told_to_nobody);
  RULE (alerts_are_decided_by_probabilities);
  for (guint i = 0; i < G_N_ELEMENTS (without); i++)
    add_case ("alerts_without_probabilities", without[i].name, test_alerts_without_probabilities, i);
  RULE (segments_are_answered_at_once);
  RULE (no_more_than_that_are_asked_at_once);
  RULE (alerts_are_asked_beside_the_segment);
  RULE (stopping_breaks_off_at_once);
  RULE (a_flush_breaks_off_all);
  RULE (a_deadline_ends_an_answer);
  RULE (what_is_impossible_is_named);
  RULE (what_is_impossible_stays_unset);
  RULE (endpoint_may_be_unset);
  return g_test_run ();
}
