/*
 * Pictures to visual tokens: resize, tiles, vision transformer, pixel shuffle, projector.
 * Used by the scheduler's thread only.
 */
#ifndef MODEL_VISION_H
#define MODEL_VISION_H

#include "stages.h"
#include "weights.h"

typedef struct _Vision Vision;

Vision *vision_new (Device *dev, const ModelConfig *config, const Weights *weights, GError **error);
void vision_free (Vision *v);
/* Device and host memory of its activations. */
guint64 vision_bytes (const Vision *v);

typedef struct
{
  guint columns, rows, tiles; /* tiles counts the thumbnail */
  guint n_tokens;             /* tiles * tokens of a tile */
  float *features;            /* [n_tokens][hidden of the language model]; g_free() */
  guint64 preprocess_ns, encode_ns;
} VisionResult;

/* cancel (nullable): non-zero gives up between submits. */
gboolean vision_encode (
    Vision *v, const MinivlImage *image, guint max_tiles, const gint *cancel, VisionResult *result, GError **error);

/* What tests look at: the bytes of every tile, [tiles][side][side][3], as the transformer sees them before normalisation. */
guint8 *vision_tiles (Vision *v, const MinivlImage *image, guint max_tiles, guint *n_tiles, GError **error);

/* Stage by stage, for one picture's last tile: vision.0 .. vision.n, pixel_shuffle, projector. data: [rows][cols]. */
gboolean vision_stages (
    Vision *v, const MinivlImage *image, guint max_tiles, StageFunc on_stage, gpointer user_data, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Vision, vision_free)

#endif
