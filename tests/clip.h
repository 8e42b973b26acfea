/* Short films in any container, whose frames show their number. */
#ifndef TESTS_CLIP_H
#define TESTS_CLIP_H

#include <glib.h>

#define CLIP_WIDTH 128
#define CLIP_HEIGHT 64

typedef struct
{
  const gchar *name;        /* of the file; what follows its dot is the container */
  const gchar *encoder;     /* FFmpeg's name */
  guint frames;             /* at most 256 */
  guint fps_n, fps_d;       /* what encoder and container are told; 0: nothing */
  gint64 (*time) (guint i); /* of a frame: in frames of that rate, in ms where there is none; NULL: its number */
  guint b_frames;
  const gchar *format;  /* FFmpeg's name of the container; NULL: by the file's name */
  const gchar *options; /* of the container, `key=value:key=value`; NULL: none */
  guint audio_ms;       /* so much silence beside it; 0: no sound */
  guint video_late_ms;  /* the first frame comes so long behind the sound */
} Clip;

/* Fails when FFmpeg does not make it. */
void clip_write (const gchar *folder, const Clip *clip);

/* The number that a frame shows: RGB, or the first plane of what is gray; pixel: bytes from a pixel to the next. */
guint clip_read_number (const guint8 *data, gsize stride, guint pixel);

#endif
