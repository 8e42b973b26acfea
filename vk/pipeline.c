/*
 * Pipelines: made once for each shader, local size and constants, and the driver's cache of them kept on disk.
 */
#include "vk.h"

#include <glib/gstdio.h>
#include <string.h>

#define CACHE_MAGIC "minivlpc"
#define CACHE_DIGEST_BYTES 32
#define CACHE_MAX_BYTES (256u << 20)

/* Precedes the driver's data; a file with another header is of another driver, or damaged. */
typedef struct
{
  gchar magic[8];
  guint8 uuid[VK_UUID_SIZE], cache_uuid[VK_UUID_SIZE];
  guint32 driver_version;
  guint32 size;
  guint8 digest[CACHE_DIGEST_BYTES];
} CacheHeader;

typedef struct
{
  Variant variant;
  VkPipelineLayout layout;
} PipelineKey;

/* --- the cache on disk ------------------------------------------------------------------------------------------------------ */

static void
cache_header (const Device *dev, gconstpointer data, gsize size, CacheHeader *header)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize digest_bytes = CACHE_DIGEST_BYTES;

  memset (header, 0, sizeof *header);
  memcpy (header->magic, CACHE_MAGIC, sizeof header->magic);
  memcpy (header->uuid, dev->uuid, VK_UUID_SIZE);
  memcpy (header->cache_uuid, dev->cache_uuid, VK_UUID_SIZE);
  header->driver_version = dev->driver_version;
  header->size = size;
  g_checksum_update (checksum, data, size);
  g_checksum_get_digest (checksum, header->digest, &digest_bytes);
}

/* The driver's data in the file, or NULL. */
static gconstpointer
cache_data (const Device *dev, const gchar *contents, gsize length, gsize *size)
{
  CacheHeader wanted;

  if (length <= sizeof wanted || length > CACHE_MAX_BYTES)
    return NULL;
  *size = length - sizeof wanted;
  cache_header (dev, contents + sizeof wanted, *size, &wanted);
  return memcmp (contents, &wanted, sizeof wanted) == 0 ? contents + sizeof wanted : NULL;
}

gchar *
device_cache_folder (const gchar *cache_dir)
{
  if (!cache_dir)
    return g_build_filename (g_get_user_cache_dir (), "minivl", NULL);
  return *cache_dir ? g_strdup (cache_dir) : NULL;
}

static gchar *
cache_path (const Device *dev, const gchar *cache_dir)
{
  g_autofree gchar *name = g_strdup_printf (CACHE_PIPELINES "%s-%08x.bin", dev->info.uuid, dev->driver_version);
  g_autofree gchar *folder = device_cache_folder (cache_dir);

  return folder ? g_build_filename (folder, name, NULL) : NULL;
}

/* A cache that cannot be written only costs time at the next start. One that was read is written anew when it has grown by more
 * than a header: SwiftShader puts another one in front of what it is given, and the file would grow at each start. */
static void
cache_save (Device *dev)
{
  const gsize before = dev->cache_loaded ? dev->cache_loaded + sizeof (VkPipelineCacheHeaderVersionOne) : 0;
  g_autofree guint8 *file = NULL;
  g_autofree gchar *folder = g_path_get_dirname (dev->cache_file);
  g_autoptr (GError) error = NULL;
  CacheHeader header;
  gsize size = 0;

  if (vkGetPipelineCacheData (dev->vk, dev->cache, &size, NULL) < 0 || size <= before || size > CACHE_MAX_BYTES - sizeof header)
    return;
  file = g_malloc (sizeof header + size);
  if (vkGetPipelineCacheData (dev->vk, dev->cache, &size, file + sizeof header) != VK_SUCCESS)
    return;
  cache_header (dev, file + sizeof header, size, &header);
  memcpy (file, &header, sizeof header);
  if (g_mkdir_with_parents (folder, 0700) != 0
      || !g_file_set_contents (dev->cache_file, (const gchar *)file, sizeof header + size, &error))
    g_debug ("%s is not written: %s", dev->cache_file, error ? error->message : g_strerror (errno));
}

/* --- layouts ---------------------------------------------------------------------------------------------------------------- */

