/* Arenas: what is planned is what is allocated, where tensors lie, and how the host reaches them. */
#include "harness.h"
#include "vk/vk.h"

#include <string.h>

/* Every way to a device arena: in place, and through staging. */
typedef struct
{
  const gchar *name;
  DeviceOptions options;
} Way;

static const Way ways[] = {
  { "direct", { 0 } },
  { "staged", { .staged = TRUE } },
  { "staged-small-windows", { .staged = TRUE, .window_bytes = 1 << 20 } },
};

static void
fill (guint8 *bytes, gsize n, guint32 seed)
{
  GRand *rand = g_rand_new_with_seed (seed);

  for (gsize i = 0; i < n; i++)
    bytes[i] = g_rand_int (rand);
  g_rand_free (rand);
}

static void
test_shapes_are_padded_as_their_layout_says (void)
{
  Device *dev = harness_device (NULL);
  Arena *arena = arena_new (dev, ARENA_DEVICE, "shapes");
  const Tensor rows = arena_add (arena, TYPE_F32, LAYOUT_ROWS, 3, 33);
  const Tensor halves = arena_add (arena, TYPE_F16, LAYOUT_ROWS, 1, 1);
  const Tensor weights = arena_add (arena, TYPE_BF16, LAYOUT_WEIGHTS, 33, 65);
  const Tensor part = tensor_rows (&rows, 1, 2);
  const Tensor inner = tensor_columns (&part, 8, 20);

  g_assert_cmpuint (rows.stride, ==, 64);
  g_assert_cmpuint (tensor_bytes (&rows), ==, 3 * 64 * 4);
  g_assert_cmpuint (tensor_bytes (&halves), ==, 32 * 2);
  g_assert_cmpuint (weights.stride, ==, 96);
  g_assert_cmpuint (tensor_bytes (&weights), ==, 64 * 96 * 2);
  g_assert_cmpuint (inner.first, ==, 64 + 8);
  g_assert_cmpuint (inner.rows, ==, 2);
  g_assert_cmpuint (inner.cols, ==, 20);
  g_assert_cmpuint (tensor_bytes (&inner), ==, tensor_bytes (&rows));
  arena_free (arena);
  device_free (dev);
}

static void
test_no_tensor_crosses_a_window (void)
{
  const DeviceOptions options = { .window_bytes = 4096 };
  Device *dev = harness_device (&options);
  Arena *arena = arena_new (dev, ARENA_DEVICE, "windows");
  static const guint rows[] = { 1, 31, 5, 40, 30, 1, 2, 200, 7 }; /* of 128 bytes; 40 and 200 are longer than a window */
  Tensor t[G_N_ELEMENTS (rows)];
  guint64 planned;

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    t[i] = arena_add (arena, TYPE_F32, LAYOUT_ROWS, rows[i], 32);
  planned = arena_bytes (arena);
  g_assert_cmpuint (planned, <=, 3 * 4096 + 40 * 128 + 200 * 128);
  g_assert_true (arena_commit (arena, NULL));
  g_assert_cmpuint (device_bytes (dev), ==, planned);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    guint64 offset;
    const VkBuffer buffer = tensor_buffer (&t[i], &offset);

    g_assert_cmpuint (offset % 256, ==, 0);
    g_assert_cmpuint (offset + tensor_bytes (&t[i]), <=, MAX (4096, tensor_bytes (&t[i])));
    for (guint k = 0; k < i; k++) {
      guint64 other;
      if (tensor_buffer (&t[k], &other) == buffer)
        g_assert_true (other >= offset + tensor_bytes (&t[i]) || offset >= other + tensor_bytes (&t[k]));
    }
  }
  arena_free (arena);
  g_assert_cmpuint (device_bytes (dev), ==, 0);
  device_free (dev);
}

