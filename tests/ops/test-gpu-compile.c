/*
 * What the compilers of GPUs that are not here make of the shaders: every pipeline that the model would use there, through the
 * project's own choice of kernels. Mesa's RADV compiles for a GPU that RADV_FORCE_FAMILY names, and tells of registers, spills,
 * waves and machine code. It says nothing of memory: a kernel that spills, or does little but multiply and add, is slow on any GPU.
 *
 * The program runs itself once for each pipeline, because a compiler may end its process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../program.h"
#include "survey.h"
#include "vk/vk.h"

/* One GPU by the names of Mesa 22.3 and of Mesa 25. */
typedef struct
{
  const gchar *names[2];
  double share; /* least share of multiply-adds in the inner loop of the large tile; 0: not judged */
  guint waves;  /* fewest waves in flight there */
} Gpu;

static const Gpu gpus[] = {
  { { "polaris10", "polaris10" } },
  { { "vega10", "vega10" } },
  { { "navi10", "navi10" } },
  { { "navi21", "navi21" }, 0.60, 8 },
  { { "gfx1100", "navi31" }, 0.60, 8 },
};

/* Of attention where the large tile is judged: fewest waves in flight, and of prefill least share and most registers. */
#define ATTENTION_WAVES 6
#define ATTENTION_SHARE 0.40
#define ATTENTION_REGISTERS 168

static const gchar *self, *driver;

/* --- one pipeline ----------------------------------------------------------------------------------------------------------- */

static gint
variant_order (gconstpointer a, gconstpointer b)
{
  const Variant *one = *(const Variant *const *)a, *other = *(const Variant *const *)b;
  gint order = strcmp (one->shader->name, other->shader->name);

  return order ? order : memcmp (one->spec, other->spec, sizeof one->spec);
}

/* (transfer container): Variant, borrowed from the survey */
static GPtrArray *
variants_of (OpStream *survey)
{
  g_autoptr (GError) error = NULL;
  GHashTable *set = op_survey_variants (survey, &error);
  GPtrArray *list = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer variant;

  g_assert_no_error (error);
  g_hash_table_iter_init (&iter, set);
  while (g_hash_table_iter_next (&iter, &variant, NULL))
    g_ptr_array_add (list, variant);
  g_ptr_array_sort (list, variant_order);
  return list;
}

/* A layout of what the shader binds, as its SPIR-V tells. */
static VkPipelineLayout
layout_of (VkDevice vk, const Shader *shader)
{
  enum
  {
    OP_VARIABLE = 59,
    OP_DECORATE = 71,
    BINDING = 33,
    STORAGE_UNIFORM_CONSTANT = 0,
  };
  const VkPushConstantRange push = { VK_SHADER_STAGE_COMPUTE_BIT, 0, DISPATCH_MAX_PUSH };
  VkDescriptorSetLayoutBinding bindings[DISPATCH_MAX_BINDS];
  VkDescriptorSetLayoutCreateInfo set_info = { VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO, .pBindings = bindings };
  VkPipelineLayoutCreateInfo info = { VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO, .setLayoutCount = 1,
    .pushConstantRangeCount = 1, .pPushConstantRanges = &push };
  g_autoptr (GHashTable) places = g_hash_table_new (NULL, NULL); /* id -> binding + 1 */
  const guint32 *words = shader->words;
  VkDescriptorSetLayout set;
  VkPipelineLayout layout;

  for (gsize i = 5; i < shader->size / 4; i += words[i] >> 16) {
    guint op = words[i] & 0xffff;
    gpointer place;

    if (op == OP_DECORATE && words[i + 2] == BINDING)
      g_hash_table_insert (places, GUINT_TO_POINTER (words[i + 1]), GUINT_TO_POINTER (words[i + 3] + 1));
    if (op != OP_VARIABLE || !(place = g_hash_table_lookup (places, GUINT_TO_POINTER (words[i + 2]))))
      continue;
    bindings[set_info.bindingCount++] = (VkDescriptorSetLayoutBinding){ GPOINTER_TO_UINT (place) - 1,
      words[i + 3] == STORAGE_UNIFORM_CONSTANT ? VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1,
      VK_SHADER_STAGE_COMPUTE_BIT };
  }
  g_assert_cmpint (vkCreateDescriptorSetLayout (vk, &set_info, NULL, &set), ==, VK_SUCCESS);
  info.pSetLayouts = &set;
  g_assert_cmpint (vkCreatePipelineLayout (vk, &info, NULL, &layout), ==, VK_SUCCESS);
  return layout;
}

