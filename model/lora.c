/* Adapters: checked against the model they are for, and added to its rows. */
#include "lora.h"
#include "section.h"
#include "strictjson.h"
#include "vk/memory.h"

#include <math.h>
#include <string.h>

#define CONFIG "adapter_config.json"
#define WEIGHTS "adapter_model.safetensors"
#define PICKLED "adapter_model.bin"
#define LANGUAGE "language_model."
#define WRAPPED "base_model.model."
#define MAX_RANK 65536
/* A pattern comes from strangers. */
#define MAX_PATTERN 1024
/* Columns that are summed together: their sums stay near the core. */
#define BLOCK 256

struct _LoraMatrix
{
  guint64 rows, cols;
  guint rank;
  float scale;
  const TensorInfo *a, *b; /* [rank][cols], [rows][rank]; both or none once open */
};

struct _Lora
{
  gchar *folder;
  TensorSet *tensors;
  GHashTable *matrices; /* name of the checkpoint's tensor -> LoraMatrix: all that an adapter may be for */
  double scale;
};

/* --- where it is ------------------------------------------------------------------------------------------------------------- */

gboolean
lora_parse (const gchar *text, gchar **folder, double *scale, GError **error)
{
  const gchar *colon = strrchr (text, ':');
  g_autofree gchar *head = colon != NULL ? g_strndup (text, colon - text) : NULL;
  gchar *end;
  double value;

  if (g_file_test (text, G_FILE_TEST_IS_DIR)) {
    *folder = g_strdup (text);
    *scale = 1;
    return TRUE;
  }
  if (head == NULL || !g_file_test (head, G_FILE_TEST_IS_DIR)) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE, "%s is no folder: an adapter's holds " CONFIG " and " WEIGHTS, text);
    return FALSE;
  }
  value = g_ascii_strtod (colon + 1, &end);
  if (end == colon + 1 || *end != '\0' || !isfinite (value)) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE, "%s: SCALE is a number, not \"%s\"", text, colon + 1);
    return FALSE;
  }
  *folder = g_steal_pointer (&head);
  *scale = value;
  return TRUE;
}

/* --- adapter_config.json ----------------------------------------------------------------------------------------------------- */

typedef enum
{
  READ,    /* below */
  IGNORED, /* of training, or of where the adapter comes from */
} Use;

/* A key of no row may be there without a value: whatever it is for, it does not ask for it. */
static const struct
{
  const gchar *key;
  Use use;
} keys[] = {
  { "auto_mapping", IGNORED },
  { "base_model_name_or_path", IGNORED },
  { "bias", READ },
  { "inference_mode", IGNORED },
  { "init_lora_weights", READ },
  { "layers_pattern", IGNORED },
  { "lora_alpha", READ },
  { "lora_dropout", IGNORED },
  { "lora_dtype", IGNORED },
  { "lorap_emb_lr", IGNORED },
  { "lorap_lr_ratio", IGNORED },
  { "megatron_core", IGNORED },
  { "peft_type", READ },
  { "peft_version", IGNORED },
  { "qalora_group_size", IGNORED },
  { "r", READ },
  { "revision", IGNORED },
  { "runtime_config", IGNORED },
  { "target_modules", READ },
  { "task_type", IGNORED },
  { "use_rslora", READ },
};

static void
check_keys (const Section *s)
{
  JsonObjectIter iter;
  const gchar *key;
  JsonNode *node;

  json_object_iter_init_ordered (&iter, s->object);
  while (json_object_iter_next_ordered (&iter, &key, &node)) {
    guint row = 0;

    while (row < G_N_ELEMENTS (keys) && strcmp (keys[row].key, key) != 0)
      row++;
    if (row == G_N_ELEMENTS (keys) && !json_is_off (node))
      section_refuse_value (s, key, "only adapters without it");
  }
}

/* Some ways to begin change the checkpoint's own weights, which are then not those that the adapter is for. */
static void
check_beginning (const Section *s)
{
  static const gchar *const known[] = { "gaussian", "eva", "orthogonal" };
  JsonNode *node = section_member (s, "init_lora_weights");
  const gchar *name = node != NULL && json_is_string (node) ? json_node_get_string (node) : NULL;

  if (node == NULL || (JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_BOOLEAN))
    return;
  for (guint i = 0; name != NULL && i < G_N_ELEMENTS (known); i++)
    if (strcmp (name, known[i]) == 0)
      return;
  section_refuse_value (s, "init_lora_weights", "true, false, gaussian, eva and orthogonal, which leave the checkpoint as it is");
}

