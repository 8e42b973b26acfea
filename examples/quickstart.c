/*
 * quickstart MODEL PICTURE PICTURE VIDEO: asks about one picture, then two, then a video, two rounds each.
 *
 * All there is to know to use minivl in an application; model/minivl.h is the manual.
 */
#include "media.h"

#include <minivl.h>
#include <stdio.h>

#define MAX_TILES 12 /* of a still picture; more show more detail and take more of the context */
#define N_FRAMES 4   /* of the video */

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
show (MinivlEngine *engine, MinivlSession *session, const MediaFrame *frame, guint max_tiles, GError **error)
{
  const MinivlImage image = {
    .data = { frame->data }, .width = frame->width, .height = frame->height, .stride = { frame->stride }
  };
  g_autoptr (MinivlPicture) picture = minivl_picture_new (engine, &image, max_tiles, NULL, error);

  if (!picture)
    return FALSE;
  minivl_session_add_pictures (session, &picture, 1);
  return TRUE;
}

static gboolean
show_file (MinivlEngine *engine, MinivlSession *session, const gchar *path, GError **error)
{
  g_auto (MediaFrame) frame = { 0 };

  return media_read_picture (path, &frame, error) && show (engine, session, &frame, MAX_TILES, error);
}

/* The middles of equal parts of the video, a tile each. */
static gboolean
show_video (MinivlEngine *engine, MinivlSession *session, const gchar *path, GError **error)
{
  g_autoptr (MediaVideo) video = media_video_open (path, error);
  gint64 indices[N_FRAMES];

  if (!video)
    return FALSE;
  minivl_sample_frames (media_video_get_frames (video), media_video_get_fps (video), 0, -1, N_FRAMES, indices);
  for (guint i = 0; i < N_FRAMES; i++) {
    g_auto (MediaFrame) frame = { 0 };

    if (!media_video_read (video, indices[i], &frame, error) || !show (engine, session, &frame, 1, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
converse (gchar **paths, GError **error)
{
  const MinivlEngineOptions options = { .model_path = paths[0] };
  g_autoptr (MinivlEngine) engine = minivl_engine_open (&options, error);
  g_autoptr (MinivlSession) session = engine ? minivl_session_new (engine, error) : NULL;

  if (!session)
    return FALSE;
  printf ("%s on %s\n", minivl_engine_get_info (engine)->model, minivl_engine_get_info (engine)->device);

  /* Without marks in the prompt, a picture goes in front of it. A further round computes only what is new. */
  if (!show_file (engine, session, paths[1], error) || !ask (session, "Describe the picture.", error)
      || !ask (session, "What is in the background?", error))
    return FALSE;

  /* Another conversation. Marks say where each picture goes. */
  minivl_session_reset (session);
  if (!show_file (engine, session, paths[1], error) || !show_file (engine, session, paths[2], error)
      || !ask (session, "Image-1: <image>\nImage-2: <image>\nWhat differs between the two?", error)
      || !ask (session, "And what is the same?", error))
    return FALSE;

  minivl_session_reset (session);
  return show_video (engine, session, paths[3], error)
         && ask (session, "Frame1: <image>\nFrame2: <image>\nFrame3: <image>\nFrame4: <image>\nWhat happens in the video?", error)
         && ask (session, "How does it end?", error);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  if (argc != 5) {
    fprintf (stderr, "usage: quickstart MODEL PICTURE PICTURE VIDEO\n");
    return 2;
  }
  if (!converse (argv + 1, &error)) {
    fprintf (stderr, "quickstart: %s\n", error->message);
    return 1;
  }
  return 0;
}
