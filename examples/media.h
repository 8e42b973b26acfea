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

#define MEDIA_MOST_PIXELS (64u << 20)
/* For the whole process, before anything is read that strangers have sent: no picture and no frame may have more pixels than that,
 * and no file is read that names others, as playlists do. */
void media_restrict (guint64 most_pixels);

/* A still picture, the first one of an animation or of pages, as Pillow's Image.open (path).convert ("RGB"): alpha is dropped,
 * palettes and gray are spread to RGB, 16 bits keep their upper 8, a TIFF is turned as it asks and nothing else is. A damaged or
 * truncated file is an error, and so is one of more than MEDIA_MOST_PIXELS. */
gboolean media_read_picture (const gchar *path, MediaFrame *frame, GError **error);

/* rgb: packed rows of width * 3 bytes. Every byte comes back when the file is read. */
gboolean media_write_png (const gchar *path, const guint8 *rgb, guint width, guint height, GError **error);

typedef struct _MediaVideo MediaVideo;

/* Opens the file's best video stream and lists its frames, which reads all of the file but decodes nothing. Frames in front of the
 * first key frame are not among them. */
MediaVideo *media_video_open (const gchar *path, GError **error);
void media_video_free (MediaVideo *video);

guint64 media_video_get_frames (const MediaVideo *video);
/* Frames a second; 0 where the rate is variable, or not known. */
double media_video_get_fps (const MediaVideo *video);
/* ns after the first frame at which a frame is shown; -1 where the file does not tell. */
gint64 media_video_get_time (const MediaVideo *video, guint64 index);

/* The frames that are shown at the middle of n equal parts of start <= seconds < stop, of all of the video where stop is below
 * start: at a constant rate the indices of minivl_sample_frames(), else by time stamp; -1 for those that would come where the file
 * is cut off. FALSE where all would, and where start is past the end. */
gboolean media_video_choose (MediaVideo *video, double start, double stop, guint n, gint64 *indices, GError **error);

/* A frame, counted from 0 in the order of presentation, turned as the file asks. Decodes from the frame read last, or from the
 * start when `index` lies before that. shown (out) (nullable): which frame it is, for in place of a damaged one the last that was
 * shown before it stands, or the next one where there is none, of the stretch that was chosen last; NULL: it must be that frame. */
gboolean media_video_read (MediaVideo *video, guint64 index, guint64 *shown, MediaFrame *frame, GError **error);

/* Which frames of the stretch that was chosen last cannot be shown, as far as they were looked at; NULL: none. (transfer full) */
gchar *media_video_tell_damage (const MediaVideo *video);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MediaFrame, media_frame_clear)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MediaVideo, media_video_free)

#endif
