/*
 * Devices, arenas and tensors.
 *
 * An arena is memory that is planned, then allocated at once: add every tensor, ask arena_bytes(), then arena_commit(). Tensors are
 * plain values that name a place in their arena; they stay valid until arena_free().
 * A device and its arenas are used by one thread at a time (the engine's scheduler), device listing apart.
 */
#ifndef VK_MEMORY_H
#define VK_MEMORY_H

#include <glib.h>

typedef struct _Device Device;
typedef struct _Arena Arena;

#define DEVICE_ERROR (device_error_quark ())
GQuark device_error_quark (void);

typedef enum
{
  DEVICE_ERROR_NOT_FOUND,   /* no Vulkan, or no device that the selector names */
  DEVICE_ERROR_UNSUPPORTED, /* the device lacks a feature; the message names it */
  DEVICE_ERROR_MEMORY,      /* host or device memory is used up */
  DEVICE_ERROR_LOST,        /* the device is gone: free everything and open anew */
  DEVICE_ERROR_CANCELLED,
  DEVICE_ERROR_WRONG, /* the device computes wrongly: device_self_check() */
} DeviceError;

typedef struct
{
  gchar *name, *driver, *uuid;
  const gchar *type; /* discrete, integrated, virtual, cpu, other */
  guint64 memory;    /* budget in bytes: the heap; of a CPU device MemAvailable within the cgroup's limit; of an integrated GPU the
                        lesser    of that and what its driver has left */
  gboolean chosen;   /* opens when no device is named */
  gchar *geometry; /* how kernels are shaped for it, in a line; NULL of one whose driver is too old, for which nothing is chosen */
  gchar *refusal;  /* why it cannot be opened: what it lacks; else NULL */
} DeviceInfo;

gboolean device_list (DeviceInfo **infos, guint *n_infos, GError **error);
void device_infos_free (DeviceInfo *infos, guint n_infos);

/* The folder of what is kept from one start to the next: cache_dir; for NULL the user's cache folder /minivl. (transfer full): NULL
 * for "", where nothing is kept */
gchar *device_cache_folder (const gchar *cache_dir);
/* What files begin with that devices keep there. */
#define CACHE_PIPELINES "pipelines-"
#define CACHE_VERDICTS "self-check-"

/* Cooperative matrices. */
typedef enum
{
  COOP_GPU,    /* on GPUs that have them */
  COOP_ALWAYS, /* on any device that has them */
  COOP_NEVER,
} CoopUse;

/* Zeroed memory is the default. All but cache_dir is for tests and benchmarks. */
typedef struct
{
  gboolean storage_form; /* bulk reads by storage buffers instead of texel buffers */
  gboolean no_subgroup;  /* shaders without subgroup operations */
  gboolean plain_halves; /* f16 is converted by arithmetic */
  gboolean gpu_kernels;  /* the kernels of GPUs, whatever the device */
  CoopUse coop;
  gboolean dots;          /* with gpu_kernels: dot products of bytes, even where they are no instruction */
  gboolean survey_only;   /* chooses no memory, for there may be none: a driver without its GPU. Only surveys work */
  guint64 submit_ns;      /* bound of one submit; 0: 50 ms on GPUs, none on CPU devices */
  gboolean timed;         /* the device times every op, even where submits have no bound */
  const gchar *cache_dir; /* of pipelines and the self-check's verdicts, as device_cache_folder() */
  gboolean staged;        /* reaches ARENA_DEVICE through staging even where the host sees it */
  guint64 window_bytes;   /* most bytes of a window of several tensors; 0: 1 GiB */
  gboolean dirty;         /* memory of arena_allocate() has all bits set */
  guint local;            /* local size of kernels that work in octets; 0: the device's choice. 8 without subgroup operations */
} DeviceOptions;

