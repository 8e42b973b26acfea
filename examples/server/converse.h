/* Answers what is asked: media become pictures, messages rounds of a session, and the last question is put to the engine. */
#ifndef SERVER_CONVERSE_H
#define SERVER_CONVERSE_H

#include "album.h"
#include "ask.h"
#include "metrics.h"
#include "settings.h"

#include <gio/gio.h>

typedef struct
{
  MinivlEngine *engine;
  const Settings *settings;
  Metrics *metrics;
  Album *album;
  GCancellable *cancellable;
  const gint *cancel; /* atomic: the same for the engine */
} Conversing;

/* As a MinivlTextFunc; session: whose answer it is, for minivl_session_get_tokens() */
typedef void (*ConverseText) (MinivlSession *session, const gchar *text, gpointer user_data);

/* Computes the answer. on_text: nullable. What was asked for only as far as it fits, the length and the seed, is
 * decided here, in ask->params. FALSE: refused, with status 499 when cancelled. An answer that was cancelled is success, see its
 * `finish`. Any thread. */
gboolean converse (const Conversing *c, Ask *ask, ConverseText on_text, gpointer user_data, MinivlAnswer *answer, Refusal *refusal);

#endif
