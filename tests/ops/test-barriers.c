/* Barriers are where one dispatch needs another, and nowhere else. The validation layer reports a missing one: where the recording
 * of one is left out, the program must not survive. */
#include "harness.h"
#include "vk/vk.h"

#define STEPS 4

/* What vk/ calls to record a barrier goes through here: this program is linked with --wrap. */
static gint left_out = -1;      /* how many are recorded before the one that is not; negative: all are */
static gboolean only_execution; /* it still orders the dispatches, but makes no writes visible */
static guint recorded;

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

  recorded++;
  if (!left)
    __real_vkCmdPipelineBarrier (buffer, from, to, flags, n_memory, memory, n_buffers, buffers, n_images, images);
  else if (only_execution)
    __real_vkCmdPipelineBarrier (buffer, from, to, flags, 0, NULL, 0, NULL, 0, NULL);
}

typedef struct
{
  OpStream *s;
  Tensor t[STEPS + 1];  /* [1][1024] */
  Tensor x, w, v, y, z; /* [9][64], weights [128][64] and [32][64], [9][160] twice */
} Work;

/* A chain of copies, each of which reads what the one before wrote. */
static void
chain (Work *w)
{
  for (guint i = 0; i < STEPS; i++)
    op_copy (w->s, &w->t[i + 1], &w->t[i]);
}

/* Three that read one tensor, one that reads what the second wrote, and one beside it that reads what the third did. */
static void
fan (Work *w)
{
  const Tensor left = tensor_columns (&w->t[4], 0, 512), right = tensor_columns (&w->t[4], 512, 512);

  op_copy (w->s, &w->t[1], &w->t[0]);
  op_copy (w->s, &w->t[2], &w->t[0]);
  op_copy (w->s, &w->t[3], &w->t[0]);
  op_glu (w->s, &left, &w->t[2]);
  op_glu (w->s, &right, &w->t[3]);
}

/* The second one overwrites what the first one reads. */
static void
overwriting (Work *w)
{
  op_copy (w->s, &w->t[1], &w->t[0]);
  op_copy (w->s, &w->t[0], &w->t[2]);
}

/* As q and k beside v: of one tensor, into columns of another. */
static void
columns (Work *w)
{
  const Tensor first = tensor_columns (&w->y, 0, 128), second = tensor_columns (&w->y, 128, 32);

  op_matmul (w->s, &first, &w->x, &w->w, NULL);
  op_matmul (w->s, &second, &w->x, &w->v, NULL);
}

/* The second one writes where the first one did. */
static void
meeting_columns (Work *w)
{
  const Tensor first = tensor_columns (&w->y, 0, 128), second = tensor_columns (&w->y, 96, 32);

  op_matmul (w->s, &first, &w->x, &w->w, NULL);
  op_matmul (w->s, &second, &w->x, &w->v, NULL);
}

/* Slices of one op, of 32 columns each. */
static void
slices (Work *w)
{
  const Tensor y = tensor_columns (&w->y, 0, 128);

  op_matmul (w->s, &y, &w->x, &w->w, NULL);
}

/* The same, adding to what another tensor holds; or y itself, which the layer would call a hazard. */
static void
slices_onto (Work *w)
{
  const Tensor y = tensor_columns (&w->y, 0, 128), residual = tensor_columns (&w->z, 0, 128);

  op_matmul (w->s, &y, &w->x, &w->w, &(MatmulParams){ .residual = &residual });
}

static void
slices_onto_themselves (Work *w)
{
  const Tensor y = tensor_columns (&w->y, 0, 128);

  op_matmul (w->s, &y, &w->x, &w->w, &(MatmulParams){ .residual = &y });
}

typedef struct
{
  const gchar *name;
  DeviceOptions options;
  void (*record) (Work *w);
  guint barriers, dispatches;
  gint left_out;
  gboolean only_execution;
  const gchar *hazard;
  guint64 range; /* bytes of weights that the device binds; 0: as many as it does */
} Case;

#define READ_AFTER_WRITE "READ-AFTER-WRITE"