/* The UUID of the device that device_open() would open, (transfer full); NULL with the error it would have. */
gchar *device_find (const gchar *selector, GError **error);
/* selector: index, UUID with or without dashes, part of a name in any case, or NULL for a real GPU before a CPU device. options may
 * be NULL. Arenas and streams are freed before their device. */
Device *device_open (const gchar *selector, const DeviceOptions *options, GError **error);
void device_free (Device *dev);
/* Device memory that arenas and staging hold now. */
guint64 device_bytes (const Device *dev);
const DeviceInfo *device_info (const Device *dev);
gboolean device_is_lost (const Device *dev);

/* Q8 and Q4 are of WEIGHTS alone: blocks of 32 columns (k) share scales. Eight rows of a block lie together, in quads (16 bytes),
 * and blocks follow one another along k; rows 8 i .. 8 i + 7 begin at byte row_bytes (type, 8 * i * stride). Q8, 17 quads: the f16
 * scales of the eight rows; then quad 1 + 8 * h + r holds columns 16 h .. 16 h + 15 of row r, a byte each. A weight is scale *
 * signed byte. Q4, 10 quads: words r = 0..7 hold row r's f16 scale (low) and f16 least value (high); then quad 2 + 4 * h + p holds
 * columns 16 h .. 16 h + 15 of rows 2 p and 2 p + 1, such that two rows are computed by one multiplication: its word w holds
 * columns 4 w .. 4 w + 3 of row 2 p in its low half and of row 2 p + 1 in its high half, 4 bits a column from the lowest on. A
 * weight is scale * bits + least value. Rows of padding are zeros; columns of padding are about zero. */
typedef enum
{
  TYPE_F32,
  TYPE_F16,
  TYPE_BF16,
  TYPE_Q8,
  TYPE_Q4,
  TYPE_U32,
} TensorType;

/* Bytes of an element; not of Q8 and Q4, which have blocks. */
guint type_size (TensorType type);
/* Bytes of `stride` elements, a multiple of 32 for Q8 and Q4. */
guint64 row_bytes (TensorType type, guint64 stride);

/* How the elements of a tensor lie in memory.
 * ROWS: row-major. Rows are `stride` elements apart, cols rounded up to 32; the columns between hold zeros, and every op keeps them
 * zero. WEIGHTS: interleaved by 8 rows. A row is cut into quads (16 bytes); quad c of row r lies at ((r / 8) * quads + c) * 8 + r
 * % 8. Rows are padded to a multiple of 32, columns to a multiple of 32; the padding holds zeros.
 */
typedef enum
{
  LAYOUT_ROWS,
  LAYOUT_WEIGHTS,
} TensorLayout;

typedef struct
{
  Arena *arena;
  guint index; /* place in the arena's list: its view and its buffer */
  TensorType type;
  TensorLayout layout;
  guint rows, cols; /* of the tensor or, in a view, of the window on it */
  guint stride;     /* elements from one row to the next (ROWS); padded cols (WEIGHTS) */
  guint first;      /* first element of a view, a multiple of 4; 0 for a whole tensor. Views are of ROWS only */
} Tensor;

/* Columns first .. first + cols of t (a multiple of 4 each), all rows. */
Tensor tensor_columns (const Tensor *t, guint first, guint cols);
/* Rows first .. first + rows of t. */
Tensor tensor_rows (const Tensor *t, guint first, guint rows);

typedef enum
{
  ARENA_DEVICE, /* weights, cache, activations: fastest for the device */
  ARENA_HOST,   /* what host and device use at every step: coherent, always mapped */
  ARENA_INPUT,  /* what the host writes at every step and never reads: mapped, and the device's own memory where it can be */
} ArenaKind;

#define ARENA_KINDS 3

/* Bytes that can still be allocated of a kind. */
guint64 device_memory_left (Device *dev, ArenaKind kind);
/* Bytes of a kind that there are in all, whatever takes of them now: the heap's size or, where it is the host's memory, MemTotal
 * within the cgroup's limit; on an integrated GPU the lesser of both. */
