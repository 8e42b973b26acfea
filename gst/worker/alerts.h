/*
 * Yes/no questions about a segment, and which of them stand at yes. The worker's thread alone.
 *
 * They are asked behind the segment's own question, with everything in front of it that is in front of that one, so that the back
 * end has to compute nothing but their own words. A question is told apart by its text: it keeps its state when others come and go.
 */
#ifndef GST_MINIVL_ALERTS_H
#define GST_MINIVL_ALERTS_H

#include "gst/backends/backend.h"

G_BEGIN_DECLS

/* Of an answer: its first one says it. */
#define ALERT_TOKENS 1

typedef struct
{
  gchar *question;
  BackendAnswer answer;
} AlertAnswer;

typedef struct
{
  GPtrArray *active; /* gchar: the questions that stand at yes */
  GArray *answers;   /* AlertAnswer, of the last alerts_ask() */
  gchar *told_of;    /* the list whose trouble was told last */
} Alerts;

typedef enum
{
  ALERT_STAYS,
  ALERT_RISES,
  ALERT_FALLS,
} AlertChange;

void alerts_init (Alerts *a);
void alerts_clear (Alerts *a);
/* No question stands at yes, nothing was told. */
void alerts_forget (Alerts *a);

/* The questions of the property, which are separated by `;` or line ends: each once, none blank. NULL: none. (transfer full) */
GStrv alerts_list (const gchar *property);
/* Length of the longest one, in bytes. */
gsize alerts_longest (const gchar *property);

/* asked: of the segment, with the history as it was asked. Those that could not be answered have no answer; being cancelled is no
 * error. Returns FALSE when that is to be told: in the same list not twice, but for a device that was lost. */
gboolean alerts_ask (Alerts *a, const Backend *backend, gpointer self, const gchar *property, const BackendQuestion *asked,
    const gint *cancel, GError **error);

/* There are no answers any more. */
void alerts_take_back (Alerts *a);

/* What the score, 0..1, makes of a question's state. */
AlertChange alerts_note (Alerts *a, const gchar *question, double score, double threshold, double hysteresis);
/* Nobody will ask what is not in the property any more: those of them that stood at yes, which they do not from now on.
 * (transfer full): gchar */
GPtrArray *alerts_drop_others (Alerts *a, const gchar *property);

G_END_DECLS

#endif
