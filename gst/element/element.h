/* What the files of the element share: its struct, and which file does what. */
#ifndef GST_MINIVL_ELEMENT_H
#define GST_MINIVL_ELEMENT_H

#include "frame-copier.h"
#include "gst/results/stats.h"
#include "gst/results/textsrc.h"
#include "gstminivl.h"
#include "settings.h"
#include "standstill.h"
#include "timeline.h"
#include "too-slow.h"
#include "vulkan-input.h"

G_BEGIN_DECLS

/* A frame that was copied: what the model is shown of it, and its whole picture. In a g_rc_box. */
typedef struct
{
  GPtrArray *frames; /* Frame, or NULL for one without any of the regions that are asked about */
  Frame *picture;    /* NULL: none was copied */
} Sample;

/* A segment that has begun: its number for the segmenter, its id for all others. */
typedef struct
{
  guint64 number, id;
  Sample *held; /* as the segmenter asks for; NULL: nothing */
} OpenSegment;

struct _GstMinivl
{
  GstBaseTransform parent;
  GstPadChainFunction base_chain; /* of GstBaseTransform */
  const Backend *backend;
  Worker *worker;

  /* under the object's lock */
  Settings settings;
  gboolean is_started;     /* properties that are read at the start are fixed */
  GstMinivlTextSrc *text;  /* NULL: not requested */
  guint64 text_lost;       /* by text pads that were released */
  GstEvent *segment, *eos; /* that came last, for a text pad to come; NULL: none */
  guint64 answer_time;     /* the longest that an answer took behind its segment, ns, rounded up to tenths of a second */
  guint32 seek_seqnum;     /* of the last one sent upstream */
  gboolean seek_result;

  /* the streaming thread, between start and stop */
  Segmenter segmenter;
  Timeline timeline;
  Standstill *standstill;
  guint64 lateness; /* of a live frame, behind its running time */
  GstBuffer *last;  /* of a recording, the frame before; NULL: none, or it was copied */
  Sample *last_sample;
  guint64 last_time;
  gboolean recording_asked;
  GArray *waiting; /* Arrival of sampling.c: frames that may be strays */
  FrameCopier copier;
  VulkanInput *vulkan; /* NULL: no Vulkan frame was sampled yet */
  gchar *roi;          /* label of the regions to ask about; NULL: whole frames */
  GstVideoInfo info;   /* no format: no caps yet */
  GArray *open;        /* OpenSegment, oldest first */
  Journal *journal;    /* NULL: none; the worker's thread alone, while it runs */
  gboolean bounds_checked, reverse_told, untimed_told;
  gboolean is_timed;     /* a buffer of this stream had a time */
  guint n_untimed;       /* buffers of this stream that had none */
  gboolean marks_places; /* from before the start */
  guint64 n_marked;
  double roi_confidence; /* least of a region */
  gboolean demo_told;    /* in this life or an earlier one */

  gint ask_live; /* atomic: upstream has to be asked whether it is live */
  gint live;     /* atomic: its answer */

  /* the worker's thread alone */
  gint percent;            /* of loading that was posted last */
  gint64 opened;           /* monotonic time, us: since when there is somebody to answer */
  gboolean skipped_told;   /* the warning about lines that are no results was posted */
  gboolean journal_failed; /* and the user was warned */
  gboolean unread_told;    /* the warning about frames that cannot be read was posted */
  TooSlow too_slow;

  GMutex results_lock;
  GQueue results; /* Result, waiting for a buffer to be a meta of */
  Stats stats;
};

/* (transfer full) (nullable) */
GstMinivlTextSrc *element_get_text (GstMinivl *self);

/* --- held-up.c ---------------------------------------------------------------------------------------------------------------- */

/* Warns that a queue is missing if the text may be what holds the video up; TRUE: it did. */
gboolean held_up (GstElement *element);

/* --- announce.c: posts what the worker tells as messages
 * --------------------------------------------------------------------------- */

extern const WorkerCallbacks announce_callbacks;
void announce_progress (GstMinivl *self, GstProgressType type, const gchar *text);
/* As of now. (transfer full) */
GstStructure *announce_stats (GstMinivl *self);

/* --- answer-shape.c: what the properties choices and json-schema ask --------------------------------------------------------- */

gboolean answer_shape_is_property (const gchar *name);
/* Reads them for the segments to come. FALSE: there can be no such answers, and an error was posted. */
gboolean answer_shape_start (GstMinivl *self);
/* Sets one of the two while the element runs; with a warning it stays as it is where there could be no answers. */
void answer_shape_set (GstMinivl *self, guint id, const gchar *name, const GValue *value);

/* --- admit.c: which buffers are looked at, in the streaming thread --------------------------------------------------------------
 */

typedef enum
{
  ADMIT_LOOKED_AT,
  ADMIT_TIMED,   /* it is passed on, and its time counts */
  ADMIT_PASSES,  /* it is passed on, and has no time */
  ADMIT_REFUSED, /* an error was posted */
} Admission;

/* FALSE: there are none yet, and an error was posted. */
gboolean admit_has_caps (GstMinivl *self);
Admission admit_buffer (GstMinivl *self, GstBuffer *buffer);
void admit_stream_start (GstMinivl *self);
/* Posts an error if no buffer of the stream had a time. */
void admit_eos (GstMinivl *self);

/* --- sampling.c: from buffers to segments, in the streaming thread ------------------------------------------------------------ */

/* The length of the video in stream time; the segmenter asks for it. */
guint64 sampling_query_length (gpointer self);
/* Asks upstream whether it is live, if necessary, and acts on the answer. */
void sampling_ask_live (GstMinivl *self);
void sampling_buffer (GstMinivl *self, GstBuffer *buffer);
void sampling_init (GstMinivl *self);
/* Forgets what is open and what waits. */
void sampling_clear (GstMinivl *self);
void sampling_finalize (GstMinivl *self);
/* The video begins with this segment. */
void sampling_start (GstMinivl *self, const GstSegment *segment);
/* Whether the buffer goes on a little behind an earlier one. */
gboolean sampling_is_jitter (GstMinivl *self, GstBuffer *buffer);
/* Ends the open segments; the next frame starts a new one. */
void sampling_close (GstMinivl *self);
/* As sampling_close(), and asks them `prompt` unless it is NULL. */
void sampling_cut (GstMinivl *self, const gchar *prompt);
/* After a flush. */
void sampling_reset (GstMinivl *self);
/* Derives the frame rate from the caps and the rate of playback. */
void sampling_set_rate (GstMinivl *self, double applied_rate);

/* Fills the Place of the buffer that is handed on. */
void sampling_mark_place (GstMinivl *self, GstBuffer *buffer);

/* --- events.c ----------------------------------------------------------------------------------------------------------------- */

/* Call it before the event is passed on. */
void events_sink (GstMinivl *self, GstEvent *event);
/* (transfer full) */
gboolean events_src (GstMinivl *self, GstEvent *event);
gboolean events_text (GstPad *pad, GstObject *parent, GstEvent *event);
gboolean events_text_query (GstPad *pad, GstObject *parent, GstQuery *query);

G_END_DECLS

#endif
