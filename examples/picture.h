/*
 * A reader for each kind of picture, by the library that Pillow reads it with. media_read_picture() chooses one by the file's first
 * bytes.
 *
 * A reader fills @frame with picture_begin() and then row by row; what it leaves there when it fails is the caller's to clear.
 */
#ifndef EXAMPLES_PICTURE_H
#define EXAMPLES_PICTURE_H

#include "media.h"

#include <stdio.h>

/* No side may be longer, which is what the library takes. */
#define PICTURE_MAX_SIDE 65535

/* file: read from its start; stays open. path: for messages */
typedef gboolean (*PictureReader) (FILE *file, const gchar *path, MediaFrame *frame, GError **error);

gboolean picture_read_gif (FILE *file, const gchar *path, MediaFrame *frame, GError **error);
gboolean picture_read_jpeg (FILE *file, const gchar *path, MediaFrame *frame, GError **error);
gboolean picture_read_png (FILE *file, const gchar *path, MediaFrame *frame, GError **error);
gboolean picture_read_tiff (FILE *file, const gchar *path, MediaFrame *frame, GError **error);
gboolean picture_read_webp (FILE *file, const gchar *path, MediaFrame *frame, GError **error);

/* By the file's first bytes. NULL: it is none of those; FFmpeg may know it. */
PictureReader picture_find_reader (FILE *file);

/* Any other kind. */
gboolean picture_read_other (const gchar *path, MediaFrame *frame, GError **error);

/* Memory for the pixels of any frame. */
gboolean media_frame_init (MediaFrame *frame, guint width, guint height, const gchar *path, GError **error);
/* The same for a picture's. Fails where there are too many, or none. */
gboolean picture_begin (MediaFrame *frame, guint64 width, guint64 height, const gchar *path, GError **error);
/* MEDIA_MOST_PIXELS until it is set. */
guint64 picture_most_pixels (void);
void picture_set_most_pixels (guint64 n);
gboolean picture_check_size (guint64 width, guint64 height, const gchar *path, GError **error);

/* These set @error and return FALSE. what: what is wrong with the file's bytes */
gboolean picture_damaged (GError **error, const gchar *path, const gchar *what);
/* The message is `path: what is not supported`. */
gboolean picture_unsupported (GError **error, const gchar *path, const gchar *format, ...) G_GNUC_PRINTF (3, 4);

gboolean picture_no_memory (GError **error, const gchar *path);

/* A pixel of CMYK, 0 without ink, as Pillow converts it. */
void picture_from_cmyk (guint8 *rgb, guint c, guint m, guint y, guint k);

#endif
