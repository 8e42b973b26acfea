/* The insides of the `text_src` pad: textsrc.c is its task, what it pushes and the pad's life; text-places.c is which time each
 * text gets, and what is told of time between texts; text-lost.c counts what is not delivered. */
#ifndef GST_MINIVL_TEXTSRC_PRIVATE_H
#define GST_MINIVL_TEXTSRC_PRIVATE_H

#include "textsrc.h"

G_BEGIN_DECLS

typedef struct
{
  GstEvent *start;  /* the video's STREAM_START, where `event` is the first one of a stream; or NULL */
  GstEvent *event;  /* SEGMENT, SEGMENT_DONE or EOS; else */
  Result *result;   /* NULL, without an event: owed */
  guint64 id;       /* of a text that is or was owed, whose time is fixed; 0: not owed */
  guint64 position; /* of the video when the item came; updated when it is sent, if that is in the same segment */
  guint64 duration;
} TextItem;

struct _GstMinivlTextSrc
{
  GstPad parent;
  gboolean (*held_up) (GstElement *element);

  GMutex lock; /* never held over a push */
  GCond changed;
  GQueue items; /* TextItem */
  guint n_events, n_results;
  gboolean flushing;
  gboolean stopped;        /* nobody will take a text any more */
  gboolean refused;        /* with an error, which was told: no more texts, unless for another stream or somebody else */
  gboolean ended;          /* EOS was sent */
  guint renewals;          /* how often there may have been somebody else behind the pad */
  guint greeted, seen;     /* as many when the last event was sent, and when what is in hand was taken */
  GstEvent *start;         /* the video's STREAM_START, to be sent before the next event; NULL: sent already */
  gboolean has_segment;    /* one has come since the last flush */
  guint64 first, position; /* of the video, in the last segment that came */
  guint64 end;             /* of the buffer at position */
  guint64 pace;            /* the longer one of its duration and its distance from the one before */
  GstSegment segment;      /* the last one that was sent */
  guint64 told;            /* where time on the pad has come to, in the last segment that was sent */
  guint64 shown;           /* the end of the last text there: a muxer makes an empty cue of a GAP in front of it */
  guint64 spoken;          /* the end of the last plain text there */
  TextTimestamp timestamp;
  guint64 duration;
  gboolean is_exact; /* texts last for `duration`, even if the next one comes */
  guint64 lost;
  const gchar *lost_why; /* to be told, static; NULL: nothing, or told already */
  gboolean lost_told;
  guint n_owed;
  gint64 push_began;     /* monotonic time, us, of the video buffer that is being handed on; 0: none is */
  gint64 push_asked;     /* when the element was asked whether the text is why it lasts; 0: not yet */
  gboolean push_lasts;   /* longer than LONG_PUSH */
  gboolean push_watched; /* the clock will look how long it lasts */
  gboolean push_told;

  gboolean is_json;
  GCond arrived;       /* or taken */
  gboolean is_stuck;   /* the branch took nothing when there was no room */
  gboolean on_its_way; /* a text has been pushed since the last GAP */
  gboolean awaited;    /* EOS waits until the first of such texts has arrived */
};

void text_item_free (TextItem *item);

/* All below hold the lock. */
/* event, result: (transfer full) (nullable) */
TextItem *text_item_new (GstMinivlTextSrc *pad, GstEvent *event, Result *result);
gboolean text_item_is_owed (const TextItem *item);
/* Results that were not sent are lost, by the will of whoever flushes or stops: it is not told. */
void text_src_clear_items (GstMinivlTextSrc *pad);
/* All but the results goes. They belong to the next segment. */
void text_src_keep_results (GstMinivlTextSrc *pad);
/* event: SEGMENT (transfer full) */
void text_src_add_segment (GstMinivlTextSrc *pad, GstEvent *event);
/* A result cannot be delivered. why: what the user is told by text_src_tell_lost(), static; NULL: nothing. */
void text_src_lose (GstMinivlTextSrc *pad, const gchar *why);
/* A text needs a segment and a time in it, unless an event waits, after which no time will come. */
gboolean text_src_item_is_due (GstMinivlTextSrc *pad);
gboolean text_src_gap_is_due (GstMinivlTextSrc *pad);
/* The first item, which must be due, with its time. (transfer full) */
TextItem *text_src_take_item (GstMinivlTextSrc *pad);
/* Of a plain text that was taken: MP4 and textoverlay know one at a time, so that it begins where the last one ends. */
void text_src_put_behind_last (GstMinivlTextSrc *pad, TextItem *item);
/* The GAP that is due. (transfer full) */
GstEvent *text_src_take_gap (GstMinivlTextSrc *pad);
void text_src_forget_told (GstMinivlTextSrc *pad);

/* Without the lock: warns of the first results that were lost since the start. */
void text_src_tell_lost (GstMinivlTextSrc *pad);

G_END_DECLS

#endif
