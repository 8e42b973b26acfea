/* Engines on small models whose weights are made in memory: a folder of data/variants has the configuration. */
#ifndef TESTS_MODEL_VARIANT_H
#define TESTS_MODEL_VARIANT_H

#include "model/engine.h"

/* In f32; image token 3, end token 2; with a cache of one context. (transfer full): NULL with error on failure */
MinivlEngine *variant_open (const gchar *variant, guint context, GError **error);
/* cache: as MinivlEngineOptions has it */
MinivlEngine *variant_open_with_cache (const gchar *variant, guint context, guint cache, GError **error);

#endif
