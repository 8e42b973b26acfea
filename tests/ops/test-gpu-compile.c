/*
 * What the compilers of GPUs that are not here make of the shaders: every pipeline that the model would use there, through the
 * project's own choice of kernels. Mesa's RADV compiles for a GPU that RADV_FORCE_FAMILY names, its NVK for a chip that
 * NOUVEAU_CHIPSET names where the package mesa-drm-shim plays the kernel's driver. They tell of registers, spills, waves and
 * machine code. They say nothing of memory: a kernel that spills, or does little but multiply and add, is slow on any GPU.
 *
 * The program runs itself once for each pipeline, because a compiler may end its process.
 */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../program.h"
#include "gpu-code.h"
#include "survey.h"
#include "vk/vk.h"

/* What is asked of a kernel, beside that it neither spills nor ends the compiler; zeros ask for nothing. Weights of 8 and 4 bits
 * have no bars. */
typedef struct
{
  const gchar *shader;    /* what its name begins with */
  const gchar *constants; /* what its constants, " 1 128 ...", hold */
  double share;           /* of multiply-adds in its inner loop, at least */
  guint waves;            /* in flight, at least */
  guint registers;        /* at most */
  gboolean matrix;        /* its inner loop multiplies matrices */
} Bar;

#define LARGE_TILE "matmul_tile", " 128 128 1"

static const Bar radeon_bars[] = {
  { LARGE_TILE, .share = 0.60, .waves = 8 },
  { "matmul_coop", "", .matrix = TRUE },
  { "attention_tile", "", .share = 0.40, .waves = 6, .registers = 168 },
  { "attention_split", "", .waves = 6 },
  { NULL },
};
static const Bar older_radeon_bars[] = { { NULL } };
static const Bar newer_radeon_bars[] = { { LARGE_TILE, .share = 0.60, .waves = 8 }, { "matmul_coop", "", .matrix = TRUE },
  { NULL } };
/* Waves are as many as registers leave room for. */
static const Bar nvidia_bars[] = {
  { LARGE_TILE, .share = 0.55, .registers = 128 },
  { "matmul_coop", "", .matrix = TRUE },
  { "attention_tile", "", .share = 0.40, .registers = 168 },
  { "attention_split", "", .waves = 6 },
  { NULL },
};
static const Bar older_nvidia_bars[] = { { "matmul_coop", "", .matrix = TRUE }, { NULL } };

typedef struct _Driver Driver;
struct _Driver
{
  const gchar *icd;     /* what the driver's manifest begins with */
  const gchar *gpu;     /* the variable that names a GPU */
  const gchar *preload; /* a library that plays the kernel's driver, or NULL */
  const gchar *lacking; /* why a test is skipped */
  const Assembly *assembly;
  const Driver *later; /* the same of later versions */
};

static const Driver radv_26 = { "radeon_icd", "AMDGPU_GPU_ID", "libamdgpu_noop_drm_shim.so", NULL, &radeon_assembly };
static const Driver radv = { "radeon_icd", "RADV_FORCE_FAMILY", NULL, "no driver of Radeon GPUs is installed", &radeon_assembly,
  &radv_26 };
static const Driver nvk = { "nouveau_icd", "NOUVEAU_CHIPSET", "libnouveau_noop_drm_shim.so",
  "no NVK, or no mesa-drm-shim, is installed", &nvidia_assembly };

typedef struct
{
  const gchar *path;
  const Driver *driver;
  const gchar *names[2]; /* that the driver has for it: of Mesa 22.3, of Mesa 25 */
  const Bar *bars;
  gboolean
      matrices;  /* Debian 13's Mesa 25.0 has cooperative matrices for it; later ones have them for RX 9070 and Ampere as well */
  gboolean dots; /* it multiplies 4 bytes by an instruction */
} Gpu;

static const Gpu gpus[] = {
  { "polaris10", &radv, { "polaris10", "polaris10" }, older_radeon_bars },
  { "vega10", &radv, { "vega10", "vega10" }, older_radeon_bars },
  { "navi10", &radv, { "navi10", "navi10" }, older_radeon_bars },
  { "navi21", &radv, { "navi21", "navi21" }, radeon_bars, .dots = TRUE },
  { "gfx1100", &radv, { "gfx1100", "navi31" }, radeon_bars, TRUE, .dots = TRUE },
  { "gfx1201", &radv, { NULL, "gfx1201" }, newer_radeon_bars, .dots = TRUE },
  { "turing", &nvk, { NULL, "0x162" }, older_nvidia_bars, .dots = TRUE },
  { "ampere", &nvk, { NULL, "0x172" }, nvidia_bars, .dots = TRUE },
};

#ifdef HAVE_COOPERATIVE_MATRIX
#define BUILD_KNOWS_MATRICES TRUE
#else
#define BUILD_KNOWS_MATRICES FALSE
#endif

