/* What a capture shows: objects and ops have names, where there is VK_EXT_debug_utils. */
#include "harness.h"
#include "tensors.h"
#include "vk/vk.h"

/* What vk/ asks the loader goes through here: this program is linked with --wrap. */
static gboolean without_extensions, without_tools;
static GPtrArray *said; /* texts, in order */

PFN_vkVoidFunction __real_vkGetInstanceProcAddr (VkInstance instance, const char *name);
PFN_vkVoidFunction __wrap_vkGetInstanceProcAddr (VkInstance instance, const char *name);
VkResult __real_vkEnumerateInstanceExtensionProperties (const char *layer, uint32_t *n, VkExtensionProperties *list);
VkResult __wrap_vkEnumerateInstanceExtensionProperties (const char *layer, uint32_t *n, VkExtensionProperties *list);

static PFN_vkSetDebugUtilsObjectNameEXT set_name;
static PFN_vkCmdBeginDebugUtilsLabelEXT begin_label;
static PFN_vkCmdEndDebugUtilsLabelEXT end_label;
static PFN_vkCmdInsertDebugUtilsLabelEXT insert_label;

static VKAPI_ATTR VkResult VKAPI_CALL
note_name (VkDevice vk, const VkDebugUtilsObjectNameInfoEXT *info)
{
  const gchar *type = info->objectType == VK_OBJECT_TYPE_BUFFER     ? "buffer"
                      : info->objectType == VK_OBJECT_TYPE_PIPELINE ? "pipeline"
                                                                    : "commands";

  g_assert_cmpuint (info->objectHandle, !=, 0);
  g_ptr_array_add (said, g_strdup_printf ("%s %s", type, info->pObjectName));
  return set_name (vk, info);
}

static VKAPI_ATTR void VKAPI_CALL
note_begin (VkCommandBuffer buffer, const VkDebugUtilsLabelEXT *label)
{
  g_ptr_array_add (said, g_strdup_printf ("begin %s", label->pLabelName));
  begin_label (buffer, label);
}

static VKAPI_ATTR void VKAPI_CALL
note_end (VkCommandBuffer buffer)
{
  g_ptr_array_add (said, g_strdup ("end"));
  end_label (buffer);
}

static VKAPI_ATTR void VKAPI_CALL
note_insert (VkCommandBuffer buffer, const VkDebugUtilsLabelEXT *label)
{
  g_ptr_array_add (said, g_strdup (label->pLabelName));
  insert_label (buffer, label);
}

PFN_vkVoidFunction
__wrap_vkGetInstanceProcAddr (VkInstance instance, const char *name)
{
  PFN_vkVoidFunction function = __real_vkGetInstanceProcAddr (instance, name);

  if (without_tools && g_str_equal (name, "vkGetPhysicalDeviceToolPropertiesEXT"))
    return NULL;
  if (!function || !said)
    return function;
  if (g_str_equal (name, "vkSetDebugUtilsObjectNameEXT")) {
    set_name = (PFN_vkSetDebugUtilsObjectNameEXT)function;
    return (PFN_vkVoidFunction)note_name;
  }
  if (g_str_equal (name, "vkCmdBeginDebugUtilsLabelEXT")) {
    begin_label = (PFN_vkCmdBeginDebugUtilsLabelEXT)function;
    return (PFN_vkVoidFunction)note_begin;
  }
  if (g_str_equal (name, "vkCmdEndDebugUtilsLabelEXT")) {
    end_label = (PFN_vkCmdEndDebugUtilsLabelEXT)function;
    return (PFN_vkVoidFunction)note_end;
  }
  if (g_str_equal (name, "vkCmdInsertDebugUtilsLabelEXT")) {
    insert_label = (PFN_vkCmdInsertDebugUtilsLabelEXT)function;
    return (PFN_vkVoidFunction)note_insert;
  }
  return function;
}

VkResult
__wrap_vkEnumerateInstanceExtensionProperties (const char *layer, uint32_t *n, VkExtensionProperties *list)
{
  if (!without_extensions)
    return __real_vkEnumerateInstanceExtensionProperties (layer, n, list);
  *n = 0;
  return VK_SUCCESS;
}

