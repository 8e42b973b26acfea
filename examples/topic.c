/* What a conversation is about: see topic.h. */
#include "topic.h"

#include <math.h>
#include <string.h>

static void
clear_image (gpointer data)
{
  g_free (((ImageOption *)data)->path);
}

void
topic_init (Topic *topic)
{
  *topic = (Topic){ .images = g_array_new (FALSE, FALSE, sizeof (ImageOption)) };
  g_array_set_clear_func (topic->images, clear_image);
}

void
topic_clear (Topic *topic)
{
  g_clear_pointer (&topic->images, g_array_unref);
  if (topic->video)
    g_free (topic->video->path);
  g_free (topic->video);
  g_strfreev (topic->prompts);
  *topic = (Topic){ NULL };
}

/* --- files with a tail ----------------------------------------------------------------------------------------------------- */

/* Splits `FILE[:TAIL[:TAIL]]` where a file of that name is, the longest first, for names may hold colons. tail NULL: none. */
static gboolean
split_file (const gchar *text, guint max_tails, gchar **path, gchar **tail, GError **error)
{
  g_autofree gchar *head = g_strdup (text);

  *tail = NULL;
  for (guint tails = 0;; tails++) {
    gchar *colon;

    if (g_file_test (head, G_FILE_TEST_EXISTS)) {
      *path = g_strdup (head);
      if (tails > 0)
        *tail = g_strdup (text + strlen (head) + 1);
      return TRUE;
    }
    colon = strrchr (head, ':');
    if (!colon || tails == max_tails) {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "%s: no such file", text);
      return FALSE;
    }
    *colon = '\0';
  }
}

gboolean
topic_add_image (Topic *topic, const gchar *text, GError **error)
{
  ImageOption image = { .max_tiles = 6 };
  g_autofree gchar *path = NULL, *tail = NULL;
  guint64 n;

  if (!split_file (text, 1, &path, &tail, error))
    return FALSE;
  if (tail) {
    if (!g_ascii_string_to_unsigned (tail, 10, 1, 40, &n, NULL)) {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s: MAX_TILES is 1 to 40, not \"%s\"", text, tail);
      return FALSE;
    }
    image.max_tiles = n;
  }
  image.path = g_steal_pointer (&path);
  g_array_append_val (topic->images, image);
  return TRUE;
}

/* A number of seconds from *text on, which is moved behind it. */
static gboolean
parse_seconds (const gchar **text, double *seconds)
{
  gchar *end;

  if (!g_ascii_isdigit (**text) && **text != '.')
    return FALSE;
  *seconds = g_ascii_strtod (*text, &end);
  if (end == *text || !isfinite (*seconds))
    return FALSE;
  *text = end;
  return TRUE;
}

static gboolean
parse_bound (VideoOption *video, const gchar *bound)
{
  return parse_seconds (&bound, &video->start) && *bound++ == '-' && parse_seconds (&bound, &video->stop) && *bound == '\0'
         && video->start < video->stop;
}

gboolean
topic_set_video (Topic *topic, const gchar *text, GError **error)
{
  g_autofree gchar *path = NULL, *tail = NULL;
  gchar *bound = NULL;
  guint64 n;

  if (!split_file (text, 2, &path, &tail, error))
    return FALSE;
  topic->video = g_new0 (VideoOption, 1);
  topic->video->path = g_steal_pointer (&path);
  topic->video->segments = 8;
  topic->video->stop = -1;
  if (!tail)
    return TRUE;
  bound = strchr (tail, ':');
  if (bound)
    *bound++ = '\0';
  if (!g_ascii_string_to_unsigned (tail, 10, 1, 100000, &n, NULL)) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s: SEGMENTS is a number from 1, not \"%s\"", text, tail);
    return FALSE;
  }
  topic->video->segments = n;
  if (bound && !parse_bound (topic->video, bound)) {
    g_set_error (
        error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s: START-STOP are seconds, START before STOP, not \"%s\"", text, bound);
    return FALSE;
  }
  return TRUE;
}
