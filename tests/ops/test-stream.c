/* Streams: what is recorded runs in order and again, in submits as short as asked; what cannot run is an error. */
#include "harness.h"
#include "vk/vk.h"
#include "shaders/params.h"

#include <string.h>

#define STEPS 24

/* A chain of copies over one tensor, a row to the next, so that each step needs the one before. */
typedef struct
{
  Device *dev;
  Arena *arena;
  Tensor t;
  OpStream *s;
} Chain;

static void
chain_open (Chain *c, const DeviceOptions *options)
{
  c->dev = harness_device (options);
  c->arena = arena_new (c->dev, ARENA_HOST, "chain");
  c->t = arena_add (c->arena, TYPE_F32, LAYOUT_ROWS, STEPS + 1, 1000);
  g_assert_true (arena_commit (c->arena, NULL));
  c->s = op_stream_new (c->dev, "chain");
  for (guint i = 0; i < STEPS; i++) {
    const Tensor from = tensor_rows (&c->t, i, 1), to = tensor_rows (&c->t, i + 1, 1);
    op_copy (c->s, &to, &from);
  }
}

static void
chain_close (Chain *c)
{
  op_stream_free (c->s);
  arena_free (c->arena);
  device_free (c->dev);
}

static void
chain_set (Chain *c, float start)
{
  float *x = tensor_map (&c->t);

  for (guint i = 0; i < 1000; i++)
    x[i] = start + i;
}

static gboolean
chain_holds (Chain *c, float start)
{
  const float *x = tensor_map (&c->t);

  for (guint i = 0; i < 1000; i++) {
    if (x[STEPS * c->t.stride + i] != start + i)
      return FALSE;
  }
  return TRUE;
}

static void
test_recorded_stream_runs_again (gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  Chain c;

  chain_open (&c, data);
  g_assert_true (op_stream_end (c.s, &error));
  for (guint round = 0; round < 3; round++) {
    guint n;
    const OpTiming *timings;

    chain_set (&c, 100 * round);
    g_assert_true (op_stream_run (c.s, NULL, &error));
    g_assert_no_error (error);
    g_assert_true (chain_holds (&c, 100 * round));
    timings = op_stream_timings (c.s, &n);
    g_assert_cmpuint (n, ==, STEPS);
    for (guint i = 0; i < n; i++) {
      g_assert_cmpstr (timings[i].op, ==, "copy");
      g_assert_cmpuint (timings[i].ns, >, 0);
      g_assert_cmpuint (timings[i].ns, <, G_GUINT64_CONSTANT (60000000000));
    }
  }
  chain_close (&c);
}

static void
test_unbounded_stream_is_one_submit (void)
{
  Chain c;

  chain_open (&c, NULL);
  if (device_limits (c.dev)->submit_ns != 0) {
    g_test_skip ("submits to this device are bounded");
  } else {
    g_assert_true (op_stream_end (c.s, NULL));
    g_assert_true (op_stream_run (c.s, NULL, NULL));
    g_assert_cmpuint (op_stream_submits (c.s), ==, 1);
  }
  chain_close (&c);
}

/* A bound shorter than any dispatch is one dispatch a submit. */
static void
test_bounded_stream_is_many_submits_of_the_same_result (void)
{
  const DeviceOptions tight = { .submit_ns = 1 }, wide = { .submit_ns = G_GUINT64_CONSTANT (1000000000000) };
  Chain c;

  chain_open (&c, &tight);
  g_assert_true (op_stream_end (c.s, NULL));
  for (guint round = 0; round < 2; round++) {
    chain_set (&c, round);
    g_assert_true (op_stream_run (c.s, NULL, NULL));
    g_assert_cmpuint (op_stream_submits (c.s), ==, STEPS);
    g_assert_true (chain_holds (&c, round));
  }
  chain_close (&c);

  chain_open (&c, &wide);
  g_assert_true (op_stream_end (c.s, NULL));
  g_assert_true (op_stream_run (c.s, NULL, NULL));
  g_assert_cmpuint (op_stream_submits (c.s), ==, 1);
  chain_close (&c);
}

