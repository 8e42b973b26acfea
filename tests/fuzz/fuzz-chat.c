/* Conversations of hostile people: whatever they write, nobody speaks for another. */
#include "model/chat.h"
#include "parts.h"
#include "trained.h"

#define MOST_ROUNDS 3

static Tokenizer *tokenizer;
static ChatTemplate *template;

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  tokenizer = tokenizer_load (trained_folder (), FALSE, NULL);
  template = chat_template_new ("phi3-chat", NULL, NULL);
  g_assert (tokenizer && template);
  return 0;
}

/* Special tokens that the template itself puts there, BOS included. */
static guint
expected_special (const gchar *system, const ChatRound *rounds, guint n, const guint *tokens, guint n_tokens)
{
  guint special = 1 + (*system ? 2 : 0) + 2 * n_tokens;

  for (guint i = 0; i < n; i++)
    special += 2 + (*rounds[i].question != '\0') + (rounds[i].answer && *rounds[i].answer);
  for (guint i = 0; i < n_tokens; i++)
    special += tokens[i];
  return special;
}

static void
check_prompt (const gchar *system, const ChatRound *rounds, guint n, const guint *tokens, guint n_tokens, gboolean special_tokens)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ChatPrompt) prompt = chat_prompt_new (template, system, rounds, n, tokens, n_tokens, special_tokens, &error);
  g_autofree gint32 *ids = NULL;
  g_autofree gchar *text = NULL;
  guint n_ids, special = 0, expected = expected_special (system, rounds, n, tokens, n_tokens);

  g_assert (prompt || (special_tokens && error->domain == MINIVL_ERROR));
  if (!prompt)
    return;
  ids = chat_prompt_encode (prompt, tokenizer, &n_ids);
  text = tokenizer_decode (tokenizer, ids, n_ids, FALSE);
  for (guint i = 0; i < n_ids; i++)
    special += tokenizer_is_special (tokenizer, ids[i]);
  g_assert (special_tokens ? special >= expected : special == expected);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  Part rest = { data, size };
  guint n = part_number (&rest, 1) % MOST_ROUNDS + 1, n_marks = 0;
  g_autofree gchar *system = part_text (part_take (&rest));
  g_autofree guint *tokens = NULL;
  gchar *texts[2 * MOST_ROUNDS] = { NULL };
  ChatRound rounds[MOST_ROUNDS] = { { 0 } };

  for (guint i = 0; i < 2 * n - 1; i++)
    texts[i] = part_text (i + 2 < 2 * n ? part_take (&rest) : rest);
  for (guint i = 0; i < n; i++) {
    rounds[i] = (ChatRound){ texts[2 * i], texts[2 * i + 1] };
    n_marks += minivl_prompt_count_marks (rounds[i].question);
  }
  tokens = g_new (guint, n_marks + 1);
  for (guint i = 0; i < n_marks; i++)
    tokens[i] = i % 5;
  check_prompt (system, rounds, n, tokens, n_marks, FALSE);
  check_prompt (system, rounds, n, tokens, n_marks, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    g_free (texts[i]);
  return 0;
}
