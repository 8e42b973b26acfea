#include "place.h"

static gboolean
place_init (GstMeta *meta, gpointer params, GstBuffer *buffer)
{
  *(Place *)meta = (Place){ .meta = *meta };
  return TRUE;
}

/* Copies lie where the buffer does. */
static gboolean
place_transform (GstBuffer *to, GstMeta *meta, GstBuffer *from, GQuark type, gpointer data)
{
  const Place *place = (const Place *)meta;
  Place *copy;

  if (!GST_META_TRANSFORM_IS_COPY (type))
    return FALSE;
  place_add (to);
  copy = place_get (to);
  copy->number = place->number;
  copy->is_live = place->is_live;
  copy->segment = place->segment;
  copy->first_open = place->first_open;
  copy->waits = place->waits;
  return TRUE;
}

static GType
place_api_get_type (void)
{
  static const gchar *tags[] = { NULL };
  static gsize type = 0;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, gst_meta_api_type_register ("GstMinivlPlaceAPI", tags));
  return type;
}

static const GstMetaInfo *
place_get_info (void)
{
  static gsize info = 0;

  if (g_once_init_enter (&info))
    g_once_init_leave (&info,
        (gsize)gst_meta_register (place_api_get_type (), "GstMinivlPlace", sizeof (Place), place_init, NULL, place_transform));
  return (const GstMetaInfo *)info;
}

void
place_add (GstBuffer *buffer)
{
  if (place_get (buffer) == NULL)
    gst_buffer_add_meta (buffer, place_get_info (), NULL);
}

Place *
place_get (GstBuffer *buffer)
{
  return (Place *)gst_buffer_get_meta (buffer, place_api_get_type ());
}
