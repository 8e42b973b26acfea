/*
 * What weights.c lists and load.c copies.
 */
#ifndef MODEL_LOAD_H
#define MODEL_LOAD_H

#include "weights.h"

/* Read by hand, into one tensor. */
#define CLASS "vision_model.embeddings.class_embedding"
#define POSITION "vision_model.embeddings.position_embedding"
#define PATCH_BIAS "vision_model.embeddings.patch_embedding.bias"

/* What the configuration asks for by name, and where it goes. */
typedef struct
{
  gchar *name;
  guint n_dims;
  guint64 shape[TENSOR_MAX_DIMS];
  Tensor *tensor;          /* NULL: only checked, read by hand */
  gboolean matrix;         /* stored as WEIGHTS, all dimensions but the first together; else as an F32 vector */
  guint64 first_row, rows; /* of a matrix: those that go there. A name may have two slots */
  MinivlPrecision least;   /* never stored with fewer bits than at this one */
  const LoraMatrix *lora;  /* added to it; NULL: nothing */
} Slot;

guint64 slot_cols (const Slot *slot);
/* Whether it is in the file of converted weights, where one is kept. */
gboolean slot_is_converted (const Slot *slot);

#endif
