#include "sizes.h"

#include "kv.h"

/* Of the host's memory the cache takes so much of its own accord, and of a device's own it leaves so much to others. */
#define HOST_SHARE 4
#define DEVICE_SPARE 8

guint
sizes_most_context (const LanguageConfig *config)
{
  return MIN (config->max_position, config->window);
}

guint
sizes_wanted_context (const LanguageConfig *config)
{
  return MIN (SIZES_CONTEXT, sizes_most_context (config));
}

static guint64
less (guint64 a, guint64 b)
{
  return a - MIN (a, b);
}

guint
sizes_context (guint wanted, const SizesMemory *m)
{
  guint64 tokens = less (m->total, m->rest) / m->block * KV_BLOCK;

  return tokens > 0 ? MIN (tokens, wanted) : wanted;
}

guint
sizes_cache (guint asked, guint context, const SizesMemory *m)
{
  guint64 room = m->is_host ? m->total / HOST_SHARE : less (m->total - m->total / DEVICE_SPARE, m->rest);
  guint64 one = ((guint64)context + KV_BLOCK - 1) / KV_BLOCK * m->block, most = MIN (SIZES_CONVERSATIONS, G_MAXINT / context);

  if (asked > 0)
    return MAX (asked, context);
  return CLAMP (MIN (room, less (m->left, m->rest)) / one, 1, MAX (most, 1)) * context;
}