/* Times differ from run to run: a bound between the time of one dispatch and that of all is derived from the measured sum. */
static void
test_submits_follow_measured_time (void)
{
  const DeviceOptions timed = { .timed = TRUE };
  Chain c;
  guint n;
  guint64 sum = 0, longest = 0;
  const OpTiming *timings;

  chain_open (&c, &timed);
  g_assert_true (op_stream_end (c.s, NULL));
  g_assert_true (op_stream_run (c.s, NULL, NULL));
  timings = op_stream_timings (c.s, &n);
  for (guint i = 0; i < n; i++) {
    sum += timings[i].ns;
    longest = MAX (longest, timings[i].ns);
  }
  c.dev->limits.submit_ns = sum / 2;
  chain_set (&c, 3);
  g_assert_true (op_stream_run (c.s, NULL, NULL));
  g_assert_cmpuint (op_stream_submits (c.s), >=, 2);
  g_assert_cmpuint (op_stream_submits (c.s), <=, 2 + 2 * (longest * 2 / sum + 1));
  g_assert_true (chain_holds (&c, 3));
  chain_close (&c);
}

/* Both are of one op and one shader, so that only the device can know which one is long. */
static void
test_device_times_each_op (void)
{
  const DeviceOptions timed = { .timed = TRUE };
  Device *dev = harness_device (&timed);
  Arena *arena = arena_new (dev, ARENA_DEVICE, "times");
  const Tensor x = arena_add (arena, TYPE_U32, LAYOUT_ROWS, 1000, 2048), y = arena_add (arena, TYPE_U32, LAYOUT_ROWS, 1000, 2048);
  const Tensor x_part = tensor_rows (&x, 0, 1), y_part = tensor_rows (&y, 0, 1);
  OpStream *s = op_stream_new (dev, "times");
  const OpTiming *timings;
  guint n;

  g_assert_true (arena_commit (arena, NULL));
  op_copy (s, &y_part, &x_part);
  op_copy (s, &y, &x);
  op_copy (s, &y_part, &x_part);
  g_assert_true (op_stream_end (s, NULL));
  g_assert_true (op_stream_run (s, NULL, NULL)); /* the shader is compiled in this run */
  g_assert_true (op_stream_run (s, NULL, NULL));
  timings = op_stream_timings (s, &n);
  g_assert_cmpuint (n, ==, 3);
  g_assert_cmpuint (timings[1].ns, >, timings[0].ns);
  g_assert_cmpuint (timings[1].ns, >, timings[2].ns);
  g_assert_cmpuint (timings[1].ns, >, 10 * MIN (timings[0].ns, timings[2].ns));
  op_stream_free (s);
  arena_free (arena);
  device_free (dev);
}

static void
test_queue_without_timestamps_is_timed_by_the_host (void)
{
  const DeviceOptions tight = { .submit_ns = 1 };
  Chain c;
  guint n;
  const OpTiming *timings;

  chain_open (&c, &tight);
  c.dev->timestamp_mask = 0;
  g_assert_true (op_stream_end (c.s, NULL));
  chain_set (&c, 5);
  g_assert_true (op_stream_run (c.s, NULL, NULL));
  g_assert_true (chain_holds (&c, 5));
  timings = op_stream_timings (c.s, &n);
  for (guint i = 0; i < n; i++)
    g_assert_cmpuint (timings[i].ns, >, 0);
  chain_close (&c);
}

/* What vk/ calls goes through here, for this program is linked with --wrap. It counts, and plays a driver that computes within
 * vkQueueSubmit, a millisecond for each dispatch and one more. */
static gboolean submit_blocks;
static guint most_dispatches, most_buffers; /* of a submit */
static guint recordings, host_resets, device_resets;
static GHashTable *dispatches_of; /* command buffer -> its dispatches; NULL: they are not counted */

