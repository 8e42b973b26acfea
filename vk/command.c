/*
 * Streams: dispatches are collected, recorded once and run often, in submits that the times of earlier runs keep short.
 */
#include "vk.h"

#include <string.h>

/* Nanoseconds for a unit of work (an operation or a byte) of a shader that has not run on the device yet. Slow on purpose: the
 * first submits are then too short rather than too long. */
#define FIRST_RATE 0.1
#define IN_FLIGHT 2
/* Bound of a submit of a run that can be cancelled, on a device that needs none. */
#define CANCEL_NS 50e6

/* A dispatch: resolved when added. Its descriptors are made when the stream ends, as their pool needs to know how many there are.
 */
typedef struct
{
  guint op;
  gboolean waits;      /* for one of those before it: a barrier comes between */
  const gchar *shader; /* key of the device's rates */
  const PipelineLayout *layout;
  VkPipeline pipeline;
  guint n_binds, texel;
  VkDescriptorBufferInfo buffers[DISPATCH_MAX_BINDS];
  VkBufferView views[DISPATCH_MAX_BINDS]; /* of the bindings in texel */
  VkDescriptorSet set;
  guint8 push[DISPATCH_MAX_PUSH];
  guint push_size;
  guint workgroups[3];
  guint64 work; /* operations and bytes: time is taken to be proportional to it */
  guint64 ns;   /* of the last run; 0 before */
} RecordedDispatch;

/* What a shader has taken on a device so far, in total. */
typedef struct
{
  double ns, work;
} Rate;

/* What one submit runs: dispatches first .. last - 1, recorded. It is recorded anew when other times ask for another one. */
typedef struct
{
  guint first, last;
  guint mark; /* query of its beginning; the ends of its dispatches follow */
  VkCommandBuffer commands;
} Part;

/* A submit that may still run. */
typedef struct
{
  guint part;
  gint64 start, end; /* host's clock; end is 0 until it is known */
  gboolean running;
} Flight;

struct _OpStream
{
  Device *dev;
  gchar *name;
  GError *failure; /* the first one while recording */
  gboolean ended;
  GHashTable *survey; /* Variant -> name of an op that takes it; NULL but in surveys */
  GArray *dispatches; /* RecordedDispatch */
  GArray *accesses;   /* Access of the dispatches since the last that waits */
  GArray *timings;    /* OpTiming */
  guint n_dispatches; /* in a survey, too */
  guint submits;

  VkCommandPool commands;
  GArray *parts; /* Part, in the order they run */
  VkDescriptorPool descriptors;
  VkQueryPool queries; /* Part.mark; none where the host's clock is used */
  VkFence fences[IN_FLIGHT];
  Flight flights[IN_FLIGHT];
};

OpStream *
op_stream_new (Device *dev, const gchar *name)
{
  OpStream *s = g_new0 (OpStream, 1);

  s->dev = dev;
  s->name = g_strdup (name);
  s->dispatches = g_array_new (FALSE, TRUE, sizeof (RecordedDispatch));
  s->accesses = g_array_new (FALSE, FALSE, sizeof (Access));
  s->parts = g_array_new (FALSE, TRUE, sizeof (Part));
  s->timings = g_array_new (FALSE, TRUE, sizeof (OpTiming));
  return s;
}

OpStream *
op_survey_new (Device *dev)
{
  OpStream *s = op_stream_new (dev, "survey");

  s->survey = g_hash_table_new_full (variant_hash, variant_equal, g_free, NULL);
  return s;
}

GHashTable *
op_survey_variants (OpStream *s, GError **error)
{
  g_assert (s->survey);
  if (s->failure)
    g_propagate_error (error, g_error_copy (s->failure));
  return s->failure ? NULL : s->survey;
}

void
op_stream_free (OpStream *s)
{
  if (!s)
    return;
  for (guint i = 0; i < IN_FLIGHT; i++)
    vkDestroyFence (s->dev->vk, s->fences[i], NULL);
  vkDestroyQueryPool (s->dev->vk, s->queries, NULL);
  vkDestroyDescriptorPool (s->dev->vk, s->descriptors, NULL);
  vkDestroyCommandPool (s->dev->vk, s->commands, NULL);
  g_array_unref (s->dispatches);
  g_array_unref (s->accesses);
  g_array_unref (s->parts);
  g_array_unref (s->timings);
  g_clear_pointer (&s->survey, g_hash_table_unref);
  g_clear_error (&s->failure);
  g_free (s->name);
  g_free (s);
}

