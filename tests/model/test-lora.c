/* LoRA adapters: what of a folder is read, what is refused and by which name, and what is merged. */
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "../folder.h"
#include "harness.h"
#include "model/lora.h"
#include "model/model_testing.h"
#include "model/section.h"
#include "model/strictjson.h"
#include "synth.h"
#include "model/engine.h"

#define SWIFT TEST_DATA "/lora/swift/adapter"
#define QKV "language_model.model.layers.1.self_attn.qkv_proj"
#define DOWN "language_model.model.layers.0.mlp.down_proj"

typedef struct
{
  ModelConfig config; /* of `small` */
  gchar *folder;
} Fixture;

static void
set_up (Fixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;

  model_config_load (&f->config, TEST_DATA "/small/config.json", 256, &error);
  g_assert_no_error (error);
  f->folder = folder_new ();
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  model_config_clear (&f->config);
  folder_free (f->folder);
}

/* adapter_config.json as PEFT wrote it for SWIFT, with one place changed. */
static void
put_config (Fixture *f, const gchar *find, const gchar *replacement)
{
  g_autofree gchar *path = g_build_filename (f->folder, "adapter_config.json", NULL), *text = NULL;
  g_autoptr (GString) changed = NULL;

  g_assert_true (g_file_get_contents (SWIFT "/adapter_config.json", &text, NULL, NULL));
  changed = g_string_new (text);
  g_assert_cmpuint (g_string_replace (changed, find, replacement, 0), ==, 1);
  g_assert_true (g_file_set_contents (path, changed->str, -1, NULL));
}

/* Its tensors, under other names (nullable) and in another type. */
static void
put_tensors (Fixture *f, gchar *(*rename) (const gchar *name))
{
  g_autofree gchar *path = g_build_filename (f->folder, "adapter_model.safetensors", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (TensorSet) from = tensor_set_open_file (SWIFT "/adapter_model.safetensors", &error), to = tensor_set_new ();
  g_autofree const TensorInfo **list = NULL;
  guint n;

  g_assert_no_error (error);
  list = tensor_set_list (from, &n);
  for (guint i = 0; i < n; i++) {
    g_autofree gchar *name = rename ? rename (list[i]->name) : g_strdup (list[i]->name);

    if (name)
      tensor_set_add (
          to, name, list[i]->dtype, list[i]->n_dims, list[i]->shape, g_memdup2 (list[i]->data, tensor_info_bytes (list[i])));
  }
  g_assert_true (tensor_set_write (to, path, &error));
  g_assert_no_error (error);
}

static void
assert_refused (Fixture *f, MinivlError code, const gchar *says)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (lora_open (f->folder, &f->config.language, &error));
  g_assert_error (error, MINIVL_ERROR, code);
  if (!strstr (error->message, says) || !strstr (error->message, f->folder))
    g_error ("\"%s\" does not say \"%s\"", error->message, says);
}

/* --- where it is ----------------------------------------------------------------------------------------------------------- */

static void
test_a_scale_is_behind_the_last_colon (Fixture *f, gconstpointer unused)
{
  static const struct
  {
    const gchar *tail;
    double scale;
  } rows[] = { { "", 1 }, { ":1", 1 }, { ":0.5", 0.5 }, { ":-2e-1", -0.2 }, { ":0", 0 } };
  static const gchar *const wrong[] = { ":", ":x", ":1x", ":nan", ":inf" };
  g_autofree gchar *folder = NULL;
  g_autoptr (GError) error = NULL;
  double scale;

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree gchar *text = g_strconcat (f->folder, rows[i].tail, NULL), *of = NULL;

    g_assert_true (lora_parse (text, &of, &scale, &error));
    g_assert_cmpstr (of, ==, f->folder);
    g_assert_cmpfloat (scale, ==, rows[i].scale);
  }
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++) {
    g_autofree gchar *text = g_strconcat (f->folder, wrong[i], NULL);

    g_assert_false (lora_parse (text, &folder, &scale, &error));
    g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE);
    g_clear_error (&error);
  }
  g_assert_false (lora_parse ("/no/such:folder:0.5", &folder, &scale, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE);
}

