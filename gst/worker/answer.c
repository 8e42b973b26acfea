#include "answer.h"

#include "gst/backends/json-text.h"
#include "prompt.h"
#include "region-labels.h"
#include "worker-private.h"

#include <json-glib/json-glib.h>
#include <string.h>

Result *
answer_make_result (Worker *w, const Segment *s)
{
  g_autofree gchar *utc = result_format_utc (s->utc);
  g_autofree gchar *label = region_labels (s->frames);
  PromptFacts facts = { s->start, s->stop, s->number, w->stream, utc, label };
  Result *result = result_new ();

  result->id = s->id;
  result->kind = s->kind;
  result->stream = g_strdup (w->stream);
  result->text = g_strdup ("");
  result->segment_start = s->start;
  result->segment_stop = s->stop;
  result->running_time = s->running_time;
  g_array_append_vals (result->frames, s->times->data, s->times->len);
  result->prompt = prompt_expand (s->settings.prompt, &facts);
  result->utc = g_steal_pointer (&utc);
  result->model = g_strdup (w->model);
  result->model_hash = g_strdup (w->model_hash);
  result->precision = g_strdup (w->precision);
  result->device = g_strdup (w->device);
  result->tokenizer = g_strdup (w->tokenizer);
  result->system_source = g_strdup (s->settings.system != NULL ? "given" : w->system_source);
  result->seed = s->settings.params.seed;
  return result;
}

BackendQuestion
answer_make_question (const Segment *s, const gchar *text, GPtrArray *pictures, GStrv choices)
{
  BackendQuestion question = { .text = text, .system = s->settings.system, .params = s->settings.params };

  for (guint i = 0; i < s->frames->len; i++)
    g_ptr_array_add (pictures, ((const Frame *)g_ptr_array_index (s->frames, i))->picture);
  question.pictures = pictures->pdata;
  question.n_pictures = pictures->len;
  question.params.deadline = segment_deadline (s);
  question.params.choices = (const gchar *const *)choices;
  question.params.json_schema = s->settings.schema;
  return question;
}

void
answer_add (Result *result, const BackendAnswer *answer)
{
  result->answered = TRUE;
  result->prompt_tokens = answer->prompt_tokens;
  result->output_tokens = answer->output_tokens;
  result->cached_tokens = answer->cached_tokens;
  result->drafted = answer->drafted;
  result->accepted = answer->accepted;
  result->prefill = answer->prefill_ns;
  result->decode = answer->decode_ns;
  result->finish_reason = answer->finish_reason;
}

/* Named as in MinivlAnswer. (transfer full) */
static gchar *
write_choice (const BackendAnswer *answer)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (b);
  json_builder_set_member_name (b, "choice");
  if (answer->choice >= 0)
    json_builder_add_int_value (b, answer->choice);
  else
    json_builder_add_null_value (b);
  json_builder_set_member_name (b, "choice_probabilities");
  json_builder_begin_array (b);
  for (guint i = 0; i < answer->n_choices; i++)
    json_builder_add_double_value (b, answer->choice_probabilities[i]);
  json_builder_end_array (b);
  json_builder_end_object (b);
  root = json_builder_get_root (b);
  return json_to_string (root, FALSE);
}

void
answer_add_data (Result *result, const BackendAnswer *answer, const MinivlParams *params)
{
  if (answer->n_choices > 0) {
    result->data = write_choice (answer);
  } else if (params->json_schema != NULL) {
    gboolean is_shallow = json_is_shallow (result->text, strlen (result->text)); /* a server says what it likes */
    g_autoptr (JsonNode) node = is_shallow ? json_from_string (result->text, NULL) : NULL;

    result->data = node != NULL ? g_strdup (result->text) : NULL; /* a deadline may have cut it */
  }
}

void
answer_name_shape (const MinivlParams *params, GError **error)
{
  if (g_error_matches (*error, MINIVL_ERROR, MINIVL_ERROR_USAGE) && (params->choices != NULL || params->json_schema != NULL))
    g_prefix_error (error, "%s: ", params->choices != NULL ? "choices" : "json-schema");
}

void
answer_on_text (const gchar *piece, gpointer data)
{
  Worker *w = data;
  const Segment *s = w->in_hand;

  g_string_append (w->text, piece);
  w->callbacks.partial (s->kind, s->id, s->start, s->stop, w->text->str, w->user_data);
}
