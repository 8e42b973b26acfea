/*
 * quickstart MODEL PICTURE PICTURE FRAME...: the conversations of the model's card, in its order and words:
 * 1 text alone; 2, 3 a picture, asked about once and twice; 4, 5 two pictures, joined and apart; 6 and 7 at once, as a batch;
 * 8 a video; 9 a streamed answer; 10 sampled answers. Pictures and the video's frames are PPM files, as `ffmpeg -i FILE %04d.ppm`
 * makes them.
 *
 * All there is to know to use minivl in an application; model/minivl.h is the manual. It is built by
 * cc quickstart.c $(pkg-config --cflags --libs minivl)
 */
#include <minivl.h>
#include <stdio.h>

#define MAX_TILES 6  /* of a still picture; more show more detail and take more of the context */
#define N_SEGMENTS 8 /* equal parts of the video, whose middle frames are shown, a tile each */
#define FPS 25
#define MAX_TOKENS 1024

/* Encoded once, and shown to as many conversations as like. */
typedef struct
{
  MinivlEngine *engine;
  MinivlPicture *pictures[2];
  MinivlPicture *frames[N_SEGMENTS];
} Media;

/* --- pictures -------------------------------------------------------------------------------------------------------------- */

/* A binary PPM without comments: a line of text, then RGB. An application has its pixels from elsewhere. NULL: it cannot be read */
static MinivlPicture *
load_image (MinivlEngine *engine, const gchar *path, guint max_tiles, GError **error)
{
  g_autofree gchar *bytes = NULL;
  MinivlImage image = { 0 };
  guint depth = 0;
  gsize size;
  int header = 0;

  if (!g_file_get_contents (path, &bytes, &size, error))
    return NULL;
  sscanf (bytes, "P6 %5u %5u %3u%n", &image.width, &image.height, &depth, &header);
  if (header == 0 || depth != 255 || size != header + 1 + (gsize)image.width * image.height * 3) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s is no binary PPM of 8 bits", path);
    return NULL;
  }
  image.data[0] = (const guint8 *)bytes + header + 1;
  image.stride[0] = (gsize)image.width * 3;
  return minivl_picture_new (engine, &image, max_tiles, NULL, error);
}

static gboolean
load_media (Media *m, gchar **paths, guint n_paths, GError **error)
{
  gint64 indices[N_SEGMENTS];

  minivl_sample_frames (n_paths - 2, FPS, 0, -1, N_SEGMENTS, indices);
  for (guint i = 0; i < G_N_ELEMENTS (m->pictures); i++)
    if (!(m->pictures[i] = load_image (m->engine, paths[i], MAX_TILES, error)))
      return FALSE;
  for (guint i = 0; i < N_SEGMENTS; i++)
    if (!(m->frames[i] = load_image (m->engine, paths[2 + indices[i]], 1, error)))
      return FALSE;
  return TRUE;
}

static void
clear_media (Media *m)
{
  for (guint i = 0; i < G_N_ELEMENTS (m->pictures); i++)
    g_clear_pointer (&m->pictures[i], minivl_picture_unref);
  for (guint i = 0; i < N_SEGMENTS; i++)
    g_clear_pointer (&m->frames[i], minivl_picture_unref);
  minivl_engine_unref (m->engine);
}

/* --- a round --------------------------------------------------------------------------------------------------------------- */

static void
tell (const gchar *question, const MinivlAnswer *answer)
{
  printf ("User: %s\nAssistant: %s\n", question, answer->text);
  printf ("[%u tokens asked, %u of them known; %u answered: %s]\n", answer->prompt_tokens, answer->cached_tokens,
      answer->output_tokens, minivl_finish_to_string (answer->finish));
}

/* Of a session that has rounds already, only what is new is computed. */
static gboolean
ask (MinivlSession *session, const gchar *question, const MinivlParams *params, GError **error)
{
  g_auto (MinivlAnswer) answer = { 0 };

  if (!minivl_session_ask (session, question, params, NULL, NULL, &answer, error))
    return FALSE;
  tell (question, &answer);
  return TRUE;
}

/* --- conversations --------------------------------------------------------------------------------------------------------- */

/* Each begins with an empty session, and params that take the best token every time. FALSE: it failed */
typedef gboolean (*Conversation) (MinivlSession *session, const Media *m, MinivlParams *params, GError **error);

static gboolean
text_alone (MinivlSession *session, const Media *m, MinivlParams *params, GError **error)
{
  return ask (session, "Hello, who are you?", params, error) && ask (session, "Can you tell me a story?", params, error);
}

static gboolean
a_picture (MinivlSession *session, const Media *m, MinivlParams *params, GError **error)
{
  minivl_session_add_pictures (session, &m->pictures[0], 1);
  return ask (session, "<image>\nPlease describe the image shortly.", params, error);
}

static gboolean
a_picture_in_two_rounds (MinivlSession *session, const Media *m, MinivlParams *params, GError **error)
{
  minivl_session_add_pictures (session, &m->pictures[0], 1);
  return ask (session, "<image>\nPlease describe the image in detail.", params, error)
         && ask (session, "Please write a poem according to the image.", params, error);
}

/* What is added by one call stands for one mark. */
static gboolean
pictures_joined (MinivlSession *session, const Media *m, MinivlParams *params, GError **error)
{
  minivl_session_add_pictures (session, m->pictures, 2);
  return ask (session, "<image>\nDescribe the two images in detail.", params, error)
         && ask (session, "What are the similarities and differences between these two images.", params, error);
}

