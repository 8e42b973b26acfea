#include "fake.h"

#include "rig.h"

#include <string.h>

#define PATIENCE (120 * G_TIME_SPAN_SECOND)

typedef struct
{
  gint refs;
  guint frame;
} FakePicture;

typedef struct
{
  gboolean held;
  guint tickets, calls, cancelled, failures;
  GError *failure;
} StepState;

typedef struct
{
  guint frame;
  MinivlImage layout;
} Encoded;

static GMutex lock;
static GCond changed;
static StepState steps[FAKE_STEPS];
static GPtrArray *questions, *prepared;
static GArray *encoded; /* Encoded */
static gchar *fixed_text;
static GQueue scores = G_QUEUE_INIT; /* gchar, P(yes) */
static GQueue texts = G_QUEUE_INIT;  /* gchar */
static guint8 last_rgb[3];
static MinivlImage last_layout;
static void (*watcher) (const MinivlImage *image, gpointer data);
static gpointer watcher_data;
static guint frame_tokens, context_size;
static guint64 took[4]; /* preprocess, encode, prefill, decode, ns */
static double (*similarity_of) (guint a, guint b);
static void (*listener) (const FakeQuestion *question, const gchar *answer);
static guint open_backends, live_pictures;
static gint priority;

static void
question_free (gpointer data)
{
  FakeQuestion *q = data;

  g_free (q->text);
  g_free (q->system);
  g_free (q->choices);
  g_free (q->schema);
  for (guint i = 0; i < q->n_history; i++) {
    g_free ((gchar *)q->history[i].prompt);
    g_free ((gchar *)q->history[i].answer);
  }
  g_free (q);
}

void
fake_reset (void)
{
  g_mutex_lock (&lock);
  for (guint i = 0; i < FAKE_STEPS; i++)
    g_clear_error (&steps[i].failure);
  memset (steps, 0, sizeof steps);
  g_clear_pointer (&questions, g_ptr_array_unref);
  g_clear_pointer (&prepared, g_ptr_array_unref);
  g_clear_pointer (&encoded, g_array_unref);
  g_clear_pointer (&fixed_text, g_free);
  g_queue_clear_full (&scores, g_free);
  g_queue_clear_full (&texts, g_free);
  frame_tokens = 1;
  similarity_of = NULL;
  listener = NULL;
  watcher = NULL;
  for (guint i = 0; i < G_N_ELEMENTS (took); i++)
    took[i] = 1000 * (i + 1);
  questions = g_ptr_array_new_with_free_func (question_free);
  prepared = g_ptr_array_new_with_free_func (question_free);
  encoded = g_array_new (FALSE, FALSE, sizeof (Encoded));
  g_mutex_unlock (&lock);
}

void
fake_forget (void)
{
  g_mutex_lock (&lock);
  g_ptr_array_set_size (questions, 0);
  g_ptr_array_set_size (prepared, 0);
  g_array_set_size (encoded, 0);
  g_mutex_unlock (&lock);
}

void
fake_hold (FakeStep step)
{
  g_mutex_lock (&lock);
  steps[step].held = TRUE;
  g_mutex_unlock (&lock);
}

void
fake_release (FakeStep step, guint calls)
{
  g_mutex_lock (&lock);
  steps[step].tickets += calls;
  g_cond_broadcast (&changed);
  g_mutex_unlock (&lock);
}

void
fake_release_all (FakeStep step)
{
  g_mutex_lock (&lock);
  steps[step].held = FALSE;
  g_cond_broadcast (&changed);
  g_mutex_unlock (&lock);
}

static void
await (FakeStep step, const guint *count, guint calls, const gchar *what)
{
  gint64 end = g_get_monotonic_time () + PATIENCE;

  g_mutex_lock (&lock);
  while (*count < calls)
    if (!g_cond_wait_until (&changed, &lock, end))
      g_error ("step %d was %s %u times, %u were awaited", step, what, *count, calls);
  g_mutex_unlock (&lock);
}

