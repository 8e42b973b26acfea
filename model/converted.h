/*
 * Weights of 8 and 4 bits, kept as they lie on a device, so that the next start only copies them: a safetensors file of U8 tensors.
 * A file is used if its header is, byte for byte, the one that these weights of this source would be written with, its size is
 * right, and each tensor's checksum, of which the last tensor is the list. It appears under its name when it is whole; until then
 * it has a temporary one, and whoever writes it holds a lock, so that what a killed process left is told from what is being
 * written.
 */
#ifndef MODEL_CONVERTED_H
#define MODEL_CONVERTED_H

#include "minivl.h"

typedef struct
{
  gchar *name;
  guint64 octets; /* of rows, and their bytes each */
  guint64 octet_bytes;
} ConvertedTensor;

typedef struct _Converted Converted;

/* folder: made when a file is written. source: what is converted: one file each. identity: what it was like, and what it was
 * converted to; no other is read. tensors: (transfer full) (element-type ConvertedTensor), names free to be g_free()d, in the order
 * of the file. */
Converted *converted_new (const gchar *folder, const gchar *source, const gchar *identity, GArray *tensors);
/* Removes what was begun and not finished. */
void converted_free (Converted *c);

/* Opens the file. FALSE where there is none, or another. */
gboolean converted_open (Converted *c);
gboolean converted_is_open (const Converted *c);
/* Tensor i of the open file. */
const guint8 *converted_data (const Converted *c, guint i);
/* Bytes of it will soon be read, or have been: as tensor_info_expect() and tensor_info_forget(). */
void converted_expect (const Converted *c, guint i, guint64 offset, guint64 bytes);
void converted_forget (const Converted *c, guint i, guint64 offset, guint64 bytes);
/* Whether a sum of converted_sum() over all octets of tensor i is the one that the open file has. */
gboolean converted_is_whole (const Converted *c, guint i, guint64 sum);

/* Of n octets, the first of which is octet number `first`. The sums of parts add up to that of all, in any order. */
guint64 converted_sum (const guint8 *octets, guint64 first, guint64 n, guint64 octet_bytes);

/* Begins another file, in place of what is open or is there. FALSE where none can be written, with a warning that says why: the
 * weights are as good without. */
gboolean converted_begin (Converted *c);
gboolean converted_is_begun (const Converted *c);
/* The next bytes, tensor by tensor. A failure gives up, with a warning. */
void converted_append (Converted *c, gconstpointer bytes, gsize n);
/* Of the tensor whose bytes are all there. */
void converted_append_sum (Converted *c, guint64 sum);
/* Gives it its name, if nothing failed. */
void converted_finish (Converted *c);

/* A file that converted_begin() or converted_finish() made, by its name; temporary: it was not finished. */
gboolean converted_is_file (const gchar *name, gboolean *temporary);
/* Removes one that was not finished, unless it is being written. */
gboolean converted_remove_abandoned (const gchar *path);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Converted, converted_free)

#endif