static const gchar *self;

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
  const float priority = 1;
  DeviceFeatures on;
  VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR features = {
    VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR, .pipelineExecutableInfo = VK_TRUE
  };
  const VkDeviceQueueCreateInfo queue = { VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO, .queueFamilyIndex = dev->family,
    .queueCount = 1, .pQueuePriorities = &priority };
  VkDeviceCreateInfo info = { VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, &features, .queueCreateInfoCount = 1,
    .pQueueCreateInfos = &queue, .ppEnabledExtensionNames = on.extensions };
  VkDevice vk;

  device_features (&on, dev);
  g_assert_cmpuint (on.n_extensions, <, G_N_ELEMENTS (on.extensions));
  on.extensions[on.n_extensions++] = VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME;
  info.enabledExtensionCount = on.n_extensions;
  features.pNext = (gpointer)on.next;
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
  info.stage.pNext = constants.next;
  info.stage.flags = constants.flags;
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

/* What a model is stored in, whether matrices are used for it, and which of its kernels the ones before it have not. */
static const struct
{
  TensorType weights;
  KvType kv;
  CoopUse coop;
  const gchar *fresh;
} stored[] = {
  { TYPE_BF16, KV_F16, COOP_NEVER, "." },
  { TYPE_Q8, KV_F16, COOP_NEVER, "_q8" },
  { TYPE_Q4, KV_INT8, COOP_NEVER, "_q4|_int8" },
  { TYPE_BF16, KV_F16, COOP_GPU, "matmul_coop" },
};

static void
print_variant (const Variant *v)
{
  printf ("%s of %u", v->shader->name, v->local);
  for (guint i = 0; i < v->n_spec; i++)
    printf (" %u", v->spec[i]);
  puts ("");
}

/* Prints what there are, a line each, or all about the one of this number. What it makes is left to the process's end. */
static int
run_one (guint how, const gchar *number)
{
  g_autoptr (GError) error = NULL;
  Device *dev = device_open (NULL, &(DeviceOptions){ .survey_only = TRUE, .coop = stored[how].coop }, &error);
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
    for (guint i = 0; i < list->len; i++)
      print_variant (g_ptr_array_index (list, i));
    return 0;
  }
  v = g_ptr_array_index (list, atoi (number));
  print_variant (v);
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

static gboolean
has_blocks (const gchar *variant)
{
  return strstr (variant, "_q8") || strstr (variant, "_q4");
}

static void
hold_against (const Bar *bar, const gchar *name, const Told *told)
{
  double share = loop_share (&told->loop);

  if (share < bar->share)
    g_test_fail_printf ("%s: %.2f of the inner loop are multiply-adds, at least %.2f are wanted", name, share, bar->share);
  if (told->waves < bar->waves)
    g_test_fail_printf ("%s: %u waves, at least %u are wanted", name, told->waves, bar->waves);
  if (bar->registers && told->registers > bar->registers)
    g_test_fail_printf ("%s: %u registers, at most %u are wanted", name, told->registers, bar->registers);
  if (bar->matrix && told->loop.matrices == 0)
    g_test_fail_printf ("%s: the inner loop multiplies no matrices", name);
}

static void
judge (const Gpu *gpu, const gchar *variant, const ProgramResult *r)
{
  g_autofree gchar *name = g_strdup_printf ("%s: %s", gpu->path, variant);
  Told told;

  if (r->code != 0) {
    g_test_fail_printf ("%s: the compiler dies: %s", name, r->err);
    return;
  }
  told = gpu_code_told (gpu->driver->assembly, r->out);
  g_test_message ("%s: %u registers, %u spilled, %u waves, %u bytes shared, inner loop of %u: %.2f multiply-adds, %u of matrices, "
                  "%u of bytes",
      name, told.registers, told.spilled, told.waves, told.shared, told.loop.instructions, loop_share (&told.loop),
      told.loop.matrices, told.loop.dots);
  if (told.spilled)
    g_test_fail_printf ("%s spills %u registers", name, told.spilled);
  if (g_str_has_prefix (variant, "matmul_dot") && told.loop.dots == 0)
    g_test_fail_printf ("%s: the inner loop multiplies no bytes", name);
  for (const Bar *bar = gpu->bars; bar->shader; bar++)
    if (g_str_has_prefix (variant, bar->shader) && strstr (variant, bar->constants) && !has_blocks (variant))
      hold_against (bar, name, &told);
}

/* (transfer full): NULL where the driver does not know the GPU */
static gchar **
list_variants (const gchar *how)
{
  g_auto (ProgramResult) r = { 0 };

  program_run ((const gchar *[]){ self, "--pipeline", how, NULL }, &r);
  return r.code == 0 ? g_strsplit (g_strchomp (r.out), "\n", -1) : NULL;
}

