/*
 * Checkpoints whose every weight is a function of seed, tensor name and index, so that tests need a config.json and recorded
 * answers but no weights. The formula is that of the recordings, to the bit:
 *
 *   s    = seed * 0x9E3779B97F4A7C15 + fnv1a64 (name)              modulo 2^64
 *   z_i  = mix (s + (i + 1) * 0x9E3779B97F4A7C15)                  the finaliser of SplitMix64
 *   u_i  = (z_i >> 40) * 2^-23 - 1                                 in [-1, 1)
 *   w_i  = cast (float (mean + std * sqrt (3) * u_i))              in double; both casts round to nearest even
 *
 * with mean and std by the tensor's name, and i in C order.
 */
#ifndef TESTS_SYNTH_H
#define TESTS_SYNTH_H

#include "model/config.h"
#include "model/safetensors.h"

/* Every tensor of the checkpoint, without data, in the public checkpoint's order. Elements are TensorInfo, freed with the array. */
GPtrArray *synth_list (const ModelConfig *config, Dtype dtype);
/* Elements first .. first + n - 1 of a tensor, as its dtype. */
void synth_fill (const TensorInfo *tensor, guint64 seed, guint64 first, gsize n, gpointer out);
/* All of them in memory. */
TensorSet *synth_tensors (const ModelConfig *config, guint64 seed, Dtype dtype);

#endif