VkResult __real_vkQueueSubmit (VkQueue queue, uint32_t n, const VkSubmitInfo *submits, VkFence fence);
VkResult __wrap_vkQueueSubmit (VkQueue queue, uint32_t n, const VkSubmitInfo *submits, VkFence fence);
VkResult __real_vkBeginCommandBuffer (VkCommandBuffer buffer, const VkCommandBufferBeginInfo *info);
VkResult __wrap_vkBeginCommandBuffer (VkCommandBuffer buffer, const VkCommandBufferBeginInfo *info);
void __real_vkCmdDispatch (VkCommandBuffer buffer, uint32_t x, uint32_t y, uint32_t z);
void __wrap_vkCmdDispatch (VkCommandBuffer buffer, uint32_t x, uint32_t y, uint32_t z);
void __real_vkCmdResetQueryPool (VkCommandBuffer buffer, VkQueryPool pool, uint32_t first, uint32_t n);
void __wrap_vkCmdResetQueryPool (VkCommandBuffer buffer, VkQueryPool pool, uint32_t first, uint32_t n);
void __real_vkResetQueryPool (VkDevice device, VkQueryPool pool, uint32_t first, uint32_t n);
void __wrap_vkResetQueryPool (VkDevice device, VkQueryPool pool, uint32_t first, uint32_t n);

VkResult
__wrap_vkQueueSubmit (VkQueue queue, uint32_t n, const VkSubmitInfo *submits, VkFence fence)
{
  VkResult result = __real_vkQueueSubmit (queue, n, submits, fence);
  guint dispatches = 0;

  for (guint i = 0; dispatches_of && i < submits->commandBufferCount; i++)
    dispatches += GPOINTER_TO_UINT (g_hash_table_lookup (dispatches_of, submits->pCommandBuffers[i]));
  most_dispatches = MAX (most_dispatches, dispatches);
  most_buffers = MAX (most_buffers, submits->commandBufferCount);
  if (submit_blocks && result == VK_SUCCESS) {
    g_assert_cmpint (vkQueueWaitIdle (queue), ==, VK_SUCCESS);
    g_usleep (1000 * (dispatches + 1));
  }
  return result;
}

VkResult
__wrap_vkBeginCommandBuffer (VkCommandBuffer buffer, const VkCommandBufferBeginInfo *info)
{
  recordings++;
  if (dispatches_of)
    g_hash_table_remove (dispatches_of, buffer);
  return __real_vkBeginCommandBuffer (buffer, info);
}

void
__wrap_vkCmdDispatch (VkCommandBuffer buffer, uint32_t x, uint32_t y, uint32_t z)
{
  if (dispatches_of)
    g_hash_table_insert (
        dispatches_of, buffer, GUINT_TO_POINTER (GPOINTER_TO_UINT (g_hash_table_lookup (dispatches_of, buffer)) + 1));
  __real_vkCmdDispatch (buffer, x, y, z);
}

void
__wrap_vkCmdResetQueryPool (VkCommandBuffer buffer, VkQueryPool pool, uint32_t first, uint32_t n)
{
  device_resets++;
  __real_vkCmdResetQueryPool (buffer, pool, first, n);
}

void
__wrap_vkResetQueryPool (VkDevice device, VkQueryPool pool, uint32_t first, uint32_t n)
{
  host_resets++;
  __real_vkResetQueryPool (device, pool, first, n);
}

/* Four dispatches are as long as the bound; those that the last run measured as too short would share a submit in the next. */
static void
test_long_work_is_bounded_where_submitting_blocks (void)
{
  const DeviceOptions bounded = { .submit_ns = 4000000 };
  Chain c;

  chain_open (&c, &bounded);
  c.dev->timestamp_mask = 0;
  g_assert_true (op_stream_end (c.s, NULL));
  submit_blocks = TRUE;
  dispatches_of = g_hash_table_new (NULL, NULL);
  for (guint round = 0; round < 5; round++) {
    const OpTiming *timings;
    guint n;

    chain_set (&c, round);
    most_dispatches = 0;
    g_assert_true (op_stream_run (c.s, NULL, NULL));
    g_assert_true (chain_holds (&c, round));
    if (round > 0)
      g_assert_cmpuint (most_dispatches, <=, 4);
    timings = op_stream_timings (c.s, &n);
    for (guint i = 0; i < n; i++)
      g_assert_cmpuint (timings[i].ns, >=, 900000);
  }
  submit_blocks = FALSE;
  g_clear_pointer (&dispatches_of, g_hash_table_unref);
  chain_close (&c);
}

