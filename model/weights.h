/*
 * The weights of a checkpoint on a device: every tensor of the file checked against the configuration, stored in the layout the
 * operations read. Immutable once loaded.
 */
#ifndef MODEL_WEIGHTS_H
#define MODEL_WEIGHTS_H

#include "config.h"
#include "converted.h"
#include "lora.h"
#include "safetensors.h"
#include "vk/ops.h"

/* Vectors are F32 [1][n]; matrices WEIGHTS [out][in]. A tensor that the configuration does not have has no rows. */
typedef struct
{
  Tensor norm1, norm1_bias, norm2, norm2_bias;
  Tensor qkv, qkv_bias, q_norm, k_norm;
  Tensor proj, proj_bias, fc1, fc1_bias, fc2, fc2_bias;
  Tensor ls1, ls2;
} VisionLayer;

typedef struct
{
  Tensor input_norm, qkv, o, post_norm, gate_up, down;
  Tensor v; /* the last rows of the file's qkv, which are not in qkv then; without rows: they are */
} LanguageLayer;

typedef struct
{
  const ModelConfig *config;
  Arena *arena;
  GArray *slots;        /* what is copied where */
  Converted *converted; /* file of matrices of 8 and 4 bits, until they are loaded; NULL: none is kept */

  Tensor patch, patch_bias;
  Tensor position;     /* F32 [vision_rows()][hidden], what is added to the embedded patches of a tile: see load.c */
  VisionLayer *vision; /* [model_select_layer()]: blocks beyond are not kept */
  guint n_vision;
  Tensor mlp_norm, mlp_norm_bias, mlp1, mlp1_bias, mlp2, mlp2_bias;

  Tensor embed, head; /* the same tensor when tied, at 16 bits and more */
  LanguageLayer *language;
  guint n_language;
  Tensor norm;
} Weights;

/* Rows a tile takes in the vision transformer: class token and patches, padded to a multiple of 8. */
guint vision_rows (const ModelConfig *config);

/* Looks for what the configuration asks for by name and shape, and plans. precision: not AUTO. Tensors are valid after this, their
 * contents after weights_load(). */
Weights *weights_new (Device *dev, const ModelConfig *config, const TensorSet *set, MinivlPrecision precision, GError **error);
/* FALSE where the set has what the configuration has not. Warns of what is of no use. */
gboolean weights_check (const Weights *w, const TensorSet *set, GError **error);
/* What weights_load() will add to matrices while it copies them. lora: lives until then. */
void weights_merge (Weights *w, const Lora *lora);
/* Where weights_load() finds matrices of 8 and 4 bits that were converted before, or keeps them: as converted_new(), a file for
 * each precision. */
void weights_keep (Weights *w, const gchar *folder, const gchar *source, const gchar *identity);
guint64 weights_bytes (const Weights *w);
/* Allocates and copies. on_progress as in minivl.h; may be NULL. */
gboolean weights_load (Weights *w, const TensorSet *set, MinivlProgressFunc on_progress, gpointer user_data, GError **error);
void weights_free (Weights *w);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Weights, weights_free)

#endif