static void
test_over_budget_tells_bytes_asked_and_there (void)
{
  Device *dev = harness_device (NULL);
  Arena *arena = arena_new (dev, ARENA_DEVICE, "the weights");
  g_autoptr (GError) error = NULL;
  g_autofree gchar *asked = NULL;

  for (guint i = 0; i < 4096; i++)
    arena_add (arena, TYPE_F32, LAYOUT_ROWS, 1 << 14, 1 << 14);
  asked = g_strdup_printf ("%" G_GUINT64_FORMAT, arena_bytes (arena));
  g_assert_cmpuint (arena_bytes (arena), ==, G_GUINT64_CONSTANT (1) << 42);
  g_assert_false (arena_commit (arena, &error));
  g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_MEMORY);
  g_assert_nonnull (strstr (error->message, "the weights"));
  g_assert_nonnull (strstr (error->message, asked));
  g_assert_true (g_regex_match_simple ("there are .* bytes\\)$", error->message, 0, 0));
  g_assert_cmpuint (device_bytes (dev), ==, 0);
  arena_free (arena);
  device_free (dev);
}

/* A GPU's memory is its own heap: here lavapipe's, which has 2 GiB according to the driver, whatever the host has. */
static void
test_discrete_devices_budget_is_its_heap (void)
{
  Device *dev = harness_device (NULL);
  Arena *arena = arena_new (dev, ARENA_DEVICE, "the weights");
  g_autoptr (GError) error = NULL;
  const guint64 heap = dev->memory.memoryHeaps[dev->kinds[ARENA_DEVICE].heap].size;

  g_assert_cmpuint (device_memory_total (dev, ARENA_DEVICE), ==, host_memory_total ("/"));
  dev->unified = FALSE;
  g_assert_cmpuint (device_memory_total (dev, ARENA_DEVICE), ==, heap);
  g_assert_cmpuint (device_memory_left (dev, ARENA_DEVICE), <=, heap);
  for (guint64 planned = 0; planned <= heap; planned += 1 << 30)
    arena_add (arena, TYPE_F32, LAYOUT_ROWS, 1 << 14, 1 << 14);
  g_assert_false (arena_commit (arena, &error));
  g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_MEMORY);
  arena_free (arena);

  arena = arena_new (dev, ARENA_DEVICE, "little");
  arena_add (arena, TYPE_F32, LAYOUT_ROWS, 1, 1);
  g_assert_true (arena_commit (arena, NULL));
  g_assert_cmpuint (device_memory_left (dev, ARENA_DEVICE), <=, heap - device_bytes (dev));
  g_assert_cmpuint (device_memory_total (dev, ARENA_DEVICE), ==, heap);
  arena_free (arena);
  device_free (dev);
}

static void
test_tensor_longer_than_an_allocation_is_an_error (void)
{
  Device *dev = harness_device (NULL);
  Arena *arena = arena_new (dev, ARENA_DEVICE, "the head");
  g_autoptr (GError) error = NULL;

  if (dev->tensor_bytes >= G_GUINT64_CONSTANT (1) << 38) {
    g_test_skip ("the device allocates any size");
  } else {
    arena_add (arena, TYPE_F32, LAYOUT_ROWS, 1 << 18, 1 << 18);
    g_assert_false (arena_commit (arena, &error));
    g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_MEMORY);
    g_assert_nonnull (strstr (error->message, "274877906944"));
  }
  arena_free (arena);
  device_free (dev);
}

static void
test_new_tensors_are_zero (gconstpointer data)
{
  Device *dev = harness_device (&((const Way *)data)->options);

  /* The second arena gets the memory that the first one dirtied. */
  for (guint round = 0; round < 2; round++) {
    Arena *arena = arena_new (dev, ARENA_DEVICE, "zeros");
    const Tensor t = arena_add (arena, TYPE_U32, LAYOUT_ROWS, 100, 2000);
    g_autofree guint8 *bytes = g_malloc (tensor_bytes (&t));

    g_assert_true (arena_commit (arena, NULL));
    memset (bytes, 0xff, tensor_bytes (&t));
    g_assert_true (tensor_read (&t, 0, bytes, tensor_bytes (&t), NULL));
    for (guint64 i = 0; i < tensor_bytes (&t); i++)
      g_assert_cmpuint (bytes[i], ==, 0);
    memset (bytes, 0xff, tensor_bytes (&t));
    g_assert_true (tensor_write (&t, 0, bytes, tensor_bytes (&t), NULL));
    arena_free (arena);
  }
  device_free (dev);
}

