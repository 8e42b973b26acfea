/* The pictures that were shown last: see album.h. */
#include "album.h"

/* Of the 4B models a tile takes 3 MiB. */
#define MOST_TILES 64

struct _Album
{
  GMutex lock;     /* for the rest */
  GQueue pictures; /* MinivlPicture, the latest first; each once */
  guint n_tiles;
};

Album *
album_new (void)
{
  Album *album = g_new0 (Album, 1);

  g_mutex_init (&album->lock);
  g_queue_init (&album->pictures);
  return album;
}

void
album_free (Album *album)
{
  if (!album)
    return;
  g_queue_clear_full (&album->pictures, (GDestroyNotify)minivl_picture_unref);
  g_mutex_clear (&album->lock);
  g_free (album);
}

static guint
tiles_of (MinivlPicture *picture)
{
  MinivlPictureInfo info;

  minivl_picture_get_info (picture, &info);
  return info.tiles;
}

gboolean
album_add (Album *album, MinivlPicture *picture)
{
  g_autoptr (GPtrArray) gone = g_ptr_array_new_with_free_func ((GDestroyNotify)minivl_picture_unref);
  gboolean known;

  g_mutex_lock (&album->lock);
  known = g_queue_remove (&album->pictures, picture);
  if (known)
    g_ptr_array_add (gone, picture);
  else
    album->n_tiles += tiles_of (picture);
  g_queue_push_head (&album->pictures, minivl_picture_ref (picture));
  while (album->n_tiles > MOST_TILES) {
    MinivlPicture *oldest = g_queue_pop_tail (&album->pictures);

    album->n_tiles -= tiles_of (oldest);
    g_ptr_array_add (gone, oldest);
  }
  g_mutex_unlock (&album->lock);
  return !known;
}
