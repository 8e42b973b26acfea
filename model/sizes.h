/* How many tokens a conversation may have and the cache has, where nobody says: what the device's memory is enough for. */
#ifndef MODEL_SIZES_H
#define MODEL_SIZES_H

#include "config.h"

#define SIZES_CONTEXT 8192    /* tokens of a conversation, where there is room */
#define SIZES_CONVERSATIONS 8 /* as long as that, which the cache has room for at most */

typedef struct
{
  guint64 total;    /* memory of the device, whatever takes of it now */
  guint64 left;     /* that nothing takes now */
  gboolean is_host; /* it is the host's memory, which others need as well */
  guint64 rest;     /* of weights and activations */
  guint64 block;    /* of KV_BLOCK tokens in the cache */
} SizesMemory;

/* Tokens of a conversation as the checkpoint was made for it. */
guint sizes_most_context (const LanguageConfig *config);
/* What a conversation of no stated length may have, if there is room for it. */
guint sizes_wanted_context (const LanguageConfig *config);
/* What there is room for, of a context that is not stated: by the device's total, so that a prompt that fits does so whatever else
 * runs. `wanted` where there is not even room for a block. */
guint sizes_context (guint wanted, const SizesMemory *memory);
/* Tokens of the cache. asked: 0, or what it is to be, but for one context at least. As no answer depends on it, what is free at the
 * moment bounds it as well: only the first context must fit. */
guint sizes_cache (guint asked, guint context, const SizesMemory *memory);

#endif
