/* What pictures and videos share: a file opened with FFmpeg, and its frames as RGB. */
#ifndef EXAMPLES_DECODE_H
#define EXAMPLES_DECODE_H

#include "media.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

typedef struct
{
  const gchar *path;
  AVFormatContext *format;
  AVCodecContext *codec;
  AVPacket *packet;
  AVFrame *frame;
  gint stream;
  gboolean damaged; /* the frame, or one since the last key frame that it may be made of */
} Reader;

/* Sets @error to `path: what: FFmpeg's text for code`. Returns FALSE. */
gboolean media_fail (GError **error, const gchar *path, const gchar *what, gint code);

/* still: stop at the slightest damage. In a video it is told frame by frame. path: borrowed until reader_clear(). */
gboolean reader_open (Reader *r, const gchar *path, gboolean still, GError **error);
void reader_clear (Reader *r);

/* Sets `damaged` by the frame in r->frame. */
void reader_judge (Reader *r);

/* The next frame in the order of presentation, in r->frame. Any damage is an error. */
gint reader_next_frame (Reader *r);

/* flags: swscale's. */
gboolean media_convert (MediaFrame *out, const AVFrame *in, gint flags, const gchar *path, GError **error);

#endif