/* More than one staging buffer, odd places, and neighbours that stay as they are. */
static void
test_written_bytes_are_read_back (gconstpointer data)
{
  Device *dev = harness_device (&((const Way *)data)->options);
  Arena *arena = arena_new (dev, ARENA_DEVICE, "bytes");
  const Tensor before = arena_add (arena, TYPE_U32, LAYOUT_ROWS, 1, 32);
  const Tensor t = arena_add (arena, TYPE_U32, LAYOUT_ROWS, 1100, 4096);
  const Tensor after = arena_add (arena, TYPE_U32, LAYOUT_ROWS, 1, 32);
  const Tensor view = tensor_rows (&t, 5, 3);
  const guint64 size = tensor_bytes (&t);
  g_autofree guint8 *wanted = g_malloc (size), *got = g_malloc0 (size);
  guint32 edges[64] = { 1 };

  g_assert_true (arena_commit (arena, NULL));
  fill (wanted, size, 7);
  g_assert_true (tensor_write (&t, 0, wanted, size, NULL));
  g_assert_true (tensor_read (&t, 0, got, size, NULL));
  g_assert_cmpmem (got, size, wanted, size);

  fill (wanted + 4100, 260, 8);
  g_assert_true (tensor_write (&view, 4100, wanted + 4100, 260, NULL)); /* from the tensor's first byte, not the view's */
  g_assert_true (tensor_read (&t, 0, got, 8192, NULL));
  g_assert_cmpmem (got, 8192, wanted, 8192);
  g_assert_true (tensor_read (&t, size - 4, got, 4, NULL));
  g_assert_cmpmem (got, 4, wanted + size - 4, 4);

  g_assert_true (tensor_read (&before, 0, edges, 128, NULL));
  g_assert_true (tensor_read (&after, 0, edges + 32, 128, NULL));
  for (guint i = 0; i < 64; i++)
    g_assert_cmpuint (edges[i], ==, 0);
  arena_free (arena);
  device_free (dev);
}

/* Pieces that are handed over without waiting, of odd sizes and one longer than half of the staging buffer. */
static void
test_pieces_filled_one_after_the_other_are_there (gconstpointer data)
{
  static const guint64 pieces[] = { FILL_BYTES, 4, FILL_BYTES - 4, 4096, FILL_BYTES + 8, FILL_BYTES, 1048564 };
  Device *dev = harness_device (&((const Way *)data)->options);
  Arena *arena = arena_new (dev, ARENA_DEVICE, "pieces");
  guint64 size = 0;

  for (guint i = 0; i < G_N_ELEMENTS (pieces); i++)
    size += pieces[i];
  const Tensor t = arena_add (arena, TYPE_U32, LAYOUT_ROWS, 1, size / 4);
  g_autofree guint8 *wanted = g_malloc (size), *got = g_malloc0 (size);

  fill (wanted, size, 9);
  g_assert_true (arena_allocate (arena, NULL));
  for (guint64 i = 0, at = 0; i < G_N_ELEMENTS (pieces); at += pieces[i++]) {
    gpointer place = tensor_fill_begin (&t, at, pieces[i], NULL);

    g_assert_nonnull (place);
    memcpy (place, wanted + at, pieces[i]);
    g_assert_true (tensor_fill_end (&t, at, pieces[i], NULL));
  }
  g_assert_true (arena_settle (arena, NULL));
  g_assert_true (tensor_read (&t, 0, got, size, NULL));
  g_assert_cmpmem (got, size, wanted, size);
  arena_free (arena);
  g_assert_cmpuint (device_bytes (dev), ==, ((const Way *)data)->options.staged ? 2 * (FILL_BYTES + 8) : 0);
  device_free (dev);
}

