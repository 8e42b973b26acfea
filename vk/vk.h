/*
 * Private to vk/: what the runtime's files share, and how an op records a dispatch.
 */
#ifndef VK_VK_H
#define VK_VK_H

#include <vulkan/vulkan.h>

#include "shaders/shaders.h"
#include "ops.h"

/* --- for the ops ----------------------------------------------------------------------------------------------------------- */

/* How a shader reads or writes a binding. */
typedef enum
{
  BIND_BULK,  /* read a quad (16 bytes) at a time: an RGBA32UI texel buffer or a uvec4 storage buffer, by the device's form (BULK in
                 common.glsl) */
  BIND_READ,  /* a storage buffer of words */
  BIND_WRITE, /* a storage buffer of words, read or not */
} BindKind;

typedef struct
{
  BindKind kind;
  const Tensor *tensor; /* bound whole; views pass their first element by push constant */
  guint64 offset, size; /* bytes of the tensor to bind, size 0: all behind offset. For tensors beyond the device's ranges
                           (DeviceLimits); offset is a multiple of DeviceLimits.align */
} Bind;

#define DISPATCH_MAX_BINDS 6 /* all may be storage buffers: as many are asked of a device */
#define DISPATCH_MAX_SPEC 8
#define DISPATCH_MAX_PUSH 128
#define DISPATCH_MAX_TURNS 65535 /* lavapipe silently ends an invocation's loops there */

typedef struct
{
  const gchar *shader;           /* row of the variant table; the runtime finds the rows of its forms */
  Bind bind[DISPATCH_MAX_BINDS]; /* binding 0, 1, ...; ends at the first without tensor */
  gconstpointer push;
  guint push_size;
  guint local;                     /* local_size_x */
  guint subgroup;                  /* lanes that it asks for in its subgroups, of a device that has the choice; 0: any */
  gboolean full_subgroups;         /* none has fewer */
  guint32 spec[DISPATCH_MAX_SPEC]; /* constant_id 0, 1, ... */
  guint n_spec;
  guint workgroups[3];
  guint64 turns;        /* loop turns of one invocation, all loops together: asserted */
  gboolean apart;       /* it writes nothing that another dispatch of its op writes, though to the same views */
  guint64 flops, bytes; /* its time is estimated from them: the most there can be where only the device knows */
} Dispatch;

/* The dispatches from here to the next call are of this op. name: static. */
void op_stream_begin_op (OpStream *s, const gchar *name);
/* Adds one dispatch; it sees what those before it wrote, and runs beside those that it has nothing to do with. Copies d; the
 * tensors are resolved now. Failures are kept in the stream.
 */
void op_stream_dispatch (OpStream *s, const Dispatch *d);
/* A failure of an op's own checks. */
void op_stream_fail (OpStream *s, const gchar *format, ...) G_GNUC_PRINTF (2, 3);

Device *op_stream_device (OpStream *s);

#define OCTET 8 /* lanes that pass values to each other */

/* A tile of y that a workgroup of matmul_tile computes; `splits` groups of its invocations share k among them. */
typedef struct
{
  guint rows, columns, splits;
} MatmulTile;

#define MATMUL_TILES 3

guint matmul_tile_invocations (const MatmulTile *tile);

/* The workgroups that a matvec of 3072 columns has at least: four for each core of the largest GPUs. */
#define MATVEC_WORKGROUPS (4 * 144)

/* Columns of y that a workgroup of matvec_split computes, of n: 8, whose weights lie together, or 4 where 8 make too few
 * workgroups. */
guint geometry_matvec_columns (guint n);

/* Rows of queries that a workgroup of attention_tile takes; `each` of them an invocation. */
typedef struct
{
  guint rows, each;
} AttentionTile;

#define ATTENTION_TILES 2

guint attention_tile_invocations (const AttentionTile *tile);

/* A tile of y that a workgroup of matmul_coop computes, each of its subgroups a share of it. */
typedef struct
{
  guint rows, columns, share_rows, share_columns;
} CoopTile;

#define COOP_TILES 3

guint coop_tile_subgroups (const CoopTile *tile);