/* A device of the same GPU that tells of its pipelines. */
static VkDevice
telling_device (const Device *dev)
{
  const gchar *extension = VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME;
  const float priority = 1;
  VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR features = {
    VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR, .pipelineExecutableInfo = VK_TRUE
  };
  const VkDeviceQueueCreateInfo queue = { VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO, .queueFamilyIndex = dev->family,
    .queueCount = 1, .pQueuePriorities = &priority };
  const VkDeviceCreateInfo info = { VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, &features, .queueCreateInfoCount = 1,
    .pQueueCreateInfos = &queue, .enabledExtensionCount = 1, .ppEnabledExtensionNames = &extension };
  VkDevice vk;

  g_assert_cmpint (vkCreateDevice (dev->physical, &info, NULL, &vk), ==, VK_SUCCESS);
  return vk;
}

static VkPipeline
compile (VkDevice vk, const Variant *v)
{
  VariantConstants constants;
  VkComputePipelineCreateInfo info = { VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
    .flags = VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR | VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR,
    .layout = layout_of (vk, v->shader),
    .stage = { VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO, .stage = VK_SHADER_STAGE_COMPUTE_BIT, .pName = "main",
        .pSpecializationInfo = &constants.info } };
  const VkShaderModuleCreateInfo module = { VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = v->shader->size,
    .pCode = v->shader->words };
  VkPipeline pipeline;

  variant_constants (&constants, v, FALSE);
  g_assert_cmpint (vkCreateShaderModule (vk, &module, NULL, &info.stage.module), ==, VK_SUCCESS);
  g_assert_cmpint (vkCreateComputePipelines (vk, VK_NULL_HANDLE, 1, &info, NULL, &pipeline), ==, VK_SUCCESS);
  return pipeline;
}

#define CALL(vk, name) ((PFN_##name)vkGetDeviceProcAddr (vk, #name))

static void
print_statistics (VkDevice vk, const VkPipelineExecutableInfoKHR *executable)
{
  VkPipelineExecutableStatisticKHR list[64];
  guint32 n = G_N_ELEMENTS (list);

  for (guint i = 0; i < n; i++)
    list[i] = (VkPipelineExecutableStatisticKHR){ VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR };
  CALL (vk, vkGetPipelineExecutableStatisticsKHR) (vk, executable, &n, list);
  for (guint i = 0; i < n; i++)
    printf ("%s: %" G_GUINT64_FORMAT "\n", list[i].name, (guint64)list[i].value.u64);
}

static void
print_machine_code (VkDevice vk, const VkPipelineExecutableInfoKHR *executable)
{
  VkPipelineExecutableInternalRepresentationKHR list[8];
  guint32 n = G_N_ELEMENTS (list);
  PFN_vkGetPipelineExecutableInternalRepresentationsKHR get = CALL (vk, vkGetPipelineExecutableInternalRepresentationsKHR);

  for (guint i = 0; i < n; i++)
    list[i] = (VkPipelineExecutableInternalRepresentationKHR){ VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INTERNAL_REPRESENTATION_KHR };
  get (vk, executable, &n, list);
  for (guint i = 0; i < n; i++)
    list[i].pData = g_malloc0 (list[i].dataSize + 1);
  get (vk, executable, &n, list);
  puts ((const gchar *)list[n - 1].pData); /* the last is the machine's */
  for (guint i = 0; i < n; i++)
    g_free (list[i].pData);
}

/* What a model is stored in: those of 16 bits are judged by more than that they compile. */
static const struct
{
  TensorType weights;
  KvType kv;
} stored[] = { { TYPE_BF16, KV_F16 }, { TYPE_Q8, KV_F16 }, { TYPE_Q4, KV_INT8 } };

