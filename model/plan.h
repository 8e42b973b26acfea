/*
 * What works with a checkpoint on a device, planned: what it will take is known before anything is allocated or read.
 * The thread that plans is the one that uses it.
 */
#ifndef MODEL_PLAN_H
#define MODEL_PLAN_H

#include "language.h"
#include "vision.h"

typedef struct
{
  MinivlPrecision precision; /* never auto */
  guint context_size, cache_size;
  Weights *weights;
  Vision *vision;
  KvPool *kv;
  Language *language;
} Plan;

typedef struct
{
  guint64 weights, cache, rest; /* rest: activations */
} PlanBytes;

/* By precision, cache_precision, context_size and cache_size of options. Precision AUTO is the first of f16, q8 and q4 of which
 * plan_fits() is TRUE, with one context where no cache is asked for, or q4; sizes.h has what sizes of 0 are, then. config is kept,
 * tensors are not. FALSE when they are not each other's. */
gboolean plan_init (Plan *plan, Device *dev, const ModelConfig *config, const TensorSet *tensors,
    const MinivlEngineOptions *options, GError **error);
void plan_clear (Plan *plan);
PlanBytes plan_bytes (const Plan *plan);
/* Whether it would fit if nothing else were on the device. */
gboolean plan_fits (const Plan *plan, const Device *dev);
/* Whether it does now, beside what else there is; the error says what would make it fit. name: the model's */
gboolean plan_check (const Plan *plan, Device *dev, const gchar *name, GError **error);

/* As options have it. */
const gchar *precision_name (MinivlPrecision precision);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Plan, plan_clear)

#endif
