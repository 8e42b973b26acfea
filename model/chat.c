/* Chat templates of the reference's conversation.py, and prompts made by them. */
#include "chat.h"
#include "python.h"

#include <string.h>

#define IMAGE_START "<img>"
#define IMAGE_CONTEXT "<IMG_CONTEXT>"
#define IMAGE_END "</img>"

#define CONVERSATION "conversation.py"
/* The public one has 15 KB. */
#define MAX_CONVERSATION (256 << 10)
#define SYSTEM_PLACE "{system_message}"

/* As Mini-InternVL-Chat-4B-V1-5 has it. */
static const struct
{
  const gchar *name, *system, *before_system, *before_question, *before_answer, *end;
} known[] = {
  {
      .name = "phi3-chat",
      .system = "You are an AI assistant whose name is Phi-3.",
      .before_system = "<|system|>\n",
      .before_question = "<|user|>\n",
      .before_answer = "<|assistant|>\n",
      .end = "<|end|>",
  },
};

static guint
find_known (const gchar *name)
{
  guint i = 0;

  while (i < G_N_ELEMENTS (known) && !g_str_equal (known[i].name, name))
    i++;
  return i;
}

/* The one string of an argument; NULL when it is missing or more than one. */
static const gchar *
get_string (GHashTable *arguments, const gchar *key)
{
  const GPtrArray *values = g_hash_table_lookup (arguments, key);

  return values && values->len == 1 ? values->pdata[0] : NULL;
}

static void
replace (gchar **text, gchar *with)
{
  g_free (*text);
  *text = with;
}

/* system_template: the place of the message, and what is before it; some end the message there, too, instead of by sep_style. */
static gboolean
take_system_template (ChatTemplate *t, const gchar *text, const gchar *sep)
{
  const gchar *place = strstr (text, SYSTEM_PLACE), *rest = place ? place + strlen (SYSTEM_PLACE) : NULL;

  if (!place || (*rest && !g_str_equal (rest, sep)))
    return FALSE;
  replace (&t->before_system, g_strndup (text, place - text));
  return TRUE;
}

/* FALSE: it is not there, or lacks what is needed. Then t is as it was. */
static gboolean
take_conversation (ChatTemplate *t, const gchar *text)
{
  g_autoptr (GHashTable) arguments = python_find_call (text, "Conversation", "name", t->name);
  const gchar *system = arguments ? get_string (arguments, "system_message") : NULL;
  const gchar *sep = arguments ? get_string (arguments, "sep") : NULL;
  const gchar *system_template = arguments ? get_string (arguments, "system_template") : NULL;
  const GPtrArray *roles = arguments ? g_hash_table_lookup (arguments, "roles") : NULL;

  if (!system || !sep || !*sep || (roles && roles->len != 2))
    return FALSE;
  if (system_template && !take_system_template (t, system_template, sep))
    return FALSE;
  replace (&t->system, g_strdup (system));
  replace (&t->end, g_strdup (sep));
  if (roles) {
    replace (&t->before_question, g_strdup (roles->pdata[0]));
    replace (&t->before_answer, g_strdup (roles->pdata[1]));
  }
  t->source = CHAT_SYSTEM_CHECKPOINT;
  return TRUE;
}

static void
read_conversation (ChatTemplate *t, const gchar *folder)
{
  g_autofree gchar *path = g_build_filename (folder, CONVERSATION, NULL), *text = NULL;
  gsize length;

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return;
  if (!g_file_get_contents (path, &text, &length, NULL) || length > MAX_CONVERSATION || !g_utf8_validate_len (text, length, NULL)
      || !take_conversation (t, text))
    g_warning ("%s: the template %s is not there in a way that minivl understands: the system message is that of "
               "Mini-InternVL-Chat-4B-V1-5",
        path, t->name);
}

ChatTemplate *
chat_template_new (const gchar *name, const gchar *folder, GError **error)
{
  guint i = find_known (name);
  ChatTemplate *t;

  if (i == G_N_ELEMENTS (known)) {
    g_autoptr (GString) names = g_string_new (NULL);

    for (i = 0; i < G_N_ELEMENTS (known); i++)
      g_string_append_printf (names, "%s%s", i ? ", " : "", known[i].name);
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_MODEL, "template: %s is not known; known: %s", name, names->str);
    return NULL;
  }
  t = g_new0 (ChatTemplate, 1);
  t->name = g_strdup (name);
  t->system = g_strdup (known[i].system);
  t->before_system = g_strdup (known[i].before_system);
  t->before_question = g_strdup (known[i].before_question);
  t->before_answer = g_strdup (known[i].before_answer);
  t->end = g_strdup (known[i].end);
  if (folder)
    read_conversation (t, folder);
  return t;
}

void
chat_template_free (ChatTemplate *t)
{
  if (!t)
    return;
  g_free (t->name);
  g_free (t->system);
  g_free (t->before_system);
  g_free (t->before_question);
  g_free (t->before_answer);
  g_free (t->end);
  g_free (t);
}

gboolean
chat_template_has_other_system (const ChatTemplate *t)
{
  return !g_str_equal (t->system, known[find_known (t->name)].system);
}

const gchar *
chat_template_system_source (const ChatTemplate *t)
{
  return t->source == CHAT_SYSTEM_CHECKPOINT ? "checkpoint" : "v1.5";
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