void
fake_await (FakeStep step, guint calls)
{
  await (step, &steps[step].calls, calls, "called");
}

void
fake_await_cancelled (FakeStep step, guint calls)
{
  await (step, &steps[step].cancelled, calls, "cancelled");
}

guint
fake_count (FakeStep step)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);

  return steps[step].calls;
}

guint
fake_count_cancelled (FakeStep step)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);

  return steps[step].cancelled;
}

void
fake_fail_times (FakeStep step, gint code, const gchar *message, guint times)
{
  g_mutex_lock (&lock);
  g_clear_error (&steps[step].failure);
  steps[step].failure = g_error_new_literal (MINIVL_ERROR, code, message);
  steps[step].failures = times;
  g_mutex_unlock (&lock);
}

void
fake_fail_next (FakeStep step, gint code, const gchar *message)
{
  fake_fail_times (step, code, message, 1);
}

void
fake_set_text (const gchar *text)
{
  g_mutex_lock (&lock);
  g_free (fixed_text);
  fixed_text = g_strdup (text);
  g_mutex_unlock (&lock);
}

static void
add_parts (GQueue *queue, const gchar *text, const gchar *delimiter)
{
  g_autofree gchar **parts = g_strsplit (text, delimiter, -1);

  g_mutex_lock (&lock);
  for (guint i = 0; parts[i] != NULL; i++)
    g_queue_push_tail (queue, parts[i]);
  g_mutex_unlock (&lock);
}

void
fake_add_texts (const gchar *text)
{
  add_parts (&texts, text, "|");
}

void
fake_add_scores (const gchar *text)
{
  add_parts (&scores, text, " ");
}

void
fake_listen (void (*asked) (const FakeQuestion *question, const gchar *answer))
{
  g_mutex_lock (&lock);
  listener = asked;
  g_mutex_unlock (&lock);
}

const FakeQuestion *
fake_question (guint n)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);

  g_assert_cmpuint (n, <, questions->len);
  return g_ptr_array_index (questions, n);
}

const FakeQuestion *
fake_prepared (guint n)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);

  g_assert_cmpuint (n, <, prepared->len);
  return g_ptr_array_index (prepared, n);
}

guint
fake_encoded_frame (guint n)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);

  g_assert_cmpuint (n, <, encoded->len);
  return g_array_index (encoded, Encoded, n).frame;
}

MinivlImage
fake_encoded_layout (guint n)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);

  g_assert_cmpuint (n, <, encoded->len);
  return g_array_index (encoded, Encoded, n).layout;
}

void
fake_last_image (guint8 rgb[3], guint *width, guint *height)
{
  g_mutex_lock (&lock);
  memcpy (rgb, last_rgb, 3);
  *width = last_layout.width;
  *height = last_layout.height;
  g_mutex_unlock (&lock);
}

MinivlImage
fake_last_layout (void)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);

  return last_layout;
}

void
fake_watch (void (*watch) (const MinivlImage *image, gpointer data), gpointer data)
{
  g_mutex_lock (&lock);
  watcher = watch;
  watcher_data = data;
  g_mutex_unlock (&lock);
}

void
fake_set_frame_tokens (guint tokens)
{
  g_mutex_lock (&lock);
  frame_tokens = tokens;
  g_mutex_unlock (&lock);
}

void
fake_set_timings (guint64 preprocess, guint64 encode, guint64 prefill, guint64 decode)
{
  g_mutex_lock (&lock);
  memcpy (took, (guint64[]){ preprocess, encode, prefill, decode }, sizeof took);
  g_mutex_unlock (&lock);
}

void
fake_set_similarity (double (*similarity) (guint a, guint b))
{
  g_mutex_lock (&lock);
  similarity_of = similarity;
  g_mutex_unlock (&lock);
}

guint
fake_open_backends (void)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);

  return open_backends;
}

guint
fake_live_pictures (void)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);

  return live_pictures;
}