/* The device gives the first two parts of three, whatever it promised. */
static void
test_memory_failing_late_tells_asked_taken_and_heap (gconstpointer data)
{
  DeviceOptions options = ((const Way *)data)->options;
  g_autoptr (GError) error = NULL;
  g_autofree gchar *heap = NULL;
  const gchar *figure;

  options.window_bytes = 1 << 20;
  for (guint zeroed = 0; zeroed < 2; zeroed++) {
    Device *dev = harness_device (&options);
    Arena *arena = arena_new (dev, ARENA_DEVICE, "the weights");
    Arena *small = arena_new (dev, ARENA_HOST, "small");

    arena_add (small, TYPE_F32, LAYOUT_ROWS, 1, 1024);
    g_assert_true (arena_commit (small, NULL));
    for (guint i = 0; i < 3; i++)
      arena_add (arena, TYPE_F32, LAYOUT_ROWS, 256, 1024);
    device_inject_full (dev, 2);
    g_assert_false (zeroed ? arena_commit (arena, &error) : arena_allocate (arena, &error));
    g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_MEMORY);
    heap = g_strdup_printf ("(%" G_GUINT64_FORMAT " bytes): ", device_memory_total (dev, ARENA_DEVICE));
    figure = strstr (error->message, "the weights, part 3 of 3: ");
    g_assert_nonnull (figure);
    figure = strstr (figure, "(1048576 bytes) asked for");
    g_assert_nonnull (figure);
    figure = strstr (figure, "(2101248 bytes) taken so far");
    g_assert_nonnull (figure);
    figure = strstr (figure, heap);
    g_assert_nonnull (figure);
    g_assert_nonnull (strstr (figure, "vkAllocateMemory: out of device memory"));
    g_clear_error (&error);

    /* Nothing is kept, and the device is as good as before. */
    g_assert_cmpuint (device_bytes (dev), ==, 4096);
    g_assert_true (arena_commit (arena, &error));
    g_assert_no_error (error);
    arena_free (small);
    arena_free (arena);
    device_free (dev);
    g_clear_pointer (&heap, g_free);
  }
}

/* Nor is there memory for staging. */
static void
test_staging_failing_is_told_and_tried_again (void)
{
  const DeviceOptions options = { .staged = TRUE };
  Device *dev = harness_device (&options);
  Arena *arena = arena_new (dev, ARENA_DEVICE, "bytes");
  const Tensor t = arena_add (arena, TYPE_U32, LAYOUT_ROWS, 1, 32);
  g_autoptr (GError) error = NULL;
  guint32 value = 5, got = 0;

  g_assert_true (arena_commit (arena, NULL));
  device_inject_full (dev, 0);
  g_assert_false (tensor_write (&t, 0, &value, 4, &error));
  g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_MEMORY);
  g_assert_nonnull (strstr (error->message, "staging: "));
  g_assert_true (tensor_write (&t, 0, &value, 4, NULL));
  g_assert_true (tensor_read (&t, 0, &got, 4, NULL));
  g_assert_cmpuint (got, ==, 5);
  arena_free (arena);
  device_free (dev);
}

static void
test_host_arena_is_mapped (gconstpointer data)
{
  Device *dev = harness_device (&((const Way *)data)->options);
  Arena *arena = arena_new (dev, ARENA_HOST, "host");
  const Tensor t = arena_add (arena, TYPE_U32, LAYOUT_ROWS, 4, 40);
  const Tensor row = tensor_rows (&t, 2, 1);
  guint32 value = 0;

  g_assert_true (arena_commit (arena, NULL));
  ((guint32 *)tensor_map (&row))[5] = 77;
  g_assert_cmpuint (((guint32 *)tensor_map (&t))[2 * t.stride + 5], ==, 77);
  g_assert_true (tensor_read (&t, (2 * t.stride + 5) * 4, &value, 4, NULL));
  g_assert_cmpuint (value, ==, 77);
  arena_free (arena);
  device_free (dev);
}

/* --- devices with several kinds of memory ----------------------------------------------------------------------------------- */

/* Memory as GPUs have it: what vk/ calls goes through here, for this program is linked with --wrap. All of it is taken from the
 * device's one type. NULL: as it is. */
typedef struct
{
  const gchar *name;
  VkPhysicalDeviceMemoryProperties memory;
  guint32 device, host, input; /* types of what is allocated for an arena of that kind */
  gboolean small_full;         /* the heap of `input` is others' already */
} Memories;

#define LOCAL VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT
#define SEEN (VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT)
#define CACHED VK_MEMORY_PROPERTY_HOST_CACHED_BIT
#define HEAP_LOCAL VK_MEMORY_HEAP_DEVICE_LOCAL_BIT
#define GIB (G_GUINT64_CONSTANT (1) << 30)

static const Memories *played;
static guint32 allocated_type;

