#include "prompt.h"

#include "model/minivl.h"

#include <string.h>

static void
append_time (GString *s, guint64 ns)
{
  guint64 ms = ns / 1000000;

  g_string_append_printf (s, "%" G_GUINT64_FORMAT ":%02u:%02u.%03u", ms / 3600000, (guint)(ms / 60000 % 60),
      (guint)(ms / 1000 % 60), (guint)(ms % 1000));
}

gchar *
prompt_expand (const gchar *prompt, const PromptFacts *facts)
{
  GString *s = g_string_new (NULL);
  const gchar *p = prompt;

  while (*p != '\0') {
    if (g_str_has_prefix (p, "{start}")) {
      append_time (s, facts->start);
      p += strlen ("{start}");
    } else if (g_str_has_prefix (p, "{stop}")) {
      append_time (s, facts->stop);
      p += strlen ("{stop}");
    } else if (g_str_has_prefix (p, "{n}")) {
      g_string_append_printf (s, "%" G_GUINT64_FORMAT, facts->number);
      p += strlen ("{n}");
    } else if (g_str_has_prefix (p, "{stream}")) {
      g_string_append (s, facts->stream);
      p += strlen ("{stream}");
    } else if (g_str_has_prefix (p, "{utc}")) {
      g_string_append (s, facts->utc != NULL ? facts->utc : "unknown");
      p += strlen ("{utc}");
    } else if (facts->label != NULL && g_str_has_prefix (p, "{label}")) {
      g_string_append (s, facts->label);
      p += strlen ("{label}");
    } else if (facts->reports != NULL && g_str_has_prefix (p, "{reports}")) {
      g_string_append (s, facts->reports);
      p += strlen ("{reports}");
    } else {
      g_string_append_c (s, *p++);
    }
  }
  return g_string_free (s, FALSE);
}

/* What is in front of the word, if it is there. (transfer full) */
static gchar *
front_of (const gchar *text, const gchar *word)
{
  const gchar *at = strstr (text, word);

  return g_strndup (text, at != NULL ? (gsize)(at - text) : strlen (text));
}

gchar *
prompt_begin (const gchar *prompt, const PromptFacts *facts, guint *n_pictures)
{
  g_autofree gchar *whole = prompt_expand (prompt, facts), *text = NULL;
  const gchar *end, *mark;
  guint n = 0;

  if (minivl_prompt_count_marks (whole) == 0) {
    text = minivl_prompt_add_marks ("", 0, *n_pictures);
  } else {
    g_autofree gchar *front = front_of (prompt, "{stop}"), *known = front_of (front, "{label}");

    text = prompt_expand (known, facts);
  }
  for (end = text; n < *n_pictures && (mark = strstr (end, MINIVL_IMAGE_MARK)) != NULL; n++)
    end = mark + strlen (MINIVL_IMAGE_MARK);
  *n_pictures = n;
  return g_strndup (text, end - text);
}

gchar *
prompt_replace_words (const gchar *prompt, const gchar *words)
{
  const gchar *last = g_strrstr (prompt, MINIVL_IMAGE_MARK);
  gsize kept = last != NULL ? last - prompt + strlen (MINIVL_IMAGE_MARK) : 0;

  return g_strdup_printf ("%.*s%s%s", (gint)kept, prompt, kept > 0 ? "\n" : "", words);
}

gchar *
prompt_remove_marks (const gchar *prompt)
{
  GString *s = g_string_new (NULL);

  for (const gchar *mark; (mark = strstr (prompt, MINIVL_IMAGE_MARK)) != NULL; prompt = mark + strlen (MINIVL_IMAGE_MARK))
    g_string_append_len (s, prompt, mark - prompt);
  g_string_append (s, prompt);
  return g_string_free (s, FALSE);
}
