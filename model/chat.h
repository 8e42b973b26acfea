/* Chat templates: a conversation's text as the model was trained on it. */
#ifndef MODEL_CHAT_H
#define MODEL_CHAT_H

#include "tokenizer.h"

typedef struct
{
  const gchar *name;   /* config.json's `template` */
  const gchar *system; /* default system message */
  /* What stands before the system message, a question and an answer, and behind each of them */
  const gchar *before_system, *before_question, *before_answer, *end;
} ChatTemplate;

/* NULL with MINIVL_ERROR_MODEL, naming the template and those there are, when it is not known. */
const ChatTemplate *chat_template_find (const gchar *name, GError **error);

typedef struct
{
  const gchar *question; /* with `<image>` marks */
  const gchar *answer;   /* NULL: the round to be answered */
  gboolean is_open;      /* more of the question is to come: nothing follows it */
} ChatRound;

/* A whole prompt. System message, questions and answers are words of people, also where they look like the template's: literal
 * tells where they are. */
typedef struct
{
  gchar *text;
  GArray *literal; /* TextRange, in order */
} ChatPrompt;

/* Each `<image>` mark of the questions becomes <img>, tokens[k] times <IMG_CONTEXT>, </img>.
 * system NULL: the template's own; "": no system part. tokens: visual tokens of each mark in order. special_tokens: those that
 * people write are meant, nothing is literal.
 * NULL with MINIVL_ERROR_IMAGES when marks and n_tokens differ, or when with special_tokens a text holds <IMG_CONTEXT> itself,
 * which would ask for a picture that is not there. */
ChatPrompt *chat_prompt_new (const ChatTemplate *t, const gchar *system, const ChatRound *rounds, guint n_rounds,
    const guint *tokens, guint n_tokens, gboolean special_tokens, GError **error);
void chat_prompt_free (ChatPrompt *prompt);
/* (transfer full): g_free() */
gint32 *chat_prompt_encode (const ChatPrompt *prompt, const Tokenizer *t, guint *n_ids);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ChatPrompt, chat_prompt_free)

#endif
