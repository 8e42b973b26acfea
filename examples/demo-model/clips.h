/* Clips drawn from seeds, and what the element `minivl` says of them when they come out of a video decoder. */
#ifndef DEMO_MODEL_CLIPS_H
#define DEMO_MODEL_CLIPS_H

#include "grammar.h"

#include <gst/gst.h>

#define CLIP_RATE 10 /* frames a second */
#define CLIP_SECONDS 8
#define CLIP_FRAMES (CLIP_RATE * CLIP_SECONDS)
#define CLIP_QUESTIONS 3

/* (transfer full): frame n of n_frames of a scene, RGB. width: a multiple of 4. */
GstBuffer *clips_draw (const YardScene *scene, guint n, guint n_frames, guint width, guint height);

typedef struct
{
  YardScene scene; /* not of a test pattern */
  YardFacts facts;
  guint questions[CLIP_QUESTIONS];         /* as grammar.h counts them */
  const gchar *asked[CLIP_QUESTIONS];      /* the phrasing; static */
  gchar *report, *answers[CLIP_QUESTIONS]; /* NULL until the element has told them */
} Clip;

/* What a seed shows, every tenth a test pattern, and questions about it that have an answer worth asking for. */
void clip_init (Clip *clip, guint64 seed);
void clip_clear (Clip *clip);

/* model: (nullable): NULL: the element's own default. precision: as the element's property, (nullable).
 * on_clip: called for each clip whose answers are all there, from any thread.
 * precision_used: (out): the property's value. FALSE with the error of the pipeline. */
gboolean clips_describe (Clip *clips, guint n, guint width, guint height, const gchar *model, const gchar *precision,
    void (*on_clip) (guint done), gint *precision_used, GError **error);

#endif
