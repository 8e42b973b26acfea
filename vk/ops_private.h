/*
 * Geometry that the ops share. Private to vk/ops*.c.
 */
#ifndef VK_OPS_PRIVATE_H
#define VK_OPS_PRIVATE_H

#include "vk.h"

/* Local size of kernels whose invocations are independent. */
#define LOCAL_PLAIN 64

/* A tensor, or NULL, for a push constant. */
static inline View
view_of (const Tensor *t)
{
  return t ? (View){ t->first, t->stride } : (View){ 0, 0 };
}

/* Rows in y and z, as row() in rows.glsl reads them: any number fits. */
static inline void
dispatch_rows (Dispatch *d, guint workgroups_x, guint rows)
{
  d->workgroups[0] = workgroups_x;
  d->workgroups[1] = MIN (rows, 1u << ROW_BITS);
  d->workgroups[2] = (rows + (1u << ROW_BITS) - 1) >> ROW_BITS;
}

/* An invocation for each of `quads` (or of what else an op takes at a time) of a row, in workgroups of LOCAL_PLAIN. */
static inline void
dispatch_quads (Dispatch *d, guint quads, guint rows)
{
  d->local = LOCAL_PLAIN;
  dispatch_rows (d, (quads + LOCAL_PLAIN - 1) / LOCAL_PLAIN, rows);
}

static inline const DeviceLimits *
stream_limits (OpStream *s)
{
  return device_limits (op_stream_device (s));
}

static inline const Geometry *
stream_geometry (OpStream *s)
{
  return &stream_limits (s)->geometry;
}

/* Local size of kernels that share a workgroup's sums. */
static inline guint
stream_local (OpStream *s)
{
  return MIN (stream_geometry (s)->local, SHARED_LANES);
}

/* How many units (rows, blocks) of `bytes` fit into a binding of at most `range` bytes, such that every window of that many
 * begins where a binding may. 0: none. */
static inline guint64
limits_window_units (const DeviceLimits *limits, guint64 range, guint64 bytes)
{
  guint64 step = 1;

  while (step * bytes % limits->align)
    step *= 2;
  return range / bytes / step * step;
}

static inline guint64
window_units (OpStream *s, guint64 range, guint64 bytes)
{
  return limits_window_units (stream_limits (s), range, bytes);
}

#endif
