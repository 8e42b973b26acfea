#include "stats.h"

void
stats_add (Stats *s, const Result *r)
{
  gboolean unchanged = g_strcmp0 (r->finish_reason, "unchanged") == 0;

  s->results++;
  s->dropped += g_strcmp0 (r->finish_reason, "dropped") == 0;
  s->unchanged += unchanged;
  s->errors += g_strcmp0 (r->finish_reason, "error") == 0;
  if (!g_str_equal (r->kind, RESULT_SEGMENT) || (!r->answered && !unchanged))
    return;
  s->seen++;
  s->preprocess += r->preprocess;
  s->encode += r->encode;
  s->prefill += r->prefill;
  s->decode += r->decode;
  s->prepared += r->answered && r->prepared;
  s->cached_tokens += r->cached_tokens;
  s->prefill_tokens += r->prompt_tokens - r->cached_tokens;
  s->decode_tokens += r->output_tokens;
  s->drafted += r->drafted;
  s->accepted += r->accepted;
}

static guint64
mean (const Stats *s, guint64 sum)
{
  return s->seen > 0 ? sum / s->seen : 0;
}

static double
per_second (guint64 tokens, guint64 ns)
{
  return ns > 0 ? tokens * 1e9 / ns : 0;
}

GstStructure *
stats_to_structure (const Stats *s, guint64 text_lost, guint64 backlog, guint64 device_bytes)
{
  return gst_structure_new (STATS_NAME, "segments", G_TYPE_UINT64, s->segments, "results", G_TYPE_UINT64, s->results, "dropped",
      G_TYPE_UINT64, s->dropped, "unchanged", G_TYPE_UINT64, s->unchanged, "errors", G_TYPE_UINT64, s->errors, "prepared",
      G_TYPE_UINT64, s->prepared, "text_lost", G_TYPE_UINT64, text_lost, "backlog", G_TYPE_UINT64, backlog, "untimed",
      G_TYPE_UINT64, s->untimed, "strays", G_TYPE_UINT64, s->strays, "preprocess", G_TYPE_UINT64, mean (s, s->preprocess), "encode",
      G_TYPE_UINT64, mean (s, s->encode), "prefill", G_TYPE_UINT64, mean (s, s->prefill), "decode", G_TYPE_UINT64,
      mean (s, s->decode), "prefill_tokens_per_second", G_TYPE_DOUBLE, per_second (s->prefill_tokens, s->prefill),
      "decode_tokens_per_second", G_TYPE_DOUBLE, per_second (s->decode_tokens, s->decode), "cached_tokens", G_TYPE_UINT64,
      mean (s, s->cached_tokens), "drafted", G_TYPE_UINT64, s->drafted, "accepted", G_TYPE_UINT64, s->accepted, "device_bytes",
      G_TYPE_UINT64, device_bytes, NULL);
}