/* Prints how many there are, or all about the one of this number. What it makes is left to the process's end. */
static int
run_one (guint how, const gchar *number)
{
  g_autoptr (GError) error = NULL;
  Device *dev = device_open (NULL, &(DeviceOptions){ .survey_only = TRUE }, &error);
  g_autoptr (GPtrArray) list = NULL;
  g_autoptr (OpStream) survey = NULL;
  const Variant *v;
  VkDevice vk;

  if (!dev) {
    fprintf (stderr, "%s\n", error->message);
    return 1;
  }
  survey = survey_model (dev, stored[how].weights, stored[how].kv);
  list = variants_of (survey);
  if (!number) {
    printf ("%u\n", list->len);
    return 0;
  }
  v = g_ptr_array_index (list, atoi (number));
  printf ("%s of %u", v->shader->name, v->local);
  for (guint i = 0; i < v->n_spec; i++)
    printf (" %u", v->spec[i]);
  puts ("");
  fflush (stdout);
  vk = telling_device (dev);
  {
    const VkPipelineExecutableInfoKHR executable = { VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR, .pipeline = compile (vk, v) };

    print_statistics (vk, &executable);
    print_machine_code (vk, &executable);
  }
  fflush (stdout);
  return 0;
}

/* --- judging ---------------------------------------------------------------------------------------------------------------- */

static guint
statistic (const gchar *out, const gchar *name)
{
  g_autofree gchar *line = g_strdup_printf ("\n%s: ", name);
  const gchar *at = strstr (out, line);

  return at ? strtoul (at + strlen (line), NULL, 10) : 0;
}

typedef struct
{
  guint instructions, multiply_adds;
} Loop;

/* Of the loops, what reaches back to a label, the one with the most multiply-adds. */
static Loop
inner_loop (const gchar *out)
{
  g_autoptr (GRegex) label = g_regex_new ("^\\s*(BB\\d+):", 0, 0, NULL);
  g_autoptr (GRegex) instruction = g_regex_new ("^\\s+(?:v_|ds_|s_|buffer_|global_|scratch_|flat_)\\S+", 0, 0, NULL);
  g_autoptr (GRegex) multiply_add = g_regex_new ("v_(?:dual_)?(?:fma|fmac|mac|mad|pk_fma)\\w*_f32", 0, 0, NULL);
  g_autoptr (GRegex) branch = g_regex_new ("^\\s+s_c?branch\\S*\\s+(BB\\d+)", 0, 0, NULL);
  g_autoptr (GHashTable) labels = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_auto (GStrv) lines = g_strsplit (out, "\n", -1);
  Loop so_far = { 0 }, best = { 0 };

  for (guint i = 0; lines[i]; i++) {
    g_autoptr (GMatchInfo) match = NULL, fused = NULL;

    if (g_regex_match (label, lines[i], 0, &match)) {
      g_hash_table_replace (labels, g_match_info_fetch (match, 1), g_memdup2 (&so_far, sizeof so_far));
      continue;
    }
    if (!g_regex_match (instruction, lines[i], 0, NULL))
      continue;
    so_far.instructions++;
    for (g_regex_match (multiply_add, lines[i], 0, &fused); g_match_info_matches (fused); g_match_info_next (fused, NULL))
      so_far.multiply_adds++;
    g_clear_pointer (&match, g_match_info_unref);
    if (g_regex_match (branch, lines[i], 0, &match)) {
      g_autofree gchar *name = g_match_info_fetch (match, 1);
      const Loop *start = g_hash_table_lookup (labels, name);

      if (start && so_far.multiply_adds - start->multiply_adds > best.multiply_adds)
        best = (Loop){ so_far.instructions - start->instructions, so_far.multiply_adds - start->multiply_adds };
    }
  }
  return best;
}

/* Weights of 8 and 4 bits: their shares are told and not judged. */
static gboolean
has_blocks (const gchar *name)
{
  return strstr (name, "_q8") || strstr (name, "_q4");
}

/* Beside not spilling. */
static void
judge_attention (const gchar *family, const gchar *name, double share, guint waves, guint registers)
{
  gboolean tile = g_str_has_prefix (name, "attention_tile");

  if (!tile && !g_str_has_prefix (name, "attention_split"))
    return;
  if (waves < ATTENTION_WAVES || (tile && (share < ATTENTION_SHARE || registers > ATTENTION_REGISTERS)))
    g_test_fail_printf (
        "%s: %s: %.2f multiply-adds, %u waves and %u registers; at least %u waves are wanted, and of a tile %.2f and "
        "at most %u",
        family, name, share, waves, registers, ATTENTION_WAVES, ATTENTION_SHARE, ATTENTION_REGISTERS);
}