/* However it is divided. What was recorded is used again, as long as it fits. */
static void
test_a_submit_is_one_command_buffer_recorded_once (gconstpointer data)
{
  const DeviceOptions *options = data;
  Chain c;

  chain_open (&c, options);
  g_assert_true (op_stream_end (c.s, NULL));
  most_buffers = recordings = 0;
  for (guint round = 0; round < 4; round++) {
    chain_set (&c, round);
    g_assert_true (op_stream_run (c.s, NULL, NULL));
    g_assert_true (chain_holds (&c, round));
    g_assert_cmpuint (most_buffers, ==, 1);
    g_assert_cmpuint (recordings, ==, op_stream_submits (c.s));
  }
  chain_close (&c);
}

/* Whatever the times are: the divisions follow the bound, and go back. */
static void
test_a_bound_that_changes_divides_anew (void)
{
  const DeviceOptions timed = { .timed = TRUE };
  static const guint64 bounds[] = { 0, 1, G_GUINT64_CONSTANT (1000000000000), 1, 200000, 0 };
  Chain c;

  chain_open (&c, &timed);
  g_assert_true (op_stream_end (c.s, NULL));
  for (guint round = 0; round < G_N_ELEMENTS (bounds); round++) {
    const OpTiming *timings;
    guint n;

    c.dev->limits.submit_ns = bounds[round];
    chain_set (&c, round);
    g_assert_true (op_stream_run (c.s, NULL, NULL));
    g_assert_true (chain_holds (&c, round));
    if (bounds[round] == 1)
      g_assert_cmpuint (op_stream_submits (c.s), ==, STEPS);
    else if (bounds[round] != 200000)
      g_assert_cmpuint (op_stream_submits (c.s), ==, 1);
    timings = op_stream_timings (c.s, &n);
    for (guint i = 0; i < n; i++) {
      g_assert_cmpuint (timings[i].ns, >, 0);
      g_assert_cmpuint (timings[i].ns, <, G_GUINT64_CONSTANT (60000000000));
    }
  }
  chain_close (&c);
}

/* The layer reports a query that is written twice without. */
static void
test_queries_are_reset_on_the_host_where_it_can (gconstpointer data)
{
  const gboolean offered = GPOINTER_TO_INT (data);
  const DeviceOptions options = { .timed = TRUE };
  VkPhysicalDeviceHostQueryResetFeatures feature = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_HOST_QUERY_RESET_FEATURES };
  VkPhysicalDeviceFeatures2 features = { VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, &feature };
  Chain c;

  chain_open (&c, &options);
  vkGetPhysicalDeviceFeatures2 (c.dev->physical, &features);
  g_assert_cmpint (c.dev->host_query_reset, ==, (gint)feature.hostQueryReset);
  if (offered && !c.dev->host_query_reset) {
    g_test_skip ("the device does not offer it");
  } else {
    c.dev->host_query_reset = offered;
    g_assert_true (op_stream_end (c.s, NULL));
    host_resets = device_resets = 0;
    for (guint round = 0; round < 3; round++) {
      const OpTiming *timings;
      guint n;

      chain_set (&c, round);
      g_assert_true (op_stream_run (c.s, NULL, NULL));
      g_assert_true (chain_holds (&c, round));
      timings = op_stream_timings (c.s, &n);
      for (guint i = 0; i < n; i++)
        g_assert_cmpuint (timings[i].ns, <, G_GUINT64_CONSTANT (60000000000));
    }
    g_assert_cmpuint (host_resets, ==, offered ? 3 : 0);
    g_assert_cmpuint (device_resets, ==, offered ? 0 : 1); /* recorded once */
  }
  chain_close (&c);
}

static gboolean
is_true (gpointer flag)
{
  return *(gboolean *)flag;
}

static void
test_cancelled_stream_stops_and_can_run_again (void)
{
  const DeviceOptions tight = { .submit_ns = 1 };
  g_autoptr (GError) error = NULL;
  gboolean over = TRUE;
  const OpCancel cancel = { is_true, &over };
  Chain c;

  chain_open (&c, &tight);
  g_assert_true (op_stream_end (c.s, NULL));
  chain_set (&c, 9);
  g_assert_false (op_stream_run (c.s, &cancel, &error));
  g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_CANCELLED);
  g_assert_false (chain_holds (&c, 9));
  over = FALSE;
  g_assert_true (op_stream_run (c.s, &cancel, NULL));
  g_assert_true (chain_holds (&c, 9));
  chain_close (&c);
}

