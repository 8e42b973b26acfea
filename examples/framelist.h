/* Which frames a video has, when each is shown, and which of them stand for a stretch of it. Decodes nothing. */
#ifndef EXAMPLES_FRAMELIST_H
#define EXAMPLES_FRAMELIST_H

#include "decode.h"

/* Makes the time stamps of a file go on where they start over, as those of two recordings in a row do. Zeroed at its beginning. */
typedef struct
{
  gint64 offset, last, step;
  gboolean begun;
  double end; /* seconds at which the last packet of any stream ends */
} FrameClock;

/* The next packet of the video in reader->packet, whatever is damaged in front of it. FALSE: the file ended. */
gboolean frame_list_next_packet (FrameClock *clock, Reader *reader);

typedef struct
{
  gint64 pts;   /* in units of the stream, see FrameClock; AV_NOPTS_VALUE: of no frame, where the list is not timed */
  gboolean bad; /* the file tells that it is damaged, or made of one that is */
} ListedFrame;

typedef struct
{
  GArray *frames; /* ListedFrame, as they are presented */
  gboolean timed; /* pts are the file's */
  AVRational unit;
  double rate;    /* frames a second: a frame's number is its time at that rate, and some numbers may lack a frame; 0: variable or
                   * not known */
  double present; /* seconds from the first frame to the end of the last one; 0: not known */
  double length;  /* the same with what the file lost at its end */
  guint64 early;  /* frames in front of the first key frame, which are not in `frames` */
  gboolean cut;   /* the file ends before it should */
} FrameList;

/* Reads the file of a reader just opened to its end. FALSE: it has no frames. */
gboolean frame_list_read (FrameList *list, Reader *reader, GError **error);
void frame_list_clear (FrameList *list);

/* Seconds from the first frame on at which a frame is shown; NAN: not known. */
double frame_list_get_time (const FrameList *list, guint64 index);

/* The frame of that time stamp, from a clock that was applied; -1: none. */
gint64 frame_list_find (const FrameList *list, gint64 pts);

/* The frames that are shown at the middle of `n` equal parts of start <= seconds < stop, of all where stop is below start; -1 where
 * the file has ended already. At a constant rate as minivl_sample_frames(). first, last: those of the whole stretch. FALSE: nothing
 * of it is in the file. */
gboolean frame_list_choose (const FrameList *list, const gchar *path, double start, double stop, guint n, gint64 *indices,
    guint64 *first, guint64 *last, GError **error);

#endif
