/* The worker by itself, where a harness would need megabytes of video. */
#include "gst/worker/worker.h"
#include "rig.h"

typedef struct
{
  GAsyncQueue *results; /* Result */
  GAsyncQueue *opened;  /* anything: one for each time */
  Worker *worker;
  guint frames_added; /* atomic */
  GMutex speaking;    /* held: answers do not come to their end, not even by being cancelled */
} Bench;

static void
on_progress (double fraction, gpointer data)
{
}

static void
on_opened (const GError *error, gpointer data)
{
  g_async_queue_push (((Bench *)data)->opened, GINT_TO_POINTER (error != NULL ? 2 : 1));
}

static void
on_result (Result *result, const GError *error, gpointer data)
{
  g_async_queue_push (((Bench *)data)->results, result_ref (result));
}

static void
on_refused (const GError *error, gpointer data)
{
}

static void
on_reopened (guint tries, gpointer data)
{
}

static void
on_partial (const gchar *kind, guint64 id, guint64 start, guint64 stop, const gchar *text, gpointer data)
{
  Bench *bench = data;

  g_mutex_lock (&bench->speaking);
  g_mutex_unlock (&bench->speaking);
}

static void
on_dropped (guint64 answered, guint64 dropped, guint64 running_time, gpointer data)
{
}

static Bench *
bench_new (gsize max_bytes)
{
  static const WorkerCallbacks callbacks = { on_progress, on_opened, on_refused, on_reopened, NULL, on_result, on_partial,
    on_dropped };
  WorkerConfig config = { .options = { .engine = { .model_path = "/fake" } },
    .stream = "s",
    .frames = 2,
    .max_tiles = 1,
    .max_backlog = 2,
    .max_bytes = max_bytes };
  Bench *bench = g_new0 (Bench, 1);

  bench->results = g_async_queue_new_full ((GDestroyNotify)result_unref);
  bench->opened = g_async_queue_new ();
  bench->worker = worker_new (&backend_fake, &callbacks, bench);
  worker_start (bench->worker, &config);
  return bench;
}

static void
bench_free (Bench *bench)
{
  worker_stop (bench->worker);
  worker_free (bench->worker);
  g_async_queue_unref (bench->results);
  g_async_queue_unref (bench->opened);
  g_mutex_clear (&bench->speaking);
  g_free (bench);
  g_assert_cmpuint (fake_live_pictures (), ==, 0);
  g_assert_cmpuint (fake_open_backends (), ==, 0);
}

static Frame *
make_frame (gsize size)
{
  Frame *frame = g_new0 (Frame, 1);

  frame->refs = 1;
  frame->backend = &backend_fake;
  frame->size = size;
  frame->pixels = g_malloc0 (MAX (size, 3));
  frame->image = (MinivlImage){ .data = { frame->pixels }, .width = 1, .height = 1, .stride = { 3 } };
  return frame;
}

static void
open_segment (Bench *bench, guint64 id)
{
  SegmentSettings settings = { .prompt = (gchar *)"?", .params = MINIVL_PARAMS_INIT };

  g_assert_true (worker_open_segment (bench->worker, id, 0, -1, &settings) == id || worker_has_failed (bench->worker));
}

static void
add_frame (Bench *bench, guint64 id, guint times)
{
  Frame *frame = make_frame (100);

  worker_wait_for_room (bench->worker);
  worker_add_frame (bench->worker, id, frame, times);
  frame_unref (frame);
  g_atomic_int_inc (&bench->frames_added);
}

static gpointer
add_ten (gpointer data)
{
  for (guint i = 0; i < 10; i++)
    add_frame (data, 1, 1);
  return NULL;
}

static void
test_waiting_pixels_are_bounded (void)
{
  Bench *bench;
  GThread *thread;

  fake_reset ();
  fake_hold (FAKE_ENCODE);
  bench = bench_new (250);
  open_segment (bench, 1);
  thread = g_thread_new ("adder", add_ten, bench);
  for (guint i = 1; i <= 10; i++) {
    fake_await (FAKE_ENCODE, i);
    /* i - 1 are encoded; with three of a hundred bytes waiting there is no room for a fourth */
    g_assert_cmpuint (g_atomic_int_get (&bench->frames_added), <=, i - 1 + 3);
    fake_release (FAKE_ENCODE, 1);
  }
  g_thread_join (thread);
  bench_free (bench);
}

/* They are those of a segment that is still open, so that it gives no result meanwhile. */
static void
test_waiting_pixels_do_not_wait_for_a_lost_device (void)
{
  Bench *bench;
  GThread *thread;
  Result *result;

  fake_reset ();
  fake_fail_next (FAKE_ENCODE, MINIVL_ERROR_DEVICE, "the device was lost");
  bench = bench_new (250);
  g_async_queue_pop (bench->opened);
  fake_fail_times (FAKE_OPEN, MINIVL_ERROR_DEVICE, "no such device", G_MAXUINT);
  open_segment (bench, 1);
  thread = g_thread_new ("adder", add_ten, bench);
  fake_await (FAKE_OPEN, 2);
  g_thread_join (thread);
  worker_close_segment (bench->worker, 1, 10, 10);
  result = g_async_queue_pop (bench->results);
  g_assert_cmpstr (result->finish_reason, ==, "error");
  result_unref (result);
  bench_free (bench);
}

