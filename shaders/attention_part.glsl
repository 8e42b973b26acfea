// What the kernels of attention for GPUs share. The cache is bound one window of blocks at a time, and a row's keys may be split: then
// each dispatch, or each workgroup, leaves a part of a result, which attention_join.comp joins. A part is DIM sums that are not divided
// yet, then the largest score and the weights' total.

layout (constant_id = 1) const bool PARTIAL = false;

const float NOTHING = -1e29; // the largest score where no key is seen: the weight of NEVER is 0 beside it

// Whether a block is bound; `number`, of the head, counts over those that are.
bool is_bound (uint sequence, uint turn, uint head, out uint number)
{
    uint block = table[ROW_AT (p.table, sequence) + turn] - p.window_first;
    number = block * p.heads + head / p.shared_by;
    return block < p.window_blocks;
}

uint result_at (uint row, uint head, uint part)
{
    return PARTIAL ? (ROW_AT (p.y, row) + (head * p.parts + part) * (DIM + 4)) / 4 : output_at (row, head);
}

// What sums are multiplied by before they are stored.
float result_factor (float total) { return PARTIAL ? 1.0 : total == 0.0 ? 0.0 : 1.0 / total; }
