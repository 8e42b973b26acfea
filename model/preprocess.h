/*
 * From a picture's bytes to its tiles and their patches, on the device: recorded once for pictures of one size and format, run for
 * each. Pictures have passed image_check(). Used by the scheduler's thread only: vision.c alone calls it, and asserts that.
 */
#ifndef MODEL_PREPROCESS_H
#define MODEL_PREPROCESS_H

#include "config.h"
#include "vk/ops.h"

typedef struct _Preprocess Preprocess;

/* patches: [places * place_rows][3 * patch_size^2]: where preprocess_patches() writes to. Outlives it. */
Preprocess *preprocess_new (Device *dev, const ModelConfig *config, const MinivlImage *image, guint max_tiles,
    const Tensor *patches, guint place_rows, GError **error);
void preprocess_free (Preprocess *p);
/* Records what pictures of any format take of the device, for device_self_check(). */
void preprocess_survey (Device *dev, const ModelConfig *config, const Tensor *patches, OpStream *survey);
/* Whether it is for pictures like this one. */
gboolean preprocess_fits (const Preprocess *p, const MinivlImage *image, guint max_tiles);

/* tiles counts the thumbnail, which is the last. */
void preprocess_grid (const Preprocess *p, guint *columns, guint *rows, guint *tiles);
/* Resizes one picture. cancel: as for op_stream_run(). */
gboolean preprocess_run (Preprocess *p, const MinivlImage *image, const OpCancel *cancel, GError **error);
/* A tile of the picture in hand to the patch rows of a place; its first row, the class token's, is left alone. */
gboolean preprocess_patches (Preprocess *p, guint tile, guint place, GError **error);
/* The bytes of every tile of the picture in hand, [tiles][side][side][3]. (transfer full) */
guint8 *preprocess_read (Preprocess *p, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Preprocess, preprocess_free)

#endif