static guint64
sum_ns (OpStream *s)
{
  guint n;
  const OpTiming *timings = op_stream_timings (s, &n);
  guint64 sum = 0;

  for (guint i = 0; i < n; i++)
    sum += timings[i].ns;
  return sum;
}

/* The second run is divided by what the first one took: that is half a second or more, of as many copies as it needs. */
static void
test_runs_that_can_be_cancelled_are_bounded_on_cpu_devices (void)
{
  Device *dev = harness_device (NULL);
  Arena *arena = arena_new (dev, ARENA_DEVICE, "bound");
  const Tensor x = arena_add (arena, TYPE_U32, LAYOUT_ROWS, 500, 2048), y = arena_add (arena, TYPE_U32, LAYOUT_ROWS, 500, 2048);
  OpStream *s = NULL;
  gboolean over = FALSE;
  const OpCancel cancel = { is_true, &over };

  if (dev->limits.submit_ns > 0) {
    g_test_skip ("submits to this device are bounded");
  } else {
    g_assert_true (arena_commit (arena, NULL));
    for (guint n = 64; !s || sum_ns (s) < 500000000; n *= 2) {
      op_stream_free (s);
      s = op_stream_new (dev, "bound");
      for (guint i = 0; i < n; i++)
        op_copy (s, &y, &x);
      g_assert_true (op_stream_end (s, NULL));
      g_assert_true (op_stream_run (s, NULL, NULL));
      g_assert_cmpuint (op_stream_submits (s), ==, 1);
    }
    g_assert_true (op_stream_run (s, &cancel, NULL));
    g_assert_cmpuint (op_stream_submits (s), >, 3);
  }
  op_stream_free (s);
  arena_free (arena);
  device_free (dev);
}

static void
test_empty_stream_runs (void)
{
  Device *dev = harness_device (NULL);
  OpStream *s = op_stream_new (dev, "empty");

  g_assert_true (op_stream_end (s, NULL));
  g_assert_true (op_stream_run (s, NULL, NULL));
  g_assert_cmpuint (op_stream_submits (s), ==, 0);
  op_stream_free (s);
  device_free (dev);
}

static void
test_lost_device_is_an_error_and_can_be_opened_anew (void)
{
  const DeviceOptions tight = { .submit_ns = 1, .staged = TRUE };
  g_autoptr (GError) error = NULL;
  float word = 0;
  Chain c;
  Arena *late;

  chain_open (&c, &tight);
  g_assert_true (op_stream_end (c.s, NULL));
  device_inject_lost (c.dev, 3);
  g_assert_false (op_stream_run (c.s, NULL, &error));
  g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_LOST);
  g_assert_true (device_is_lost (c.dev));
  g_clear_error (&error);
  g_assert_cmpuint (op_stream_submits (c.s), ==, 3);

  g_assert_false (op_stream_run (c.s, NULL, &error));
  g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_LOST);
  g_clear_error (&error);
  g_assert_false (tensor_write (&c.t, 0, &word, 4, &error));
  g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_LOST);
  g_clear_error (&error);
  g_assert_false (tensor_read (&c.t, 0, &word, 4, &error));
  g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_LOST);
  g_clear_error (&error);
  late = arena_new (c.dev, ARENA_DEVICE, "late");
  arena_add (late, TYPE_F32, LAYOUT_ROWS, 1, 1);
  g_assert_false (arena_commit (late, &error));
  g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_LOST);
  arena_free (late);
  chain_close (&c);

  chain_open (&c, NULL);
  g_assert_true (op_stream_end (c.s, NULL));
  chain_set (&c, 1);
  g_assert_true (op_stream_run (c.s, NULL, NULL));
  g_assert_true (chain_holds (&c, 1));
  chain_close (&c);
}