static gboolean
pictures_apart (MinivlSession *session, const Media *m, MinivlParams *params, GError **error)
{
  minivl_session_add_pictures (session, &m->pictures[0], 1);
  minivl_session_add_pictures (session, &m->pictures[1], 1);
  return ask (session, "Image-1: <image>\nImage-2: <image>\nDescribe the two images in detail.", params, error)
         && ask (session, "What are the similarities and differences between these two images.", params, error);
}

#define BATCH_QUESTION "<image>\nDescribe the image in detail."

typedef struct
{
  MinivlSession *session;
  const MinivlParams *params;
  MinivlAnswer answer;
  GError *error;
} Sample;

static gpointer
answer_sample (gpointer data)
{
  Sample *s = data;

  minivl_session_ask (s->session, BATCH_QUESTION, s->params, NULL, NULL, &s->answer, &s->error);
  return NULL;
}

/* Two conversations: what several threads ask is computed together. */
static gboolean
a_batch (MinivlSession *session, const Media *m, MinivlParams *params, GError **error)
{
  g_autoptr (MinivlSession) second = minivl_session_new (m->engine, error);
  Sample samples[] = { { session, params, { 0 }, NULL }, { second, params, { 0 }, NULL } };
  GThread *threads[G_N_ELEMENTS (samples)];
  gboolean ok = TRUE;

  if (!second)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (samples); i++) {
    minivl_session_add_pictures (samples[i].session, &m->pictures[i], 1);
    threads[i] = g_thread_new ("sample", answer_sample, &samples[i]);
  }
  for (guint i = 0; i < G_N_ELEMENTS (samples); i++) {
    g_thread_join (threads[i]);
    if (samples[i].error) {
      g_clear_error (error);
      g_propagate_error (error, samples[i].error);
      ok = FALSE;
    } else
      tell (BATCH_QUESTION, &samples[i].answer);
    minivl_answer_clear (&samples[i].answer);
  }
  return ok;
}

static gboolean
a_video (MinivlSession *session, const Media *m, MinivlParams *params, GError **error)
{
  /* Frame1: <image>\nFrame2: <image>\n... */
  g_autofree gchar *question = minivl_prompt_add_marks ("What is the red panda doing?", 0, N_SEGMENTS);

  for (guint i = 0; i < N_SEGMENTS; i++)
    minivl_session_add_pictures (session, &m->frames[i], 1);
  return ask (session, question, params, error) && ask (session, "Describe this video in detail. Don't repeat.", params, error);
}

static void
on_text (const gchar *text, gpointer user_data)
{
  fputs (text, stdout);
  fflush (stdout);
}

/* Without marks in the question, pictures go in front of it; as in the card, all frames by one mark. */
static gboolean
a_streamed_answer (MinivlSession *session, const Media *m, MinivlParams *params, GError **error)
{
  g_auto (MinivlAnswer) answer = { 0 };
  gboolean ok;

  minivl_session_add_pictures (session, m->frames, N_SEGMENTS);
  ok = minivl_session_ask (session, "Describe this video in detail. Don't repeat.", params, on_text, NULL, &answer, error);
  printf ("\n");
  return ok;
}

static gboolean
sampled_answers (MinivlSession *session, const Media *m, MinivlParams *params, GError **error)
{
  params->top_k = 40;
  params->top_p = 0.8;
  params->temperature = 0.8;
  params->seed = 1; /* same seed, same text */
  minivl_session_add_pictures (session, &m->pictures[0], 1);
  return ask (session, "describe this image", params, error) && ask (session, "What is the woman doing?", params, error);
}

/* --- all of them ----------------------------------------------------------------------------------------------------------- */

static gboolean
converse (gchar **paths, guint n_paths, GError **error)
{
  static const struct
  {
    const gchar *name;
    Conversation run;
  } conversations[] = { { "1: text alone", text_alone }, { "2: a picture", a_picture },
    { "3: a picture, in two rounds", a_picture_in_two_rounds }, { "4: two pictures, joined", pictures_joined },
    { "5: two pictures, apart", pictures_apart }, { "6 and 7: at once", a_batch }, { "8: a video", a_video },
    { "9: a streamed answer", a_streamed_answer }, { "10: sampled answers", sampled_answers } };
  /* What is not said has a default: the first GPU, 16 bits or what fits, a context of 8192 tokens or what fits. */
  const MinivlEngineOptions options = { .model_path = paths[0] };
  Media m = { .engine = minivl_engine_open (&options, error) };
  gboolean ok = m.engine != NULL;

  if (ok)
    printf ("%s on %s\n", minivl_engine_get_info (m.engine)->model, minivl_engine_get_info (m.engine)->device);
  ok = ok && load_media (&m, paths + 1, n_paths - 1, error);
  for (guint i = 0; ok && i < G_N_ELEMENTS (conversations); i++) {
    g_autoptr (MinivlSession) session = minivl_session_new (m.engine, error);
    MinivlParams params = MINIVL_PARAMS_INIT;

    params.max_tokens = MAX_TOKENS;
    printf ("\n%s\n", conversations[i].name);
    ok = session && conversations[i].run (session, &m, &params, error);
  }
  clear_media (&m);
  return ok;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  if (argc < 5) {
    fprintf (stderr, "usage: quickstart MODEL PICTURE PICTURE FRAME...\n");
    return 2;
  }
  if (!converse (argv + 1, argc - 1, &error)) {
    fprintf (stderr, "quickstart: %s\n", error->message);
    return 1;
  }
  return 0;
}
