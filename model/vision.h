/*
 * Pictures to visual tokens: resize, tiles, vision transformer, pixel shuffle, projector.
 * Only the thread that made it uses it, the scheduler's: functions that compute or take memory assert that.
 */
#ifndef MODEL_VISION_H
#define MODEL_VISION_H

#include "weights.h"

typedef struct _Vision Vision;

/* Plans its memory; vision_commit() allocates it, and comes before anything is computed. */
Vision *vision_new (Device *dev, const ModelConfig *config, const Weights *weights);
gboolean vision_commit (Vision *v, GError **error);
void vision_free (Vision *v);
/* Records every operation it will ever use, for device_self_check(). */
void vision_survey (Vision *v, OpStream *survey);
/* Device and host memory of its activations. */
guint64 vision_bytes (const Vision *v);

typedef struct
{
  guint columns, rows, tiles; /* tiles counts the thumbnail */
  guint n_tokens;             /* tiles * tokens of a tile */
  float *features;            /* [n_tokens][hidden of the language model]; g_free() */
  guint64 preprocess_ns, encode_ns;
  guint64 order; /* tiles encoded on the device when it was done: what tests of priority look at */
} VisionResult;

/* Most tiles that go through the transformer together: of one picture or of several. */
#define VISION_BATCH 4

/* A picture on its way: resized, its tiles being encoded one after the other. */
typedef struct _VisionPicture VisionPicture;

/* Resizes. cancel: as for op_stream_run(), here and below. */
VisionPicture *vision_picture_new (Vision *v, const MinivlImage *image, guint max_tiles, const OpCancel *cancel, GError **error);
void vision_picture_free (VisionPicture *picture);
guint vision_picture_tiles (const VisionPicture *picture);
/* Ends it when all of its tiles are encoded. (transfer full) */
VisionResult vision_picture_finish (VisionPicture *picture);
/* The bytes of every tile, [tiles][side][side][3], as the transformer sees them before normalisation. (transfer full) */
guint8 *vision_picture_read (VisionPicture *picture, GError **error);

typedef struct
{
  VisionPicture *picture;
  guint tile;
} VisionTile;

/* Encodes n <= VISION_BATCH tiles together; each gets exactly what it gets alone. */
gboolean vision_encode (Vision *v, const VisionTile *tiles, guint n, const OpCancel *cancel, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Vision, vision_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (VisionPicture, vision_picture_free)

#endif
