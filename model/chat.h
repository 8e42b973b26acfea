/* Chat templates: a conversation's text as the model was trained on it. */
#ifndef MODEL_CHAT_H
#define MODEL_CHAT_H

#include "tokenizer.h"

/* Whose the default system message is. */
typedef enum
{
  CHAT_SYSTEM_V1_5,       /* Mini-InternVL-Chat-4B-V1-5's, for want of another */
  CHAT_SYSTEM_CHECKPOINT, /* of the folder's conversation.py */
} ChatSystem;

typedef struct
{
  gchar *name;   /* config.json's `template` */
  gchar *system; /* default system message */
  ChatSystem source;
  /* What stands before the system message, a question and an answer, and behind each of them */
  gchar *before_system, *before_question, *before_answer, *end;
} ChatTemplate;

/* folder (nullable): a checkpoint's. Where its conversation.py has the template, system message and separators are that one's: the
 * file is read as text, never run. One that has it in no way that is understood is warned of.
 * NULL with MINIVL_ERROR_MODEL, naming the template and those there are, when it is not known. */
ChatTemplate *chat_template_new (const gchar *name, const gchar *folder, GError **error);
void chat_template_free (ChatTemplate *t);
/* Whether it is V1.5's template with another system message, as InternVL2-4B has. */
gboolean chat_template_has_other_system (const ChatTemplate *t);
/* `v1.5` or `checkpoint` */
const gchar *chat_template_system_source (const ChatTemplate *t);

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

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ChatTemplate, chat_template_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ChatPrompt, chat_prompt_free)

#endif