Device *
op_stream_device (OpStream *s)
{
  return s->dev;
}

/* --- adding ----------------------------------------------------------------------------------------------------------------- */

static const gchar *
current_op (const OpStream *s)
{
  return s->timings->len ? g_array_index (s->timings, OpTiming, s->timings->len - 1).op : "no op";
}

void
op_stream_fail (OpStream *s, const gchar *format, ...)
{
  va_list args;

  if (s->failure)
    return;
  va_start (args, format);
  g_autofree gchar *reason = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (&s->failure, DEVICE_ERROR, DEVICE_ERROR_UNSUPPORTED, "%s: %s: %s", s->name, current_op (s), reason);
}

void
op_stream_begin_op (OpStream *s, const gchar *name)
{
  const OpTiming timing = { .op = name };

  g_assert (!s->ended);
  g_array_append_val (s->timings, timing);
}

static gboolean
dispatch_check (OpStream *s, const Dispatch *d)
{
  const DeviceLimits *limits = &s->dev->limits;

  if (s->failure)
    return FALSE;
  if (s->timings->len == 0)
    op_stream_fail (s, "a dispatch of %s belongs to no op", d->shader);
  else if (d->turns > DISPATCH_MAX_TURNS)
    op_stream_fail (s, "%s takes %" G_GUINT64_FORMAT " loop turns in an invocation, at most %u are run", d->shader, d->turns,
        DISPATCH_MAX_TURNS);
  else if (d->local == 0 || d->local > limits->max_local)
    op_stream_fail (s, "%s has workgroups of %u, the device takes 1 to %u", d->shader, d->local, limits->max_local);
  else if (d->push_size > DISPATCH_MAX_PUSH || d->push_size % 4 != 0 || d->n_spec > DISPATCH_MAX_SPEC)
    op_stream_fail (s, "%s has %u bytes of push constants and %u constants", d->shader, d->push_size, d->n_spec);
  for (guint i = 0; i < 3; i++) {
    if (d->workgroups[i] == 0 || d->workgroups[i] > limits->max_workgroups[i])
      op_stream_fail (s, "%s has %u workgroups in dimension %u, the device takes 1 to %u", d->shader, d->workgroups[i], i,
          limits->max_workgroups[i]);
  }
  return s->failure == NULL;
}

static void
survey_note (OpStream *s, const Dispatch *d)
{
  Variant v;

  if (variant_init (&v, s->dev, d, &s->failure) && !g_hash_table_contains (s->survey, &v))
    g_hash_table_insert (s->survey, g_memdup2 (&v, sizeof v), (gpointer)current_op (s));
}

static gboolean
bind_resolve (OpStream *s, const Dispatch *d, guint i, RecordedDispatch *recorded, Access *access)
{
  const DeviceLimits *limits = &s->dev->limits;
  const Bind *bind = &d->bind[i];
  const gboolean bulk = bind->kind == BIND_BULK;
  const guint64 whole = tensor_bytes (bind->tensor), most = bulk ? limits->bulk_range : limits->storage_range;
  const guint64 size = bind->size ? bind->size : whole - MIN (whole, bind->offset);
  VkDescriptorBufferInfo *buffer = &recorded->buffers[i];

  if (size == 0 || bind->offset > whole || size > whole - bind->offset || bind->offset % limits->align != 0 || size % 4 != 0
      || (bulk && size % 16 != 0)) {
    op_stream_fail (s, "%s, binding %u: bytes %" G_GUINT64_FORMAT " + %" G_GUINT64_FORMAT " of a tensor of %" G_GUINT64_FORMAT,
        d->shader, i, bind->offset, size, whole);
    return FALSE;
  }
  if (size > most) {
    op_stream_fail (
        s, "%s, binding %u: %" G_GUINT64_FORMAT " bytes, the device binds at most %" G_GUINT64_FORMAT, d->shader, i, size, most);
    return FALSE;
  }
  buffer->buffer = tensor_buffer (bind->tensor, &buffer->offset);
  buffer->offset += bind->offset;
  buffer->range = size;
  *access = access_of (bind, buffer, d->apart ? s->timings->len : 0);
  if (!bulk || limits->geometry.storage_form)
    return TRUE;
  recorded->texel |= 1u << i;
  return tensor_view (bind->tensor, bind->offset, size, &recorded->views[i], &s->failure);
}

