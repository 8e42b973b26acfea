/* Answers with and without frames that were prepared, by the worker, libminivl and the demo model. */
#include "gst/worker/worker.h"

#include <string.h>

#define WIDTH 64
#define HEIGHT 48
#define FRAMES 4 /* of a segment */
#define SEGMENTS 3
#define CAMERAS 2

typedef struct
{
  const Backend *backend;
  guint seed; /* of its pictures */
  gboolean live, waits;
  Worker *worker;
  GAsyncQueue *opened, *results; /* anything; Result */
  GPtrArray *answers;            /* Result */
} Camera;

/* --- a back end that tells what it has prepared ------------------------------------------------------------------------------ */

static GAsyncQueue *told; /* number of pictures + 1, of one camera; NULL: nobody waits */
static Backend telling, plain;

static gboolean
prepare_and_tell (gpointer self, const BackendQuestion *question, guint expected, const gint *cancel, GError **error)
{
  gboolean ok = backend_local.prepare (self, question, expected, cancel, error);

  if (ok && told != NULL)
    g_async_queue_push (told, GUINT_TO_POINTER (question->n_pictures + 1));
  return ok;
}

static void
await_prepared (guint n_pictures)
{
  while (GPOINTER_TO_UINT (g_async_queue_pop (told)) != n_pictures + 1)
    ;
}

/* --- cameras ----------------------------------------------------------------------------------------------------------------- */

static void
on_progress (double fraction, gpointer data)
{
}

static void
on_opened (const GError *error, gpointer data)
{
  g_assert_no_error (error);
  g_async_queue_push (((Camera *)data)->opened, data);
}

static void
on_result (Result *result, const GError *error, gpointer data)
{
  g_assert_no_error (error);
  g_async_queue_push (((Camera *)data)->results, result_ref (result));
}

static void
on_partial (const gchar *kind, guint64 id, guint64 start, guint64 stop, const gchar *text, gpointer data)
{
}

static Frame *
make_frame (const Camera *c, guint segment, guint place)
{
  Frame *frame = g_new0 (Frame, 1);
  guint32 state = c->seed * 1000 + segment * 10 + place;
  guint blocks[16];

  frame->refs = 1;
  frame->backend = c->backend;
  frame->size = WIDTH * HEIGHT * 3;
  frame->pixels = g_malloc (frame->size);
  for (guint i = 0; i < G_N_ELEMENTS (blocks); i++)
    blocks[i] = state = state * 1664525 + 1013904223;
  for (guint i = 0; i < frame->size; i++)
    frame->pixels[i] = blocks[i / (WIDTH * 3) / 12 * 4 + i % (WIDTH * 3) / 48] >> (8 + i % 3 * 8);
  frame->image = (MinivlImage){ .data = { frame->pixels }, .width = WIDTH, .height = HEIGHT, .stride = { WIDTH * 3 } };
  return frame;
}

/* Every frame is prepared before the next one comes, where `waits`. */
static void
film (Camera *c)
{
  SegmentSettings settings = { .prompt = (gchar *)"From {start}: what happens?",
    .params = MINIVL_PARAMS_INIT,
    .history = 2,
    .alerts = (gchar *)"Is there a car?" };

  settings.params.max_tokens = 20;
  for (guint segment = 0; segment < SEGMENTS; segment++) {
    guint64 id = worker_open_segment (c->worker, segment + 1, segment * GST_SECOND, -1, &settings);
    Result *result;

    for (guint place = 0; place < FRAMES; place++) {
      Frame *frame = make_frame (c, segment, place);

      worker_add_frame (c->worker, id, frame, 1);
      frame_unref (frame);
      if (c->waits)
        await_prepared (place + 1);
    }
    worker_close_segment (c->worker, id, (segment + 1) * GST_SECOND, 0);
    do {
      result = g_async_queue_pop (c->results);
      if (g_str_equal (result->kind, RESULT_SEGMENT))
        g_ptr_array_add (c->answers, result);
      else
        result_unref (result);
    } while (c->answers->len <= segment);
  }
}