/* A transfer also finds the loss. */
static void
test_device_lost_in_a_transfer_is_an_error (void)
{
  const DeviceOptions options = { .staged = TRUE };
  Device *dev = harness_device (&options);
  Arena *arena = arena_new (dev, ARENA_DEVICE, "arena");
  const Tensor t = arena_add (arena, TYPE_F32, LAYOUT_ROWS, 1, 1);
  g_autoptr (GError) error = NULL;
  float word = 0;

  g_assert_true (arena_commit (arena, NULL));
  device_inject_lost (dev, 0);
  g_assert_false (tensor_read (&t, 0, &word, 4, &error));
  g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_LOST);
  g_assert_true (device_is_lost (dev));
  arena_free (arena);
  device_free (dev);
}

/* --- what cannot be recorded ------------------------------------------------------------------------------------------------ */

/* A dispatch as op_copy makes it, with one thing changed. */
typedef struct
{
  const gchar *name;
  void (*spoil) (Dispatch *d, const DeviceLimits *limits);
  const gchar *message; /* what the error must say */
} Refused;

static void
spoil_turns (Dispatch *d, const DeviceLimits *limits)
{
  d->turns = 65536;
}

static void
spoil_shader (Dispatch *d, const DeviceLimits *limits)
{
  d->shader = "no_such_shader";
}

static void
spoil_local (Dispatch *d, const DeviceLimits *limits)
{
  d->local = limits->max_local + 1;
}

static void
spoil_workgroups (Dispatch *d, const DeviceLimits *limits)
{
  d->workgroups[1] = 0;
}

static void
spoil_offset (Dispatch *d, const DeviceLimits *limits)
{
  d->bind[1].offset = 4;
}

static void
spoil_size (Dispatch *d, const DeviceLimits *limits)
{
  d->bind[0].size = 4096 + 4;
}

static void
spoil_push (Dispatch *d, const DeviceLimits *limits)
{
  d->push_size = 132;
}

static const Refused refused[] = {
  { "loop-turns-beyond-the-drivers-end", spoil_turns, "65536 loop turns" },
  { "unknown-shader", spoil_shader, "no_such_shader" },
  { "workgroup-larger-than-the-device-takes", spoil_local, "workgroups of" },
  { "no-workgroups", spoil_workgroups, "0 workgroups in dimension 1" },
  { "binding-at-an-odd-place", spoil_offset, "binding 1: bytes 4 + " },
  { "binding-longer-than-the-tensor", spoil_size, "binding 0: bytes 0 + 4100 of a tensor of 4096" },
  { "push-constants-beyond-128-bytes", spoil_push, "132 bytes" },
};

static void
test_dispatch_is_refused (gconstpointer data)
{
  const Refused *r = data;
  Device *dev = harness_device (NULL);
  Arena *arena = arena_new (dev, ARENA_DEVICE, "arena");
  const Tensor t = arena_add (arena, TYPE_F32, LAYOUT_ROWS, 8, 128);
  OpStream *s = op_stream_new (dev, "stream");
  const struct CopyPush push = { .m = 8, .n = 128 };
  Dispatch d = { .shader = "copy",
    .bind = { { BIND_WRITE, &t }, { BIND_BULK, &t }, { BIND_READ, &t } },
    .push = &push,
    .push_size = sizeof push,
    .local = 8,
    .workgroups = { 1, 1, 1 },
    .turns = 65535 };
  g_autoptr (GError) error = NULL;

  g_assert_true (arena_commit (arena, NULL));
  op_stream_begin_op (s, "an op");
  op_stream_dispatch (s, &d); /* at the limit */
  r->spoil (&d, device_limits (dev));
  op_stream_dispatch (s, &d);
  op_stream_fail (s, "a later failure"); /* the first one is reported */
  g_assert_false (op_stream_end (s, &error));
  g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, r->message));
  op_stream_free (s);
  arena_free (arena);
  device_free (dev);
}