/* Two windows of tensors, one op. What was said of it. (transfer full) */
static GPtrArray *
run_glu (void)
{
  const DeviceOptions options = { .window_bytes = 1 << 16, .cache_dir = "", .staged = TRUE };
  g_autoptr (GError) error = NULL;
  g_autoptr (Device) dev = NULL;
  g_autoptr (Arena) arena = NULL;
  g_autoptr (OpStream) s = NULL;
  Tensor x, y;

  said = g_ptr_array_new_with_free_func (g_free);
  dev = harness_device (&options);
  arena = arena_new (dev, ARENA_DEVICE, "rows");
  s = op_stream_new (dev, "one op");
  x = arena_add (arena, TYPE_F32, LAYOUT_ROWS, 12, 2048);
  y = arena_add (arena, TYPE_F32, LAYOUT_ROWS, 12, 1024);
  g_assert_true (arena_commit (arena, &error));
  g_assert_true (tensor_write (&x, 0, "\0\0\0", 4, &error));
  op_glu (s, &y, &x);
  stream_go (s);
  return g_steal_pointer (&said);
}

static guint
place_of (GPtrArray *texts, const gchar *text)
{
  guint i;

  for (guint k = 0; k < texts->len; k++)
    g_test_message ("%s", (const gchar *)texts->pdata[k]);
  g_assert_true (g_ptr_array_find_with_equal_func (texts, text, g_str_equal, &i));
  return i;
}

static void
test_a_capture_reads_like_the_code (void)
{
  g_autoptr (GPtrArray) texts = run_glu ();
  guint op;

  place_of (texts, "buffer rows 0");
  place_of (texts, "buffer rows 1");
  place_of (texts, "buffer staging");
  place_of (texts, "pipeline glu of 64");
  op = place_of (texts, "begin glu");
  g_assert_cmpuint (place_of (texts, "commands one op 0"), <, op);
  g_assert_cmpuint (op + 3, ==, texts->len);
  g_assert_cmpstr (texts->pdata[op + 1], ==, "end");
  g_assert_cmpstr (texts->pdata[op + 2], ==, "vr-marker,frame_end,type,application"); /* as RenderDoc knows it */
}

static void
test_works_without_the_extension (void)
{
  g_autoptr (GPtrArray) texts = NULL;

  without_extensions = TRUE;
  texts = run_glu ();
  without_extensions = FALSE;
  g_assert_cmpuint (texts->len, ==, 0);
}

static void
test_names_nothing_where_nobody_looks (void)
{
  g_autoptr (GPtrArray) texts = NULL;

  without_tools = TRUE;
  texts = run_glu ();
  without_tools = FALSE;
  g_assert_cmpuint (texts->len, ==, 0);
}

static gboolean done;

static gpointer
open_devices (gpointer data)
{
  for (guint i = 0; i < 20; i++) {
    const DeviceOptions options = { .cache_dir = "" };
    g_autoptr (GError) error = NULL;
    g_autoptr (Device) dev = device_open (NULL, &options, &error);

    g_assert_no_error (error);
    g_assert_nonnull (dev);
  }
  g_atomic_int_set (&done, TRUE);
  return NULL;
}

/* The loader looks for the device of a name among all devices of the process. */
static void
test_names_while_others_come_and_go (void)
{
  const DeviceOptions options = { .cache_dir = "" };
  g_autoptr (Device) dev = harness_device (&options);
  g_autoptr (Arena) arena = arena_new (dev, ARENA_DEVICE, "rows");
  g_autoptr (GError) error = NULL;
  GThread *others[2];

  arena_add (arena, TYPE_F32, LAYOUT_ROWS, 1, 32);
  g_assert_true (arena_commit (arena, &error));
  g_atomic_int_set (&done, FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    others[i] = g_thread_new ("others", open_devices, NULL);
  while (!g_atomic_int_get (&done))
    device_name (dev, VK_OBJECT_TYPE_DEVICE, (guint64)dev->vk, "ours");
  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    g_thread_join (others[i]);
}

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
  g_test_add_func ("/names/a-capture-reads-like-the-code", test_a_capture_reads_like_the_code);
  g_test_add_func ("/names/works-without-the-extension", test_works_without_the_extension);
  g_test_add_func ("/names/names-nothing-where-nobody-looks", test_names_nothing_where_nobody_looks);
  g_test_add_func ("/names/names-while-others-come-and-go", test_names_while_others_come_and_go);
  return g_test_run ();
}
