/*
 * A cache of keys and values as sequences leave it, for the tests of what writes and reads it.
 */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include "vk/ops.h"

/* One layer's cache and the sequences in it: their blocks lie in any order, between blocks of rubbish. */
typedef struct
{
  Device *dev;
  Arena *arena;
  KvLayer kv;
  guint n_sequences, keys, blocks, spare; /* keys: of each sequence; blocks: of each sequence; spare: blocks of no sequence */
  guint32 *table;                         /* [n_sequences][blocks] */
  float *k, *v;                           /* [n_sequences][keys][heads][head_dim], as the cache holds them */
  Tensor table_tensor;
} World;

/* Plans the cache of n_sequences of `keys` keys each. What else a test needs may be added to the arena. */
void world_plan (World *w, Device *dev, KvType type, guint heads, guint head_dim, guint n_sequences, guint keys);
/* Commits the arena and fills the cache. */
void world_fill (World *w);
void world_clear (World *w);

#endif
