/* Chat templates: a conversation's text as the model was trained on it. */
#ifndef MODEL_CHAT_H
#define MODEL_CHAT_H

#include "minivl.h"

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
} ChatRound;

/* Number of `<image>` marks in text. */
guint chat_count_marks (const gchar *text);
/* The whole prompt: each `<image>` mark of the questions becomes <img>, tokens[k] times <IMG_CONTEXT>, </img>.
 * system NULL: the template's own; "": no system part. tokens: visual tokens of each mark in order.
 * NULL with MINIVL_ERROR_IMAGES when marks and n_tokens differ, or when a text holds <IMG_CONTEXT> itself, which would ask for a
 * picture that is not there. (transfer full) */
gchar *chat_prompt (const ChatTemplate *t, const gchar *system, const ChatRound *rounds, guint n_rounds, const guint *tokens,
    guint n_tokens, GError **error);

#endif