void
fake_finish (void)
{
  g_assert_cmpuint (fake_open_backends (), ==, 0);
  g_assert_cmpuint (fake_live_pictures (), ==, 0);
  fake_reset ();
}

static gboolean
is_cancelled (const gint *cancel, const MinivlEngineOptions *options)
{
  return cancel != NULL ? g_atomic_int_get (cancel) : !options->on_progress (0.5, options->user_data);
}

typedef enum
{
  GOES_ON,
  IS_CANCELLED,
  IS_LATE,
} Outcome;

/* Holds the lock. Counts the call and waits until it may go on. deadline: as in MinivlParams. */
static Outcome
enter (FakeStep step, const gint *cancel, const MinivlEngineOptions *options, guint64 deadline)
{
  StepState *s = &steps[step];

  s->calls++;
  g_cond_broadcast (&changed);
  while (s->held && s->tickets == 0) {
    gboolean cancelled;

    g_mutex_unlock (&lock);
    cancelled = is_cancelled (cancel, options);
    g_mutex_lock (&lock);
    if (cancelled) {
      s->cancelled++;
      g_cond_broadcast (&changed);
      return IS_CANCELLED;
    }
    if (deadline > 0) /* its time comes while it is held */
      return IS_LATE;
    /* Opening is cancelled through the progress alone, so that has to be asked now and then. */
    g_cond_wait_until (&changed, &lock, g_get_monotonic_time () + 5 * G_TIME_SPAN_MILLISECOND);
  }
  if (s->held)
    s->tickets--;
  return GOES_ON;
}

static gboolean
fails (FakeStep step, GError **error)
{
  if (steps[step].failures == 0)
    return FALSE;
  steps[step].failures--;
  g_propagate_error (error, g_error_copy (steps[step].failure));
  return TRUE;
}

static gpointer
fake_open (const BackendOptions *given, GError **error)
{
  const MinivlEngineOptions *options = &given->engine;
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);

  if (enter (FAKE_OPEN, NULL, options, 0) != GOES_ON) {
    g_set_error_literal (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED, "cancelled");
    return NULL;
  }
  if (fails (FAKE_OPEN, error))
    return NULL;
  open_backends++;
  priority = 0;
  context_size = options->context_size;
  return &lock;
}

static void
fake_get_info (gpointer self, BackendInfo *info)
{
  *info = (BackendInfo){ "fake-model", "cafe", "f32", "fake device", 12345, context_size > 0 ? context_size : 8192,
    FAKE_MAX_CONTEXT, "fast", "v1.5" };
}

static gboolean
fake_count_tokens (gpointer self, const MinivlImage *image, guint max_tiles, guint *tokens, GError **error)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);

  *tokens = frame_tokens;
  return TRUE;
}

/* Four bytes a token, and the chat's own. */
static guint
text_tokens (const BackendQuestion *question)
{
  gsize bytes = strlen (question->text) + (question->system != NULL ? strlen (question->system) : 0);

  for (guint i = 0; i < question->n_history; i++)
    bytes += strlen (question->history[i].prompt) + strlen (question->history[i].answer);
  return (guint)(20 + (bytes + 3) / 4);
}

static gboolean
fake_count_text (gpointer self, const BackendQuestion *question, guint *tokens, GError **error)
{
  *tokens = text_tokens (question);
  return TRUE;
}

static gpointer
fake_encode (gpointer self, const MinivlImage *image, guint max_tiles, const gint *cancel, BackendPictureInfo *info, GError **error)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);
  MinivlImage layout = *image;
  guint8 rgb[3] = { 0 };
  FakePicture *picture;

  memcpy (rgb, image->data[0], MIN (image->stride[0], sizeof rgb)); /* a picture may be a byte */
  memcpy (last_rgb, rgb, sizeof rgb);
  memset (layout.data, 0, sizeof layout.data);
  last_layout = layout;
  if (watcher != NULL)
    watcher (image, watcher_data);
  if (enter (FAKE_ENCODE, cancel, NULL, 0) != GOES_ON) {
    g_set_error_literal (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED, "cancelled");
    return NULL;
  }
  if (fails (FAKE_ENCODE, error))
    return NULL;
  picture = g_new0 (FakePicture, 1);
  picture->frame = rig_frame_of (rgb);
  g_array_append_vals (encoded, &(Encoded){ picture->frame, layout }, 1);
  *info = (BackendPictureInfo){ .columns = max_tiles, .rows = 1, .preprocess_ns = took[0], .encode_ns = took[1] };
  live_pictures++;
  return picture;
}