/* target_modules: a list of names or their ends, or a pattern. */
typedef struct
{
  JsonArray *list;
  GRegex *pattern;
} Targets;

static void
targets_clear (Targets *t)
{
  g_clear_pointer (&t->pattern, g_regex_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Targets, targets_clear)

static void
read_targets (const Section *s, Targets *t)
{
  JsonNode *node = section_member (s, "target_modules");

  if (*s->error != NULL)
    return;
  if (node == NULL) {
    section_refuse (s, MINIVL_ERROR_FILE, "target_modules", "is missing");
  } else if (json_is_string (node)) {
    g_autofree gchar *whole = g_strdup_printf ("\\A(?:%s)\\z", json_node_get_string (node));

    if (strlen (whole) <= MAX_PATTERN)
      t->pattern = g_regex_new (whole, 0, 0, NULL);
    if (t->pattern == NULL)
      section_refuse_type (s, "target_modules", "a list of names, or a pattern");
  } else if (JSON_NODE_HOLDS_ARRAY (node)) {
    t->list = json_node_get_array (node);
    for (guint i = 0; i < json_array_get_length (t->list); i++)
      if (!json_is_string (json_array_get_element (t->list, i)))
        section_refuse_type (s, "target_modules", "a list of names, or a pattern");
  } else {
    section_refuse_type (s, "target_modules", "a list of names, or a pattern");
  }
}

/* name: of a module, which begins with LANGUAGE. That the language model was trained alone makes it shorter. */
static gboolean
is_target (const Targets *t, const gchar *name)
{
  const gchar *shorter = name + strlen (LANGUAGE);

  if (t->pattern != NULL)
    return g_regex_match (t->pattern, name, 0, NULL) || g_regex_match (t->pattern, shorter, 0, NULL);
  for (guint i = 0; i < json_array_get_length (t->list); i++) {
    const gchar *end = json_array_get_string_element (t->list, i);

    if (strcmp (name, end) == 0
        || (g_str_has_suffix (name, end) && strlen (name) > strlen (end) && name[strlen (name) - strlen (end) - 1] == '.'))
      return TRUE;
  }
  return FALSE;
}

/* rank, what it multiplies by, targets */
static gboolean
read_config (const gchar *path, JsonObject *root, guint *rank, double *scale, Targets *targets, GError **error)
{
  GError *failure = NULL;
  const Section s = { .object = root, .prefix = "", .file = path, .error = &failure };
  double alpha;

  if (section_member (&s, "peft_type") == NULL)
    section_refuse (&s, MINIVL_ERROR_FILE, "peft_type", "is missing");
  else if (strcmp (section_string (&s, "peft_type", ""), "LORA") != 0)
    section_refuse_value (&s, "peft_type", "LORA");
  check_keys (&s);
  if (strcmp (section_string (&s, "bias", "none"), "none") != 0)
    section_refuse_value (&s, "bias", "none");
  check_beginning (&s);
  *rank = section_integer (&s, "r", 8, 1, MAX_RANK);
  alpha = section_number (&s, "lora_alpha", 8, -1e6, 1e6);
  *scale = alpha / (section_boolean (&s, "use_rslora", FALSE) ? sqrt (*rank) : *rank);
  read_targets (&s, targets);
  if (failure != NULL)
    g_propagate_error (error, failure);
  return failure == NULL;
}

/* --- adapter_model.safetensors ----------------------------------------------------------------------------------------------- */

static void
add_matrix (Lora *lora, gchar *name, guint64 rows, guint64 cols, guint rank)
{
  LoraMatrix *m = g_new0 (LoraMatrix, 1);

  *m = (LoraMatrix){ rows, cols, rank, lora->scale, NULL, NULL };
  g_hash_table_insert (lora->matrices, name, m);
}

static void
add_matrices (Lora *lora, const LanguageConfig *c, guint rank)
{
  guint64 h = c->hidden, kv = (guint64)c->kv_heads * language_head_dim (c);

  for (guint i = 0; i < c->layers; i++) {
    add_matrix (lora, g_strdup_printf (LANGUAGE "model.layers.%u.self_attn.o_proj.weight", i), h, h, rank);
    add_matrix (lora, g_strdup_printf (LANGUAGE "model.layers.%u.self_attn.qkv_proj.weight", i), h + 2 * kv, h, rank);
    add_matrix (
        lora, g_strdup_printf (LANGUAGE "model.layers.%u.mlp.gate_up_proj.weight", i), 2 * (guint64)c->intermediate, h, rank);
    add_matrix (lora, g_strdup_printf (LANGUAGE "model.layers.%u.mlp.down_proj.weight", i), h, c->intermediate, rank);
  }
  /* A tied head is the embeddings, too, which no adapter of the head is meant for. */
  if (!c->tied)
    add_matrix (lora, g_strdup (LANGUAGE "lm_head.weight"), c->vocab, h, rank);
}

/* The matrix that a tensor of the adapter is for, and whether it is its b. NULL: for none. */
static LoraMatrix *
find_matrix (const Lora *lora, const gchar *name, gboolean *is_b)
{
  static const gchar *const wraps[] = { WRAPPED, LANGUAGE, WRAPPED };
  static const gchar *const ends[] = { ".lora_A.weight", ".lora_B.weight", ".lora_A.default.weight", ".lora_B.default.weight" };
  const gchar *module = name;

  for (guint i = 0; i < G_N_ELEMENTS (wraps); i++)
    if (g_str_has_prefix (module, wraps[i]))
      module += strlen (wraps[i]);
  for (guint i = 0; i < G_N_ELEMENTS (ends); i++)
    if (g_str_has_suffix (module, ends[i])) {
      g_autofree gchar *weight = g_strdup_printf (LANGUAGE "%.*s.weight", (gint)(strlen (module) - strlen (ends[i])), module);

      *is_b = i % 2;
      return g_hash_table_lookup (lora->matrices, weight);
    }
  return NULL;
}

static gboolean
take_tensor (Lora *lora, const TensorInfo *t, GError **error)
{
  gboolean is_b = FALSE;
  LoraMatrix *m = find_matrix (lora, t->name, &is_b);
  const TensorInfo **place = m == NULL ? NULL : is_b ? &m->b : &m->a;
  guint64 shape[2];

  if (m == NULL) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_MODEL,
        "%s: tensor %s: is not of what minivl merges: lora_A and lora_B of the language model's qkv_proj, o_proj, gate_up_proj, "
        "down_proj, and lm_head where it is not tied",
        t->file, t->name);
    return FALSE;
  }
  if (*place != NULL) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE, "%s: tensor %s: is the same as %s", t->file, t->name, (*place)->name);
    return FALSE;
  }
  shape[0] = is_b ? m->rows : m->rank;
  shape[1] = is_b ? m->rank : m->cols;
  if (t->n_dims != 2 || memcmp (t->shape, shape, sizeof shape) != 0) {
    g_autofree gchar *there = tensor_shape_text (t->n_dims, t->shape), *wanted = tensor_shape_text (2, shape);

    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE,
        "%s: tensor %s: its shape is %s; the checkpoint's config.json and r of " CONFIG " make it %s", t->file, t->name, there,
        wanted);
    return FALSE;
  }
  *place = t;
  return TRUE;
}