const PipelineLayout *
pipeline_layout (Device *dev, guint n_binds, guint texel, GError **error)
{
  const gpointer key = GUINT_TO_POINTER (n_binds << DISPATCH_MAX_BINDS | texel);
  const VkPushConstantRange push = { VK_SHADER_STAGE_COMPUTE_BIT, 0, DISPATCH_MAX_PUSH };
  VkDescriptorSetLayoutBinding bindings[DISPATCH_MAX_BINDS];
  VkDescriptorSetLayoutCreateInfo set = { VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO, .bindingCount = n_binds,
    .pBindings = bindings };
  VkPipelineLayoutCreateInfo create = { VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO, .setLayoutCount = 1,
    .pushConstantRangeCount = 1, .pPushConstantRanges = &push };
  PipelineLayout *layout = g_hash_table_lookup (dev->layouts, key);

  if (layout)
    return layout;
  layout = g_new0 (PipelineLayout, 1);
  for (guint i = 0; i < n_binds; i++) {
    bindings[i] = (VkDescriptorSetLayoutBinding){ .binding = i,
      .descriptorType = texel & (1u << i) ? VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
      .descriptorCount = 1,
      .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT };
  }
  VK (vkCreateDescriptorSetLayout (dev->vk, &set, NULL, &layout->set));
  create.pSetLayouts = &layout->set;
  VK (vkCreatePipelineLayout (dev->vk, &create, NULL, &layout->pipeline));
  g_hash_table_insert (dev->layouts, key, layout);
  return layout;

error:
  vkDestroyDescriptorSetLayout (dev->vk, layout->set, NULL);
  g_free (layout);
  return NULL;
}

/* --- pipelines -------------------------------------------------------------------------------------------------------------- */

guint
variant_hash (gconstpointer variant)
{
  const guint8 *bytes = variant;
  guint hash = 5381;

  for (guint i = 0; i < sizeof (Variant); i++)
    hash = hash * 33 + bytes[i];
  return hash;
}

gboolean
variant_equal (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, sizeof (Variant)) == 0;
}

/* The row for the forms that the device takes. A shader only has rows for the forms in which it differs. */
static const Shader *
shader_of_forms (const Geometry *geometry, const gchar *name)
{
  const gchar *const forms[] = { geometry->no_subgroup ? "_no_subgroup" : "", geometry->storage_form ? "_storage" : "" };
  const Shader *shader = shader_find (name);

  for (guint i = 0; shader && i < G_N_ELEMENTS (forms); i++) {
    g_autofree gchar *of_form = g_strconcat (shader->name, forms[i], NULL);
    const Shader *found = shader_find (of_form);

    shader = found ? found : shader;
  }
  return shader;
}

gboolean
variant_init (Variant *v, const Device *dev, const Dispatch *d, GError **error)
{
  memset (v, 0, sizeof *v); /* padding is hashed, too */
  v->shader = shader_of_forms (&dev->limits.geometry, d->shader);
  if (!v->shader)
    g_set_error (error, DEVICE_ERROR, DEVICE_ERROR_UNSUPPORTED, "there is no shader '%s'", d->shader);
  v->local = d->local;
  v->subgroup = d->subgroup;
  v->full_subgroups = d->full_subgroups;
  v->n_spec = d->n_spec;
  memcpy (v->spec, d->spec, d->n_spec * sizeof d->spec[0]);
  return v->shader != NULL;
}

static guint
key_hash (gconstpointer key)
{
  return variant_hash (&((const PipelineKey *)key)->variant);
}

static gboolean
key_equal (gconstpointer a, gconstpointer b)
{
  const PipelineKey *one = a, *other = b;

  return variant_equal (&one->variant, &other->variant) && one->layout == other->layout;
}

void
variant_constants (VariantConstants *c, const Variant *v, gboolean plain_halves)
{
  const guint32 fixed_ids[VARIANT_FIXED] = { SPEC_LOCAL, SPEC_ONE_OCTET, SPEC_PLAIN_HALVES };
  const guint32 fixed[VARIANT_FIXED] = { v->local, v->local == OCTET, plain_halves };

  for (guint i = 0; i < VARIANT_FIXED + v->n_spec; i++) {
    gboolean own = i >= VARIANT_FIXED;

    c->values[i] = own ? v->spec[i - VARIANT_FIXED] : fixed[i];
    c->map[i] = (VkSpecializationMapEntry){ own ? i - VARIANT_FIXED : fixed_ids[i], i * 4, 4 };
  }
  c->info = (VkSpecializationInfo){ VARIANT_FIXED + v->n_spec, c->map, sizeof c->values, c->values };
  c->subgroup = (VkPipelineShaderStageRequiredSubgroupSizeCreateInfo){
    VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO, .requiredSubgroupSize = v->subgroup
  };
  c->next = v->subgroup ? &c->subgroup : NULL;
  c->flags = v->full_subgroups ? VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT : 0;
}

