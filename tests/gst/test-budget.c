/* What does not fit the model's context is refused, and what is advised then is possible and enough. */
#include "rig.h"

#include <stdlib.h>
#include <string.h>

/* What the element says of the first segment; NULL: it is answered. */
static gchar *
refusal (const gchar *properties, guint frame_tokens)
{
  Rig *rig = rig_new (properties);
  g_autoptr (GstMessage) message = NULL;
  gchar *text = NULL;

  fake_set_frame_tokens (frame_tokens);
  for (guint i = 0; i < 11 && gst_harness_push (rig->video, rig_frame (rig, i)) == GST_FLOW_OK; i++)
    ;
  message = rig_await_message (rig, GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    g_autoptr (GError) error = NULL;

    gst_message_parse_error (message, &error, NULL);
    text = g_strdup (error->message);
    g_test_message ("%s", text);
    g_assert_cmpuint (fake_count (FAKE_ENCODE), ==, 0);
  }
  rig_free (rig);
  return text;
}

static void
assert_says (const gchar *text, const gchar *part)
{
  if (text == NULL || strstr (text, part) == NULL)
    g_error ("no \"%s\" in: %s", part, text);
}

/* The figure behind `words` in the advice. */
static guint
advised (const gchar *text, const gchar *words)
{
  assert_says (text, words);
  return (guint)strtoul (strstr (text, words) + strlen (words), NULL, 10);
}

/* Four bytes are a token. */
static gchar *
with_prompt (guint tokens, const gchar *properties)
{
  g_autofree gchar *words = g_strnfill (4 * tokens, 'x');

  return g_strdup_printf ("prompt=\"%s\" %s", words, properties);
}

static void
test_a_prompt_that_alone_is_too_long_says_so (void)
{
  g_autofree gchar *line = with_prompt (200, "context-size=200 max-tokens=1 num-segments=1"), *text = refusal (line, 1);

  assert_says (text, "The prompt alone does not fit the model's context");
  assert_says (text, "Shorten prompt or system-prompt, or raise context-size.");
  g_assert_null (strstr (text, "max-tokens"));
}

static void
test_a_system_prompt_counts_as_the_prompt (void)
{
  g_autofree gchar *words = g_strnfill (800, 'x');
  g_autofree gchar *line = g_strdup_printf ("system-prompt=\"%s\" prompt=? context-size=200", words), *text = refusal (line, 1);

  assert_says (text, "The prompt alone");
  assert_says (text, "Shorten prompt or system-prompt");
}

static void
test_a_context_that_is_as_large_as_can_be_is_not_to_be_raised (void)
{
  g_autofree gchar *line = with_prompt (FAKE_MAX_CONTEXT, "context-size=" G_STRINGIFY (FAKE_MAX_CONTEXT)),
                   *text = refusal (line, 1);
  g_autofree gchar *frames = refusal ("num-segments=8 context-size=" G_STRINGIFY (FAKE_MAX_CONTEXT), 4000);

  assert_says (text, "Shorten prompt or system-prompt.");
  g_assert_null (strstr (text, "raise"));
  assert_says (frames, "Lower num-segments to 4.");
  g_assert_null (strstr (frames, "raise"));
}

static void
test_nor_for_a_summary (void)
{
  g_autofree gchar *words = g_strnfill (4 * FAKE_MAX_CONTEXT, 'x');
  g_autofree gchar *line = g_strdup_printf (
                       "summary-prompt=\"%s\" summary-interval=-1 context-size=" G_STRINGIFY (FAKE_MAX_CONTEXT), words),
                   *text = refusal (line, 1);

  assert_says (text, "Shorten summary-prompt or system-prompt.");
}

/* Neither more nor less: what is advised is answered, one more is not. */
static void
test_as_many_tokens_as_are_advised_are_answered (void)
{
  static const gchar format[] = "prompt=? context-size=200 num-segments=1 max-tokens=%u";
  g_autofree gchar *all = g_strdup_printf (format, 500), *text = refusal (all, 60);
  guint n = advised (text, "Lower max-tokens to ");
  g_autofree gchar *fits = g_strdup_printf (format, n), *more = g_strdup_printf (format, n + 1), *refused = refusal (more, 60);

  g_assert_null (refusal (fits, 60));
  g_assert_nonnull (refused);
}

static void
test_where_one_frame_is_too_much_both_are_advised (void)
{
  static const gchar format[] = "prompt=? context-size=200 num-segments=%u max-tokens=%u";
  g_autofree gchar *all = g_strdup_printf (format, 4, 500), *text = refusal (all, 60);
  guint n = advised (text, "Lower num-segments to 1 and max-tokens to ");
  g_autofree gchar *fits = g_strdup_printf (format, 1, n);

  g_assert_null (refusal (fits, 60));
}

/* With shorter answers the question would be what is too long. */
static void
test_no_fewer_tokens_are_advised_where_an_alert_would_not_fit (void)
{
  g_autofree gchar *words = g_strnfill (560, 'x');
  g_autofree gchar *line = g_strdup_printf ("prompt=? alerts=\"%s\" context-size=200 num-segments=1 max-tokens=500", words),
                   *text = refusal (line, 60);

  assert_says (text, "Lower the length of alerts");
}

static void
test_a_frame_that_leaves_no_room_asks_for_fewer_tiles (void)
{
  g_autofree gchar *text = refusal ("prompt=? context-size=200 num-segments=1 max-tiles=6", 300);

  assert_says (text, "Lower max-tiles, or raise context-size.");
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));

#define RULE(name) g_test_add_func ("/budget/" #name, test_##name)
  RULE (a_prompt_that_alone_is_too_long_says_so);
  RULE (a_system_prompt_counts_as_the_prompt);
  RULE (a_context_that_is_as_large_as_can_be_is_not_to_be_raised);
  RULE (nor_for_a_summary);
  RULE (as_many_tokens_as_are_advised_are_answered);
  RULE (where_one_frame_is_too_much_both_are_advised);
  RULE (no_fewer_tokens_are_advised_where_an_alert_would_not_fit);
  RULE (a_frame_that_leaves_no_room_asks_for_fewer_tiles);
#undef RULE
  return g_test_run ();
}