static void
test_a_colon_may_be_in_the_name (Fixture *f, gconstpointer unused)
{
  g_autofree gchar *inner = g_build_filename (f->folder, "a:2", NULL), *folder = NULL;
  double scale;

  g_assert_cmpint (g_mkdir (inner, 0777), ==, 0);
  g_assert_true (lora_parse (inner, &folder, &scale, NULL));
  g_assert_cmpint (g_rmdir (inner), ==, 0);
  g_assert_cmpstr (folder, ==, inner);
  g_assert_cmpfloat (scale, ==, 1);
}

/* --- refusals ---------------------------------------------------------------------------------------------------------------- */

#define F MINIVL_ERROR_FILE
#define M MINIVL_ERROR_MODEL

static const struct
{
  const gchar *find, *replacement, *says;
  MinivlError code;
} refusals[] = {
  { "\"peft_type\": \"LORA\",", "", "peft_type is missing", F },
  { "\"LORA\"", "\"LOHA\"", "peft_type is \"LOHA\"", M },
  { "\"LORA\"", "7", "peft_type is 7", F },
  { "\"r\": 4", "\"r\": 0", "r is 0", F },
  { "\"r\": 4", "\"r\": 4.5", "r is 4.5", F },
  { "\"r\": 4", "\"r\": 8", "its shape is [4, 224]; the checkpoint's config.json and r of adapter_config.json make it [8, 224]",
      F },
  { "\"lora_alpha\": 8", "\"lora_alpha\": \"8\"", "lora_alpha is \"8\"", F },
  { "\"use_rslora\": false", "\"use_rslora\": 1", "use_rslora is 1", F },
  { "\"use_dora\": false", "\"use_dora\": true", "use_dora is true", M },
  { "\"bias\": \"none\"", "\"bias\": \"lora_only\"", "bias is \"lora_only\"", M },
  { "\"lora_bias\": false", "\"lora_bias\": true", "lora_bias is true", M },
  { "\"fan_in_fan_out\": false", "\"fan_in_fan_out\": true", "fan_in_fan_out is true", M },
  { "\"rank_pattern\": {}", "\"rank_pattern\": {\"o_proj\": 8}", "rank_pattern is {\"o_proj\":8}", M },
  { "\"alpha_pattern\": {}", "\"alpha_pattern\": {\"o_proj\": 8}", "alpha_pattern is {\"o_proj\":8}", M },
  { "\"modules_to_save\": null", "\"modules_to_save\": [\"mlp1\"]", "modules_to_save is [\"mlp1\"]", M },
  { "\"layers_to_transform\": null", "\"layers_to_transform\": [0]", "layers_to_transform is [0]", M },
  { "\"layer_replication\": null", "\"layer_replication\": [[0, 2]]", "layer_replication is [[0,2]]", M },
  { "\"exclude_modules\": null", "\"exclude_modules\": \"x\"", "exclude_modules is \"x\"", M },
  { "\"loftq_config\": {}", "\"loftq_config\": {\"a\": 1}", "loftq_config is {\"a\":1}", M },
  { "\"init_lora_weights\": true", "\"init_lora_weights\": \"pissa\"", "init_lora_weights is \"pissa\"", M },
  { "\"init_lora_weights\": true", "\"init_lora_weights\": [1]", "init_lora_weights is [1]", M },
  { "\"use_dora\": false", "\"use_dora\": false, \"of_tomorrow\": 1", "of_tomorrow is 1", M },
  { "\"target_modules\"", "\"targets\": null, \"task_type2\"", "task_type2 is ", M },
  { "\"target_modules\": \"^(", "\"target_modules\": \"^((", "target_modules is \"^((", F },
  { "\"target_modules\": \"^(language_model", "\"target_modules\": \"^(vision_model", "target_modules does not name ", F },
  { "down_proj|gate_up_proj", "gate_up_proj", "target_modules does not name language_model.model.layers.", F },
  { "qkv_proj))$", "qkv_proj)|lm_head)$", "lora_A of language_model.lm_head is missing, which target_modules of ", F },
};

static void
test_what_is_not_understood_is_refused_by_key (Fixture *f, gconstpointer unused)
{
  put_tensors (f, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++) {
    put_config (f, refusals[i].find, refusals[i].replacement);
    assert_refused (f, refusals[i].code, refusals[i].says);
  }
}

