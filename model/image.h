/*
 * A caller's picture: which part of it is seen, its check, its hash, and its bytes as they go to the device. Needs no device.
 * All functions but image_check() take only a picture that has passed it.
 */
#ifndef MODEL_IMAGE_H
#define MODEL_IMAGE_H

#include "minivl.h"

#define IMAGE_MAX_SIDE 65535

/* Fails with MINIVL_ERROR_USAGE, and names the field that is wrong. */
gboolean image_check (const MinivlImage *image, GError **error);

/* 1..8. */
guint image_orientation (const MinivlImage *image);
/* Whether black is 0. */
gboolean image_is_full_range (const MinivlImage *image);
/* Of the part that is seen, upright. */
void image_size (const MinivlImage *image, guint *width, guint *height);

/* Pixels of the picture as it lies. */
typedef struct
{
  guint x, y, width, height;
} ImageRect;

/* The pixels that become rows first .. first + n - 1 of the part that is seen, when it is upright. */
ImageRect image_band (const MinivlImage *image, guint first, guint n);

/* Where the bytes of a part lie once packed: planes one after the other, rows without gaps. */
typedef struct
{
  gsize first[3], stride[3], size;
  guint x, y; /* where the part begins in them: 1 where its first sample of U and V is half outside */
} ImageLayout;

/* Does not read the picture's bytes; data may be NULL. */
ImageLayout image_layout (const MinivlImage *image, const ImageRect *part);
/* Copies a part. to: the layout's size */
void image_pack (const MinivlImage *image, const ImageRect *part, guint8 *to);

/* Equal for pictures of the same bytes, format and tiles; for others it differs, as far as SHA-256 can tell. Never 0. */
guint64 image_hash (const MinivlImage *image, guint max_tiles);

#endif
