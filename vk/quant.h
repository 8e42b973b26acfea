/*
 * Weights of 8 and 4 bits. Private to vk/: weights_pack() is what others call. How blocks lie in memory: TensorType in memory.h.
 */
#ifndef VK_QUANT_H
#define VK_QUANT_H

#include "memory.h"

#define QUANT_QUAD 16 /* bytes that a device reads at a time */

/* Eight rows of `cols` numbers as TYPE_Q8 or TYPE_Q4; absent rows are NULL and become zeros. Fills the bytes of eight rows, padded
 * to a multiple of 32 columns. What the numbers are decides nothing about memory: those that are not finite give other numbers. */
void quantise_rows (gpointer out, TensorType type, const float *const rows[8], guint cols);

#endif
