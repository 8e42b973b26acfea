/*
 * quickstart MODEL PICTURE PICTURE FRAME...: asks about one picture, then two, then a video, two rounds each. Pictures and the
 * video's frames are PPM files, as `ffmpeg -i FILE %04d.ppm` makes them.
 *
 * All there is to know to use minivl in an application; model/minivl.h is the manual. It is built by
 * cc quickstart.c $(pkg-config --cflags --libs minivl)
 */
#include <minivl.h>
#include <stdio.h>

#define MAX_TILES 12 /* of a still picture; more show more detail and take more of the context */
#define N_FRAMES 4   /* of the video, that are shown */
#define FPS 25

static void
on_text (const gchar *text, gpointer user_data)
{
  fputs (text, stdout);
  fflush (stdout);
}

/* One round: the text as it comes, then what it took. */
static gboolean
ask (MinivlSession *session, const gchar *prompt, GError **error)
{
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_auto (MinivlAnswer) answer = { 0 };

  params.max_tokens = 48;
  printf ("\n> %s\n", prompt);
  if (!minivl_session_ask (session, prompt, &params, on_text, NULL, &answer, error))
    return FALSE;
  printf ("\n[%u tokens asked, %u of them known; %u answered: %s]\n", answer.prompt_tokens, answer.cached_tokens,
      answer.output_tokens, minivl_finish_to_string (answer.finish));
  return TRUE;
}

/* Encodes pixels; they stand for the next `<image>` mark. The session keeps the picture. */
static gboolean
show (MinivlEngine *engine, MinivlSession *session, const MinivlImage *image, guint max_tiles, GError **error)
{
  g_autoptr (MinivlPicture) picture = minivl_picture_new (engine, image, max_tiles, NULL, error);

  if (!picture)
    return FALSE;
  minivl_session_add_pictures (session, &picture, 1);
  return TRUE;
}

/* A binary PPM without comments: a line of text, then RGB. An application has its pixels from elsewhere. */
static gboolean
show_file (MinivlEngine *engine, MinivlSession *session, const gchar *path, guint max_tiles, GError **error)
{
  g_autofree gchar *bytes = NULL;
  MinivlImage image = { 0 };
  guint depth = 0;
  gsize size;
  int header = 0;

  if (!g_file_get_contents (path, &bytes, &size, error))
    return FALSE;
  sscanf (bytes, "P6 %5u %5u %3u%n", &image.width, &image.height, &depth, &header);
  if (header == 0 || depth != 255 || size != header + 1 + (gsize)image.width * image.height * 3) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s is no binary PPM of 8 bits", path);
    return FALSE;
  }
  image.data[0] = (const guint8 *)bytes + header + 1;
  image.stride[0] = (gsize)image.width * 3;
  return show (engine, session, &image, max_tiles, error);
}

/* The middles of equal parts of the video, a tile each. */
static gboolean
show_video (MinivlEngine *engine, MinivlSession *session, gchar **frames, guint n_frames, GError **error)
{
  gint64 indices[N_FRAMES];

  minivl_sample_frames (n_frames, FPS, 0, -1, N_FRAMES, indices);
  for (guint i = 0; i < N_FRAMES; i++)
    if (!show_file (engine, session, frames[indices[i]], 1, error))
      return FALSE;
  return TRUE;
}

static gboolean
converse (gchar **paths, guint n_paths, GError **error)
{
  const MinivlEngineOptions options = { .model_path = paths[0] };
  g_autoptr (MinivlEngine) engine = minivl_engine_open (&options, error);
  g_autoptr (MinivlSession) session = engine ? minivl_session_new (engine, error) : NULL;
  g_autofree gchar *about_video = minivl_prompt_add_marks ("What happens in the video?", 0, N_FRAMES);

  if (!session)
    return FALSE;
  printf ("%s on %s\n", minivl_engine_get_info (engine)->model, minivl_engine_get_info (engine)->device);

  /* Without marks in the prompt, a picture goes in front of it. A further round computes only what is new. */
  if (!show_file (engine, session, paths[1], MAX_TILES, error) || !ask (session, "Describe the picture.", error)
      || !ask (session, "What is in the background?", error))
    return FALSE;

  /* Another conversation. Marks say where each picture goes. */
  minivl_session_reset (session);
  if (!show_file (engine, session, paths[1], MAX_TILES, error) || !show_file (engine, session, paths[2], MAX_TILES, error)
      || !ask (session, "Image-1: <image>\nImage-2: <image>\nWhat differs between the two?", error)
      || !ask (session, "And what is the same?", error))
    return FALSE;

  minivl_session_reset (session);
  return show_video (engine, session, paths + 3, n_paths - 3, error) && ask (session, about_video, error)
         && ask (session, "How does it end?", error);
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