static void
test_what_asks_for_nothing_is_read_over (Fixture *f, gconstpointer unused)
{
  static const gchar *const more[] = { "\"of_tomorrow\": null", "\"of_tomorrow\": false", "\"of_tomorrow\": []",
    "\"peft_version\": \"0.17.1\"", "\"qalora_group_size\": 16", "\"lorap_emb_lr\": 1e-6" };

  put_tensors (f, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (more); i++) {
    g_autofree gchar *replacement = g_strdup_printf ("\"use_dora\": false, %s", more[i]);
    g_autoptr (GError) error = NULL;
    g_autoptr (Lora) lora = NULL;

    put_config (f, "\"use_dora\": false", replacement);
    lora = lora_open (f->folder, &f->config.language, &error);
    g_assert_no_error (error);
  }
}

/* A pattern that Python's and this one's search would take years with. */
static void
test_an_endless_pattern_is_no_target (Fixture *f, gconstpointer unused)
{
  put_tensors (f, NULL);
  put_config (f, "^(language_model(?=\\\\.).*\\\\.(down_proj|gate_up_proj|o_proj|qkv_proj))$", "(([a-z_.0-9]+)+)+[!?]");
  assert_refused (f, F, "target_modules does not name ");
}

static void
test_missing_files_are_named (Fixture *f, gconstpointer unused)
{
  g_autofree gchar *pickled = g_build_filename (f->folder, "adapter_model.bin", NULL);

  assert_refused (f, F, "adapter_config.json");
  put_config (f, "\"r\": 4", "\"r\": 4");
  assert_refused (f, F, "adapter_model.safetensors");
  g_assert_true (g_file_set_contents (pickled, "PK", -1, NULL));
  assert_refused (f, F, "adapter_model.bin: Python objects");
}

/* --- names ---------------------------------------------------------------------------------------------------------------------
 */

static const gchar *
rest_of (const gchar *name)
{
  static const gchar prefix[] = "base_model.model.language_model.";

  g_assert_true (g_str_has_prefix (name, prefix));
  return name + strlen (prefix);
}

static gchar *
without_peft (const gchar *name)
{
  return g_strconcat ("language_model.", rest_of (name), NULL);
}

static gchar *
of_the_language_model_alone (const gchar *name)
{
  return g_strconcat ("base_model.model.", rest_of (name), NULL);
}

static gchar *
bare (const gchar *name)
{
  return g_strdup (rest_of (name));
}

/* As the state of a whole InternVLChatModel has them. */
static gchar *
in_the_model (const gchar *name)
{
  g_autoptr (GString) changed = g_string_new ("language_model.base_model.model.");

  g_string_append (changed, rest_of (name));
  g_assert_cmpuint (g_string_replace (changed, ".weight", ".default.weight", 0), ==, 1);
  return g_string_free (g_steal_pointer (&changed), FALSE);
}

static gchar *
one_missing (const gchar *name)
{
  return strstr (name, "layers.1.mlp.down_proj.lora_B") ? NULL : g_strdup (name);
}

static gchar *
one_of_the_vision_model (const gchar *name)
{
  return strstr (name, "layers.1.mlp.down_proj.lora_B")
             ? g_strdup ("base_model.model.vision_model.encoder.layers.0.mlp.fc1.lora_B.weight")
             : g_strdup (name);
}

static gchar *
one_beyond_the_layers (const gchar *name)
{
  return strstr (name, "layers.1.mlp.down_proj.lora_B") ? g_strdup ("base_model.model.model.layers.2.mlp.down_proj.lora_B.weight")
                                                        : g_strdup (name);
}

static gchar *
one_twice (const gchar *name)
{
  return strstr (name, "layers.1.mlp.down_proj.lora_B") ? g_strdup ("model.layers.1.mlp.down_proj.lora_A.weight") : g_strdup (name);
}

static gchar *
one_of_another_kind (const gchar *name)
{
  return strstr (name, "layers.1.mlp.down_proj.lora_B")
             ? g_strdup ("base_model.model.language_model.model.layers.1.mlp.down_proj.lora_magnitude_vector")
             : g_strdup (name);
}

