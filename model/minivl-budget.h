/*
 * What a checkpoint takes of a device's memory, before any of it is loaded. minivl.h says what is true here as well of failure,
 * ownership and threads.
 */
#ifndef MINIVL_BUDGET_H
#define MINIVL_BUDGET_H

#include "minivl.h"

G_BEGIN_DECLS

/**
 * MinivlBudgetRow:
 * @precision: how weights are stored: f16, q8 or q4
 * @context_size: tokens of the one conversation that the cache holds
 * @weights: bytes of the weights on the device
 * @cache: of the keys and values of that many tokens
 * @scratch: of what is computed on the way
 * @fits: whether the three of them are at most the device's memory, whatever other programs take of it now
 *
 * What an engine takes when it is opened so.
 */
typedef struct
{
  MinivlPrecision precision;
  guint context_size;
  guint64 weights;
  guint64 cache;
  guint64 scratch;
  gboolean fits;
} MinivlBudgetRow;

/**
 * MinivlBudget:
 * @device: name of the device
 * @memory: bytes it has in all: of its own or, where it has none, the host's within the cgroup's limit
 * @rows: (array length=n_rows): by precision, then by context
 * @n_rows: how many there are
 */
typedef struct
{
  gchar *device;
  guint64 memory;
  MinivlBudgetRow *rows;
  guint n_rows;
} MinivlBudget;

/**
 * minivl_budget_init:
 * @budget: (out caller-allocates): filled on success; cleared with minivl_budget_clear()
 * @options: model_path is required; device and cache_precision are looked at
 *
 * Plans the checkpoint on the device at each precision below f32 with contexts of 2,048, 4,096 and so on, up to what it was made
 * for and 131,072. Of the weights only the files' headers are read, and no memory is taken on the device.
 *
 * Returns: FALSE with %MINIVL_ERROR_FILE or %MINIVL_ERROR_MODEL for what is wrong with the folder, %MINIVL_ERROR_DEVICE when no
 * device is what @device of @options names, %MINIVL_ERROR_USAGE without a model_path
 */
MINIVL_API gboolean minivl_budget_init (MinivlBudget *budget, const MinivlEngineOptions *options, GError **error);

/* Frees what is in it. */
MINIVL_API void minivl_budget_clear (MinivlBudget *budget);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MinivlBudget, minivl_budget_clear)

G_END_DECLS

#endif
