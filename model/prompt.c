/* Marks that stand for pictures in a question, and what it may be answered by. */
#include "minivl.h"

#include <string.h>

guint
minivl_prompt_count_marks (const gchar *prompt)
{
  guint n = 0;

  while ((prompt = strstr (prompt, MINIVL_IMAGE_MARK))) {
    prompt += strlen (MINIVL_IMAGE_MARK);
    n++;
  }
  return n;
}

gchar *
minivl_prompt_add_marks (const gchar *prompt, guint n_pictures, guint n_frames)
{
  GString *text;

  if (minivl_prompt_count_marks (prompt) > 0)
    return g_strdup (prompt);
  text = g_string_new (NULL);
  if (n_pictures == 1)
    g_string_append (text, MINIVL_IMAGE_MARK "\n");
  for (guint i = 0; n_pictures > 1 && i < n_pictures; i++)
    g_string_append_printf (text, "Image-%u: " MINIVL_IMAGE_MARK "\n", i + 1);
  for (guint i = 0; i < n_frames; i++)
    g_string_append_printf (text, "Frame%u: " MINIVL_IMAGE_MARK "\n", i + 1);
  g_string_append (text, prompt);
  return g_string_free (text, FALSE);
}

gchar **
minivl_choices_split (const gchar *text)
{
  gchar **choices = g_strsplit_set (text, "|\r\n", -1);
  guint n = 0;

  for (guint i = 0; choices[i]; i++)
    if (*g_strstrip (choices[i]))
      choices[n++] = choices[i];
    else
      g_free (choices[i]);
  choices[n] = NULL;
  return choices;
}