static void
test_names_may_have_any_prefix (Fixture *f, gconstpointer unused)
{
  static gchar *(*const renames[]) (const gchar *name) = { NULL, without_peft, of_the_language_model_alone, bare, in_the_model };

  put_config (f, "\"r\": 4", "\"r\": 4");
  for (guint i = 0; i < G_N_ELEMENTS (renames); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (Lora) lora = NULL;

    put_tensors (f, renames[i]);
    lora = lora_open (f->folder, &f->config.language, &error);
    g_assert_no_error (error);
    g_assert_nonnull (lora_lookup (lora, QKV ".weight"));
    g_assert_nonnull (lora_lookup (lora, DOWN ".weight"));
    g_assert_null (lora_lookup (lora, "language_model.lm_head.weight"));
    g_assert_null (lora_lookup (lora, "language_model.model.norm.weight"));
  }
}

static void
test_tensors_that_do_not_fit_are_named (Fixture *f, gconstpointer unused)
{
  static const struct
  {
    gchar *(*rename) (const gchar *name);
    MinivlError code;
    const gchar *says;
  } rows[] = {
    { one_missing, F, "lora_B of language_model.model.layers.1.mlp.down_proj is missing" },
    { one_of_the_vision_model, M, "tensor base_model.model.vision_model.encoder.layers.0.mlp.fc1.lora_B.weight: is not of what" },
    { one_beyond_the_layers, M, "tensor base_model.model.model.layers.2.mlp.down_proj.lora_B.weight: is not of what" },
    { one_twice, F, ": is the same as " },
    { one_of_another_kind, M, "lora_magnitude_vector: is not of what" },
  };

  put_config (f, "\"r\": 4", "\"r\": 4");
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    put_tensors (f, rows[i].rename);
    assert_refused (f, rows[i].code, rows[i].says);
  }
}

static void
test_a_tensor_of_a_foreign_type_is_named (Fixture *f, gconstpointer unused)
{
  static const gchar header[] =
      "{\"base_model.model.model.layers.0.mlp.down_proj.lora_A.weight\":{\"dtype\":\"F8_E4M3\",\"shape\":[2],"
      "\"data_offsets\":[0,2]}}  ";
  g_autofree gchar *path = g_build_filename (f->folder, "adapter_model.safetensors", NULL);
  g_autoptr (GString) bytes = g_string_new (header);
  guint64 length = GUINT64_TO_LE ((guint64)bytes->len);

  g_string_prepend_len (bytes, (const gchar *)&length, sizeof length);
  g_string_append (bytes, "xy");
  put_config (f, "\"r\": 4", "\"r\": 4");
  g_assert_true (g_file_set_contents (path, bytes->str, bytes->len, NULL));
  assert_refused (f, F, "lora_A.weight: dtype F8_E4M3 is not known");
}

/* --- merging -------------------------------------------------------------------------------------------------------------------
 */

#define ROWS 300
#define COLS 777 /* no multiple of what is summed together */
#define RANK 5
#define LIST "{\"peft_type\":\"LORA\",\"r\":5,\"lora_alpha\":3,\"target_modules\":[\"layers.0.mlp.down_proj\"]%s}"

static gpointer
random_numbers (Dtype dtype, guint64 n, GRand *rand)
{
  static const TensorType types[] = { [DTYPE_F32] = TYPE_F32, [DTYPE_F16] = TYPE_F16, [DTYPE_BF16] = TYPE_BF16 };
  g_autofree float *values = g_new (float, n);
  gpointer out = g_malloc (n * dtype_size (dtype));

  for (guint64 i = 0; i < n; i++)
    values[i] = g_rand_double_range (rand, -1, 1);
  convert_from_f32 (out, types[dtype], values, n);
  return out;
}

static double
number_of (const TensorInfo *t, guint64 at)
{
  float value;

  convert_to_f32 (&value, (const guint8 *)t->data + at * dtype_size (t->dtype),
      t->dtype == DTYPE_F32   ? TYPE_F32
      : t->dtype == DTYPE_F16 ? TYPE_F16
                              : TYPE_BF16,
      1);
  return value;
}