/* What a stream wrote is handed to the host, and to the next part, by one more. */
static const Case cases[] = {
  { "all/texel", { 0 }, chain, STEPS, STEPS, -1 },
  { "all/storage", { .storage_form = TRUE }, chain, STEPS, STEPS, -1 },
  { "all/many-submits", { .submit_ns = 1 }, chain, STEPS, STEPS, -1 },
  { "only-needed/texel", { 0 }, fan, 2, 5, -1 },
  { "only-needed/storage", { .storage_form = TRUE }, fan, 2, 5, -1 },
  { "only-needed/many-submits", { .submit_ns = 1 }, fan, 5, 5, -1 },
  { "only-needed/overwriting", { 0 }, overwriting, 2, 2, -1 },
  { "only-needed/columns/texel", { 0 }, columns, 1, 2, -1 },
  { "only-needed/columns/storage", { .storage_form = TRUE }, columns, 1, 2, -1 },
  { "only-needed/meeting-columns", { 0 }, meeting_columns, 2, 2, -1 },
  { "only-needed/slices/texel", { 0 }, slices, 1, 4, -1, .range = 32 * 64 * 4 },
  { "only-needed/slices/storage", { .storage_form = TRUE }, slices, 1, 4, -1, .range = 32 * 64 * 4 },
  { "only-needed/slices-onto", { 0 }, slices_onto, 1, 4, -1, .range = 32 * 64 * 4 },
  { "only-needed/slices-onto-themselves", { 0 }, slices_onto_themselves, 4, 4, -1, .range = 32 * 64 * 4 },
  { "first-missing/texel", { 0 }, chain, STEPS, STEPS, 0, .hazard = READ_AFTER_WRITE },
  { "first-missing/storage", { .storage_form = TRUE }, chain, STEPS, STEPS, 0, .hazard = READ_AFTER_WRITE },
  { "later-missing/texel", { 0 }, chain, STEPS, STEPS, 2, .hazard = READ_AFTER_WRITE },
  { "later-missing/storage", { .storage_form = TRUE }, chain, STEPS, STEPS, 2, .hazard = READ_AFTER_WRITE },
  { "missing-in-a-fan", { 0 }, fan, 2, 5, 0, .hazard = READ_AFTER_WRITE },
  { "missing-before-overwriting", { 0 }, overwriting, 2, 2, 0, .hazard = "WRITE-AFTER-READ" },
  { "missing-between-submits/texel", { .submit_ns = 1 }, chain, STEPS, STEPS, 1, .hazard = READ_AFTER_WRITE },
  { "missing-between-submits/storage", { .submit_ns = 1, .storage_form = TRUE }, chain, STEPS, STEPS, 1,
      .hazard = READ_AFTER_WRITE },
  { "showing-no-writes", { 0 }, chain, STEPS, STEPS, 1, TRUE, READ_AFTER_WRITE },
};

static void
run_case (const Case *c)
{
  g_autoptr (GError) error = NULL;
  Device *dev = harness_device (&c->options);
  Arena *arena = arena_new (dev, ARENA_DEVICE, "work");
  Work w = { op_stream_new (dev, "work") };

  for (guint i = 0; i <= STEPS; i++)
    w.t[i] = arena_add (arena, TYPE_F32, LAYOUT_ROWS, 1, 1024);
  w.x = arena_add (arena, TYPE_F32, LAYOUT_ROWS, 9, 64);
  w.w = arena_add (arena, TYPE_F32, LAYOUT_WEIGHTS, 128, 64);
  w.v = arena_add (arena, TYPE_F32, LAYOUT_WEIGHTS, 32, 64);
  w.y = arena_add (arena, TYPE_F32, LAYOUT_ROWS, 9, 160);
  w.z = arena_add (arena, TYPE_F32, LAYOUT_ROWS, 9, 160);
  g_assert_true (arena_commit (arena, &error));
  if (c->range)
    dev->limits.bulk_range = c->range;
  c->record (&w);
  left_out = c->left_out;
  only_execution = c->only_execution;
  recorded = 0;
  g_assert_true (op_stream_end (w.s, &error));
  g_assert_true (op_stream_run (w.s, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (op_stream_dispatches (w.s), ==, c->dispatches);
  g_assert_cmpuint (recorded, ==, c->barriers);
  op_stream_free (w.s);
  arena_free (arena);
  device_free (dev);
}

static void
test_barriers (gconstpointer data)
{
  const Case *c = data;

  if (g_test_subprocess ()) {
    run_case (c);
    return;
  }
  g_test_trap_subprocess (NULL, 0, 0);
  if (!c->hazard) {
    g_test_trap_assert_passed ();
    g_test_trap_assert_stdout_unmatched ("*alidation*"); /* nor does the layer complain about its settings */
  } else {
    g_autofree gchar *message = g_strdup_printf ("*SYNC-HAZARD-%s*", c->hazard);

    g_test_trap_assert_failed ();
    g_test_trap_assert_stdout (message);
  }
}

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree gchar *path = g_strconcat ("/barriers/", cases[i].name, NULL);
    g_test_add_data_func (path, &cases[i], test_barriers);
  }
  return g_test_run ();
}
