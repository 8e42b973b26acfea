/* Prompts: the oracle's, and what it does not say. */
#include "model/chat.h"
#include "rows.h"

#include <string.h>

#define SYSTEM "<|system|>\nYou are an AI assistant whose name is Phi-3.<|end|>"

static void
test_prompts_of_the_oracle (void)
{
  ModelConfig config = { 0 };
  Rows rows = { 0 };

  rows_load_config (&config);
  conformance_prompts (TEST_DATA "/small", &config, NULL, rows_report, &rows);
  g_assert_cmpuint (rows.failed, ==, 0);
  g_assert_cmpuint (rows.n, ==, 12);
  model_config_clear (&config);
}

static gchar *
prompt (const gchar *system, const ChatRound *rounds, guint n_rounds)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ChatTemplate) t = chat_template_new ("phi3-chat", NULL, &error);
  g_autoptr (ChatPrompt) made = NULL;

  g_assert_no_error (error);
  made = chat_prompt_new (t, system, rounds, n_rounds, NULL, 0, FALSE, &error);
  g_assert_no_error (error);
  return g_steal_pointer (&made->text);
}

static void
test_system_message (void)
{
  static const ChatRound round = { "Who?", NULL };
  g_autofree gchar *own = prompt (NULL, &round, 1), *given = prompt ("Be brief.", &round, 1), *none = prompt ("", &round, 1);

  g_assert_cmpstr (own, ==, SYSTEM "<|user|>\nWho?<|end|><|assistant|>\n");
  g_assert_cmpstr (given, ==, "<|system|>\nBe brief.<|end|><|user|>\nWho?<|end|><|assistant|>\n");
  g_assert_cmpstr (none, ==, "<|user|>\nWho?<|end|><|assistant|>\n");
}

static void
test_empty_text_has_no_end (void)
{
  static const ChatRound rounds[] = { { "Who?", "" }, { "", NULL } };
  g_autofree gchar *text = prompt ("", rounds, 2);

  g_assert_cmpstr (text, ==, "<|user|>\nWho?<|end|><|assistant|>\n<|user|>\n<|assistant|>\n");
}

static void
test_marks_in_answers_are_text (void)
{
  static const ChatRound rounds[] = { { "Who?", "an <image>" }, { "Why?", NULL } };
  g_autofree gchar *text = prompt ("the <image>", rounds, 2);

  g_assert_nonnull (strstr (text, "an <image><|end|>"));
  g_assert_nonnull (strstr (text, "the <image><|end|>"));
}

static void
test_marks_take_tokens_in_order (void)
{
  static const ChatRound rounds[] = { { "<image>a<image>", "b" }, { "c <image>", NULL } };
  static const guint tokens[] = { 2, 0, 1 };
  g_autoptr (ChatTemplate) t = chat_template_new ("phi3-chat", NULL, NULL);
  g_autoptr (ChatPrompt) made = chat_prompt_new (t, "", rounds, 2, tokens, 3, FALSE, NULL);

  g_assert_cmpstr (made->text, ==,
      "<|user|>\n<img><IMG_CONTEXT><IMG_CONTEXT></img>a<img></img><|end|><|assistant|>\nb<|end|>"
      "<|user|>\nc <img><IMG_CONTEXT></img><|end|><|assistant|>\n");
}

static void
assert_refused (const gchar *system, const ChatRound *round, guint n_tokens, const gchar *expected)
{
  static const guint tokens[] = { 1, 1, 1 };
  g_autoptr (GError) error = NULL;
  g_autoptr (ChatTemplate) t = chat_template_new ("phi3-chat", NULL, NULL);
  g_autoptr (ChatPrompt) made = chat_prompt_new (t, system, round, 1, tokens, n_tokens, TRUE, &error);

  g_assert_null (made);
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_IMAGES);
  if (!strstr (error->message, expected))
    g_error ("\"%s\" does not say \"%s\"", error->message, expected);
}

static void
test_marks_and_pictures_must_agree (void)
{
  assert_refused (NULL, &(ChatRound){ "<image>", NULL }, 2, "1 <image> marks in the questions, but 2 pictures");
  assert_refused (NULL, &(ChatRound){ "<image> and <image>", NULL }, 1, "2 <image> marks");
  assert_refused (NULL, &(ChatRound){ "none", NULL }, 1, "0 <image> marks");
}

