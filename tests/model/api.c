#include "api.h"

#include <string.h>

#include "checkpoint.h"

gchar *api_model;
MinivlEngine *api_engine;

static gchar *folder;

MinivlEngine *
api_open_model (const gchar *path, const gchar *device, GError **error)
{
  const MinivlEngineOptions options = {
    .model_path = path, .device = device, .precision = MINIVL_PRECISION_F32, .context_size = CONTEXT
  };

  return minivl_engine_open (&options, error);
}

MinivlSession *
api_new_session (void)
{
  g_autoptr (GError) error = NULL;
  MinivlSession *session = minivl_session_new (api_engine, &error);

  g_assert_no_error (error);
  g_assert_nonnull (session);
  return session;
}

void
api_ask (MinivlSession *session, const gchar *prompt, guint max_tokens, MinivlAnswer *answer)
{
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (GError) error = NULL;
  gboolean ok;

  params.max_tokens = max_tokens;
  ok = minivl_session_ask (session, prompt, &params, NULL, NULL, answer, &error);
  g_assert_no_error (error);
  g_assert_true (ok);
}

void
api_refuse (MinivlSession *session, const gchar *prompt, const MinivlParams *params, MinivlError code)
{
  g_autoptr (GError) error = NULL;
  MinivlAnswer answer = { .prompt_tokens = 77 };

  g_assert_false (minivl_session_ask (session, prompt, params, NULL, NULL, &answer, &error));
  g_assert_error (error, MINIVL_ERROR, code);
  g_assert_cmpuint (strlen (error->message), >, 10);
  g_assert_cmpuint (answer.prompt_tokens, ==, 77);
}

void
api_assert_same_prompt (const MinivlAnswer *a, const MinivlAnswer *b)
{
  g_assert_cmpmem (a->input_ids, a->prompt_tokens * 4, b->input_ids, b->prompt_tokens * 4);
}

void
api_assert_same (const MinivlAnswer *a, const MinivlAnswer *b)
{
  api_assert_same_prompt (a, b);
  g_assert_cmpmem (a->token_ids, a->output_tokens * 4, b->token_ids, b->output_tokens * 4);
  g_assert_cmpstr (a->text, ==, b->text);
}

/* RGB, of as many colours as it has pixels. (transfer full) */
guint8 *
api_make_pixels (guint width, guint height, MinivlImage *image)
{
  guint8 *data = g_malloc (width * height * 3);

  for (guint i = 0; i < width * height * 3; i++)
    data[i] = i * 7 + i / width;
  *image = (MinivlImage){ .data = { data }, .width = width, .height = height, .stride = { width * 3 } };
  return data;
}

MinivlPicture *
api_make_picture (guint width, guint height)
{
  g_autoptr (GError) error = NULL;
  MinivlImage image;
  g_autofree guint8 *data = api_make_pixels (width, height, &image);
  MinivlPicture *picture = minivl_picture_new (api_engine, &image, 12, NULL, &error);

  g_assert_no_error (error);
  /* Borrowed only until then. */
  memset (data, 0, width * height * 3);
  return picture;
}

int
api_run (int argc, char **argv, void (*add_tests) (void))
{
  g_autoptr (GError) error = NULL;
  int code;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("minivl-api-XXXXXX", NULL);
  g_assert_nonnull (folder);
  api_model = checkpoint_make (folder);
  api_engine = api_open_model (api_model, NULL, &error);
  g_assert_no_error (error);
  add_tests ();
  code = g_test_run ();
  minivl_engine_unref (api_engine);
  checkpoint_remove (folder);
  g_free (api_model);
  g_free (folder);
  return code;
}