/* What target_modules names must be there, and nothing else. */
static gboolean
check_targets (const Lora *lora, const Targets *targets, const gchar *config, const gchar *weights, GError **error)
{
  GHashTableIter iter;
  gpointer key, value;

  g_hash_table_iter_init (&iter, lora->matrices);
  while (g_hash_table_iter_next (&iter, &key, &value)) {
    const LoraMatrix *m = value;
    g_autofree gchar *module = g_strndup (key, strlen (key) - strlen (".weight"));
    gboolean wanted = is_target (targets, module);

    if (wanted && m->a != NULL && m->b != NULL)
      continue;
    if (!wanted && m->a == NULL && m->b == NULL) {
      g_hash_table_iter_remove (&iter);
      continue;
    }
    if (wanted)
      g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE, "%s: %s of %s is missing, which target_modules of %s names", weights,
          m->a == NULL ? "lora_A" : "lora_B", module, config);
    else
      g_set_error (
          error, MINIVL_ERROR, MINIVL_ERROR_FILE, "%s: target_modules does not name %s, which %s has", config, module, weights);
    return FALSE;
  }
  if (g_hash_table_size (lora->matrices) > 0)
    return TRUE;
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_MODEL, "%s: target_modules names no matrix of the language model", config);
  return FALSE;
}

