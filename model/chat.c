/* Chat templates of the reference's conversation.py, and prompts made by them. */
#include "chat.h"

#include <string.h>

#define MARK "<image>"
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

guint
chat_count_marks (const gchar *text)
{
  guint n = 0;

  while ((text = strstr (text, MARK))) {
    text += strlen (MARK);
    n++;
  }
  return n;
}

static gboolean
check_text (const gchar *what, const gchar *text, GError **error)
{
  if (!text || !strstr (text, IMAGE_CONTEXT))
    return TRUE;
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_IMAGES, "the %s holds %s, which stands for pictures alone; a picture's mark is %s",
      what, IMAGE_CONTEXT, MARK);
  return FALSE;
}

static void
append_question (GString *prompt, const gchar *question, const guint **tokens)
{
  for (const gchar *mark; (mark = strstr (question, MARK)); question = mark + strlen (MARK)) {
    g_string_append_len (prompt, question, mark - question);
    g_string_append (prompt, IMAGE_START);
    for (guint i = 0; i < **tokens; i++)
      g_string_append (prompt, IMAGE_CONTEXT);
    g_string_append (prompt, IMAGE_END);
    (*tokens)++;
  }
  g_string_append (prompt, question);
}

gchar *
chat_prompt (const ChatTemplate *t, const gchar *system, const ChatRound *rounds, guint n_rounds, const guint *tokens,
    guint n_tokens, GError **error)
{
  g_autoptr (GString) prompt = g_string_new (NULL);
  guint n_marks = 0;

  if (!system)
    system = t->system;
  if (!check_text ("system message", system, error))
    return NULL;
  for (guint i = 0; i < n_rounds; i++) {
    if (!check_text ("question", rounds[i].question, error) || !check_text ("answer", rounds[i].answer, error))
      return NULL;
    n_marks += chat_count_marks (rounds[i].question);
  }
  if (n_marks != n_tokens) {
    g_set_error (
        error, MINIVL_ERROR, MINIVL_ERROR_IMAGES, "%u %s marks in the questions, but %u pictures", n_marks, MARK, n_tokens);
    return NULL;
  }

  if (*system)
    g_string_append_printf (prompt, "%s%s%s", t->before_system, system, t->end);
  for (guint i = 0; i < n_rounds; i++) {
    /* The reference ends a text only when there is one. */
    g_string_append (prompt, t->before_question);
    append_question (prompt, rounds[i].question, &tokens);
    if (*rounds[i].question)
      g_string_append (prompt, t->end);
    g_string_append (prompt, t->before_answer);
    if (rounds[i].answer && *rounds[i].answer)
      g_string_append_printf (prompt, "%s%s", rounds[i].answer, t->end);
  }
  return g_string_free (g_steal_pointer (&prompt), FALSE);
}