/* Cooperative matrices of a device: of f16, with sums of f32, as many rows as columns, shared by a subgroup. */
typedef struct
{
  guint side;                 /* their rows and columns; 0: there are none that matmul takes */
  guint subgroup;             /* lanes of the subgroups that have them */
  gboolean choose;            /* a pipeline has to ask for so many: the driver makes others, too */
  CoopTile tiles[COOP_TILES]; /* from the largest on, with rows 0 after the last */
} CoopGeometry;

/* What a device reports of them. */
typedef struct
{
  guint sides[8]; /* of the square ones, 0 after the last */
  guint subgroup; /* the fewest lanes that a compute pipeline may ask for in its subgroups; 0: it has no choice */
} CoopReport;

/* How kernels are shaped for a device: what is right only for one kind of them. geometry_choose() fills it from the limits below,
 * and nothing else does; CONTRIBUTING.md has a table of what is chosen for which device, and why. */
typedef struct
{
  gboolean gpu_kernels;  /* those of GPUs, where there are others for lavapipe */
  gboolean storage_form; /* bulk reads by storage buffers instead of texel buffers */
  gboolean no_subgroup;  /* lanes pass values through shared memory, as there are no shuffles among 8 of them */
  gboolean plain_halves; /* shaders convert f16 to f32 by arithmetic */
  guint local;           /* for kernels that work in octets: 8 on CPU devices and with no_subgroup, several octets on GPUs */

  MatmulTile tiles[MATMUL_TILES]; /* from the largest on, with rows 0 after the last; without any, matmul works in octets */
  guint busy;                     /* workgroups that keep the device busy: smaller tiles rather than fewer */
  guint matvec_local;             /* invocations of a workgroup that splits k; 0: matvec works in octets */
  guint64 matmul_flops;           /* most operations of a dispatch of either */
  CoopGeometry coop;              /* for weights of 16 bits, before tiles */
  gboolean dots;                  /* matmul_dot for Q8 and Q4, before tiles */

  AttentionTile attention_tiles[ATTENTION_TILES]; /* from the largest on */
  guint attention_split;                          /* invocations of attention_split, and keys that it takes a turn */
  guint attention_workgroups;                     /* that the keys of a row are split for at most, all heads together */
  guint64 attention_flops;                        /* most operations of a dispatch */
} Geometry;

/* What a device reports, as far as an op depends on it, and what is chosen by that. */
typedef struct
{
  gboolean cpu;             /* VK_PHYSICAL_DEVICE_TYPE_CPU */
  guint subgroup;           /* lanes */
  gboolean shuffles;        /* lanes of a subgroup pass values to each other */
  gboolean converts_halves; /* f16 to f32, without ending the process */
  CoopReport matrices;      /* cooperative ones */
  gboolean dots;            /* it has dot products of 4 bytes in a word */
  gboolean fast_dots;       /* as an instruction */
  guint shared_bytes;       /* of a workgroup */
  guint64 texels;           /* of a texel buffer */
  guint max_local;          /* invocations of a workgroup in x */
  guint max_workgroups[3];  /* of a dispatch */
  guint64 bulk_range;       /* most bytes of one BIND_BULK binding */
  guint64 storage_range;    /* most bytes of a storage buffer binding */
  guint64 align;            /* of a binding's offset: texel and storage */
  guint64 submit_ns;        /* bound of a submit; a longer op cuts itself into slices. 0: none */
  Geometry geometry;
} DeviceLimits;

const DeviceLimits *device_limits (const Device *dev);

/* geometry.c: fills in the geometry; the other limits are there. */
void geometry_choose (DeviceLimits *limits, const DeviceOptions *options);
/* It in a line, for people. (transfer full) */
gchar *geometry_text (const Geometry *geometry);
/* The largest tile that keeps a GPU busy with m rows, else the smallest. */
const AttentionTile *geometry_attention_tile (const DeviceLimits *limits, guint m, guint heads_q);
/* In how many parts decode splits the keys of a row, however many there are, at most. */
guint geometry_most_splits (const DeviceLimits *limits, guint heads_q);

