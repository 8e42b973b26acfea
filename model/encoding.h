/*
 * Pictures that are asked for, and their tiles, which go through the transformer in batches, whoever asked for them. All but what
 * is said to be the asker's is used by the scheduler's thread only.
 *
 * A request for a picture is reference counted: its asker holds a reference, and so does the scheduler until it is done.
 */
#ifndef MODEL_ENCODING_H
#define MODEL_ENCODING_H

#include "vision.h"

typedef struct _PictureRequest PictureRequest;

/* --- the asker ------------------------------------------------------------------------------------------------------------- */

/* image, cancel (nullable): borrowed until the request is done. cancel is set by any thread. (transfer full) */
PictureRequest *picture_request_new (const MinivlImage *image, guint max_tiles, gint priority, const gint *cancel);
PictureRequest *picture_request_ref (PictureRequest *p);
void picture_request_unref (PictureRequest *p);
/* Somebody of at least this priority waits for the picture, too. From any thread. */
void picture_request_raise (PictureRequest *p, gint priority);
/* Waits until the request is done. FALSE: it failed; device errors come in the public domain. */
gboolean picture_request_end (PictureRequest *p, VisionResult *result, GError **error);

/* --- the scheduler --------------------------------------------------------------------------------------------------------- */

typedef struct _Batch Batch;

/* Zeroed memory is one without pictures. */
typedef struct
{
  Vision *vision;
  GQueue pictures;                     /* PictureRequest, a reference each: those that are not done */
  Batch *batch;                        /* (nullable): what goes through the transformer */
  void (*look_around) (gpointer data); /* called between two submits: others may have given up meanwhile */
  gpointer data;
} Encoding;

/* p: (transfer full) */
void encoding_add (Encoding *c, PictureRequest *p);
/* Ends the requests that nobody wants any more. Also called between two submits. */
void encoding_end_unwanted (Encoding *c);
/* One batch of tiles, if there are any. */
void encoding_run (Encoding *c);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PictureRequest, picture_request_unref)

#endif
