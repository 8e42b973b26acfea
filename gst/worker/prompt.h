/* From the `prompt` property to the question that the model is asked. */
#ifndef GST_MINIVL_PROMPT_H
#define GST_MINIVL_PROMPT_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  guint64 start, stop; /* of the segment, ns of stream time */
  guint64 number;      /* of the segment, from 1 */
  const gchar *stream;
  const gchar *utc;     /* of the start; NULL: not known */
  const gchar *label;   /* of the regions that are asked about; NULL: it is not about regions */
  const gchar *reports; /* lines; NULL: it does not sum up reports */
} PromptFacts;

/* Puts the facts in place of {start}, {stop} (H:MM:SS.mmm), {n}, {stream}, {utc} ("unknown" where it is not known), {label} and
 * {reports}, Those without a value stay as they are, as other braces do. (transfer full) */
gchar *prompt_expand (const gchar *prompt, const PromptFacts *facts);

/* The prompt as it is asked, marks for frames included, up to the *n_pictures'th mark. It ends before what a segment tells only at
 * its end, {stop} and {label}; *n_pictures then becomes the number of marks in front. (transfer full) */
gchar *prompt_begin (const gchar *prompt, const PromptFacts *facts, guint *n_pictures);

/* Replaces what follows the last mark; all in front of it stays as it was. (transfer full) */
gchar *prompt_replace_words (const gchar *prompt, const gchar *words);

/* The prompt without its marks, for a round whose frames are gone. (transfer full) */
gchar *prompt_remove_marks (const gchar *prompt);

G_END_DECLS

#endif