void __real_vkGetPhysicalDeviceMemoryProperties (VkPhysicalDevice physical, VkPhysicalDeviceMemoryProperties *properties);
void __wrap_vkGetPhysicalDeviceMemoryProperties (VkPhysicalDevice physical, VkPhysicalDeviceMemoryProperties *properties);
void __real_vkGetPhysicalDeviceMemoryProperties2 (VkPhysicalDevice physical, VkPhysicalDeviceMemoryProperties2 *properties);
void __wrap_vkGetPhysicalDeviceMemoryProperties2 (VkPhysicalDevice physical, VkPhysicalDeviceMemoryProperties2 *properties);
void __real_vkGetBufferMemoryRequirements (VkDevice device, VkBuffer buffer, VkMemoryRequirements *needs);
void __wrap_vkGetBufferMemoryRequirements (VkDevice device, VkBuffer buffer, VkMemoryRequirements *needs);
VkResult __real_vkAllocateMemory (
    VkDevice device, const VkMemoryAllocateInfo *info, const VkAllocationCallbacks *callbacks, VkDeviceMemory *memory);
VkResult __wrap_vkAllocateMemory (
    VkDevice device, const VkMemoryAllocateInfo *info, const VkAllocationCallbacks *callbacks, VkDeviceMemory *memory);

void
__wrap_vkGetPhysicalDeviceMemoryProperties (VkPhysicalDevice physical, VkPhysicalDeviceMemoryProperties *properties)
{
  if (played)
    *properties = played->memory;
  else
    __real_vkGetPhysicalDeviceMemoryProperties (physical, properties);
}

void
__wrap_vkGetPhysicalDeviceMemoryProperties2 (VkPhysicalDevice physical, VkPhysicalDeviceMemoryProperties2 *properties)
{
  __real_vkGetPhysicalDeviceMemoryProperties2 (physical, properties);
  if (played)
    properties->memoryProperties = played->memory;
}

void
__wrap_vkGetBufferMemoryRequirements (VkDevice device, VkBuffer buffer, VkMemoryRequirements *needs)
{
  __real_vkGetBufferMemoryRequirements (device, buffer, needs);
  if (played)
    needs->memoryTypeBits = (1u << played->memory.memoryTypeCount) - 1;
}

VkResult
__wrap_vkAllocateMemory (
    VkDevice device, const VkMemoryAllocateInfo *info, const VkAllocationCallbacks *callbacks, VkDeviceMemory *memory)
{
  VkMemoryAllocateInfo own = *info;

  allocated_type = info->memoryTypeIndex;
  if (played)
    own.memoryTypeIndex = 0;
  if (played && played->small_full && info->memoryTypeIndex == played->input)
    return VK_ERROR_OUT_OF_DEVICE_MEMORY;
  return __real_vkAllocateMemory (device, &own, callbacks, memory);
}

static const Memories memories[] = {
  { "discrete", { 2, { { LOCAL, 0 }, { SEEN | CACHED, 1 } }, 2, { { 8 * GIB, HEAP_LOCAL }, { 16 * GIB, 0 } } }, 0, 1, 1 },
  { "discrete-with-a-window",
      { 4, { { LOCAL, 0 }, { SEEN, 1 }, { LOCAL | SEEN, 2 }, { SEEN | CACHED, 1 } }, 3,
          { { 8 * GIB, HEAP_LOCAL }, { 16 * GIB, 0 }, { GIB / 4, HEAP_LOCAL } } },
      0, 3, 2 },
  { "discrete-with-a-full-window",
      { 4, { { LOCAL, 0 }, { SEEN, 1 }, { LOCAL | SEEN, 2 }, { SEEN | CACHED, 1 } }, 3,
          { { 8 * GIB, HEAP_LOCAL }, { 16 * GIB, 0 }, { GIB / 4, HEAP_LOCAL } } },
      0, 3, 2, TRUE },
  { "discrete-seen-whole",
      { 4, { { LOCAL, 0 }, { SEEN, 1 }, { LOCAL | SEEN, 0 }, { SEEN | CACHED, 1 } }, 2,
          { { 8 * GIB, HEAP_LOCAL }, { 16 * GIB, 0 } } },
      2, 3, 2 },
  { "integrated", { 2, { { LOCAL | SEEN, 0 }, { LOCAL | SEEN | CACHED, 0 } }, 1, { { 8 * GIB, HEAP_LOCAL } } }, 1, 1, 0 },
};