/* Notes what the dispatch does, and whether it must wait before that. */
static void
accesses_add (OpStream *s, RecordedDispatch *recorded, const Access *accesses)
{
  recorded->waits = accesses_conflict (s->accesses, accesses, recorded->n_binds);
  if (recorded->waits)
    g_array_set_size (s->accesses, 0);
  g_array_append_vals (s->accesses, accesses, recorded->n_binds);
}

void
op_stream_dispatch (OpStream *s, const Dispatch *d)
{
  RecordedDispatch recorded = { .op = s->timings->len - 1, .shader = d->shader, .push_size = d->push_size };
  Access accesses[DISPATCH_MAX_BINDS];

  g_assert (!s->ended);
  if (!dispatch_check (s, d))
    return;
  s->n_dispatches++;
  if (s->survey) {
    survey_note (s, d);
    return;
  }
  for (; recorded.n_binds < DISPATCH_MAX_BINDS && d->bind[recorded.n_binds].tensor; recorded.n_binds++) {
    if (!bind_resolve (s, d, recorded.n_binds, &recorded, &accesses[recorded.n_binds]))
      return;
  }
  recorded.layout = pipeline_layout (s->dev, recorded.n_binds, recorded.texel, &s->failure);
  if (!recorded.layout)
    return;
  recorded.pipeline = pipeline_get (s->dev, d, recorded.layout, &s->failure);
  if (!recorded.pipeline)
    return;
  if (d->push_size)
    memcpy (recorded.push, d->push, d->push_size);
  memcpy (recorded.workgroups, d->workgroups, sizeof recorded.workgroups);
  accesses_add (s, &recorded, accesses);
  recorded.work = d->flops + d->bytes + (guint64)d->workgroups[0] * d->workgroups[1] * d->workgroups[2] * d->local;
  g_array_append_val (s->dispatches, recorded);
}

/* --- recording -------------------------------------------------------------------------------------------------------------- */

static gboolean
stream_pools (OpStream *s, GError **error)
{
  Device *dev = s->dev;
  const guint n = s->dispatches->len;
  guint texels = 0, buffers = 0, n_sizes = 0;
  VkDescriptorPoolSize sizes[2];
  VkDescriptorPoolCreateInfo descriptors = { VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO, .maxSets = n, .pPoolSizes = sizes };
  const VkQueryPoolCreateInfo queries = { VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO, .queryType = VK_QUERY_TYPE_TIMESTAMP,
    .queryCount = 2 * n }; /* there may be a part a dispatch */
  const VkCommandPoolCreateInfo commands = { VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
    .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT, .queueFamilyIndex = dev->family };
  const VkFenceCreateInfo fence = { VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };

  for (guint i = 0; i < n; i++) {
    const RecordedDispatch *recorded = &g_array_index (s->dispatches, RecordedDispatch, i);
    for (guint k = 0; k < recorded->n_binds; k++)
      *(recorded->texel & (1u << k) ? &texels : &buffers) += 1;
  }
  if (texels)
    sizes[n_sizes++] = (VkDescriptorPoolSize){ VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER, texels };
  if (buffers)
    sizes[n_sizes++] = (VkDescriptorPoolSize){ VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, buffers };
  descriptors.poolSizeCount = n_sizes;
  VK (vkCreateDescriptorPool (dev->vk, &descriptors, NULL, &s->descriptors));
  if (dev->timestamp_mask && (dev->timed || dev->limits.submit_ns > 0))
    VK (vkCreateQueryPool (dev->vk, &queries, NULL, &s->queries));
  VK (vkCreateCommandPool (dev->vk, &commands, NULL, &s->commands));
  for (guint i = 0; i < IN_FLIGHT; i++)
    VK (vkCreateFence (dev->vk, &fence, NULL, &s->fences[i]));
  return TRUE;

error:
  return FALSE;
}

