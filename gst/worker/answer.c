#include "answer.h"

#include "prompt.h"
#include "region-labels.h"
#include "worker-private.h"

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

void
answer_on_text (const gchar *piece, gpointer data)
{
  Worker *w = data;
  const Segment *s = w->in_hand;

  g_string_append (w->text, piece);
  w->callbacks.partial (s->kind, s->id, s->start, s->stop, w->text->str, w->user_data);
}