/* What a pipeline is made from. Compared byte by byte. */
typedef struct
{
  const Shader *shader;
  guint32 local, subgroup, full_subgroups, n_spec;
  guint32 spec[DISPATCH_MAX_SPEC];
} Variant;

/* The one that a dispatch takes on this device. FALSE when there is no such shader. */
gboolean variant_init (Variant *v, const Device *dev, const Dispatch *d, GError **error);
guint variant_hash (gconstpointer variant);
gboolean variant_equal (gconstpointer a, gconstpointer b);
#define VARIANT_FIXED 3

/* Its specialisation constants, those that every shader has first, and the subgroups that it asks for. */
typedef struct
{
  guint32 values[VARIANT_FIXED + DISPATCH_MAX_SPEC];
  VkSpecializationMapEntry map[VARIANT_FIXED + DISPATCH_MAX_SPEC];
  VkSpecializationInfo info; /* of the other members: not to be copied */
  VkPipelineShaderStageRequiredSubgroupSizeCreateInfo subgroup;
  gconstpointer next; /* of the shader's stage, and its flags */
  VkPipelineShaderStageCreateFlags flags;
} VariantConstants;

void variant_constants (VariantConstants *c, const Variant *v, gboolean plain_halves);
/* What a survey noted: Variant -> name of an op that takes it (transfer none); NULL and the failure of an op that cannot run. */
GHashTable *op_survey_variants (OpStream *survey, GError **error);

/* --- shared by the runtime's files ------------------------------------------------------------------------------------------ */

/* A type of memory, and how the host reaches it. */
typedef struct
{
  guint32 type;
  gboolean mapped;      /* the host writes it in place */
  gboolean host_cached; /* the host also reads it in place; reading uncached memory is slower than a copy */
  guint32 heap;
} MemoryKind;

/* Half of the staging buffer, and what copies it. */
typedef struct
{
  VkCommandBuffer commands;
  VkFence fence;
  gboolean busy; /* submitted, and not waited for yet */
} StagingHalf;

struct _Device
{
  DeviceInfo info;
  DeviceLimits limits;
  guint64 window_bytes; /* most bytes of a window of several tensors */
  guint64 tensor_bytes; /* most bytes of one tensor */
  guint8 uuid[VK_UUID_SIZE], cache_uuid[VK_UUID_SIZE];
  guint32 driver_version;

  VkInstance instance;
  VkPhysicalDevice physical;
  VkDevice vk;
  VkQueue queue;
  guint32 family;
  guint64 timestamp_mask; /* 0: the queue has none */
  double timestamp_ns;
  gboolean host_query_reset;
  gboolean timed;         /* DeviceOptions */
  gboolean memory_budget; /* VK_EXT_memory_budget */
  gboolean unified;       /* the device's memory is the host's: a CPU device, or an integrated GPU */

  /* names.c; NULL where nobody looks */
  PFN_vkSetDebugUtilsObjectNameEXT set_name;
  PFN_vkCmdBeginDebugUtilsLabelEXT begin_label;
  PFN_vkCmdEndDebugUtilsLabelEXT end_label;
  PFN_vkCmdInsertDebugUtilsLabelEXT insert_label;

  gboolean lost;
  guint lost_after; /* submits until the loss that a test asked for; 0: none */
  guint full_after; /* allocations until the failure that a test asked for; 0: none */
  gboolean dirty;   /* DeviceOptions */

  /* memory.c */
  VkPhysicalDeviceMemoryProperties memory;
  MemoryKind kinds[ARENA_KINDS]; /* by ArenaKind */
  guint64 allocation_align;
  guint64 bytes; /* allocated now */
  guint64 heap_bytes[VK_MAX_MEMORY_HEAPS];

  /* transfer.c */
  VkBuffer staging;
  VkDeviceMemory staging_memory;
  gpointer staging_map;
  guint64 half_bytes; /* 0: there is no staging buffer */
  StagingHalf halves[2];
  guint half; /* the next to be filled */
  VkCommandPool transfer_pool;