static gpointer
run (gpointer data)
{
  static const WorkerCallbacks callbacks = { on_progress, on_opened, NULL, NULL, NULL, on_result, on_partial, NULL };
  WorkerConfig config = { .stream = "s", .frames = FRAMES, .max_tiles = 1, .max_backlog = 2, .max_bytes = G_MAXSIZE };
  Camera *c = data;

  c->opened = g_async_queue_new ();
  c->results = g_async_queue_new_full ((GDestroyNotify)result_unref);
  c->answers = g_ptr_array_new_with_free_func ((GDestroyNotify)result_unref);
  c->worker = worker_new (c->backend, &callbacks, c);
  worker_start (c->worker, &config);
  worker_set_live (c->worker, c->live, WORKER_WAITS);
  g_async_queue_pop (c->opened);
  film (c);
  worker_stop (c->worker);
  worker_free (c->worker);
  g_async_queue_unref (c->opened);
  g_async_queue_unref (c->results);
  return NULL;
}

static void
assert_same (const Camera *a, const Camera *b)
{
  for (guint i = 0; i < SEGMENTS; i++) {
    const Result *x = g_ptr_array_index (a->answers, i), *y = g_ptr_array_index (b->answers, i);

    g_assert_cmpstr (x->text, ==, y->text);
    g_assert_cmpuint (x->prompt_tokens, ==, y->prompt_tokens);
    g_assert_cmpuint (x->output_tokens, ==, y->output_tokens);
    g_assert_cmpstr (x->finish_reason, ==, y->finish_reason);
  }
}

/* --- tests ------------------------------------------------------------------------------------------------------------------- */

static Camera without[CAMERAS]; /* their answers, each by an engine of its own */

static void
test_answers_are_those_without (void)
{
  Camera with = { .backend = &telling, .seed = 0, .waits = TRUE };

  told = g_async_queue_new ();
  run (&with);
  g_clear_pointer (&told, g_async_queue_unref);
  assert_same (&with, &without[0]);
  for (guint i = 0; i < SEGMENTS; i++) {
    const Result *x = g_ptr_array_index (with.answers, i), *y = g_ptr_array_index (without[0].answers, i);

    g_assert_true (x->prepared);
    g_assert_false (y->prepared);
    /* Those in front of the frames are there anyway, but for the answer before. */
    g_assert_cmpuint (x->cached_tokens, >=, y->cached_tokens + x->picture_tokens);
    g_test_message ("%s: %u of %u tokens were there, %u without: %s", x->prompt, (guint)x->cached_tokens, (guint)x->prompt_tokens,
        (guint)y->cached_tokens, x->text);
  }
  g_ptr_array_unref (with.answers);
}

/* On one engine, beside a file whose frames are never prepared. */
static void
test_they_are_so_among_others (void)
{
  Camera cameras[CAMERAS + 1];
  GThread *threads[CAMERAS + 1];

  for (guint i = 0; i <= CAMERAS; i++) {
    cameras[i] = (Camera){ .backend = i < CAMERAS ? &telling : &plain, .seed = i < CAMERAS ? i : 9, .live = i < CAMERAS };
    threads[i] = g_thread_new ("camera", run, &cameras[i]);
  }
  for (guint i = 0; i <= CAMERAS; i++)
    g_thread_join (threads[i]);
  for (guint i = 0; i < CAMERAS; i++)
    assert_same (&cameras[i], &without[i]);
  for (guint i = 0; i <= CAMERAS; i++)
    g_ptr_array_unref (cameras[i].answers);
}

int
main (int argc, char **argv)
{
  int code;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  telling = plain = backend_local;
  telling.prepare = prepare_and_tell;
  plain.prepare = NULL;
  for (guint i = 0; i < CAMERAS; i++) {
    without[i] = (Camera){ .backend = &plain, .seed = i };
    run (&without[i]);
  }
#define RULE(name) g_test_add_func ("/early-model/" #name, test_##name)
  RULE (answers_are_those_without);
  RULE (they_are_so_among_others);
#undef RULE
  code = g_test_run ();
  for (guint i = 0; i < CAMERAS; i++)
    g_ptr_array_unref (without[i].answers);
  return code;
}