static void
check_merge (Fixture *f, Dtype dtype, gboolean rank_stabilised)
{
  static const struct
  {
    guint first, n;
  } parts[] = { { 0, ROWS }, { 0, 1 }, { 8, 64 }, { ROWS - 3, 3 } };
  const guint64 shape_a[] = { RANK, COLS }, shape_b[] = { ROWS, RANK };
  const double scale = -0.5 * 3 / (rank_stabilised ? sqrt (RANK) : RANK);
  g_autofree gchar *path = g_build_filename (f->folder, "adapter_model.safetensors", NULL),
                   *config = g_build_filename (f->folder, "adapter_config.json", NULL),
                   *text = g_strdup_printf (LIST, rank_stabilised ? ",\"use_rslora\":true" : ""),
                   *scaled = g_strconcat (f->folder, ":-0.5", NULL);
  g_autoptr (TensorSet) set = tensor_set_new ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  g_autoptr (GError) error = NULL;
  g_autoptr (Lora) lora = NULL;
  g_autofree float *rows = g_new (float, ROWS *COLS);
  const LoraMatrix *m;
  const TensorInfo *a, *b;

  tensor_set_add (set, "model.layers.0.mlp.down_proj.lora_A.weight", dtype, 2, shape_a, random_numbers (dtype, RANK * COLS, rand));
  tensor_set_add (set, "model.layers.0.mlp.down_proj.lora_B.weight", dtype, 2, shape_b, random_numbers (dtype, ROWS * RANK, rand));
  a = tensor_set_lookup (set, "model.layers.0.mlp.down_proj.lora_A.weight");
  b = tensor_set_lookup (set, "model.layers.0.mlp.down_proj.lora_B.weight");
  g_assert_true (tensor_set_write (set, path, &error));
  g_assert_true (g_file_set_contents (config, text, -1, &error));
  lora = lora_open (scaled, &f->config.language, &error);
  g_assert_no_error (error);
  m = lora_lookup (lora, DOWN ".weight");
  for (guint p = 0; p < G_N_ELEMENTS (parts); p++) {
    for (guint i = 0; i < parts[p].n * COLS; i++)
      rows[i] = i % 101 * 0.125f;
    lora_add (m, parts[p].first, parts[p].n, rows);
    for (guint i = 0; i < parts[p].n * COLS; i++) {
      guint row = parts[p].first + i / COLS;
      double sum = 0;

      for (guint j = 0; j < RANK; j++)
        sum += number_of (b, row * RANK + j) * number_of (a, j * COLS + i % COLS);
      sum = i % 101 * 0.125 + scale * sum;
      if (!(fabs (rows[i] - sum) <= 4e-6))
        g_error ("row %u, column %u: %.9g instead of %.9g", row, i % COLS, rows[i], sum);
    }
  }
}

static void
test_rows_are_what_plain_arithmetic_gives (Fixture *f, gconstpointer unused)
{
  f->config.language.hidden = ROWS;
  f->config.language.heads = f->config.language.kv_heads = 3;
  f->config.language.intermediate = COLS;
  for (Dtype dtype = DTYPE_F32; dtype <= DTYPE_BF16; dtype++) {
    check_merge (f, dtype, FALSE);
    check_merge (f, dtype, TRUE);
  }
}

/* What is not finite once merged: which matrix, which element, and whose fault it is. */
static void
test_numbers_that_are_none_once_merged_are_named (Fixture *f, gconstpointer unused)
{
  const guint64 shape_a[] = { 1, f->config.language.intermediate }, shape_b[] = { f->config.language.hidden, 1 };
  g_autofree gchar *path = g_build_filename (f->folder, "adapter_model.safetensors", NULL),
                   *config = g_build_filename (f->folder, "adapter_config.json", NULL);
  g_autoptr (TensorSet) adapter = tensor_set_new (), set = synth_tensors (&f->config, 3, DTYPE_F16);
  g_autoptr (Device) dev = harness_device (NULL);
  g_autoptr (Weights) weights = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (Lora) lora = NULL;
  float *a = g_new0 (float, shape_a[1]), *b = g_new0 (float, shape_b[0]);
  guint16 *down = (guint16 *)tensor_set_lookup (set, DOWN ".weight")->data;

  a[5] = b[70] = 300;
  tensor_set_add (adapter, "model.layers.0.mlp.down_proj.lora_A.weight", DTYPE_F32, 2, shape_a, a);
  tensor_set_add (adapter, "model.layers.0.mlp.down_proj.lora_B.weight", DTYPE_F32, 2, shape_b, b);
  g_assert_true (tensor_set_write (adapter, path, NULL));
  g_assert_true (g_file_set_contents (
      config, "{\"peft_type\":\"LORA\",\"r\":1,\"lora_alpha\":1,\"target_modules\":[\"layers.0.mlp.down_proj\"]}", -1, NULL));
  lora = lora_open (f->folder, &f->config.language, &error);
  g_assert_no_error (error);
  for (guint own = 0; own < 2; own++) {
    g_autofree gchar *says = g_strdup_printf ("(memory): tensor " DOWN ".weight: %s",
        own ? "infinity at element 15684, the file is damaged"
            : "with the adapter merged, what is at element 15685 is no number, or too large a one");

    if (own)
      down[70 * shape_a[1] + 4] = 0x7c00;
    weights = weights_new (dev, &f->config, set, MINIVL_PRECISION_F16, &error);
    g_assert_no_error (error);
    weights_merge (weights, lora);
    g_assert_false (weights_load (weights, set, NULL, NULL, &error));
    g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE);
    g_assert_cmpstr (error->message, ==, says);
    g_clear_error (&error);
    g_clear_pointer (&weights, weights_free);
  }
}