/* (transfer full) */
static gchar *
variant_text (const Variant *v)
{
  GString *text = g_string_new (v->shader->name);

  g_string_append_printf (text, " of %u", v->local);
  for (guint i = 0; i < v->n_spec; i++)
    g_string_append_printf (text, " %u", v->spec[i]);
  return g_string_free (text, FALSE);
}

static VkPipeline
pipeline_new (Device *dev, const PipelineKey *key, GError **error)
{
  const Variant *v = &key->variant;
  VariantConstants constants;
  const VkShaderModuleCreateInfo info = { VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = v->shader->size,
    .pCode = v->shader->words };
  VkComputePipelineCreateInfo create = { VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO, .layout = key->layout,
    .stage = { VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO, .stage = VK_SHADER_STAGE_COMPUTE_BIT, .pName = "main",
        .pSpecializationInfo = &constants.info } };
  VkPipeline pipeline = VK_NULL_HANDLE;
  g_autofree gchar *name = NULL;
  gint64 start;

  variant_constants (&constants, v, dev->limits.geometry.plain_halves);
  create.stage.pNext = constants.next;
  create.stage.flags = constants.flags;
  VK (vkCreateShaderModule (dev->vk, &info, NULL, &create.stage.module));
  start = g_get_monotonic_time ();
  VK (vkCreateComputePipelines (dev->vk, dev->cache, 1, &create, NULL, &pipeline));
  dev->compile_ns += (g_get_monotonic_time () - start) * 1000;
  name = variant_text (v);
  device_name (dev, VK_OBJECT_TYPE_PIPELINE, (guint64)pipeline, "%s", name);

error:
  vkDestroyShaderModule (dev->vk, create.stage.module, NULL);
  return pipeline;
}

VkPipeline
pipeline_get (Device *dev, const Dispatch *d, const PipelineLayout *layout, GError **error)
{
  PipelineKey key = { .layout = layout->pipeline };
  VkPipeline pipeline;

  if (!variant_init (&key.variant, dev, d, error))
    return VK_NULL_HANDLE;
  pipeline = g_hash_table_lookup (dev->pipelines, &key);
  if (!pipeline) {
    pipeline = pipeline_new (dev, &key, error);
    if (pipeline)
      g_hash_table_insert (dev->pipelines, g_memdup2 (&key, sizeof key), pipeline);
  }
  return pipeline;
}

gboolean
device_pipelines_init (Device *dev, const gchar *cache_dir, GError **error)
{
  VkPipelineCacheCreateInfo create = { VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO };
  g_autofree gchar *contents = NULL;
  gsize length = 0, size = 0;

  dev->pipelines = g_hash_table_new_full (key_hash, key_equal, g_free, NULL);
  dev->layouts = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  dev->cache_file = cache_path (dev, cache_dir);
  if (dev->cache_file && g_file_get_contents (dev->cache_file, &contents, &length, NULL)) {
    create.pInitialData = cache_data (dev, contents, length, &size);
    create.initialDataSize = create.pInitialData ? size : 0;
    if (!create.pInitialData)
      g_debug ("%s is damaged or of another driver: ignored", dev->cache_file);
  }
  if (create.pInitialData && vkCreatePipelineCache (dev->vk, &create, NULL, &dev->cache) >= 0) {
    dev->cache_loaded = size;
    return TRUE;
  }
  create.pInitialData = NULL;
  create.initialDataSize = 0;
  VK (vkCreatePipelineCache (dev->vk, &create, NULL, &dev->cache));
  return TRUE;

error:
  return FALSE;
}

void
device_pipelines_clear (Device *dev)
{
  GHashTableIter iter;
  gpointer value;

  if (!dev->pipelines)
    return;
  if (dev->cache) {
    if (dev->cache_file)
      cache_save (dev);
    vkDestroyPipelineCache (dev->vk, dev->cache, NULL);
  }
  g_hash_table_iter_init (&iter, dev->pipelines);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    vkDestroyPipeline (dev->vk, value, NULL);
  g_hash_table_iter_init (&iter, dev->layouts);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    vkDestroyPipelineLayout (dev->vk, ((PipelineLayout *)value)->pipeline, NULL);
    vkDestroyDescriptorSetLayout (dev->vk, ((PipelineLayout *)value)->set, NULL);
  }
  g_hash_table_unref (dev->pipelines);
  g_hash_table_unref (dev->layouts);
  g_free (dev->cache_file);
}
