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
  const gchar *utc; /* of the start; NULL: not known */
} PromptFacts;

/* Puts the facts in place of {start}, {stop} (H:MM:SS.mmm), {n}, {stream} and {utc} ("unknown" where it is not known). Other braces
 * stay. (transfer full) */
gchar *prompt_expand (const gchar *prompt, const PromptFacts *facts);

/* The prompt with a mark for each frame in front, as the reference asks about a video. One that has marks is left alone.
 * (transfer full) */
gchar *prompt_add_marks (const gchar *prompt, guint n_frames);

G_END_DECLS

#endif
