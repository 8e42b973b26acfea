// The cache of keys and values: blocks of KV_BLOCK keys; a block holds one head after the other, in quads (see vk/ops.h).
// Elements are f32 or f16 by the -D of elements.glsl; DIM is a head's size.

const uint QUADS = DIM / (4 * FOURS); // of a key, and of a value