static void
test_arenas_are_where_their_kind_is_best (gconstpointer data)
{
  const Memories *m = data;
  const guint32 wanted[ARENA_KINDS] = { m->device, m->host, m->small_full ? m->host : m->input };
  Device *dev;

  played = m;
  dev = harness_device (NULL);
  for (ArenaKind kind = 0; kind < ARENA_KINDS; kind++) {
    Arena *arena = arena_new (dev, kind, "kind");
    const Tensor t = arena_add (arena, TYPE_U32, LAYOUT_ROWS, 2, 40);
    guint32 word = 1;

    g_assert_true (arena_commit (arena, NULL));
    g_assert_cmpuint (allocated_type, ==, wanted[kind]);
    if (kind != ARENA_DEVICE)
      ((guint32 *)tensor_map (&t))[3] = 77;
    else
      g_assert_true (tensor_write (&t, 12, &(guint32){ 77 }, 4, NULL));
    g_assert_true (tensor_read (&t, 12, &word, 4, NULL));
    g_assert_cmpuint (word, ==, 77);
    arena_free (arena);
  }
  device_free (dev);
  played = NULL;
}

/* What weights take says nothing of a heap that they are not in. */
static void
test_every_heap_has_its_own_budget (void)
{
  const Memories *m = &memories[1];
  Arena *arena;
  Device *dev;

  played = m;
  dev = harness_device (NULL);
  dev->unified = dev->memory_budget = FALSE;
  arena = arena_new (dev, ARENA_DEVICE, "weights");
  arena_add (arena, TYPE_F32, LAYOUT_ROWS, 1024, 1024);
  g_assert_true (arena_allocate (arena, NULL));
  g_assert_cmpuint (device_memory_left (dev, ARENA_DEVICE), ==, 8 * GIB - (4 << 20));
  g_assert_cmpuint (device_memory_left (dev, ARENA_INPUT), ==, GIB / 4);
  arena_free (arena);
  g_assert_cmpuint (device_memory_left (dev, ARENA_DEVICE), ==, 8 * GIB);
  device_free (dev);
  played = NULL;
}

static void
add_ways (const gchar *rule, GTestDataFunc test)
{
  for (guint i = 0; i < G_N_ELEMENTS (ways); i++) {
    g_autofree gchar *path = g_strdup_printf ("/memory/%s/%s", rule, ways[i].name);
    g_test_add_data_func (path, &ways[i], test);
  }
}

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
  g_test_add_func ("/memory/shapes-are-padded-as-their-layout-says", test_shapes_are_padded_as_their_layout_says);
  g_test_add_func ("/memory/no-tensor-crosses-a-window", test_no_tensor_crosses_a_window);
  g_test_add_func ("/memory/over-budget-tells-bytes-asked-and-there", test_over_budget_tells_bytes_asked_and_there);
  g_test_add_func ("/memory/discrete-devices-budget-is-its-heap", test_discrete_devices_budget_is_its_heap);
  g_test_add_func ("/memory/tensor-longer-than-an-allocation-is-an-error", test_tensor_longer_than_an_allocation_is_an_error);
  add_ways ("new-tensors-are-zero", test_new_tensors_are_zero);
  add_ways ("written-bytes-are-read-back", test_written_bytes_are_read_back);
  add_ways ("pieces-filled-one-after-the-other-are-there", test_pieces_filled_one_after_the_other_are_there);
  add_ways ("memory-failing-late-tells-asked-taken-and-heap", test_memory_failing_late_tells_asked_taken_and_heap);
  g_test_add_func ("/memory/staging-failing-is-told-and-tried-again", test_staging_failing_is_told_and_tried_again);
  add_ways ("host-arena-is-mapped", test_host_arena_is_mapped);
  for (guint i = 0; i < G_N_ELEMENTS (memories); i++) {
    g_autofree gchar *path = g_strconcat ("/memory/arenas-are-where-their-kind-is-best/", memories[i].name, NULL);

    g_test_add_data_func (path, &memories[i], test_arenas_are_where_their_kind_is_best);
  }
  g_test_add_func ("/memory/every-heap-has-its-own-budget", test_every_heap_has_its_own_budget);
  return g_test_run ();
}
