#include "regions.h"

/* The part of [start, start + length) that lies in [low, high). */
static void
clip (guint start, guint length, guint low, guint high, guint *first, guint *n)
{
  guint64 stop = MIN ((guint64)start + length, high);

  *first = MAX (start, low);
  *n = stop > *first ? stop - *first : 0;
}

static gint
by_size (gconstpointer a, gconstpointer b)
{
  const Region *p = a, *q = b;
  guint64 p_size = (guint64)p->width * p->height, q_size = (guint64)q->width * q->height;

  return (p_size < q_size) - (p_size > q_size);
}

GArray *
regions_find (GstBuffer *buffer, const gchar *label, const MinivlImage *seen)
{
  GArray *regions = g_array_new (FALSE, FALSE, sizeof (Region));
  guint right = seen->crop_width > 0 ? seen->crop_x + seen->crop_width : seen->width;
  guint bottom = seen->crop_height > 0 ? seen->crop_y + seen->crop_height : seen->height;
  gpointer state = NULL;
  GstMeta *meta;

  while ((meta = gst_buffer_iterate_meta_filtered (buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)) != NULL) {
    const GstVideoRegionOfInterestMeta *roi = (const GstVideoRegionOfInterestMeta *)meta;
    const gchar *type = g_quark_to_string (roi->roi_type);
    Region region = { .label = type != NULL ? type : "" };

    if (!g_str_equal (label, REGIONS_ANY) && !g_str_equal (label, region.label))
      continue;
    clip (roi->x, roi->w, seen->crop_x, right, &region.x, &region.width);
    clip (roi->y, roi->h, seen->crop_y, bottom, &region.y, &region.height);
    if (region.width > 0 && region.height > 0)
      g_array_append_val (regions, region);
  }
  g_array_sort (regions, by_size); /* stable */
  return regions;
}

void
regions_cut (Frame *picture, const GArray *regions, GPtrArray *frames)
{
  for (guint i = 0; i < regions->len; i++) {
    const Region *region = &g_array_index (regions, Region, i);
    Frame *frame = frame_share (picture, regions->len);

    frame->label = region->label;
    frame->rank = i;
    frame->image.crop_x = region->x;
    frame->image.crop_y = region->y;
    frame->image.crop_width = region->width;
    frame->image.crop_height = region->height;
    g_ptr_array_add (frames, frame);
  }
}