guint64 device_memory_total (const Device *dev, ArenaKind kind);

Arena *arena_new (Device *dev, ArenaKind kind, const gchar *name);
void arena_free (Arena *arena);
/* Plans one tensor. Fails only at arena_commit(). */
Tensor arena_add (Arena *arena, TensorType type, TensorLayout layout, guint rows, guint cols);
/* Bytes that arena_commit() will allocate: alignment and windows included. */
guint64 arena_bytes (const Arena *arena);
/* Allocates and zeroes. On failure nothing is kept, and the message has the bytes asked for and available. */
gboolean arena_commit (Arena *arena, GError **error);
/* The same but for the zeroes: what is in the tensors is undefined until every byte of theirs, padding included, has been written.
 */
gboolean arena_allocate (Arena *arena, GError **error);

/* Host address of a tensor of an ARENA_HOST or ARENA_INPUT arena; of a view, of its first element. */
gpointer tensor_map (const Tensor *t);

/* Copies to or from a tensor of any arena, through staging where the device needs it; waits. The bytes are in the tensor's
 * layout. offset and size in bytes, multiples of 4, counted from the tensor's first byte (not from a view's). */
gboolean tensor_write (const Tensor *t, guint64 offset, gconstpointer data, guint64 size, GError **error);
gboolean tensor_read (const Tensor *t, guint64 offset, gpointer data, guint64 size, GError **error);
/* For much at a time: the address where the host, with as many threads as it likes, writes `size` bytes of a tensor from `offset`
 * on, all of them; what is there before is undefined. It is good until tensor_fill_end() with the same values, which does not wait:
 * the device may copy one piece while the host fills the next, one at a time. Pieces of FILL_BYTES do well. */
#define FILL_BYTES (G_GUINT64_CONSTANT (16) << 20)
gpointer tensor_fill_begin (const Tensor *t, guint64 offset, guint64 size, GError **error);
gboolean tensor_fill_end (const Tensor *t, guint64 offset, guint64 size, GError **error);
/* Waits until all that was filled is in place, which comes before anything else is done with the device or its arenas. */
gboolean arena_settle (Arena *arena, GError **error);
/* Bytes of the whole tensor, padding included, also when t is a view. */
guint64 tensor_bytes (const Tensor *t);

/* n numbers of F32, F16 or BF16, as f32: exact. */
void convert_to_f32 (float *out, gconstpointer in, TensorType type, guint64 n);
/* The reverse, rounded to nearest even. */
void convert_from_f32 (gpointer out, TensorType type, const float *in, guint64 n);

/* How many of n numbers of type `source` come before the first that `type` cannot hold: NaN, infinite, or rounded to infinity.
 * n when it holds them all. Q8 and Q4 hold what F16 holds: their scales and least values are of it. */
guint64 count_finite (gconstpointer numbers, TensorType source, TensorType type, guint64 n);

/* n_rows of a row-major matrix of F32, F16 or BF16, laid out as WEIGHTS of one of these types, rounded to nearest even where that
 * is narrower, or of Q8 or Q4: scales of Q8 are for the block's largest number, those of Q4 and least values of least squares.
 * Fills n_rows, rounded up to 8, times cols, rounded up to 32; the padding is zeros. The rows of a tensor can
 * be packed some at a time, from any multiple of 8 on, by any thread: row r begins at byte row_bytes (type, r * stride).
 * Returns what count_finite() returns for the n_rows * cols numbers. */
guint64 weights_pack (gpointer out, TensorType type, gconstpointer rows, TensorType source, guint n_rows, guint cols);
/* What weights_pack() made of a matrix as Q8 or Q4, as dense f32: what the device computes with. */
void weights_unpack (float *rows, gconstpointer packed, TensorType type, guint n_rows, guint cols);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Arena, arena_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Device, device_free)

#endif
