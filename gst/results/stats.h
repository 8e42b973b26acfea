/* Counters since the element was started. The caller holds the lock that guards them. */
#ifndef GST_MINIVL_STATS_H
#define GST_MINIVL_STATS_H

#include "result.h"

G_BEGIN_DECLS

#define STATS_NAME "minivl-stats"

/* Zeroed memory is the start. */
typedef struct
{
  guint64 segments; /* begun */
  guint64 results, dropped, unchanged, errors;
  guint64 strays;                              /* frames that were not looked at, for their time lay far off */
  guint64 untimed;                             /* frames that were not looked at, for want of a PTS */
  guint64 seen;                                /* answered or unchanged */
  guint64 prepared;                            /* of those seen: all frames were prepared before the end */
  guint64 preprocess, encode, prefill, decode; /* ns, of those seen */
  guint64 cached_tokens, prefill_tokens, decode_tokens;
  guint64 drafted, accepted; /* of decode_tokens, those that were drafted are accepted */
} Stats;

void stats_add (Stats *stats, const Result *result);
/* The other arguments are counted elsewhere. (transfer full) */
GstStructure *stats_to_structure (const Stats *stats, guint64 text_lost, guint64 backlog, guint64 device_bytes);

G_END_DECLS

#endif
