// The cache of keys and values: blocks of KV_BLOCK keys, a head after the other in a block, in quads (see vk/ops.h).
// Elements are f32 or f16 by -D of elements.glsl; DIM is the head's.

const uint QUADS = DIM / (4 * FOURS); // of a key, and of a value
