/* The element's properties and their values. */
#ifndef GST_MINIVL_SETTINGS_H
#define GST_MINIVL_SETTINGS_H

#include "gst/results/textsrc.h"
#include "gst/worker/worker.h"
#include "segmenter.h"

G_BEGIN_DECLS

typedef enum
{
  LEAKY_AUTO,
  LEAKY_NO,
  LEAKY_UPSTREAM,
  LEAKY_DOWNSTREAM,
} Leaky;

typedef struct
{
  gchar *model_path, *lora, *cache_dir, *device, *stream;
  gchar *roi;         /* label of regions; NULL: whole frames */
  gchar *journal;     /* file that results are appended to; NULL: none */
  gchar *json_schema; /* a file or the text, read into per_segment.schema; NULL: none */
  MinivlPrecision precision;
  MinivlTokenizer tokenizer;
  MinivlCachePrecision cache_precision;
  guint context_size, cache_size, max_tiles, max_backlog;
  Leaky leaky;
  double roi_confidence;
  SegmenterConfig segments;
  SegmentSettings per_segment;
  TextTimestamp text_timestamp;
  guint64 text_duration, eos_timeout;
  gboolean partial;
  gchar *endpoint, *api_key_file, *model, *ca_file; /* of a server that answers instead; endpoint NULL: none does */
  guint endpoint_parallel, jpeg_quality;
  guint64 endpoint_timeout;
} Settings;

void settings_init (Settings *settings);
void settings_clear (Settings *settings);

void settings_install_properties (GObjectClass *klass);
/* FALSE when there is no such property. The caller holds the lock. */
gboolean settings_set (Settings *settings, guint id, const GValue *value);
gboolean settings_get (const Settings *settings, guint id, GValue *value);
/* Whether the property is read at the start, and stays as it is while the element runs. */
gboolean settings_are_fixed (guint id);

/* Whether the property is an engine's in this process, and a server is asked instead. */
gboolean settings_are_of_engine (const Settings *settings, guint id);
/* Borrows the strings. */
BackendOptions settings_backend_options (const Settings *settings);

/* NULL when they fit together, otherwise what is wrong and how to mend it. (transfer full) */
gchar *settings_check (const Settings *settings);
/* From one segment to the next, ns; 0: there is only one. */
guint64 settings_step (const Settings *settings);
WorkerLeak settings_leak (const Settings *settings, gboolean live);
/* How long a text is shown, ns; GST_CLOCK_TIME_NONE: as long as its segment. */
guint64 settings_text_duration (const Settings *settings);
/* How much later than its timestamp a text comes, ns. answer_time: how much later than its segment, where no deadline bounds it. */
guint64 settings_text_latency (const Settings *settings, guint64 answer_time);
/* How much of the video must fit between the element and what joins text and video again, ns; 0: all of it. */
guint64 settings_text_queue (const Settings *settings);

G_END_DECLS

#endif
