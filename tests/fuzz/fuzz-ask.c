/* A body of POST /v1/chat/completions. Whatever it is, it is a conversation that can be asked, or refused in OpenAI's shape. */
#include "examples/server/ask.h"
#include "parts.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define MOST_PICTURES 8

static void
check_refusal (const Refusal *refusal)
{
  g_autofree gchar *json = refusal_to_json (refusal);
  g_autoptr (JsonNode) node = json_from_string (json, NULL);

  g_assert (refusal->status == 400 && refusal->code && refusal->message && node && JSON_NODE_HOLDS_OBJECT (node));
  g_assert (json_object_has_member (json_node_get_object (node), "error"));
}

/* Each medium is there, and has room for what it may become. Returns how many pictures that is. n_marks: a joined one has none. */
static guint
check_parts (const AskRound *round, GArray *n_marks)
{
  gboolean joinable = FALSE;
  guint n = 0;

  for (guint i = 0; i < round->parts->len; i++) {
    const AskPart *part = round->parts->pdata[i];
    guint marks = part->joined ? 0 : part->segments;

    g_assert (part->param && (part->kind == PART_TEXT) == (part->text != NULL));
    g_assert (!part->joined || (joinable && part->kind == PART_PICTURE));
    joinable = part->kind == PART_PICTURE;
    if (part->kind == PART_TEXT) {
      g_assert (g_utf8_validate (part->text, -1, NULL));
      continue;
    }
    g_assert ((part->bytes != NULL) != (part->url != NULL));
    g_assert (part->max_tiles >= 1 && part->max_tiles <= 40 && part->segments >= 1);
    g_assert (part->stop < 0 ? part->start == 0 : part->stop > part->start);
    g_array_append_val (n_marks, marks);
    n += part->segments;
  }
  return n;
}

static guint
check_round (const AskRound *round, gboolean last)
{
  g_autoptr (GArray) n_marks = g_array_new (FALSE, FALSE, sizeof (guint));
  guint n = check_parts (round, n_marks), wanted = 0;
  g_auto (Refusal) refusal = { 0 };
  g_autofree gchar *question = ask_write_question (round, (const guint *)n_marks->data, "messages", &refusal);

  g_assert (round->parts->len > 0 && last == (round->answer == NULL));
  for (guint i = 0; i < n_marks->len; i++)
    wanted += g_array_index (n_marks, guint, i);
  if (question)
    g_assert (g_utf8_validate (question, -1, NULL) && minivl_prompt_count_marks (question) == wanted);
  else
    check_refusal (&refusal);
  return n;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree gchar *text = g_strndup ((const gchar *)data, size);
  g_auto (Refusal) refusal = { 0 };
  g_autoptr (Ask) ask = ask_parse (text, size, MOST_PICTURES, &refusal);
  guint n = 0;

  if (!ask) {
    check_refusal (&refusal);
    return 0;
  }
  g_assert (refusal.status == 0 && ask->rounds->len >= 1);
  for (guint i = 0; i < ask->rounds->len; i++)
    n += check_round (ask->rounds->pdata[i], i + 1 == ask->rounds->len);
  g_assert (n <= MOST_PICTURES);
  g_assert (ask->params.max_tokens >= 1 && ask->params.temperature >= 0 && ask->params.temperature <= 2);
  g_assert (!ask->params.choices || !ask->params.json_schema);
  g_assert (minivl_shape_check (ask->params.choices, ask->params.json_schema, NULL));
  g_assert (ask->params.top_p > 0 && ask->params.top_p <= 1 && ask->params.n_logprobs <= 20);
  return 0;
}
