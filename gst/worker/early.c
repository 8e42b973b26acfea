#include "early.h"

#include "budget.h"
#include "gst/results/log.h"
#include "prompt.h"
#include "region-labels.h"
#include "similar.h"
#include "worker-private.h"

/* What a segment has so far. It goes on changing meanwhile. */
typedef struct
{
  GPtrArray *frames; /* Frame, all encoded */
  SegmentSettings settings;
} Beginning;

static void
beginning_init (Beginning *b, const Segment *s, guint n)
{
  b->frames = g_ptr_array_new_with_free_func ((GDestroyNotify)frame_unref);
  for (guint i = 0; i < n; i++)
    g_ptr_array_add (b->frames, frame_ref (g_ptr_array_index (s->frames, i)));
  segment_settings_copy (&b->settings, &s->settings);
}

static void
beginning_clear (Beginning *b)
{
  g_ptr_array_unref (b->frames);
  segment_settings_clear (&b->settings);
}

/* Of the first segment all that came before is known: what the model is told of it, and what it is compared with. */
static gboolean
is_known (Worker *w, const Segment *s)
{
  return s == g_queue_peek_head (&w->segments) || (s->settings.history == 0 && s->settings.similar <= 0);
}

static Segment *
find_segment (Worker *w)
{
  for (GList *l = w->segments.head; l != NULL; l = l->next) {
    Segment *s = l->data;

    if (!s->flushed && segment_first_error (s) == NULL && is_known (w, s) && segment_count_encoded (s) > s->early)
      return s;
  }
  return NULL;
}

/* Whether the segment is asked about even if its frames to come show nothing new. */
static gboolean
will_be_asked (Worker *w, Segment *s, const Beginning *b)
{
  if (b->settings.similar > 0 && !s->differs && w->described != NULL && w->described->run == s->run)
    s->differs = similar_so_far (w->described, &b->settings, b->frames, s->early) < b->settings.similar;
  else
    s->differs = TRUE;
  return s->differs;
}

/* Tokens of the whole question. The oldest rounds are left out until it fits the context, as history_ask() does. FALSE: the back
 * end cannot tell. */
static gboolean
count_tokens (Worker *w, BackendQuestion *question, const gchar *whole, guint *tokens)
{
  g_autofree gchar *words = prompt_remove_marks (whole);
  guint pictures = minivl_prompt_count_marks (whole) * (w->frame_tokens + PICTURE_TOKENS);

  for (;; question->history++, question->n_history--) {
    BackendQuestion text = *question;

    text.text = words;
    if (!w->backend->count_text (w->self, &text, tokens, NULL))
      return FALSE;
    *tokens += pictures;
    if (question->n_history == 0 || *tokens + question->params.max_tokens <= w->context_size)
      return TRUE;
  }
}

/* Without the lock. */
static gboolean
prepare (Worker *w, const Segment *s, const Beginning *b, GError **error)
{
  g_autofree gchar *utc = result_format_utc (s->utc), *label = region_labels (b->frames);
  PromptFacts facts = { s->start, s->start, s->number, w->stream, utc, label };
  g_autofree gchar *prompt = prompt_expand (b->settings.prompt, &facts);
  g_autofree gchar *whole = minivl_prompt_add_marks (prompt, 0, MAX (w->n_frames, b->frames->len));
  guint n_pictures = b->frames->len, expected;
  g_autofree gchar *text = prompt_begin (b->settings.prompt, &facts, &n_pictures);
  g_autofree gpointer *pictures = g_new (gpointer, n_pictures);
  BackendQuestion question = {
    .text = text, .system = b->settings.system, .pictures = pictures, .n_pictures = n_pictures, .params = b->settings.params
  };

  for (guint i = 0; i < n_pictures; i++)
    pictures[i] = ((Frame *)g_ptr_array_index (b->frames, i))->picture;
  question.history = history_last (&w->history, s->run, b->settings.history, &question.n_history);
  return count_tokens (w, &question, whole, &expected) && w->backend->prepare (w->self, &question, expected, &w->stirred, error);
}

gboolean
early_prepare (Worker *w)
{
  Segment *s = w->backend->prepare != NULL ? find_segment (w) : NULL;
  g_autoptr (GError) error = NULL;
  gboolean asked, prepared;
  Beginning b;

  if (s == NULL)
    return FALSE;
  beginning_init (&b, s, segment_count_encoded (s));
  g_atomic_int_set (&w->stirred, 0);
  g_mutex_unlock (&w->lock);
  asked = will_be_asked (w, s, &b);
  prepared = asked && prepare (w, s, &b, &error);
  GST_DEBUG ("%s: %" G_GUINT64_FORMAT ": %u frames: %s", w->stream, s->id, b.frames->len,
      prepared        ? "prepared"
      : error != NULL ? error->message
                      : "not prepared");
  g_mutex_lock (&w->lock);

  w->lost = w->lost || g_error_matches (error, MINIVL_ERROR, MINIVL_ERROR_DEVICE);
  if (prepared)
    s->prepared = b.frames->len;
  /* What was given up for something else goes on behind it; what failed is left to the question. */
  if (!g_error_matches (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED))
    s->early = b.frames->len;
  g_mutex_unlock (&w->lock);
  beginning_clear (&b);
  g_mutex_lock (&w->lock);
  return TRUE;
}
