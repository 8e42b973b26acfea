/* The back end that answers in this process, asked as the element's worker does, on a small random checkpoint. */
#include "../model/checkpoint.h"
#include "gst/backends/backend.h"

#include <string.h>

#define CONTEXT 512

static gchar *folder, *model;
static gpointer self;

static gboolean
on_progress (double fraction, gpointer user_data)
{
  return TRUE;
}

static void
ask (const BackendQuestion *question, const gint *cancel, BackendAnswer *answer)
{
  g_autoptr (GError) error = NULL;

  memset (answer, 0, sizeof *answer);
  g_assert_true (backend_local.ask (self, question, cancel, answer, &error));
  g_assert_no_error (error);
}

static void
count_text (const gchar *text, gpointer user_data)
{
  ++*(guint *)user_data;
}

static void
test_a_cancel_before_the_question_answers_nothing (void)
{
  guint n_texts = 0;
  BackendQuestion question = { .text = "What?", .params = MINIVL_PARAMS_INIT, .on_text = count_text, .user_data = &n_texts };
  gint cancel = TRUE;
  BackendAnswer answer;

  question.params.max_tokens = 20;
  ask (&question, &cancel, &answer);
  g_assert_cmpstr (answer.finish_reason, ==, "cancelled");
  g_assert_cmpstr (answer.text, ==, "");
  g_assert_cmpuint (answer.output_tokens, ==, 0);
  g_assert_cmpuint (n_texts, ==, 0);
  g_free (answer.text);

  cancel = FALSE;
  ask (&question, &cancel, &answer);
  g_assert_cmpuint (answer.output_tokens, >, 0);
  g_assert_cmpuint (n_texts, >, 0);
  g_free (answer.text);
}

/* A picture of its own for each seed. (transfer full) */
static gpointer
encode (guint seed)
{
  guint8 pixels[40 * 30 * 3];
  const MinivlImage image = { .data = { pixels }, .width = 40, .height = 30, .stride = { 120 } };
  g_autoptr (GError) error = NULL;
  BackendPictureInfo info;
  gpointer picture;

  for (guint i = 0; i < sizeof pixels; i++)
    pixels[i] = i * seed + i / 120;
  picture = backend_local.encode (self, &image, 1, NULL, &info, &error);
  g_assert_no_error (error);
  return picture;
}

/* The frames come one after the other, and each is computed when it is there. */
static void
test_a_question_is_prepared_as_its_frames_come (void)
{
  gpointer pictures[2] = { encode (3), encode (5) };
  BackendQuestion question = { .text = "Frame1: <image>\n", .pictures = pictures, .n_pictures = 1, .params = MINIVL_PARAMS_INIT };
  g_autoptr (GError) error = NULL;
  BackendAnswer answer;

  question.params.max_tokens = 4;
  g_assert_true (backend_local.prepare (self, &question, 0, NULL, &error));
  g_assert_no_error (error);
  question.text = "Frame1: <image>\nFrame2: <image>\n";
  question.n_pictures = 2;
  g_assert_true (backend_local.prepare (self, &question, 0, NULL, &error));
  g_assert_no_error (error);
  question.text = "Frame1: <image>\nFrame2: <image>\nWhat happens?";
  ask (&question, NULL, &answer);
  /* What is left is the question's words and the marks behind them. */
  g_assert_cmpuint (answer.prompt_tokens - answer.cached_tokens, <=, 24);
  g_assert_cmpuint (answer.cached_tokens, >=, 2 * 16);
  g_free (answer.text);
  backend_local.picture_unref (pictures[0]);
  backend_local.picture_unref (pictures[1]);
}

static void
test_preparing_is_cancelled (void)
{
  BackendQuestion question = { .text = "Something else", .params = MINIVL_PARAMS_INIT };
  g_autoptr (GError) error = NULL;
  gint cancel = TRUE;

  question.params.max_tokens = 4;
  g_assert_false (backend_local.prepare (self, &question, 0, &cancel, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED);
}

int
main (int argc, char **argv)
{
  BackendOptions options = {
    .engine = { .precision = MINIVL_PRECISION_F32, .context_size = CONTEXT, .on_progress = on_progress },
  };
  g_autoptr (GError) error = NULL;
  int code;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("minivl-local-XXXXXX", NULL);
  g_assert_nonnull (folder);
  options.engine.model_path = model = checkpoint_make (folder);
  self = backend_local.open (&options, &error);
  g_assert_no_error (error);
#define RULE(name) g_test_add_func ("/local/" #name, test_##name)
  RULE (a_cancel_before_the_question_answers_nothing);
  RULE (a_question_is_prepared_as_its_frames_come);
  RULE (preparing_is_cancelled);
#undef RULE
  code = g_test_run ();
  backend_local.close (self);
  checkpoint_remove (folder);
  g_free (model);
  g_free (folder);
  return code;
}
