/* The pictures that were shown last. The engine encodes a picture that is alive only once, so that the next round of a
 * conversation, which comes with the same pictures again, costs what is new in it. Any thread. */
#ifndef SERVER_ALBUM_H
#define SERVER_ALBUM_H

#include "model/minivl.h"

typedef struct _Album Album;

Album *album_new (void);
void album_free (Album *album);

/* A reference is taken; the oldest ones go. FALSE: it was in there already. */
gboolean album_add (Album *album, MinivlPicture *picture);

#endif
