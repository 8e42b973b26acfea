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
/* As safetensors writes it: `F32`, `F16`, `BF16` */
const gchar *dtype_name (Dtype dtype);
/* FALSE: it is none of them. */
gboolean dtype_parse (const gchar *name, Dtype *dtype);

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

guint64 tensor_elements (const TensorInfo *t);
guint64 tensor_info_bytes (const TensorInfo *t);

/* As `[2, 3]`. (transfer full) */
gchar *tensor_shape_text (guint n_dims, const guint64 *shape);

typedef struct _TensorSet TensorSet;

/* All tensors of a checkpoint folder: model.safetensors.index.json and its shards, else model.safetensors.
 * Nothing is read but the headers, and those are checked: shapes against sizes, overlaps, gaps, bounds, duplicates. Tensors of
 * other types than the above are there for tensor_set_expect() and tensor_set_expect_only() alone, to be named by them. */
TensorSet *tensor_set_open (const gchar *folder, GError **error);
/* The same of one file. */
TensorSet *tensor_set_open_file (const gchar *path, GError **error);
/* An empty set to be filled with tensor_set_add(). Its tensors' file is "(memory)". */
TensorSet *tensor_set_new (void);
/* data: taken, freed with g_free(). name and shape are copied. */
void tensor_set_add (TensorSet *set, const gchar *name, Dtype dtype, guint n_dims, const guint64 *shape, gpointer data);
void tensor_set_free (TensorSet *set);

/* NULL when there is none. */
const TensorInfo *tensor_set_lookup (const TensorSet *set, const gchar *name);
/* NULL with MINIVL_ERROR_FILE, naming file and tensor, when there is none or it has another shape or type. */
const TensorInfo *tensor_set_expect (const TensorSet *set, const gchar *name, guint n_dims, const guint64 *shape, GError **error);
/* names: all that the model has. unread (nullable): one more that may be there. FALSE with MINIVL_ERROR_FILE, naming file and
 * tensor, when the set has any other, which might be a part that this model would do without. Those that certainly are none,
 * buffers that are made anew and what is of a foreign type, are warned of instead, with `unread`, in one g_warning(). */
gboolean tensor_set_expect_only (
    const TensorSet *set, const gchar *const *names, guint n_names, const gchar *unread, GError **error);
/* Bytes [offset, offset + bytes) of a set's tensor will be read soon: those of a file come from the disk meanwhile. */
void tensor_info_expect (const TensorInfo *t, guint64 offset, guint64 bytes);
/* They have been read: those of a file no longer take memory of the process, until they are read again. */
void tensor_info_forget (const TensorInfo *t, guint64 offset, guint64 bytes);
/* FALSE with MINIVL_ERROR_FILE, naming file and tensor, when one is of a type that is not read. */
gboolean tensor_set_expect_known (const TensorSet *set, GError **error);
/* (array length=n) (transfer container): in file order, those of types that are read */
const TensorInfo **tensor_set_list (const TensorSet *set, guint *n);
/* Feeds the headers' bytes, the files' sizes and the first 64 KiB of each tensor to a checksum, for model_hash. A set in memory
 * counts as the file that tensor_set_write() makes of it. */
void tensor_set_checksum (const TensorSet *set, GChecksum *checksum);
/* Feeds when the files were last written to a checksum: whoever changes what tensor_set_checksum() does not look at shows by that.
 */
void tensor_set_stamp (const TensorSet *set, GChecksum *checksum);

/* A string as JSON has it. */
void tensors_append_quoted (GString *out, const gchar *text);
/* What stands in front of the data: the length's eight bytes and the JSON, padded so that the data is aligned. data_bytes: size of
 * all tensors. (transfer full) */
GString *tensors_header (const TensorInfo *const *tensors, guint n, guint64 *data_bytes);
/* Writes the tensors as one safetensors file, in the order of tensor_set_list(). */
gboolean tensor_set_write (const TensorSet *set, const gchar *path, GError **error);

/* Gives the bytes [offset, offset + length) of a tensor. */
typedef void (*TensorFillFunc) (const TensorInfo *tensor, guint64 offset, gsize length, gpointer buffer, gpointer user_data);
/* Writes one safetensors file in pieces of a few MiB. The tensors' own data is not looked at. The file appears under its name when
 * it is complete; on failure, with MINIVL_ERROR_FILE, what was there before stays. */
gboolean tensors_write (
    const gchar *path, const TensorInfo *const *tensors, guint n, TensorFillFunc fill, gpointer user_data, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TensorSet, tensor_set_free)

#endif