static gboolean
dispatch_descriptors (OpStream *s, RecordedDispatch *recorded, GError **error)
{
  Device *dev = s->dev;
  VkWriteDescriptorSet writes[DISPATCH_MAX_BINDS];
  const VkDescriptorSetAllocateInfo allocate = { VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO, .descriptorPool = s->descriptors,
    .descriptorSetCount = 1, .pSetLayouts = &recorded->layout->set };

  VK (vkAllocateDescriptorSets (dev->vk, &allocate, &recorded->set));
  for (guint i = 0; i < recorded->n_binds; i++) {
    const gboolean texel = (recorded->texel & (1u << i)) != 0;

    writes[i] = (VkWriteDescriptorSet){ VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET, .dstSet = recorded->set, .dstBinding = i,
      .descriptorCount = 1, .descriptorType = texel ? VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
      .pBufferInfo = &recorded->buffers[i], .pTexelBufferView = &recorded->views[i] };
  }
  vkUpdateDescriptorSets (dev->vk, recorded->n_binds, writes, 0, NULL);
  return TRUE;

error:
  return FALSE;
}

static void
record_barrier (VkCommandBuffer buffer, VkPipelineStageFlags stages, VkAccessFlags accesses)
{
  const VkMemoryBarrier barrier = { VK_STRUCTURE_TYPE_MEMORY_BARRIER, .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
    .dstAccessMask = accesses };

  vkCmdPipelineBarrier (buffer, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, stages, 0, 1, &barrier, 0, NULL, 0, NULL);
}

/* Writes the time when everything before it is done. On lavapipe a mark takes as long as a small dispatch, so there is one a
 * dispatch. */
static void
record_mark (OpStream *s, VkCommandBuffer buffer, guint query)
{
  if (s->queries)
    vkCmdWriteTimestamp (buffer, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, s->queries, query);
}

static guint
part_queries (const Part *part)
{
  return 1 + part->last - part->first;
}

/* A part ends with a barrier: what comes next, here or in another stream, sees what it wrote. Results become visible to the host
 * and to copies once a run, not with every part: a GPU flushes its caches for it. */
static void
record_end (OpStream *s, const Part *part)
{
  VkPipelineStageFlags stages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT;
  VkAccessFlags accesses = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT;

  if (part->last == s->dispatches->len) {
    stages |= VK_PIPELINE_STAGE_HOST_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
    accesses |= VK_ACCESS_HOST_READ_BIT | VK_ACCESS_HOST_WRITE_BIT | VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
  }
  record_barrier (part->commands, stages, accesses);
}

