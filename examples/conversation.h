/*
 * One conversation: its pictures and frames read and encoded, its rounds asked and reported. minivl-chat has one, a batch many.
 *
 * Functions that can fail return FALSE with @error of domain G_OPTION_ERROR, G_FILE_ERROR or MINIVL_ERROR. One thread at a time.
 */
#ifndef EXAMPLES_CONVERSATION_H
#define EXAMPLES_CONVERSATION_H

#include "media.h"
#include "options.h"

/* Says what is being done; NULL: it is done. */
typedef void (*ConversationStep) (const gchar *what);

typedef struct
{
  const Options *options;   /* of all but the topic; borrowed, and so are the next */
  Topic *topic;             /* whose first prompt is given the marks that stand nowhere */
  gint *interrupted;        /* atomic: set, what is under way ends with MINIVL_ERROR_CANCELLED, and an answer as cancelled */
  ConversationStep on_step; /* nullable */

  GArray *sources;     /* Source */
  GArray *marks;       /* Mark */
  MediaVideo *video;   /* NULL: none */
  GPtrArray *pictures; /* MinivlPicture, one a source */
  guint n_frames;      /* sources that are the video's, behind the pictures */
  GArray *frames;      /* gint64, their indices as they were shown */
  GArray *frame_times; /* gint64, ns; -1: not known */
  gchar *warning;      /* of the video's damage; NULL: none */
  MinivlEngine *engine;
  MinivlSession *session;
  guint64 load_ns; /* that the first round waited for the engine; 0 at first */
  guint64 preprocess_ns, encode_ns;
  guint marks_asked;
} Conversation;

/* Cleared with conversation_clear(), before what it borrows. */
void conversation_init (Conversation *c, const Options *options, Topic *topic, gint *interrupted);
void conversation_clear (Conversation *c);

/* Reads the pictures and the video's first frame, and counts the marks: what cannot be used is told before a model is there. */
gboolean conversation_read (Conversation *c, GError **error);
/* Encodes all that was read. A reference on the engine is taken. */
gboolean conversation_begin (Conversation *c, MinivlEngine *engine, GError **error);
/* The topic's prompts, each once and in order; on_text and answer as in minivl_session_ask(). */
gboolean conversation_ask (
    Conversation *c, guint round, MinivlTextFunc on_text, gpointer user_data, MinivlAnswer *answer, GError **error);

/* The round that was asked last, as one line of JSON without its newline. (transfer full) */
gchar *conversation_report (const Conversation *c, guint round, const MinivlAnswer *answer);
/* Whose the system message is. */
const gchar *conversation_system_source (const Conversation *c);
/* FALSE with MINIVL_ERROR_CANCELLED when it is interrupted. */
gboolean conversation_goes_on (const Conversation *c, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Conversation, conversation_clear)

#endif