/* Children load it; this process does not. */
static gboolean
preload (const gchar *library)
{
  g_autofree gchar *pattern = g_strdup_printf ("/usr/lib/*/%s", library);
  glob_t found;
  gboolean any = glob (pattern, 0, NULL, &found) == 0;

  if (any)
    g_setenv ("LD_PRELOAD", found.gl_pathv[0], TRUE);
  globfree (&found);
  return any;
}

/* (transfer full) (nullable) */
static gchar *
find_manifest (const gchar *prefix)
{
  const gchar *folder = "/usr/share/vulkan/icd.d", *name;
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);

  while (dir && (name = g_dir_read_name (dir)))
    if (g_str_has_prefix (name, prefix))
      return g_build_filename (folder, name, NULL);
  return NULL;
}

/* The environment of children that use it. */
static gboolean
choose_driver (const Driver *driver)
{
  g_autofree gchar *manifest = find_manifest (driver->icd);

  g_unsetenv ("LD_PRELOAD");
  if (!manifest || (driver->preload && !preload (driver->preload)))
    return FALSE;
  g_setenv ("VK_ICD_FILENAMES", manifest, TRUE);
  return TRUE;
}

/* Whether it knows the GPU by one of its names, which is set then. */
static gboolean
choose_gpu (const Driver *driver, const Gpu *gpu)
{
  for (guint i = 0; i < G_N_ELEMENTS (gpu->names); i++) {
    g_auto (GStrv) list = NULL;

    if (!gpu->names[i])
      continue;
    g_setenv (driver->gpu, gpu->names[i], TRUE);
    list = list_variants ("0");
    if (list)
      return TRUE;
  }
  g_unsetenv (driver->gpu);
  return FALSE;
}

static void
test_gpu (gconstpointer data)
{
  const Gpu *gpu = data;
  const Driver *driver = gpu->driver;
  guint tiles = 0, splits = 0, octets = 0, attention = 0, matrices = 0, dots = 0;

  if (!choose_driver (driver)) {
    g_test_skip (driver->lacking);
    return;
  }
  while (driver && !(choose_driver (driver) && choose_gpu (driver, gpu)))
    driver = driver->later;
  if (!driver) {
    if (gpu->names[0])
      g_test_fail_printf ("the driver does not know %s", gpu->path);
    else
      g_test_skip ("this Mesa does not know it");
    return;
  }
  for (guint h = 0; h < G_N_ELEMENTS (stored); h++) {
    g_autofree gchar *how = g_strdup_printf ("%u", h);
    g_auto (GStrv) list = list_variants (how);

    g_assert_cmpuint (g_strv_length (list), >, 20);
    for (guint i = 0; list[i]; i++) {
      g_autofree gchar *number = g_strdup_printf ("%u", i);
      g_auto (ProgramResult) r = { 0 };

      if (!g_regex_match_simple (stored[h].fresh, list[i], 0, 0))
        continue;
      program_run ((const gchar *[]){ self, "--pipeline", how, number, NULL }, &r);
      judge (gpu, list[i], &r);
      tiles += g_str_has_prefix (list[i], "matmul_tile");
      splits += g_str_has_prefix (list[i], "matvec_split");
      octets += g_regex_match_simple ("^mat(mul|vec)_(b?f|q)\\d", list[i], 0, 0);
      attention += g_str_has_prefix (list[i], "attention_tile") || g_str_has_prefix (list[i], "attention_split");
      matrices += g_str_has_prefix (list[i], "matmul_coop");
      dots += g_str_has_prefix (list[i], "matmul_dot");
    }
  }
  g_assert_cmpuint (tiles, >=, 3);
  g_assert_cmpuint (splits, >=, 3 * 6);    /* one row, a few and eight; wide and narrow */
  g_assert_cmpuint (octets, ==, 0);        /* lavapipe's */
  g_assert_cmpuint (attention, >=, 4 + 3); /* of caches of 16 bits, and of 8 */
  g_assert_cmpuint (matrices, >=, BUILD_KNOWS_MATRICES && gpu->matrices ? 3 : 0);
  g_assert_true ((dots >= 4) == gpu->dots); /* with and without a residual, of both types */
}

int
main (int argc, char **argv)
{
  if (argc > 2 && g_str_equal (argv[1], "--pipeline"))
    return run_one (atoi (argv[2]), argc > 3 ? argv[3] : NULL);
  g_test_init (&argc, &argv, NULL);
  self = argv[0];
  for (guint i = 0; i < G_N_ELEMENTS (gpus); i++) {
    g_autofree gchar *path = g_strdup_printf ("/gpu-compile/%s", gpus[i].path);

    g_test_add_data_func (path, &gpus[i], test_gpu);
  }
  return g_test_run ();
}