/* Holds the lock. The answer in two pieces. */
static void
say (const BackendQuestion *question, const gchar *text)
{
  g_autofree gchar *half = g_strndup (text, strlen (text) / 2);

  g_mutex_unlock (&lock);
  question->on_text (half, question->user_data);
  question->on_text (text + strlen (half), question->user_data);
  g_mutex_lock (&lock);
}

/* Holds the lock. */
static void
answer_yes_or_no (BackendAnswer *answer, Outcome outcome)
{
  g_autofree gchar *score = outcome == GOES_ON ? g_queue_pop_head (&scores) : NULL;

  g_free (answer->text);
  answer->yes = outcome == GOES_ON ? 0 : -1;
  if (score != NULL)
    answer->yes = g_ascii_strtod (score, NULL);
  answer->text = g_strdup (answer->yes > 0.5 ? "Yes" : "No");
  if (outcome == GOES_ON)
    answer->finish_reason = "length";
  answer->output_tokens = 1;
  answer->drafted = answer->accepted = 0;
  answer->cached_tokens = 90;
}

/* The choice that the text is, twice as probable as any other; -1 and equal ones if it is none. */
static void
choose (BackendAnswer *answer, const gchar *const *choices)
{
  guint n = g_strv_length ((gchar **)choices), all;

  answer->choice = -1;
  for (guint i = 0; i < n; i++)
    if (g_str_equal (choices[i], answer->text))
      answer->choice = (gint)i;
  all = n + (answer->choice >= 0);
  answer->n_choices = n;
  answer->choice_probabilities = g_new (double, n);
  for (guint i = 0; i < n; i++)
    answer->choice_probabilities[i] = ((gint)i == answer->choice ? 2.0 : 1.0) / all;
}

/* Holds the lock. */
static gchar *
next_text (FakeStep step)
{
  gchar *text = step == FAKE_ASK ? g_queue_pop_head (&texts) : NULL;

  if (text != NULL)
    return text;
  return fixed_text != NULL ? g_strdup (fixed_text) : g_strdup_printf ("answer %u", steps[FAKE_ASK].calls);
}

/* Holds the lock. */
static FakeQuestion *
note (GPtrArray *list, const BackendQuestion *question)
{
  FakeQuestion *q = g_new0 (FakeQuestion, 1);

  q->text = g_strdup (question->text);
  q->system = g_strdup (question->system);
  q->params = question->params;
  q->params.choices = NULL;
  q->params.json_schema = NULL;
  q->choices = question->params.choices != NULL ? g_strjoinv ("|", (gchar **)question->params.choices) : NULL;
  q->schema = g_strdup (question->params.json_schema);
  q->n_pictures = question->n_pictures;
  g_assert_cmpuint (q->n_pictures, <=, G_N_ELEMENTS (q->frames));
  for (guint i = 0; i < q->n_pictures; i++)
    q->frames[i] = ((FakePicture *)question->pictures[i])->frame;
  q->priority = priority;
  q->n_history = question->n_history;
  g_assert_cmpuint (q->n_history, <=, G_N_ELEMENTS (q->history));
  for (guint i = 0; i < q->n_history; i++)
    q->history[i] = (BackendRound){ g_strdup (question->history[i].prompt), g_strdup (question->history[i].answer) };
  g_ptr_array_add (list, q);
  return q;
}

