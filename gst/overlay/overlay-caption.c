#include "overlay-caption.h"

#include <string.h>

/* Letters: their usual size is a part of the picture's width or height, and at least so many pixels. */
#define LETTERS_IN_WIDTH 36
#define LETTERS_IN_HEIGHT 24
#define SMALLEST_USUAL 12
#define SMALLEST 8
/* In letter sizes, for the widest sans-serif fonts. */
#define LINE_HEIGHT 1.2
#define NARROW 0.62
#define CAPITAL 0.8
#define WIDE 1.0
/* Parts of the picture's height: up to the first, letters keep their usual size; the text never takes more than the second. */
#define USUAL_SHARE 0.5
#define LARGEST_SHARE 0.85
/* Pango's units in a pixel, at the 96 dots an inch that textoverlay draws with. */
#define UNITS 768

#define ELLIPSIS "…"
#define FONT "Sans"
#define ALERT_COLOR "#ff5050"

static guint
usual_size (const CaptionSpace *space)
{
  return MAX (SMALLEST_USUAL, MIN (space->width / LETTERS_IN_WIDTH, space->height / LETTERS_IN_HEIGHT));
}

guint
caption_margin (const CaptionSpace *space)
{
  return MIN (usual_size (space) * 2 / 3, MIN (space->width, space->height) / 8);
}

static double
width_of (gunichar c)
{
  if (g_unichar_iszerowidth (c))
    return 0;
  if (g_unichar_iswide (c))
    return WIDE;
  return g_unichar_isupper (c) ? CAPITAL : NARROW;
}

/* Bytes of the text that fit into `most` lines of so many pixels; *lines: how many they take. Lines end between words, and within
 * one that is longer than a line. */
static gsize
lay_out (const gchar *text, guint size, double line, guint most, guint *lines)
{
  const gchar *p, *word = text;
  double x = 0, of_word = 0;

  *lines = 1;
  for (p = text; *p != '\0'; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char (p);
    double width = size * width_of (c);
    gboolean is_space = g_unichar_isspace (c), is_full = c == '\n' || (!is_space && x + width > line);

    if (is_space || g_unichar_iswide (c) || (is_full && x == of_word)) {
      word = p;
      of_word = 0;
    }
    if (is_full && *lines == most)
      return (gsize)(word - text);
    if (is_full) {
      (*lines)++;
      x = of_word;
    }
    if (c == '\n')
      continue;
    x += width;
    of_word += is_space ? 0 : width;
  }
  return (gsize)(p - text);
}

static double
line_of (const CaptionSpace *space)
{
  return space->width - MIN (space->width, 2 * caption_margin (space));
}

static guint
count_lines (const CaptionPart *parts, guint n_parts, guint size, double line)
{
  guint sum = 0;

  for (guint i = 0; i < n_parts; i++) {
    guint lines;

    lay_out (parts[i].text, size, line, G_MAXUINT, &lines);
    sum += lines;
  }
  return sum;
}

static guint
choose_size (const CaptionPart *parts, guint n_parts, const CaptionSpace *space)
{
  guint size = usual_size (space);

  while (size > SMALLEST && count_lines (parts, n_parts, size, line_of (space)) * size * LINE_HEIGHT > USUAL_SHARE * space->height)
    size--;
  return size;
}

static void
append (GString *markup, const CaptionPart *part, gsize length)
{
  g_autofree gchar *text = g_markup_escape_text (part->text, (gssize)length);

  g_string_append_printf (markup, part->is_alert ? "%s<span foreground=\"" ALERT_COLOR "\" weight=\"bold\">%s%s</span>" : "%s%s%s",
      markup->len > 0 ? "\n" : "", text, part->text[length] != '\0' ? ELLIPSIS : "");
}

gchar *
caption_markup (const CaptionPart *parts, guint n_parts, const CaptionSpace *space)
{
  g_autoptr (GString) markup = g_string_new (NULL);
  guint size = choose_size (parts, n_parts, space);
  guint left = MAX (1, (guint)(LARGEST_SHARE * space->height / (size * LINE_HEIGHT)));

  for (guint i = 0; i < n_parts && left > 0; i++) {
    gsize length = strlen (parts[i].text);
    guint lines = 0;

    if (!space->own_font)
      length = lay_out (parts[i].text, size, line_of (space), left, &lines);
    append (markup, &parts[i], length);
    left -= lines;
  }
  if (markup->len == 0 || space->own_font)
    return g_string_free (g_steal_pointer (&markup), FALSE);
  return g_strdup_printf ("<span face=\"" FONT "\" size=\"%u\">%s</span>", size * UNITS, markup->str);
}
