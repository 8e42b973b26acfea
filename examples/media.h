/*
 * Pictures as RGB, read with the libraries that Pillow reads them with, and video frames, with FFmpeg's.
 *
 * Functions that can fail return FALSE or NULL, set @error in domain G_FILE_ERROR with a message that names the file, and leave
 * out parameters alone. Only local files are opened. One thread at a time uses a video.
 */
#ifndef EXAMPLES_MEDIA_H
#define EXAMPLES_MEDIA_H

#include <glib.h>

/* 8-bit RGB, rows `stride` bytes apart. Cleared with media_frame_clear(); zeroed memory is legal there. */
typedef struct
{
  guint8 *data;
  guint width, height;
  gsize stride;
} MediaFrame;

void media_frame_clear (MediaFrame *frame);

/* A still picture, the first one of an animation or of pages, as Pillow's Image.open (path).convert ("RGB"): alpha is dropped,
 * palettes and gray are spread to RGB, 16 bits keep their upper 8, a TIFF is turned as it asks and nothing else is. A damaged or
 * truncated file is an error, and so is one of more than 64 M pixels. */
gboolean media_read_picture (const gchar *path, MediaFrame *frame, GError **error);

/* rgb: packed rows of width * 3 bytes. Every byte comes back when the file is read. */
gboolean media_write_png (const gchar *path, const guint8 *rgb, guint width, guint height, GError **error);

typedef struct _MediaVideo MediaVideo;

/* Opens the file's best video stream and counts its frames, which reads all of the file but decodes nothing. */
MediaVideo *media_video_open (const gchar *path, GError **error);
void media_video_free (MediaVideo *video);

guint64 media_video_get_frames (const MediaVideo *video);
/* Average frames a second; 0 where the file does not tell. */
double media_video_get_fps (const MediaVideo *video);

/* Frame `index` in the order of presentation, counted from 0, turned as the file asks. Decodes from the frame read last, or from
 * the start when `index` lies before that. */
gboolean media_video_read (MediaVideo *video, guint64 index, MediaFrame *frame, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MediaFrame, media_frame_clear)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MediaVideo, media_video_free)

#endif