static gboolean
read_weights (Lora *lora, const gchar *path, GError **error)
{
  g_autofree gchar *pickled = g_build_filename (lora->folder, PICKLED, NULL);
  g_autofree const TensorInfo **list = NULL;
  guint n;

  if (!g_file_test (path, G_FILE_TEST_EXISTS) && g_file_test (pickled, G_FILE_TEST_EXISTS)) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE,
        "%s: Python objects, which minivl does not read; saved by PEFT with safe_serialization=True it is " WEIGHTS, pickled);
    return FALSE;
  }
  lora->tensors = tensor_set_open_file (path, error);
  if (lora->tensors == NULL || !tensor_set_expect_known (lora->tensors, error))
    return FALSE;
  list = tensor_set_list (lora->tensors, &n);
  for (guint i = 0; i < n; i++)
    if (!take_tensor (lora, list[i], error))
      return FALSE;
  return TRUE;
}

Lora *
lora_open (const gchar *text, const LanguageConfig *config, GError **error)
{
  g_autoptr (Lora) lora = g_new0 (Lora, 1);
  g_autofree gchar *config_path = NULL, *path = NULL;
  g_autoptr (JsonObject) root = NULL;
  g_auto (Targets) targets = { NULL };
  double scale, trained;
  guint rank;

  if (!lora_parse (text, &lora->folder, &scale, error))
    return NULL;
  config_path = g_build_filename (lora->folder, CONFIG, NULL);
  path = g_build_filename (lora->folder, WEIGHTS, NULL);
  root = strict_json_load (config_path, error);
  if (root == NULL || !read_config (config_path, root, &rank, &trained, &targets, error))
    return NULL;
  lora->scale = scale * trained;
  lora->matrices = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  add_matrices (lora, config, rank);
  if (!read_weights (lora, path, error) || !check_targets (lora, &targets, config_path, path, error))
    return NULL;
  return g_steal_pointer (&lora);
}

void
lora_free (Lora *lora)
{
  if (lora == NULL)
    return;
  g_clear_pointer (&lora->matrices, g_hash_table_unref);
  tensor_set_free (lora->tensors);
  g_free (lora->folder);
  g_free (lora);
}

const gchar *
lora_folder (const Lora *lora)
{
  return lora->folder;
}

void
lora_checksum (const Lora *lora, GChecksum *checksum)
{
  gchar scale[G_ASCII_DTOSTR_BUF_SIZE];

  g_ascii_dtostr (scale, sizeof scale, lora->scale);
  g_checksum_update (checksum, (const guchar *)scale, strlen (scale) + 1);
  tensor_set_checksum (lora->tensors, checksum);
}

void
lora_stamp (const Lora *lora, GChecksum *checksum)
{
  tensor_set_stamp (lora->tensors, checksum);
}

/* --- merging ----------------------------------------------------------------------------------------------------------------- */

const LoraMatrix *
lora_lookup (const Lora *lora, const gchar *name)
{
  return g_hash_table_lookup (lora->matrices, name);
}

static TensorType
type_of (const TensorInfo *t)
{
  return t->dtype == DTYPE_F32 ? TYPE_F32 : t->dtype == DTYPE_F16 ? TYPE_F16 : TYPE_BF16;
}

/* Columns first .. first + BLOCK of a; zeros behind the last one. */
static void
read_block (const LoraMatrix *m, guint64 first, float *block)
{
  guint64 n = MIN (BLOCK, m->cols - first), size = dtype_size (m->a->dtype);

  memset (block, 0, (gsize)m->rank * BLOCK * sizeof *block);
  for (guint j = 0; j < m->rank; j++)
    convert_to_f32 (block + (gsize)j * BLOCK, (const guint8 *)m->a->data + (j * m->cols + first) * size, type_of (m->a), n);
}

void
lora_add (const LoraMatrix *m, guint64 first, guint n, float *rows)
{
  g_autofree float *a = g_new (float, (gsize)m->rank *BLOCK), *b = g_new (float, (gsize)n * m->rank);

  convert_to_f32 (b, (const guint8 *)m->b->data + first * m->rank * dtype_size (m->b->dtype), type_of (m->b), (guint64)n * m->rank);
  for (guint64 at = 0; at < m->cols; at += BLOCK) {
    guint64 here = MIN (BLOCK, m->cols - at);

    read_block (m, at, a);
    for (guint r = 0; r < n; r++) {
      float sums[BLOCK] = { 0 }, *row = rows + r * m->cols + at;

      for (guint j = 0; j < m->rank; j++) {
        const float *from = a + (gsize)j * BLOCK;
        float factor = b[(gsize)r * m->rank + j];

        for (guint k = 0; k < BLOCK; k++)
          sums[k] += factor * from[k];
      }
      for (guint64 k = 0; k < here; k++)
        row[k] += m->scale * sums[k];
    }
  }
}