static void
test_binding_beyond_the_devices_range_is_refused (gconstpointer data)
{
  Device *dev = harness_device (data);
  Arena *arena = arena_new (dev, ARENA_DEVICE, "arena");
  const Tensor t = arena_add (arena, TYPE_F32, LAYOUT_ROWS, 8, 128);
  OpStream *s = op_stream_new (dev, "stream");
  g_autoptr (GError) error = NULL;

  dev->limits.bulk_range = 4080;
  g_assert_true (arena_commit (arena, NULL));
  op_stream_begin_op (s, "an op");
  op_stream_dispatch (
      s, &(Dispatch){ .shader = "copy", .bind = { { BIND_WRITE, &t }, { BIND_BULK, &t } }, .local = 8, .workgroups = { 1, 1, 1 } });
  g_assert_false (op_stream_end (s, &error));
  g_assert_error (error, DEVICE_ERROR, DEVICE_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "stream: an op: copy, binding 1: 4096 bytes, the device binds at most 4080"));
  op_stream_free (s);
  arena_free (arena);
  device_free (dev);
}

static const DeviceOptions one_submit = { .submit_ns = G_GUINT64_CONSTANT (1000000000000) }, many_submits = { .submit_ns = 1 };
static const DeviceOptions texel = { .timed = TRUE }, storage = { .timed = TRUE, .storage_form = TRUE };

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
  g_test_add_data_func ("/stream/recorded-stream-runs-again/texel", &texel, test_recorded_stream_runs_again);
  g_test_add_data_func ("/stream/recorded-stream-runs-again/storage", &storage, test_recorded_stream_runs_again);
  g_test_add_func ("/stream/unbounded-stream-is-one-submit", test_unbounded_stream_is_one_submit);
  g_test_add_func (
      "/stream/bounded-stream-is-many-submits-of-the-same-result", test_bounded_stream_is_many_submits_of_the_same_result);
  g_test_add_func ("/stream/submits-follow-measured-time", test_submits_follow_measured_time);
  g_test_add_func ("/stream/device-times-each-op", test_device_times_each_op);
  g_test_add_func ("/stream/queue-without-timestamps-is-timed-by-the-host", test_queue_without_timestamps_is_timed_by_the_host);
  g_test_add_func ("/stream/long-work-is-bounded-where-submitting-blocks", test_long_work_is_bounded_where_submitting_blocks);
  g_test_add_data_func (
      "/stream/a-submit-is-one-command-buffer-recorded-once/one", &one_submit, test_a_submit_is_one_command_buffer_recorded_once);
  g_test_add_data_func ("/stream/a-submit-is-one-command-buffer-recorded-once/many", &many_submits,
      test_a_submit_is_one_command_buffer_recorded_once);
  g_test_add_func ("/stream/a-bound-that-changes-divides-anew", test_a_bound_that_changes_divides_anew);
  g_test_add_data_func ("/stream/queries-are-reset-on-the-host-where-it-can/offered", GINT_TO_POINTER (TRUE),
      test_queries_are_reset_on_the_host_where_it_can);
  g_test_add_data_func ("/stream/queries-are-reset-on-the-host-where-it-can/not-offered", GINT_TO_POINTER (FALSE),
      test_queries_are_reset_on_the_host_where_it_can);
  g_test_add_func ("/stream/cancelled-stream-stops-and-can-run-again", test_cancelled_stream_stops_and_can_run_again);
  g_test_add_func ("/stream/bounded-if-it-can-be-cancelled", test_runs_that_can_be_cancelled_are_bounded_on_cpu_devices);
  g_test_add_func ("/stream/empty-stream-runs", test_empty_stream_runs);
  g_test_add_func ("/stream/lost-device-is-an-error-and-can-be-opened-anew", test_lost_device_is_an_error_and_can_be_opened_anew);
  g_test_add_func ("/stream/device-lost-in-a-transfer-is-an-error", test_device_lost_in_a_transfer_is_an_error);
  for (guint i = 0; i < G_N_ELEMENTS (refused); i++) {
    g_autofree gchar *path = g_strdup_printf ("/stream/refused/%s", refused[i].name);
    g_test_add_data_func (path, &refused[i], test_dispatch_is_refused);
  }
  g_test_add_data_func (
      "/stream/refused/binding-beyond-the-devices-range/texel", &texel, test_binding_beyond_the_devices_range_is_refused);
  g_test_add_data_func (
      "/stream/refused/binding-beyond-the-devices-range/storage", &storage, test_binding_beyond_the_devices_range_is_refused);
  return g_test_run ();
}