static gboolean
fake_ask (gpointer self, const BackendQuestion *question, const gint *cancel, BackendAnswer *answer, GError **error)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);
  FakeQuestion *q = note (questions, question);
  static const gchar *const reasons[] = { "stop", "cancelled", "deadline" };
  FakeStep step = question->params.want_yes ? FAKE_YES : FAKE_ASK;
  Outcome outcome;

  outcome = enter (step, cancel, NULL, question->params.deadline);
  if (fails (step, error))
    return FALSE;
  if (question->n_pictures == 0
      && text_tokens (question) + question->params.max_tokens > (context_size > 0 ? context_size : 8192)) {
    g_set_error_literal (error, MINIVL_ERROR, MINIVL_ERROR_BUDGET, "the text does not fit the context");
    return FALSE;
  }
  *answer = (BackendAnswer){
    .text = next_text (step),
    .finish_reason = reasons[outcome],
    .prompt_tokens = 100,
    .output_tokens = fixed_text != NULL && fixed_text[0] == '\0' ? 0 : 7,
    .cached_tokens = 5,
    .drafted = 4,
    .accepted = 3,
    .prefill_ns = took[2],
    .decode_ns = took[3],
    .yes = -1,
  };
  if (question->params.choices != NULL)
    choose (answer, question->params.choices);
  if (question->params.want_yes)
    answer_yes_or_no (answer, outcome);
  if (listener != NULL)
    listener (q, answer->text);
  if (question->on_text != NULL)
    say (question, answer->text);
  return TRUE;
}

static gboolean
fake_prepare (gpointer self, const BackendQuestion *question, guint expected, const gint *cancel, GError **error)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);
  Outcome outcome;

  note (prepared, question)->expected = expected;
  outcome = enter (FAKE_PREPARE, cancel, NULL, question->params.deadline);
  if (fails (FAKE_PREPARE, error))
    return FALSE;
  if (outcome != GOES_ON)
    g_set_error_literal (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED, "preparing was cancelled");
  return outcome == GOES_ON;
}

static void
fake_cancel (gpointer self)
{
  g_mutex_lock (&lock);
  g_cond_broadcast (&changed);
  g_mutex_unlock (&lock);
}

static void
fake_set_priority (gpointer self, gint value)
{
  g_mutex_lock (&lock);
  priority = value;
  g_mutex_unlock (&lock);
}

static void
fake_picture_unref (gpointer picture)
{
  g_mutex_lock (&lock);
  live_pictures--;
  g_mutex_unlock (&lock);
  g_free (picture);
}

static double
fake_similarity (gpointer a, gpointer b)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);

  return similarity_of != NULL ? similarity_of (((FakePicture *)a)->frame, ((FakePicture *)b)->frame) : 0;
}

static void
fake_close (gpointer self)
{
  g_mutex_lock (&lock);
  open_backends--;
  g_mutex_unlock (&lock);
}

const Backend backend_fake = {
  .check_shape = minivl_shape_check,
  .open = fake_open,
  .get_info = fake_get_info,
  .count_tokens = fake_count_tokens,
  .count_text = fake_count_text,
  .encode = fake_encode,
  .ask = fake_ask,
  .prepare = fake_prepare,
  .cancel = fake_cancel,
  .set_priority = fake_set_priority,
  .picture_unref = fake_picture_unref,
  .similarity = fake_similarity,
  .close = fake_close,
};

/* --- the element ------------------------------------------------------------------------------------------------------------- */

typedef struct
{
  GstMinivl parent;
} MinivlFake;

typedef GstMinivlClass MinivlFakeClass;

G_DEFINE_TYPE (MinivlFake, minivl_fake, GST_TYPE_MINIVL)
GST_ELEMENT_REGISTER_DEFINE (minivl_fake, "minivl", GST_RANK_NONE, minivl_fake_get_type ())

static void
minivl_fake_class_init (MinivlFakeClass *klass)
{
  klass->backend = &backend_fake;
}

static void
minivl_fake_init (MinivlFake *self)
{
}
