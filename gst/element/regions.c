#include "regions.h"

#ifdef HAVE_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

/* What is looked for, and what was found. */
typedef struct
{
  const gchar *label;
  double confidence;
  const MinivlImage *seen;
  GArray *regions;
} Search;

typedef struct
{
  GQuark label; /* 0: none */
  gint64 x, y, width, height;
  double confidence;
} Mark;

/* The part of [start, start + length) that lies in [low, high). */
static void
clip (gint64 start, gint64 length, gint64 low, gint64 high, guint *first, guint *n)
{
  gint64 from = MAX (start, low), to = MIN (start + length, high);

  *first = from;
  *n = MAX (0, to - from);
}

static gboolean
is_known (const GArray *regions, const Region *region)
{
  for (guint i = 0; i < regions->len; i++) {
    const Region *r = &g_array_index (regions, Region, i);

    if (r->x == region->x && r->y == region->y && r->width == region->width && r->height == region->height
        && g_str_equal (r->label, region->label))
      return TRUE;
  }
  return FALSE;
}

static void
add (Search *search, const Mark *mark)
{
  const MinivlImage *seen = search->seen;
  guint right = seen->crop_width > 0 ? seen->crop_x + seen->crop_width : seen->width;
  guint bottom = seen->crop_height > 0 ? seen->crop_y + seen->crop_height : seen->height;
  const gchar *label = g_quark_to_string (mark->label);
  Region region = { .label = label != NULL ? label : "" };

  if (mark->confidence < search->confidence
      || (!g_str_equal (search->label, REGIONS_ANY) && !g_str_equal (search->label, region.label)))
    return;
  clip (mark->x, mark->width, seen->crop_x, right, &region.x, &region.width);
  clip (mark->y, mark->height, seen->crop_y, bottom, &region.y, &region.height);
  if (region.width > 0 && region.height > 0 && !is_known (search->regions, &region))
    g_array_append_val (search->regions, region);
}

/* Detectors tell it so (DL Streamer); others do not. */
static double
confidence_of (GstVideoRegionOfInterestMeta *roi)
{
  const GstStructure *detection = gst_video_region_of_interest_meta_get_param (roi, "detection");
  double confidence;

  return detection != NULL && gst_structure_get_double (detection, "confidence", &confidence) ? confidence : 1;
}

static void
add_regions_of_interest (Search *search, GstBuffer *buffer)
{
  gpointer state = NULL;
  GstMeta *meta;

  while ((meta = gst_buffer_iterate_meta_filtered (buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)) != NULL) {
    GstVideoRegionOfInterestMeta *roi = (GstVideoRegionOfInterestMeta *)meta;

    add (search, &(Mark){ roi->roi_type, roi->x, roi->y, roi->w, roi->h, confidence_of (roi) });
  }
}

#ifdef HAVE_ANALYTICS
static void
add_detections (Search *search, GstBuffer *buffer)
{
  GstAnalyticsRelationMeta *meta = gst_buffer_get_analytics_relation_meta (buffer);
  gpointer state = NULL;
  GstAnalyticsODMtd found;

  while (meta != NULL && gst_analytics_relation_meta_iterate (meta, &state, gst_analytics_od_mtd_get_mtd_type (), &found)) {
    gint x, y, width, height;
    gfloat confidence;

    if (gst_analytics_od_mtd_get_location (&found, &x, &y, &width, &height, &confidence))
      add (search, &(Mark){ gst_analytics_od_mtd_get_obj_type (&found), x, y, width, height, confidence });
  }
}
#endif

static gint
by_size (gconstpointer a, gconstpointer b)
{
  const Region *p = a, *q = b;
  guint64 p_size = (guint64)p->width * p->height, q_size = (guint64)q->width * q->height;

  return (p_size < q_size) - (p_size > q_size);
}

GArray *
regions_find (GstBuffer *buffer, const gchar *label, double confidence, const MinivlImage *seen)
{
  Search search = { label, confidence, seen, g_array_new (FALSE, FALSE, sizeof (Region)) };

  add_regions_of_interest (&search, buffer);
#ifdef HAVE_ANALYTICS
  add_detections (&search, buffer);
#endif
  g_array_sort (search.regions, by_size); /* stable */
  return search.regions;
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