/* --- merged by others ----------------------------------------------------------------------------------------------------------
 */

/* The sizes of `small` in a configuration as another wrote it. */
static gchar *
resize_config (const gchar *file)
{
  static const gchar *const parts[] = { "vision_config", "llm_config" };
  g_autofree gchar *path = g_build_filename (TEST_DATA, "configs", file, NULL);
  g_autoptr (JsonObject) root = strict_json_load (path, NULL), small = strict_json_load (TEST_DATA "/small/config.json", NULL);
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++) {
    JsonObject *to = json_object_get_object_member (root, parts[i]), *from = json_object_get_object_member (small, parts[i]);
    JsonObjectIter iter;
    const gchar *key;
    JsonNode *value;

    json_object_iter_init (&iter, from);
    while (json_object_iter_next (&iter, &key, &value))
      if (json_is_number (value) || g_str_equal (key, "rope_scaling"))
        json_object_set_member (to, key, json_node_copy (value));
  }
  json_object_set_int_member (root, "force_image_size", 112);
  json_node_set_object (node, root);
  return json_to_string (node, FALSE);
}

static void
ask_logits (MinivlEngine *engine, MinivlAnswer *answer)
{
  static const gint32 ids[] = { 1, 32006, 887, 526, 385, 319, 29902, 20255, 32007, 32010, 15043, 29892, 32007, 32001 };
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (GError) error = NULL;
  g_autoptr (MinivlSession) session = minivl_session_new (engine, &error);

  params.max_tokens = 1;
  params.want_logits = TRUE;
  g_assert_true (session_ask_ids (session, ids, G_N_ELEMENTS (ids), NULL, 0, &params, NULL, NULL, answer, &error));
  g_assert_no_error (error);
}

static MinivlEngine *
open_engine (const gchar *config_path, TensorSet *set, const Lora *lora)
{
  const MinivlEngineOptions options = { .precision = MINIVL_PRECISION_F16, .context_size = 256 };
  ModelConfig config = { 0 };
  EngineParts parts = { .name = "m", .config = &config, .tensors = set, .lora = lora, .image_token = 32013, .end_token = 32007 };
  g_autoptr (GError) error = NULL;
  MinivlEngine *engine;

  model_config_load (&config, config_path, 256, &error);
  g_assert_no_error (error);
  engine = engine_new (&parts, &options, &error);
  g_assert_no_error (error);
  return engine;
}

