/*
 * Pictures and videos that strangers have sent, decoded by another process: this very program, started anew, with limits on its
 * memory and time. What goes wrong there is its end, and an error here.
 */
#ifndef SERVER_DECODER_H
#define SERVER_DECODER_H

#include "refusal.h"

#include <gio/gio.h>

typedef struct
{
  guint64 pixels;      /* of a picture or frame */
  guint video_seconds; /* how long a video may be */
  guint memory_mib;    /* address space of the process */
  guint seconds;       /* that it is waited for, and of the CPU's time */
  guint64 frame_bytes; /* of all frames that on_frame has in hand at a time; one there may always be */
} DecoderLimits;

/* What is decoded. */
typedef struct
{
  GBytes *bytes;
  gboolean video;
  guint segments; /* of a video, as the next two: see media_video_choose() */
  double start, stop;
  const gchar *param; /* how errors name it */
} DecoderInput;

/* A picture or frame, packed RGB. Returns FALSE, with refusal, to end it. */
typedef gboolean (*DecoderFrame) (const guint8 *rgb, guint width, guint height, gpointer user_data, Refusal *refusal);

/* Calls on_frame, from this thread, for the picture or each of the video's frames; while it runs, no time counts. FALSE: refused,
 * with status 499 when cancelled. Any thread; as many processes as there are cores decode at a time. */
gboolean decoder_run (const DecoderInput *input, const DecoderLimits *limits, GCancellable *cancellable, DecoderFrame on_frame,
    gpointer user_data, Refusal *refusal);

/* --- the other process ----------------------------------------------------------------------------------------------------- */

/* The first argument of the program that says it is one: main() calls decoder_child_main() then, and nothing else. */
#define DECODER_CHILD "--decoder-child"
int decoder_child_main (int argc, char **argv);

/* What it writes, to standard output: records, each with so many bytes behind it. */
typedef enum
{
  DECODER_FRAME = 1, /* packed RGB */
  DECODER_ERROR,     /* what is wrong, in UTF-8 */
  DECODER_DONE,      /* the last one, without bytes */
} DecoderKind;

typedef struct
{
  guint32 kind, width, height, n_bytes;
} DecoderRecord;

#endif