static void
judge (const Gpu *gpu, const gchar *family, const ProgramResult *r)
{
  g_autofree gchar *name = g_strndup (r->out, strcspn (r->out, "\n"));
  guint spilled = statistic (r->out, "Spilled VGPRs") + statistic (r->out, "Spilled SGPRs");
  guint waves = statistic (r->out, "Subgroups per SIMD");
  Loop loop = inner_loop (r->out);
  double share = loop.instructions ? (double)loop.multiply_adds / loop.instructions : 0;

  if (r->code != 0) {
    g_test_fail_printf ("%s: %s: the compiler dies: %s", family, name, r->err);
    return;
  }
  g_test_message ("%s: %s: %u registers, %u spilled, %u waves, %u bytes shared, %.2f of the inner loop's %u are multiply-adds",
      family, name, statistic (r->out, "VGPRs"), spilled, waves, statistic (r->out, "LDS size"), share, loop.instructions);
  if (spilled)
    g_test_fail_printf ("%s: %s spills %u registers", family, name, spilled);
  if (gpu->share > 0 && g_str_has_prefix (r->out, "matmul_tile") && strstr (name, " 128 128 1") && !has_blocks (name)
      && (share < gpu->share || waves < gpu->waves))
    g_test_fail_printf ("%s: %s: %.2f multiply-adds and %u waves, at least %.2f and %u are wanted", family, name, share, waves,
        gpu->share, gpu->waves);
  if (gpu->share > 0)
    judge_attention (family, name, share, waves, statistic (r->out, "VGPRs"));
}

/* 0: the driver does not know the GPU. */
static guint
count_pipelines (const gchar *how)
{
  g_auto (ProgramResult) r = { 0 };

  program_run ((const gchar *[]){ self, "--pipeline", how, NULL }, &r);
  return r.code == 0 ? atoi (r.out) : 0;
}

static void
test_gpu (gconstpointer data)
{
  const Gpu *gpu = data;
  const gchar *family = NULL;
  guint tiles = 0, splits = 0, attention = 0;

  for (guint i = 0; i < G_N_ELEMENTS (gpu->names) && !family; i++) {
    g_setenv ("RADV_FORCE_FAMILY", gpu->names[i], TRUE);
    if (count_pipelines ("0") > 0)
      family = gpu->names[i];
  }
  if (!family) {
    g_test_fail_printf ("%s does not know %s", driver, gpu->names[0]);
    return;
  }
  for (guint h = 0; h < G_N_ELEMENTS (stored); h++) {
    g_autofree gchar *how = g_strdup_printf ("%u", h);
    guint n = count_pipelines (how);

    g_assert_cmpuint (n, >, 20);
    for (guint i = 0; i < n; i++) {
      g_autofree gchar *number = g_strdup_printf ("%u", i);
      g_auto (ProgramResult) r = { 0 };

      program_run ((const gchar *[]){ self, "--pipeline", how, number, NULL }, &r);
      /* The others are the same as with 16 bits. */
      if (h == 0 || strstr (r.out, "_q") || strstr (r.out, "int8"))
        judge (gpu, family, &r);
      tiles += g_str_has_prefix (r.out, "matmul_tile");
      splits += g_str_has_prefix (r.out, "matvec_split");
      attention += g_str_has_prefix (r.out, "attention_tile") || g_str_has_prefix (r.out, "attention_split");
    }
  }
  g_assert_cmpuint (tiles, >=, 3);
  g_assert_cmpuint (splits, >=, 3 * 6); /* one row, a few and eight; wide and narrow */
  g_assert_cmpuint (attention, >=, 12);
}

/* (transfer full) */
static gchar *
find_driver (void)
{
  const gchar *folder = "/usr/share/vulkan/icd.d", *name;
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);

  while (dir && (name = g_dir_read_name (dir)))
    if (g_str_has_prefix (name, "radeon_icd"))
      return g_build_filename (folder, name, NULL);
  return NULL;
}

int
main (int argc, char **argv)
{
  g_autofree gchar *found = NULL;

  if (argc > 2 && g_str_equal (argv[1], "--pipeline"))
    return run_one (atoi (argv[2]), argc > 3 ? argv[3] : NULL);
  g_test_init (&argc, &argv, NULL);
  self = argv[0];
  driver = found = find_driver ();
  if (!driver) {
    g_test_skip ("no driver of Radeon GPUs is installed");
    return g_test_run ();
  }
  g_setenv ("VK_ICD_FILENAMES", driver, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (gpus); i++) {
    g_autofree gchar *path = g_strdup_printf ("/gpu-compile/%s", gpus[i].names[0]);

    g_test_add_data_func (path, &gpus[i], test_gpu);
  }
  return g_test_run ();
}
