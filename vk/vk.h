/*
 * Private to vk/: what the runtime's files share, and how an op records a dispatch.
 */
#ifndef VK_VK_H
#define VK_VK_H

#include <vulkan/vulkan.h>

#include "ops.h"

/* How a shader reads or writes a binding. */
typedef enum
{
  BIND_BULK,  /* read 16 bytes at a time: an RGBA32UI texel buffer or a uvec4 storage buffer, by the device's form (BULK in
                 common.glsl) */
  BIND_READ,  /* a storage buffer of words */
  BIND_WRITE, /* a storage buffer of words, read or not */
} BindKind;

typedef struct
{
  BindKind kind;
  const Tensor *tensor; /* bound whole; views pass their first element by push constant */
  guint64 offset,
      size; /* bytes of the tensor to bind, size 0: all of it. For tensors beyond the device's ranges: see bind_limit() */
} Bind;

#define DISPATCH_MAX_BINDS 8
#define DISPATCH_MAX_SPEC 8
#define DISPATCH_MAX_TURNS 65535 /* lavapipe ends the loops of an invocation there, without a word */

typedef struct
{
  const gchar *shader;           /* row of the variant table; the storage form's row is found by the runtime */
  Bind bind[DISPATCH_MAX_BINDS]; /* binding 0, 1, ...; ends at the first without tensor */
  gconstpointer push;
  guint push_size;
  guint local;                     /* local_size_x, constant_id 253 */
  guint32 spec[DISPATCH_MAX_SPEC]; /* constant_id 0, 1, ... */
  guint n_spec;
  guint groups[3];
  guint64 turns;        /* loop turns of one invocation, all loops together: asserted */
  guint64 flops, bytes; /* added to the op's timing row */
} Dispatch;

/* The dispatches that follow, up to the next call, are of this op. name: static. */
void op_stream_begin_op (OpStream *s, const gchar *name);
/* Records one dispatch behind a barrier. Failures are kept in the stream. */
void op_stream_dispatch (OpStream *s, const Dispatch *d);
/* A failure of an op's own checks. */
void op_stream_fail (OpStream *s, const gchar *format, ...) G_GNUC_PRINTF (2, 3);

Device *op_stream_device (OpStream *s);

/* Facts an op chooses geometry by. */
typedef struct
{
  gboolean cpu;   /* VK_PHYSICAL_DEVICE_TYPE_CPU */
  guint subgroup; /* lanes */
  gboolean storage_form;
  guint max_local;       /* invocations of a workgroup in x */
  guint64 bulk_range;    /* most bytes of one BIND_BULK binding */
  guint64 storage_range; /* most bytes of a storage buffer binding */
  guint64 align;         /* of a binding's offset: texel and storage */
} DeviceLimits;

const DeviceLimits *device_limits (const Device *dev);

#endif
