/* The validation layer reports a missing barrier: the recording of one is left out here, and the program must not survive. */
#include "harness.h"
#include "vk/vk.h"

#define STEPS 4

/* What vk/ calls to record a barrier goes through here: this program is linked with --wrap. */
static gint left_out = -1;      /* how many are recorded before the one that is not; negative: all are */
static gboolean only_execution; /* it still orders the dispatches, but makes no writes visible */

void __real_vkCmdPipelineBarrier (VkCommandBuffer buffer, VkPipelineStageFlags from, VkPipelineStageFlags to,
    VkDependencyFlags flags, uint32_t n_memory, const VkMemoryBarrier *memory, uint32_t n_buffers,
    const VkBufferMemoryBarrier *buffers, uint32_t n_images, const VkImageMemoryBarrier *images);
void __wrap_vkCmdPipelineBarrier (VkCommandBuffer buffer, VkPipelineStageFlags from, VkPipelineStageFlags to,
    VkDependencyFlags flags, uint32_t n_memory, const VkMemoryBarrier *memory, uint32_t n_buffers,
    const VkBufferMemoryBarrier *buffers, uint32_t n_images, const VkImageMemoryBarrier *images);

void
__wrap_vkCmdPipelineBarrier (VkCommandBuffer buffer, VkPipelineStageFlags from, VkPipelineStageFlags to, VkDependencyFlags flags,
    uint32_t n_memory, const VkMemoryBarrier *memory, uint32_t n_buffers, const VkBufferMemoryBarrier *buffers, uint32_t n_images,
    const VkImageMemoryBarrier *images)
{
  const gboolean left = left_out >= 0 && left_out-- == 0;

  if (!left)
    __real_vkCmdPipelineBarrier (buffer, from, to, flags, n_memory, memory, n_buffers, buffers, n_images, images);
  else if (only_execution)
    __real_vkCmdPipelineBarrier (buffer, from, to, flags, 0, NULL, 0, NULL, 0, NULL);
}

typedef struct
{
  const gchar *name;
  DeviceOptions options;
  gint left_out;
  gboolean only_execution;
} Case;

static const Case cases[] = {
  { "all/texel", .left_out = -1 },
  { "all/storage", { .storage_form = TRUE }, .left_out = -1 },
  { "all/many-submits", { .submit_ns = 1 }, .left_out = -1 },
  { "first-missing/texel", .left_out = 0 },
  { "first-missing/storage", { .storage_form = TRUE }, .left_out = 0 },
  { "later-missing/texel", .left_out = 2 },
  { "later-missing/storage", { .storage_form = TRUE }, .left_out = 2 },
  { "missing-between-submits/texel", { .submit_ns = 1 }, .left_out = 1 },
  { "missing-between-submits/storage", { .submit_ns = 1, .storage_form = TRUE }, .left_out = 1 },
  { "showing-no-writes", .left_out = 1, .only_execution = TRUE },
};

/* A chain of copies, each of which reads what the one before wrote. */
static void
run_chain (const Case *c)
{
  g_autoptr (GError) error = NULL;
  Device *dev = harness_device (&c->options);
  Arena *arena = arena_new (dev, ARENA_DEVICE, "chain");
  Tensor t[STEPS + 1];
  OpStream *s = op_stream_new (dev, "chain");

  for (guint i = 0; i <= STEPS; i++)
    t[i] = arena_add (arena, TYPE_F32, LAYOUT_ROWS, 1, 1024);
  g_assert_true (arena_commit (arena, &error));
  for (guint i = 0; i < STEPS; i++)
    op_copy (s, &t[i + 1], &t[i]);
  left_out = c->left_out;
  only_execution = c->only_execution;
  g_assert_true (op_stream_end (s, &error));
  g_assert_cmpint (left_out, ==, -1); /* as many barriers were recorded */
  g_assert_true (op_stream_run (s, NULL, &error));
  g_assert_no_error (error);
  op_stream_free (s);
  arena_free (arena);
  device_free (dev);
}

static void
test_missing_barrier_is_reported (gconstpointer data)
{
  const Case *c = data;

  if (g_test_subprocess ()) {
    run_chain (c);
    return;
  }
  g_test_trap_subprocess (NULL, 0, 0);
  if (c->left_out < 0) {
    g_test_trap_assert_passed ();
    g_test_trap_assert_stdout_unmatched ("*alidation*"); /* nor does the layer complain about its settings */
  } else {
    g_test_trap_assert_failed ();
    g_test_trap_assert_stdout ("*SYNC-HAZARD-READ-AFTER-WRITE*");
  }
}

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree gchar *path = g_strconcat ("/barriers/", cases[i].name, NULL);
    g_test_add_data_func (path, &cases[i], test_missing_barrier_is_reported);
  }
  return g_test_run ();
}