static gboolean
part_record (OpStream *s, const Part *part, GError **error)
{
  Device *dev = s->dev;
  const VkCommandBufferBeginInfo begin = { VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO };
  const VkCommandBuffer commands = part->commands;
  VkPipeline bound = VK_NULL_HANDLE;

  device_name (dev, VK_OBJECT_TYPE_COMMAND_BUFFER, (guint64)(guintptr)commands, "%s %u", s->name, part->first);
  VK (vkBeginCommandBuffer (commands, &begin));
  if (s->queries && !dev->host_query_reset)
    vkCmdResetQueryPool (commands, s->queries, part->mark, part_queries (part));
  record_mark (s, commands, part->mark);
  for (guint i = part->first; i < part->last; i++) {
    const RecordedDispatch *d = &g_array_index (s->dispatches, RecordedDispatch, i);

    if (d->waits && i > part->first)
      record_barrier (commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
    if (d->pipeline != bound)
      vkCmdBindPipeline (commands, VK_PIPELINE_BIND_POINT_COMPUTE, d->pipeline);
    bound = d->pipeline;
    vkCmdBindDescriptorSets (commands, VK_PIPELINE_BIND_POINT_COMPUTE, d->layout->pipeline, 0, 1, &d->set, 0, NULL);
    if (d->push_size)
      vkCmdPushConstants (commands, d->layout->pipeline, VK_SHADER_STAGE_COMPUTE_BIT, 0, d->push_size, d->push);
    device_label_begin (dev, commands, g_array_index (s->timings, OpTiming, d->op).op);
    vkCmdDispatch (commands, d->workgroups[0], d->workgroups[1], d->workgroups[2]);
    device_label_end (dev, commands);
    record_mark (s, commands, part->mark + 1 + i - part->first);
  }
  record_end (s, part);
  if (part->last == s->dispatches->len)
    device_label_frame (dev, commands);
  VK (vkEndCommandBuffer (commands));
  return TRUE;

error:
  return FALSE;
}

gboolean
op_stream_end (OpStream *s, GError **error)
{
  g_assert (!s->ended && !s->survey);
  if (s->failure) {
    g_propagate_error (error, g_error_copy (s->failure));
    return FALSE;
  }
  if (!device_usable (s->dev, error))
    return FALSE;
  if (s->dispatches->len > 0) {
    if (!stream_pools (s, error))
      return FALSE;
    for (guint i = 0; i < s->dispatches->len; i++) {
      if (!dispatch_descriptors (s, &g_array_index (s->dispatches, RecordedDispatch, i), error))
        return FALSE;
    }
  }
  s->ended = TRUE;
  return TRUE;
}

/* --- running ---------------------------------------------------------------------------------------------------------------- */

static double
dispatch_expected_ns (const OpStream *s, const RecordedDispatch *recorded)
{
  const Rate *rate = g_hash_table_lookup (s->dev->rates, recorded->shader);

  return recorded->ns ? recorded->ns : recorded->work * (rate ? rate->ns / rate->work : FIRST_RATE);
}

static double
part_expected_ns (const OpStream *s, const Part *part)
{
  double ns = 0;

  for (guint i = part->first; i < part->last; i++)
    ns += dispatch_expected_ns (s, &g_array_index (s->dispatches, RecordedDispatch, i));
  return ns;
}

/* The dispatches of a submit: as many as fit the bound, at least one. */
static guint
submit_last (const OpStream *s, guint first, double bound)
{
  double ns = 0;
  guint last = first;

  if (bound == 0)
    return s->dispatches->len;
  while (last < s->dispatches->len) {
    ns += dispatch_expected_ns (s, &g_array_index (s->dispatches, RecordedDispatch, last));
    if (last > first && ns > bound)
      break;
    last++;
  }
  return last;
}

/* Times differ a little from run to run: what fits the bound and is half as long is not recorded anew. */
static gboolean
part_is_kept (const OpStream *s, const Part *part, guint first, guint last, double bound)
{
  if (part->first != first || part->last > last)
    return FALSE;
  return part->last == last || (bound > 0 && 2 * part_expected_ns (s, part) >= bound);
}

/* Records part i, which begins with dispatch `first`, unless what is recorded does. Its last run is over. */
static gboolean
part_prepare (OpStream *s, guint i, guint first, double bound, GError **error)
{
  Device *dev = s->dev;
  const guint last = submit_last (s, first, bound);
  VkCommandBufferAllocateInfo allocate = { VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, .commandPool = s->commands,
    .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY, .commandBufferCount = 1 };
  Part *part;

  if (i == s->parts->len)
    g_array_set_size (s->parts, i + 1);
  part = &g_array_index (s->parts, Part, i);
  if (part->last > 0 && part_is_kept (s, part, first, last, bound))
    return TRUE;
  if (!part->commands)
    VK (vkAllocateCommandBuffers (dev->vk, &allocate, &part->commands));
  *part = (Part){ first, last, first + i, part->commands };
  if (part_record (s, part, error))
    return TRUE;

error:
  part->last = 0; /* nothing is recorded */
  return FALSE;
}

static const Part *
flight_part (const OpStream *s, const Flight *flight)
{
  return &g_array_index (s->parts, Part, flight->part);
}

/* Without timestamps the host's time of the submit is shared out as expected. */
static void
flight_share_time (OpStream *s, const Flight *flight)
{
  const Part *part = flight_part (s, flight);
  const double expected = part_expected_ns (s, part);

  for (guint i = part->first; i < part->last; i++) {
    RecordedDispatch *recorded = &g_array_index (s->dispatches, RecordedDispatch, i);
    recorded->ns = MAX (1, (flight->end - flight->start) * 1000 * dispatch_expected_ns (s, recorded) / expected);
  }
}

static gboolean
flight_times (OpStream *s, const Flight *flight, GError **error)
{
  Device *dev = s->dev;
  const Part *part = flight_part (s, flight);
  const guint n = part_queries (part);
  const VkQueryResultFlags flags = VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT;
  g_autofree guint64 *marks = g_new (guint64, n);

  VK (vkGetQueryPoolResults (dev->vk, s->queries, part->mark, n, n * sizeof *marks, marks, sizeof *marks, flags));
  for (guint i = 1; i < n; i++) {
    const guint64 ticks = (marks[i] - marks[i - 1]) & dev->timestamp_mask;
    g_array_index (s->dispatches, RecordedDispatch, part->first + i - 1).ns = MAX (1, ticks * dev->timestamp_ns);
  }
  return TRUE;

error:
  return FALSE;
}

static gboolean
flight_wait (OpStream *s, guint k, GError **error)
{
  Device *dev = s->dev;
  Flight *flight = &s->flights[k];

  if (!flight->running)
    return TRUE;
  VK (vkWaitForFences (dev->vk, 1, &s->fences[k], VK_TRUE, G_MAXUINT64));
  if (!flight->end)
    flight->end = g_get_monotonic_time ();
  flight->running = FALSE;
  VK (vkResetFences (dev->vk, 1, &s->fences[k]));
  if (s->queries)
    return flight_times (s, flight, error);
  flight_share_time (s, flight);
  for (guint i = 0; i < IN_FLIGHT; i++)
    s->flights[i].start = MAX (s->flights[i].start, flight->end); /* the next one did not begin earlier */
  return TRUE;

error:
  return FALSE;
}

static gboolean
flight_start (OpStream *s, guint k, guint number, GError **error)
{
  Device *dev = s->dev;
  const Part *part = &g_array_index (s->parts, Part, number);

  if (s->queries && dev->host_query_reset)
    vkResetQueryPool (dev->vk, s->queries, part->mark, part_queries (part));
  s->flights[k] = (Flight){ number, .start = g_get_monotonic_time () };
  VK (device_submit (dev, 1, &part->commands, s->fences[k]));
  s->flights[k].running = TRUE;
  /* Where submitting blocks, this one has ended by now; when it is waited for, the next one has ended as well. */
  if (vkGetFenceStatus (dev->vk, s->fences[k]) == VK_SUCCESS) {
    const gint64 now = g_get_monotonic_time ();

    for (guint i = 0; i < IN_FLIGHT; i++)
      s->flights[i].end = s->flights[i].end ? s->flights[i].end : now;
  }
  return TRUE;

error:
  return FALSE;
}

/* Adds up the ops' times, and keeps for the device what its shaders took for their work. */
static void
stream_learn (OpStream *s)
{
  for (guint i = 0; i < s->timings->len; i++)
    g_array_index (s->timings, OpTiming, i).ns = 0;
  for (guint i = 0; i < s->dispatches->len; i++) {
    const RecordedDispatch *recorded = &g_array_index (s->dispatches, RecordedDispatch, i);
    Rate *rate = g_hash_table_lookup (s->dev->rates, recorded->shader);

    g_array_index (s->timings, OpTiming, recorded->op).ns += recorded->ns;
    if (!rate) {
      rate = g_new0 (Rate, 1);
      g_hash_table_insert (s->dev->rates, (gpointer)recorded->shader, rate);
    }
    rate->ns += recorded->ns;
    rate->work += recorded->work;
  }
}

/* After a failure nothing stays in flight: what it uses may be freed next. */
static void
stream_abandon (OpStream *s)
{
  vkDeviceWaitIdle (s->dev->vk);
  for (guint k = 0; k < IN_FLIGHT; k++) {
    if (s->flights[k].running)
      vkResetFences (s->dev->vk, 1, &s->fences[k]);
    s->flights[k].running = FALSE;
  }
}

gboolean
op_stream_run (OpStream *s, const OpCancel *cancel, GError **error)
{
  const guint64 kept = s->dev->limits.submit_ns;
  const double bound = kept == 0 && cancel ? CANCEL_NS : kept;
  guint first = 0, k = 0;

  g_assert (s->ended);
  if (!device_usable (s->dev, error))
    return FALSE;
  s->submits = 0;
  while (first < s->dispatches->len) {
    if (cancel && cancel->is_cancelled (cancel->data)) {
      g_set_error (error, DEVICE_ERROR, DEVICE_ERROR_CANCELLED, "%s: cancelled", s->name);
      goto error;
    }
    if (!part_prepare (s, s->submits, first, bound, error) || !flight_wait (s, k, error) || !flight_start (s, k, s->submits, error))
      goto error;
    first = g_array_index (s->parts, Part, s->submits).last;
    s->submits++;
    k = (k + 1) % IN_FLIGHT;
  }
  for (guint i = 0; i < IN_FLIGHT; i++) {
    if (!flight_wait (s, (k + i) % IN_FLIGHT, error))
      goto error;
  }
  stream_learn (s);
  return TRUE;

error:
  stream_abandon (s);
  return FALSE;
}

const OpTiming *
op_stream_timings (OpStream *s, guint *n_timings)
{
  *n_timings = s->timings->len;
  return (const OpTiming *)s->timings->data;
}

guint
op_stream_dispatches (const OpStream *s)
{
  return s->n_dispatches;
}

guint
op_stream_submits (const OpStream *s)
{
  return s->submits;
}
