/* What the files of the element share: its insides, and who does what. */
#ifndef GST_MINIVL_ELEMENT_H
#define GST_MINIVL_ELEMENT_H

#include "gstminivl.h"
#include "pace.h"
#include "settings.h"
#include "stats.h"
#include "textsrc.h"

G_BEGIN_DECLS

struct _GstMinivl
{
  GstBaseTransform parent;
  const Backend *backend;
  Worker *worker;

  /* under the object's lock */
  Settings settings;
  GstMinivlTextSrc *text; /* NULL when it was not requested */
  guint64 text_lost;      /* by text pads that are gone */
  guint32 seek_seqnum;    /* of the last one sent upstream */
  gboolean seek_result;

  /* the streaming thread, between start and stop */
  Segmenter segmenter;
  FrameCopier copier;
  GstVideoInfo info; /* no format: no caps yet */
  guint64 first_id;  /* of the segments since start */
  gboolean bounds_checked, reverse_told, copy_told;

  gint ask_live; /* atomic: whether upstream is live has to be asked (again) */
  gint live;     /* atomic: what it said */

  /* the worker's thread alone */
  gint percent; /* that was told of loading */
  Pace pace;

  GMutex results_lock;
  GQueue results; /* Result, those that wait for a buffer */
  Stats stats;
};

/* (transfer full) (nullable) */
GstMinivlTextSrc *element_get_text (GstMinivl *self);

/* --- tell.c: what the worker tells, as messages ------------------------------------------------------------------------------- */

extern const WorkerCallbacks tell_callbacks;
void tell_progress (GstMinivl *self, GstProgressType type, const gchar *text);
/* As of now. (transfer full) */
GstStructure *tell_stats (GstMinivl *self);

/* --- describe.c: from buffers to segments, in the streaming thread ------------------------------------------------------------ */

/* The length of the video in stream time, for the segmenter. */
guint64 describe_query_length (gpointer self);
/* Asks upstream whether it is live, if that has to be asked, and goes by the answer. */
void describe_ask_live (GstMinivl *self);
void describe_buffer (GstMinivl *self, GstBuffer *buffer);
/* Ends the segments in hand; what comes next starts anew. */
void describe_close (GstMinivl *self);
/* After a flush. */
void describe_reset (GstMinivl *self);
/* By caps and the rate of playback. */
void describe_set_rate (GstMinivl *self, double applied_rate);

/* --- events.c ----------------------------------------------------------------------------------------------------------------- */

/* Before the event goes on. */
void events_sink (GstMinivl *self, GstEvent *event);
/* (transfer full) */
gboolean events_src (GstMinivl *self, GstEvent *event);
gboolean events_text (GstPad *pad, GstObject *parent, GstEvent *event);
gboolean events_text_query (GstPad *pad, GstObject *parent, GstQuery *query);

G_END_DECLS

#endif