/* All tensors of `small`, in bf16, with the adapter of tests/data merged by plain arithmetic, in two files with an index. */
static void
write_merged (Fixture *f)
{
  g_autoptr (TensorSet) set = synth_tensors (&f->config, 3, DTYPE_BF16),
                        adapter = tensor_set_open_file (SWIFT "/adapter_model.safetensors", NULL);
  g_autoptr (GString) index = g_string_new ("{\"metadata\":{\"total_size\":1},\"weight_map\":{");
  g_autofree const TensorInfo **list = NULL;
  g_autofree gchar *path = g_build_filename (f->folder, "model.safetensors.index.json", NULL);
  guint n;

  list = tensor_set_list (set, &n);
  for (guint shard = 1; shard <= 2; shard++) {
    g_autofree gchar *file = g_strdup_printf ("model-0000%u-of-00002.safetensors", shard),
                     *to = g_build_filename (f->folder, file, NULL);
    g_autoptr (TensorSet) part = tensor_set_new ();

    for (guint i = shard == 1 ? 0 : n / 2; i < (shard == 1 ? n / 2 : n); i++) {
      const TensorInfo *t = list[i];
      guint16 *data = g_memdup2 (t->data, tensor_info_bytes (t));
      g_autofree gchar *stem = g_strndup (t->name, strlen (t->name) - strlen (".weight")),
                       *name_a = g_strdup_printf ("base_model.model.%s.lora_A.weight", stem),
                       *name_b = g_strdup_printf ("base_model.model.%s.lora_B.weight", stem);
      const TensorInfo *a = tensor_set_lookup (adapter, name_a), *b = tensor_set_lookup (adapter, name_b);

      for (guint64 k = 0; a && k < tensor_elements (t); k++) {
        guint64 row = k / t->shape[1], col = k % t->shape[1];
        double sum = 0;
        float merged;

        for (guint j = 0; j < a->shape[0]; j++)
          sum += number_of (b, row * a->shape[0] + j) * number_of (a, j * t->shape[1] + col);
        merged = number_of (t, k) + 2 * sum;
        convert_from_f32 (data + k, TYPE_BF16, &merged, 1);
      }
      tensor_set_add (part, t->name, DTYPE_BF16, t->n_dims, t->shape, data);
      g_string_append_printf (index, "%s\"%s\":\"%s\"", i ? "," : "", t->name, file);
    }
    g_assert_true (tensor_set_write (part, to, NULL));
  }
  g_string_append (index, "}}");
  g_assert_true (g_file_set_contents (path, index->str, -1, NULL));
}

/* SWIFT's `export --merge_lora` and InternVL's merge_lora.py write whole checkpoints, with configurations of their own. */
static void
test_merged_by_others_is_the_same (Fixture *f, gconstpointer unused)
{
  static const gchar *const configs[] = { "swift-transformers-4.48.json", "mini-internvl2-4b-da.json" };
  g_autofree gchar *path = g_build_filename (f->folder, "config.json", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (Lora) lora = lora_open (SWIFT, &f->config.language, &error);
  g_autoptr (TensorSet) base = synth_tensors (&f->config, 3, DTYPE_BF16), merged = NULL;
  g_autoptr (MinivlEngine) here = open_engine (TEST_DATA "/small/config.json", base, lora);
  g_auto (MinivlAnswer) expected = { NULL };

  g_assert_no_error (error);
  ask_logits (here, &expected);
  write_merged (f);
  merged = tensor_set_open (f->folder, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (configs); i++) {
    g_autofree gchar *text = resize_config (configs[i]);
    g_autoptr (MinivlEngine) engine = NULL;
    g_auto (MinivlAnswer) answer = { NULL };
    double error_sum = 0, power = 0;

    g_assert_true (g_file_set_contents (path, text, -1, NULL));
    engine = open_engine (path, merged, NULL);
    ask_logits (engine, &answer);
    for (guint k = 0; k < answer.n_logits; k++) {
      error_sum += pow (answer.logits[k] - expected.logits[k], 2);
      power += pow (expected.logits[k], 2);
    }
    g_test_message ("%s: NMSE %.3g", configs[i], error_sum / power);
    g_assert_cmpfloat (error_sum / power, <=, 1e-6);
  }
}

int
main (int argc, char **argv)
{
  harness_init (&argc, &argv);
#define ADD(test) g_test_add ("/lora/" #test, Fixture, NULL, set_up, test_##test, tear_down)
  ADD (a_scale_is_behind_the_last_colon);
  ADD (a_colon_may_be_in_the_name);
  ADD (what_is_not_understood_is_refused_by_key);
  ADD (what_asks_for_nothing_is_read_over);
  ADD (an_endless_pattern_is_no_target);
  ADD (missing_files_are_named);
  ADD (names_may_have_any_prefix);
  ADD (tensors_that_do_not_fit_are_named);
  ADD (a_tensor_of_a_foreign_type_is_named);
  ADD (rows_are_what_plain_arithmetic_gives);
  ADD (numbers_that_are_none_once_merged_are_named);
  ADD (merged_by_others_is_the_same);
#undef ADD
  return g_test_run ();
}