static void
test_a_frame_of_several_places_is_encoded_once (void)
{
  Bench *bench;
  Result *result;

  fake_reset ();
  bench = bench_new (1000);
  open_segment (bench, 1);
  add_frame (bench, 1, 3);
  worker_close_segment (bench->worker, 1, 10, 10);
  result = g_async_queue_pop (bench->results);
  g_assert_cmpuint (result->frames->len, ==, 3);
  g_assert_cmpuint (result->tiles->len, ==, 6);
  g_assert_cmpuint (result->encode, ==, 2000);
  g_assert_cmpuint (fake_question (0)->n_pictures, ==, 3);
  g_assert_cmpuint (fake_count (FAKE_ENCODE), ==, 1);
  result_unref (result);
  bench_free (bench);
}

/* Else those that overlap would seem to take more time than there is. */
static void
test_a_shared_frame_takes_its_time_once (void)
{
  Bench *bench;
  Frame *shared = make_frame (100);

  fake_reset ();
  bench = bench_new (1000);
  open_segment (bench, 1);
  add_frame (bench, 1, 1);
  open_segment (bench, 2);
  worker_add_frame (bench->worker, 1, shared, 1);
  worker_add_frame (bench->worker, 2, shared, 1);
  frame_unref (shared);
  worker_close_segment (bench->worker, 1, 10, 10);
  add_frame (bench, 2, 1);
  worker_close_segment (bench->worker, 2, 20, 20);
  for (guint id = 1; id <= 2; id++) {
    g_autoptr (Result) result = g_async_queue_pop (bench->results);

    g_assert_cmpuint (result->tiles->len, ==, 4);
    g_assert_cmpuint (result->preprocess, ==, id == 1 ? 2000 : 1000);
    g_assert_cmpuint (result->encode, ==, id == 1 ? 4000 : 2000);
  }
  bench_free (bench);
}

static void
test_answers_come_before_later_pictures (void)
{
  Bench *bench;

  fake_reset ();
  fake_hold (FAKE_OPEN);
  bench = bench_new (1000);
  for (guint64 id = 1; id <= 2; id++) {
    open_segment (bench, id);
    add_frame (bench, id, 1);
    add_frame (bench, id, 1);
  }
  worker_close_segment (bench->worker, 1, 10, 10);
  fake_hold (FAKE_ASK);
  fake_release_all (FAKE_OPEN);
  fake_await (FAKE_ASK, 1);
  g_assert_cmpuint (fake_count (FAKE_ENCODE), ==, 2);
  fake_release_all (FAKE_ASK);
  fake_await (FAKE_ENCODE, 4);
  bench_free (bench);
}

static void
test_a_segment_without_frames_is_an_error (void)
{
  Bench *bench;
  Result *result;

  fake_reset ();
  bench = bench_new (1000);
  open_segment (bench, 1);
  worker_close_segment (bench->worker, 1, 10, 10);
  result = g_async_queue_pop (bench->results);
  g_assert_cmpstr (result->finish_reason, ==, "error");
  g_assert_cmpuint (fake_count (FAKE_ASK), ==, 0);
  result_unref (result);
  bench_free (bench);
}

static void
test_nothing_waits_for_a_model_that_failed (void)
{
  Bench *bench;

  fake_reset ();
  fake_hold (FAKE_OPEN);
  bench = bench_new (50);
  open_segment (bench, 1);
  add_frame (bench, 1, 1);
  fake_fail_next (FAKE_OPEN, MINIVL_ERROR_FILE, "no");
  fake_release_all (FAKE_OPEN);
  g_assert_cmpint (GPOINTER_TO_INT (g_async_queue_pop (bench->opened)), ==, 2);
  g_assert_cmpint (worker_drain (bench->worker, GST_CLOCK_TIME_NONE), ==, WORKER_DRAINED); /* of segment 1 */
  g_assert_true (worker_has_failed (bench->worker));
  for (guint64 id = 2; id < 9; id++) {
    open_segment (bench, id);
    add_frame (bench, id, 1);
    worker_close_segment (bench->worker, id, 10, 10);
  }
  g_assert_cmpint (worker_drain (bench->worker, GST_CLOCK_TIME_NONE), ==, WORKER_DRAINED);
  bench_free (bench);
}

/* Who gives an answer up does not wait for long. */
static void
test_an_answer_that_was_given_up_is_told_when_stopping (void)
{
  Bench *bench;
  Result *result;

  fake_reset ();
  fake_hold (FAKE_ASK);
  bench = bench_new (1000);
  g_mutex_lock (&bench->speaking);
  open_segment (bench, 1);
  add_frame (bench, 1, 1);
  worker_close_segment (bench->worker, 1, 10, 10);
  fake_await (FAKE_ASK, 1);
  g_assert_cmpint (worker_drain (bench->worker, 0), ==, WORKER_TIMED_OUT);
  worker_interrupt (bench->worker);
  g_mutex_unlock (&bench->speaking);
  worker_stop (bench->worker);
  result = g_async_queue_try_pop (bench->results);
  g_assert_nonnull (result);
  g_assert_cmpstr (result->finish_reason, ==, "flush");
  g_assert_null (g_async_queue_try_pop (bench->results));
  result_unref (result);
  bench_free (bench);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);

#define RULE(name) g_test_add_func ("/worker/" #name, test_##name)
  RULE (waiting_pixels_are_bounded);
  RULE (waiting_pixels_do_not_wait_for_a_lost_device);
  RULE (a_frame_of_several_places_is_encoded_once);
  RULE (a_shared_frame_takes_its_time_once);
  RULE (answers_come_before_later_pictures);
  RULE (a_segment_without_frames_is_an_error);
  RULE (an_answer_that_was_given_up_is_told_when_stopping);
  RULE (nothing_waits_for_a_model_that_failed);
#undef RULE
  return g_test_run ();
}