  /* pipeline.c */
  VkPipelineCache cache;
  gchar *cache_file;
  gsize cache_loaded;    /* bytes that came from the file */
  GHashTable *layouts;   /* kinds of the bindings -> PipelineLayout */
  GHashTable *pipelines; /* PipelineKey -> VkPipeline */
  guint64 compile_ns;    /* what the driver took to make them; some compile only when a pipeline first runs */

  /* command.c */
  GHashTable *rates; /* shader -> Rate, what it has taken so far */
};

/* Calls Vulkan, logs a failure with the call's text, fills `error` and jumps to `error:`. Needs `dev` and `error` in scope. */
#define VK(call)                                                                                                                   \
  G_STMT_START                                                                                                                     \
  {                                                                                                                                \
    VkResult vk_result_ = (call);                                                                                                  \
    if (vk_result_ < 0) {                                                                                                          \
      device_fail (dev, #call, vk_result_, error);                                                                                 \
      goto error;                                                                                                                  \
    }                                                                                                                              \
  }                                                                                                                                \
  G_STMT_END

/* failure.c. What VK() calls. dev may be NULL before there is one. Notes a lost device. */
void device_fail (Device *dev, const gchar *call, VkResult result, GError **error);
/* FALSE with DEVICE_ERROR_LOST when the device is lost. */
gboolean device_usable (const Device *dev, GError **error);
/* vkQueueSubmit of whole command buffers. */
VkResult device_submit (Device *dev, guint n, const VkCommandBuffer *buffers, VkFence fence);
/* For tests: the device is lost at the submit after the next `after_submits`. */
void device_inject_lost (Device *dev, guint after_submits);
/* vkAllocateMemory. */
VkResult device_allocate (Device *dev, const VkMemoryAllocateInfo *info, VkDeviceMemory *memory);
/* For tests: the device has no memory at the allocation after the next `after_allocations`. */
void device_inject_full (Device *dev, guint after_allocations);

#ifdef HAVE_COOPERATIVE_MATRIX
/* cooperative.c. What matmul_coop needs to be switched on. */
typedef struct
{
  VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrix;
  VkPhysicalDeviceVulkanMemoryModelFeatures memory_model;
  VkPhysicalDeviceShaderFloat16Int8Features float16;
  VkPhysicalDeviceSubgroupSizeControlFeatures subgroups;
} CoopFeatures;

/* For a device that has the extension, and VK_EXT_subgroup_size_control. */
void coop_report (VkInstance instance, VkPhysicalDevice physical, CoopReport *report);
/* The chain of them, with `next` at its end. */
gpointer coop_features (CoopFeatures *features, gpointer next);
#endif

/* device.c. What is switched on of a device when it is created. */
typedef struct
{
  const gchar *extensions[8];
  guint n_extensions;
  gconstpointer next; /* of VkDeviceCreateInfo: of the other members, not to be copied */
  VkPhysicalDeviceHostQueryResetFeatures query_reset;
  VkPhysicalDeviceShaderIntegerDotProductFeatures dots;
#ifdef HAVE_COOPERATIVE_MATRIX
  CoopFeatures coop;
#endif
} DeviceFeatures;

void device_features (DeviceFeatures *features, const Device *dev);

/* hostmem.c. Bytes the host has left for this process: MemAvailable (without /proc, what is free), at most what its cgroup (v1
 * or v2) leaves. root: "/", or a folder in tests. */
guint64 host_memory_available (const gchar *root);
/* Bytes there are for it in all, whatever others take of them now: MemTotal (without /proc, what is installed), at most the limit
 * of its cgroup. */
guint64 host_memory_total (const gchar *root);
/* Asks for large pages behind this memory, where the system gives them on request (transparent_hugepage "madvise", as in Ubuntu and
 * Fedora). Nothing of it is lost where it does not. */
void host_memory_large_pages (gpointer memory, gsize bytes);

#define TENSOR_ALIGN 256 /* of a tensor in its window */

/* heap.c. Bytes of a heap that the driver has left for this process, by VK_EXT_memory_budget. */
guint64 heap_budget_left (VkPhysicalDevice physical, guint32 i);
/* Chooses the kinds of memory. */
gboolean device_memory_init (Device *dev, gboolean staged, GError **error);
/* A buffer with memory of its own. On failure there is neither, and the message has the figures. */
gboolean device_memory_new (
    Device *dev, VkBuffer *buffer, ArenaKind kind, guint64 bytes, VkDeviceMemory *memory, gpointer *map, GError **error);
/* Either may be VK_NULL_HANDLE. */
void device_memory_free (Device *dev, VkBuffer *buffer, ArenaKind kind, VkDeviceMemory *memory, guint64 bytes);

/* names.c: whether an instance can have VK_EXT_debug_utils; a device whose instance may have it. */
gboolean names_available (void);
/* Between these one thread of the process makes or frees an instance or a device, or names an object. */
void loader_enter (void);
void loader_leave (void);
void device_names_init (Device *dev);
/* What an object is called, and what the commands between begin and end are part of. */
void device_name (Device *dev, VkObjectType type, guint64 object, const gchar *format, ...) G_GNUC_PRINTF (4, 5);
void device_label_begin (Device *dev, VkCommandBuffer buffer, const gchar *name);
void device_label_end (Device *dev, VkCommandBuffer buffer);
/* A frame ends here: RenderDoc, which captures frames, knows it by this. */
void device_label_frame (Device *dev, VkCommandBuffer buffer);

/* memory.c */
Device *arena_device (const Arena *arena);
/* Where the host sees the whole tensor; NULL where it does not. */
guint8 *tensor_host (const Tensor *t);
/* Whether it reads there as fast as it writes. */
gboolean tensor_host_reads (const Tensor *t);
/* The buffer of the whole tensor and its offset in it. */
VkBuffer tensor_buffer (const Tensor *t, guint64 *offset);
/* An RGBA32UI view of part of a tensor; kept by the arena. */
gboolean tensor_view (const Tensor *t, guint64 offset, guint64 size, VkBufferView *view, GError **error);

/* accesses.c. What a dispatch does to a binding's memory. It may read all that is bound, but writes to the view alone. */
typedef struct
{
  VkBuffer buffer;
  guint64 first, end; /* bytes that are bound */
  gboolean writes;
  guint row_first, row_end, column_first, column_end; /* the view of the tensor */
  guint apart;                                        /* Dispatch.apart: a number of its op; else 0 */
} Access;

Access access_of (const Bind *bind, const VkDescriptorBufferInfo *bytes, guint apart);
/* Whether a dispatch must wait for those before it (Access). */
gboolean accesses_conflict (const GArray *before, const Access *accesses, guint n);

/* staging.c */
void device_transfer_clear (Device *dev);
/* What both halves need, and room for `size` bytes in each. */
gboolean halves_prepare (Device *dev, guint64 size, GError **error);
guint8 *half_address (const Device *dev, guint half);
/* Until the device has done what was last asked of this half. */
gboolean half_wait (Device *dev, StagingHalf *half, GError **error);
/* Until it has done that of both. */
gboolean halves_settle (Device *dev, GError **error);
/* Begins a copy. */
gboolean half_copy (Device *dev, StagingHalf *half, VkBuffer from, guint64 from_offset, VkBuffer to, guint64 to_offset,
    guint64 size, GError **error);
/* Sets all bytes of a buffer, and waits. */
gboolean device_set (Device *dev, VkBuffer buffer, guint8 value, GError **error);

/* mesa-cache.c: call it before an instance is made. Where the disk of Mesa's cache is full, warns and switches that cache off, by
 * setting a variable of the environment; a variable that is there already is left alone. */
void mesa_cache_check_room (void);

/* pipeline.c */
typedef struct
{
  VkDescriptorSetLayout set;
  VkPipelineLayout pipeline;
} PipelineLayout;

gboolean device_pipelines_init (Device *dev, const gchar *cache_dir, GError **error);
/* Writes the pipeline cache if it has grown. */
void device_pipelines_clear (Device *dev);
/* Both live as long as the device. texel: one bit a binding. */
const PipelineLayout *pipeline_layout (Device *dev, guint n_binds, guint texel, GError **error);
VkPipeline pipeline_get (Device *dev, const Dispatch *d, const PipelineLayout *layout, GError **error);

#endif
