/*
 * Named tensors of a checkpoint: mapped safetensors files, single or sharded, or anything that can name tensors in memory.
 * A set is immutable once made and may be read by many threads; tensors are valid as long as their set.
 */
#ifndef MODEL_SAFETENSORS_H
#define MODEL_SAFETENSORS_H

#include "minivl.h"

typedef enum
{
  DTYPE_F32,
  DTYPE_F16,
  DTYPE_BF16,
} Dtype;

guint dtype_size (Dtype dtype);

#define TENSOR_MAX_DIMS 4

typedef struct
{
  const gchar *name;
  const gchar *file; /* that errors name */
  Dtype dtype;
  guint n_dims;
  guint64 shape[TENSOR_MAX_DIMS];
  gconstpointer data; /* little endian, C order, aligned to the dtype */
} TensorInfo;

typedef struct _TensorSet TensorSet;

/* All tensors of a checkpoint folder: model.safetensors.index.json and its shards, else model.safetensors.
 * Nothing is read but the headers, and those are checked: types, shapes against sizes, overlaps, gaps, bounds, duplicates. */
TensorSet *tensor_set_open (const gchar *folder, GError **error);
/* An empty set to be filled with tensor_set_add(). */
TensorSet *tensor_set_new (void);
/* data: taken, freed with g_free(). name and shape are copied. */
void tensor_set_add (TensorSet *set, const gchar *name, Dtype dtype, guint n_dims, const guint64 *shape, gpointer data);
void tensor_set_free (TensorSet *set);

/* NULL when there is none. */
const TensorInfo *tensor_set_lookup (const TensorSet *set, const gchar *name);
/* (array length=n) (transfer container): in file order */
const TensorInfo **tensor_set_list (const TensorSet *set, guint *n);
/* Feeds the headers' bytes and the files' sizes to a checksum, for model_hash. */
void tensor_set_checksum (const TensorSet *set, GChecksum *checksum);

/* Writes the tensors as one safetensors file. */
gboolean tensor_set_write (const TensorSet *set, const gchar *path, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TensorSet, tensor_set_free)

#endif
