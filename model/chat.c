/* Chat templates of the reference's conversation.py, and prompts made by them. */
#include "chat.h"

#include <string.h>

#define IMAGE_START "<img>"
#define IMAGE_CONTEXT "<IMG_CONTEXT>"
#define IMAGE_END "</img>"

static const ChatTemplate templates[] = {
  {
      .name = "phi3-chat",
      .system = "You are an AI assistant whose name is Phi-3.",
      .before_system = "<|system|>\n",
      .before_question = "<|user|>\n",
      .before_answer = "<|assistant|>\n",
      .end = "<|end|>",
  },
};

const ChatTemplate *
chat_template_find (const gchar *name, GError **error)
{
  g_autoptr (GString) known = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (templates); i++) {
    if (g_str_equal (templates[i].name, name))
      return &templates[i];
    g_string_append_printf (known, "%s%s", i ? ", " : "", templates[i].name);
  }
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_MODEL, "template: %s is not known; known: %s", name, known->str);
  return NULL;
}

static gboolean
check_text (const gchar *what, const gchar *text, GError **error)
{
  if (!text || !strstr (text, IMAGE_CONTEXT))
    return TRUE;
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_IMAGES, "the %s holds %s, which stands for pictures alone; a picture's mark is %s",
      what, IMAGE_CONTEXT, MINIVL_IMAGE_MARK);
  return FALSE;
}

/* Writes the template's own text, and the words of people. */
typedef struct
{
  GString *text;
  GArray *literal; /* TextRange: the words of people; NULL: they are treated as the template's text */
} Writer;

static void
add_words (Writer *w, const gchar *words, gsize length)
{
  TextRange range = { w->text->len, length };

  g_string_append_len (w->text, words, length);
  if (w->literal && length > 0)
    g_array_append_val (w->literal, range);
}

static void
add_question (Writer *w, const gchar *question, const guint **tokens)
{
  for (const gchar *mark; (mark = strstr (question, MINIVL_IMAGE_MARK)); question = mark + strlen (MINIVL_IMAGE_MARK)) {
    add_words (w, question, mark - question);
    g_string_append (w->text, IMAGE_START);
    for (guint i = 0; i < **tokens; i++)
      g_string_append (w->text, IMAGE_CONTEXT);
    g_string_append (w->text, IMAGE_END);
    (*tokens)++;
  }
  add_words (w, question, strlen (question));
}

/* The reference ends a text only when there is one. */
static void
add_end (Writer *w, const ChatTemplate *t, const gchar *words)
{
  if (*words)
    g_string_append (w->text, t->end);
}

static gboolean
check_rounds (const gchar *system, const ChatRound *rounds, guint n_rounds, guint n_tokens, gboolean special_tokens, GError **error)
{
  guint n_marks = 0;

  if (special_tokens && !check_text ("system message", system, error))
    return FALSE;
  for (guint i = 0; i < n_rounds; i++) {
    if (special_tokens && (!check_text ("question", rounds[i].question, error) || !check_text ("answer", rounds[i].answer, error)))
      return FALSE;
    n_marks += minivl_prompt_count_marks (rounds[i].question);
  }
  if (n_marks != n_tokens) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_IMAGES, "%u %s marks in the questions, but %u pictures", n_marks,
        MINIVL_IMAGE_MARK, n_tokens);
    return FALSE;
  }
  return TRUE;
}

ChatPrompt *
chat_prompt_new (const ChatTemplate *t, const gchar *system, const ChatRound *rounds, guint n_rounds, const guint *tokens,
    guint n_tokens, gboolean special_tokens, GError **error)
{
  Writer w = { 0 };
  ChatPrompt *prompt;

  if (!system)
    system = t->system;
  if (!check_rounds (system, rounds, n_rounds, n_tokens, special_tokens, error))
    return NULL;

  prompt = g_new0 (ChatPrompt, 1);
  prompt->literal = g_array_new (FALSE, FALSE, sizeof (TextRange));
  w.text = g_string_new (NULL);
  w.literal = special_tokens ? NULL : prompt->literal;
  if (*system)
    g_string_append (w.text, t->before_system);
  add_words (&w, system, strlen (system));
  add_end (&w, t, system);
  for (guint i = 0; i < n_rounds; i++) {
    const gchar *answer = rounds[i].answer ? rounds[i].answer : "";

    g_string_append (w.text, t->before_question);
    add_question (&w, rounds[i].question, &tokens);
    if (rounds[i].is_open)
      break;
    add_end (&w, t, rounds[i].question);
    g_string_append (w.text, t->before_answer);
    add_words (&w, answer, strlen (answer));
    add_end (&w, t, answer);
  }
  prompt->text = g_string_free (w.text, FALSE);
  return prompt;
}

void
chat_prompt_free (ChatPrompt *prompt)
{
  if (!prompt)
    return;
  g_free (prompt->text);
  g_array_unref (prompt->literal);
  g_free (prompt);
}

gint32 *
chat_prompt_encode (const ChatPrompt *prompt, const Tokenizer *t, guint *n_ids)
{
  return tokenizer_encode_parts (
      t, prompt->text, -1, (const TextRange *)(gpointer)prompt->literal->data, prompt->literal->len, n_ids);
}