static void
test_picture_tokens_in_text_are_refused (void)
{
  assert_refused (NULL, &(ChatRound){ "a <IMG_CONTEXT>", NULL }, 0, "the question holds <IMG_CONTEXT>");
  assert_refused (NULL, &(ChatRound){ "a", "<IMG_CONTEXT>" }, 0, "the answer holds <IMG_CONTEXT>");
  assert_refused ("<IMG_CONTEXT>", &(ChatRound){ "a", NULL }, 0, "the system message holds <IMG_CONTEXT>");
}

static void
test_words_are_told_from_the_template (void)
{
  static const ChatRound rounds[] = { { "<image>Who<image>?", "<|end|>" }, { "", NULL } };
  static const gchar *const words[] = { "Be brief.", "Who", "?", "<|end|>" };
  static const guint tokens[] = { 1, 1 };
  g_autoptr (ChatTemplate) t = chat_template_new ("phi3-chat", NULL, NULL);
  g_autoptr (ChatPrompt) made = chat_prompt_new (t, "Be brief.", rounds, 2, tokens, 2, FALSE, NULL);
  g_autoptr (ChatPrompt) meant = chat_prompt_new (t, "Be brief.", rounds, 2, tokens, 2, TRUE, NULL);

  g_assert_cmpuint (made->literal->len, ==, G_N_ELEMENTS (words));
  for (guint i = 0; i < G_N_ELEMENTS (words); i++) {
    TextRange range = g_array_index (made->literal, TextRange, i);

    g_assert_cmpmem (made->text + range.start, range.length, words[i], strlen (words[i]));
  }
  g_assert_cmpstr (meant->text, ==, made->text);
  g_assert_cmpuint (meant->literal->len, ==, 0);
}

static void
test_unknown_template_is_named (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (chat_template_new ("Hermes-9", NULL, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_MODEL);
  g_assert_cmpstr (error->message, ==, "template: Hermes-9 is not known; known: phi3-chat");
}

static void
test_count_marks (void)
{
  g_assert_cmpuint (minivl_prompt_count_marks (""), ==, 0);
  g_assert_cmpuint (minivl_prompt_count_marks ("<image><image> <image"), ==, 2);
}

static void
test_add_marks (void)
{
  static const struct
  {
    const gchar *prompt;
    guint n_pictures, n_frames;
    const gchar *marked;
  } rows[] = {
    { "What?", 0, 0, "What?" },
    { "What?", 1, 0, "<image>\nWhat?" },
    { "What?", 2, 0, "Image-1: <image>\nImage-2: <image>\nWhat?" },
    { "What?", 0, 1, "Frame1: <image>\nWhat?" },
    { "What?", 0, 2, "Frame1: <image>\nFrame2: <image>\nWhat?" },
    { "", 1, 1, "<image>\nFrame1: <image>\n" },
    { "What?", 2, 1, "Image-1: <image>\nImage-2: <image>\nFrame1: <image>\nWhat?" },
    { "Look <image> and <image>.", 0, 2, "Look <image> and <image>." },
    { "One <image>", 3, 3, "One <image>" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree gchar *marked = minivl_prompt_add_marks (rows[i].prompt, rows[i].n_pictures, rows[i].n_frames);

    g_assert_cmpstr (marked, ==, rows[i].marked);
  }
}

static void
test_split_choices (void)
{
  static const gchar *const rows[][5] = {
    { "", NULL },
    { "one", "one", NULL },
    { "a|b c|d", "a", "b c", "d", NULL },
    { "\n a \r\n\r\nb|\n", "a", "b", NULL },
    { "|||", NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (GStrv) choices = minivl_choices_split (rows[i][0]);

    g_assert_true (g_strv_equal ((const gchar *const *)choices, rows[i] + 1));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/chat/prompts_of_the_oracle", test_prompts_of_the_oracle);
  g_test_add_func ("/chat/system_message", test_system_message);
  g_test_add_func ("/chat/empty_text_has_no_end", test_empty_text_has_no_end);
  g_test_add_func ("/chat/marks_in_answers_are_text", test_marks_in_answers_are_text);
  g_test_add_func ("/chat/marks_take_tokens_in_order", test_marks_take_tokens_in_order);
  g_test_add_func ("/chat/marks_and_pictures_must_agree", test_marks_and_pictures_must_agree);
  g_test_add_func ("/chat/picture_tokens_in_text_are_refused", test_picture_tokens_in_text_are_refused);
  g_test_add_func ("/chat/words_are_told_from_the_template", test_words_are_told_from_the_template);
  g_test_add_func ("/chat/unknown_template_is_named", test_unknown_template_is_named);
  g_test_add_func ("/chat/count_marks", test_count_marks);
  g_test_add_func ("/chat/add_marks", test_add_marks);
  g_test_add_func ("/chat/split_choices", test_split_choices);
  return g_test_run ();
}
