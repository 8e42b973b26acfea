/* safetensors files: mapped, their headers checked. */
#include "safetensors.h"
#include "strictjson.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The format's own bound. */
#define MAX_HEADER 100000000
#define MAX_SHARDS 10000
#define INDEX "model.safetensors.index.json"
#define SINGLE "model.safetensors"
/* Of each tensor, for the checksum: whatever trains a model changes the beginning of some, and all of them are too much to read. */
#define CHECKSUM_BYTES (64 << 10)

typedef struct
{
  gchar *path;
  GMappedFile *map;
  gsize header; /* bytes of the header's JSON */
} Shard;

typedef struct
{
  TensorInfo info;
  guint64 begin, end; /* in the file, behind the header */
  gpointer owned;
  gchar *foreign; /* dtype that is not read; NULL for all others */
} Tensor;

struct _TensorSet
{
  gchar *name; /* the folder */
  GPtrArray *shards;
  GPtrArray *tensors; /* Tensor, in file order */
  GPtrArray *foreign; /* Tensor of types that are not read, which does no harm where nobody wants them */
  GHashTable *by_name;
};

static gboolean G_GNUC_PRINTF (4, 5) fail (GError **error, const gchar *file, const gchar *tensor, const gchar *format, ...)
{
  g_autofree gchar *what = NULL;
  va_list args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  if (tensor != NULL)
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE, "%s: tensor %s: %s", file, tensor, what);
  else
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE, "%s: %s", file, what);
  return FALSE;
}

static void
shard_free (gpointer data)
{
  Shard *shard = data;

  g_clear_pointer (&shard->map, g_mapped_file_unref);
  g_free (shard->path);
  g_free (shard);
}

static void
tensor_free (gpointer data)
{
  Tensor *tensor = data;

  g_free ((gchar *)tensor->info.name);
  g_free (tensor->owned);
  g_free (tensor->foreign);
  g_free (tensor);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Tensor, tensor_free)

static TensorSet *
set_new (const gchar *name)
{
  TensorSet *set = g_new0 (TensorSet, 1);

  set->name = g_strdup (name);
  set->shards = g_ptr_array_new_with_free_func (shard_free);
  set->tensors = g_ptr_array_new_with_free_func (tensor_free);
  set->foreign = g_ptr_array_new_with_free_func (tensor_free);
  set->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  return set;
}

static void
set_take (TensorSet *set, Tensor *tensor)
{
  g_ptr_array_add (tensor->foreign ? set->foreign : set->tensors, tensor);
  g_hash_table_insert (set->by_name, (gpointer)tensor->info.name, tensor);
}

/* --- one file's header ------------------------------------------------------------------------------------------------------- */

static gboolean
read_dtype (Tensor *t, JsonNode *node, GError **error)
{
  const gchar *name;

  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING)
    return fail (error, t->info.file, t->info.name, "dtype is no string");
  name = json_node_get_string (node);
  if (!dtype_parse (name, &t->info.dtype))
    t->foreign = g_strdup (name);
  return TRUE;
}

static gboolean
read_shape (Tensor *t, JsonNode *node, GError **error)
{
  JsonArray *list = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  if (list == NULL)
    return fail (error, t->info.file, t->info.name, "shape is no list");
  if (t->foreign)
    return TRUE;
  if (json_array_get_length (list) > TENSOR_MAX_DIMS)
    return fail (
        error, t->info.file, t->info.name, "shape has %u dimensions, more than %u", json_array_get_length (list), TENSOR_MAX_DIMS);
  t->info.n_dims = json_array_get_length (list);
  for (guint i = 0; i < t->info.n_dims; i++) {
    JsonNode *element = json_array_get_element (list, i);

    if (!JSON_NODE_HOLDS_VALUE (element) || json_node_get_value_type (element) != G_TYPE_INT64 || json_node_get_int (element) < 1)
      return fail (error, t->info.file, t->info.name, "shape has what is no positive integer as number %u", i);
    t->info.shape[i] = json_node_get_int (element);
  }
  return TRUE;
}

static gboolean
read_offsets (Tensor *t, JsonNode *node, GError **error)
{
  JsonArray *list = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  gint64 offsets[2] = { -1, -1 };

  for (guint i = 0; list != NULL && json_array_get_length (list) == 2 && i < 2; i++) {
    JsonNode *element = json_array_get_element (list, i);

    if (JSON_NODE_HOLDS_VALUE (element) && json_node_get_value_type (element) == G_TYPE_INT64)
      offsets[i] = json_node_get_int (element);
  }
  if (offsets[0] < 0 || offsets[1] < offsets[0])
    return fail (error, t->info.file, t->info.name, "data_offsets are not two integers, the second not below the first");
  t->begin = offsets[0];
  t->end = offsets[1];
  return TRUE;
}

/* Whether the shape takes exactly the bytes between the offsets. How many a foreign type takes is not known. */
static gboolean
check_size (const Tensor *t, GError **error)
{
  guint64 bytes = dtype_size (t->info.dtype);

  if (t->foreign)
    return TRUE;
  for (guint i = 0; i < t->info.n_dims; i++)
    if (!g_uint64_checked_mul (&bytes, bytes, t->info.shape[i]))
      return fail (error, t->info.file, t->info.name, "the shape's size overflows");
  if (bytes != t->end - t->begin)
    return fail (error, t->info.file, t->info.name,
        "the shape takes %" G_GUINT64_FORMAT " bytes, data_offsets hold %" G_GUINT64_FORMAT, bytes, t->end - t->begin);
  return TRUE;
}

static Tensor *
read_tensor (const gchar *file, const gchar *name, JsonNode *node, GError **error)
{
  static const struct
  {
    const gchar *key;
    gboolean (*read) (Tensor *t, JsonNode *node, GError **error);
  } members[] = { { "dtype", read_dtype }, { "shape", read_shape }, { "data_offsets", read_offsets } };
  g_autoptr (Tensor) t = g_new0 (Tensor, 1);
  JsonObject *object;

  t->info.name = g_strdup (name);
  t->info.file = file;
  if (!JSON_NODE_HOLDS_OBJECT (node)) {
    fail (error, file, name, "its entry is no object");
    return NULL;
  }
  object = json_node_get_object (node);
  for (guint i = 0; i < G_N_ELEMENTS (members); i++) {
    if (!json_object_has_member (object, members[i].key)) {
      fail (error, file, name, "%s is missing", members[i].key);
      return NULL;
    }
    if (!members[i].read (t, json_object_get_member (object, members[i].key), error))
      return NULL;
  }
  if (json_object_get_size (object) != G_N_ELEMENTS (members)) {
    fail (error, file, name, "its entry has keys besides dtype, shape and data_offsets");
    return NULL;
  }
  return check_size (t, error) ? g_steal_pointer (&t) : NULL;
}

static gboolean
check_metadata (const gchar *file, JsonNode *node, GError **error)
{
  JsonObjectIter iter;
  const gchar *key;
  JsonNode *value;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return fail (error, file, NULL, "__metadata__ is no object");
  json_object_iter_init_ordered (&iter, json_node_get_object (node));
  while (json_object_iter_next_ordered (&iter, &key, &value))
    if (!JSON_NODE_HOLDS_VALUE (value) || json_node_get_value_type (value) != G_TYPE_STRING)
      return fail (error, file, NULL, "__metadata__ has %s, which is no string", key);
  return TRUE;
}

static gint
compare_begin (gconstpointer a, gconstpointer b)
{
  const Tensor *x = *(Tensor *const *)a, *y = *(Tensor *const *)b;

  return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* Sorted tensors must cover the data from end to end: that is bounds, overlaps and gaps at once. */
static gboolean
place_tensors (GPtrArray *tensors, const gchar *file, const guint8 *data, guint64 available, GError **error)
{
  guint64 at = 0;

  for (guint i = 0; i < tensors->len; i++) {
    Tensor *t = g_ptr_array_index (tensors, i);

    if (t->begin < at)
      return fail (error, file, t->info.name, "overlaps %s", ((Tensor *)g_ptr_array_index (tensors, i - 1))->info.name);
    if (t->begin > at)
      return fail (error, file, t->info.name, "a gap of %" G_GUINT64_FORMAT " bytes before it", t->begin - at);
    if (t->end > available)
      return fail (error, file, t->info.name,
          "ends at byte %" G_GUINT64_FORMAT " of the data, of which the file has %" G_GUINT64_FORMAT "; it is truncated", t->end,
          available);
    t->info.data = data + t->begin;
    if (!t->foreign && (guintptr)t->info.data % dtype_size (t->info.dtype) != 0)
      return fail (error, file, t->info.name, "its data is not aligned to %u bytes", dtype_size (t->info.dtype));
    at = t->end;
  }
  return at == available
         || fail (error, file, NULL, "%" G_GUINT64_FORMAT " bytes behind the last tensor belong to none", available - at);
}

static Shard *
shard_open (const gchar *path, GError **error)
{
  g_autoptr (GError) map_error = NULL;
  GMappedFile *map = g_mapped_file_new (path, FALSE, &map_error);
  guint64 header = 0;
  Shard *shard;
  gsize size;

  if (map == NULL) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE, "%s", map_error->message);
    return NULL;
  }
  size = g_mapped_file_get_length (map);
  if (size >= sizeof header) {
    memcpy (&header, g_mapped_file_get_contents (map), sizeof header);
    header = GUINT64_FROM_LE (header);
  }
  if (size < sizeof header || header < 2 || header > MAX_HEADER || header > size - sizeof header) {
    fail (error, path, NULL, "no safetensors file: %" G_GSIZE_FORMAT " bytes cannot hold a header of %" G_GUINT64_FORMAT, size,
        header);
    g_mapped_file_unref (map);
    return NULL;
  }
  shard = g_new0 (Shard, 1);
  shard->path = g_strdup (path);
  shard->map = map;
  shard->header = header;
  return shard;
}

/* Adds a file's tensors. No other file of an index may have them. */
static gboolean
set_read_file (TensorSet *set, const gchar *path, GError **error)
{
  g_autoptr (GPtrArray) tensors = g_ptr_array_new_with_free_func (tensor_free);
  g_autoptr (JsonObject) root = NULL;
  Shard *shard = shard_open (path, error);
  const gchar *start, *name;
  JsonObjectIter iter;
  JsonNode *node;

  if (shard == NULL)
    return FALSE;
  g_ptr_array_add (set->shards, shard);
  start = g_mapped_file_get_contents (shard->map) + sizeof (guint64);
  if (*start != '{')
    return fail (error, path, NULL, "no safetensors file: the header is no JSON object");
  root = strict_json_parse (start, shard->header, path, error);
  if (root == NULL)
    return FALSE;
  json_object_iter_init_ordered (&iter, root);
  while (json_object_iter_next_ordered (&iter, &name, &node)) {
    const Tensor *other = g_hash_table_lookup (set->by_name, name);
    Tensor *tensor;

    if (strcmp (name, "__metadata__") == 0) {
      if (!check_metadata (path, node, error))
        return FALSE;
      continue;
    }
    if (other != NULL)
      return fail (error, path, name, "is also in %s", other->info.file);
    tensor = read_tensor (shard->path, name, node, error);
    if (tensor == NULL)
      return FALSE;
    g_ptr_array_add (tensors, tensor);
  }
  g_ptr_array_sort (tensors, compare_begin);
  if (!place_tensors (tensors, path, (const guint8 *)start + shard->header,
          g_mapped_file_get_length (shard->map) - sizeof (guint64) - shard->header, error))
    return FALSE;
  g_ptr_array_set_free_func (tensors, NULL);
  for (guint i = 0; i < tensors->len; i++)
    set_take (set, g_ptr_array_index (tensors, i));
  return TRUE;
}

/* --- a folder ---------------------------------------------------------------------------------------------------------------- */

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const gchar *const *)a, *(const gchar *const *)b);
}

/* The files that an index names, in the order of their names. */
static GPtrArray *
list_shards (JsonObject *map, const gchar *path, GError **error)
{
  g_autoptr (GPtrArray) shards = g_ptr_array_new ();
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  JsonObjectIter iter;
  const gchar *name;
  JsonNode *node;

  json_object_iter_init_ordered (&iter, map);
  while (json_object_iter_next_ordered (&iter, &name, &node)) {
    gboolean string = JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING;
    const gchar *file = string ? json_node_get_string (node) : "";

    if (*file == '\0' || *file == '.' || strpbrk (file, "/\\") != NULL) {
      fail (error, path, name, "weight_map names \"%s\", which is no file of this folder", file);
      return NULL;
    }
    if (g_hash_table_add (seen, (gpointer)file))
      g_ptr_array_add (shards, (gpointer)file);
  }
  if (shards->len == 0 || shards->len > MAX_SHARDS) {
    fail (error, path, NULL, "weight_map names %u files", shards->len);
    return NULL;
  }
  g_ptr_array_sort (shards, compare_names);
  return g_steal_pointer (&shards);
}

/* Index and files must name the same tensors in the same places. */
static gboolean
check_index (const TensorSet *set, JsonObject *map, const gchar *path, GError **error)
{
  JsonObjectIter iter;
  const gchar *name;
  JsonNode *node;

  for (guint i = 0; i < set->tensors->len; i++) {
    const TensorInfo *t = g_ptr_array_index (set->tensors, i);

    if (!json_object_has_member (map, t->name))
      return fail (error, t->file, t->name, "is surplus: %s does not name it", path);
  }
  json_object_iter_init_ordered (&iter, map);
  while (json_object_iter_next_ordered (&iter, &name, &node)) {
    const Tensor *t = g_hash_table_lookup (set->by_name, name);
    const gchar *shard = json_node_get_string (node);
    g_autofree gchar *file = t != NULL ? g_path_get_basename (t->info.file) : NULL;

    if (g_strcmp0 (file, shard) != 0)
      return fail (error, path, name, "is not in %s, where the index has it%s%s", shard, t != NULL ? ", but in " : "",
          t != NULL ? file : "");
  }
  return TRUE;
}

static gboolean
set_read_index (TensorSet *set, const gchar *folder, const gchar *path, GError **error)
{
  g_autoptr (JsonObject) root = strict_json_load (path, error);
  g_autoptr (GPtrArray) shards = NULL;
  JsonNode *node;
  JsonObject *map;

  if (root == NULL)
    return FALSE;
  node = json_object_get_member (root, "weight_map");
  if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node))
    return fail (error, path, NULL, "weight_map is missing or no object");
  map = json_node_get_object (node);
  shards = list_shards (map, path, error);
  if (shards == NULL)
    return FALSE;
  for (guint i = 0; i < shards->len; i++) {
    g_autofree gchar *shard = g_build_filename (folder, g_ptr_array_index (shards, i), NULL);

    if (!set_read_file (set, shard, error))
      return FALSE;
  }
  return check_index (set, map, path, error);
}

TensorSet *
tensor_set_open (const gchar *folder, GError **error)
{
  g_autofree gchar *index = g_build_filename (folder, INDEX, NULL);
  g_autofree gchar *single = g_build_filename (folder, SINGLE, NULL);
  g_autoptr (TensorSet) set = set_new (folder);
  gboolean ok;

  if (g_file_test (index, G_FILE_TEST_EXISTS))
    ok = set_read_index (set, folder, index, error);
  else if (g_file_test (single, G_FILE_TEST_EXISTS))
    ok = set_read_file (set, single, error);
  else
    ok = fail (error, folder, NULL, "neither " SINGLE " nor " INDEX " is there");
  return ok ? g_steal_pointer (&set) : NULL;
}

TensorSet *
tensor_set_open_file (const gchar *path, GError **error)
{
  g_autoptr (TensorSet) set = set_new (path);

  return set_read_file (set, path, error) ? g_steal_pointer (&set) : NULL;
}

TensorSet *
tensor_set_new (void)
{
  return set_new ("(memory)");
}

void
tensor_set_add (TensorSet *set, const gchar *name, Dtype dtype, guint n_dims, const guint64 *shape, gpointer data)
{
  Tensor *t = g_new0 (Tensor, 1);

  g_assert (n_dims <= TENSOR_MAX_DIMS && !g_hash_table_contains (set->by_name, name));
  t->info.name = g_strdup (name);
  t->info.file = set->name;
  t->info.dtype = dtype;
  t->info.n_dims = n_dims;
  for (guint i = 0; i < n_dims; i++)
    t->info.shape[i] = shape[i];
  t->info.data = t->owned = data;
  set_take (set, t);
}

void
tensor_set_free (TensorSet *set)
{
  if (set == NULL)
    return;
  g_hash_table_unref (set->by_name);
  g_ptr_array_unref (set->tensors);
  g_ptr_array_unref (set->foreign);
  g_ptr_array_unref (set->shards);
  g_free (set->name);
  g_free (set);
}

/* --- what the model asks ----------------------------------------------------------------------------------------------------- */

const TensorInfo *
tensor_set_lookup (const TensorSet *set, const gchar *name)
{
  const Tensor *t = g_hash_table_lookup (set->by_name, name);

  return t != NULL && !t->foreign ? &t->info : NULL;
}

/* Whole pages, those that are shared with other tensors as well. What a set in memory has is in no file to be read from again. */
static void
advise (const TensorInfo *t, guint64 offset, guint64 bytes, gint advice)
{
  const guintptr page = sysconf (_SC_PAGESIZE);
  guintptr begin = (guintptr)t->data + offset, end = begin + bytes;

  g_assert (offset <= tensor_info_bytes (t) && bytes <= tensor_info_bytes (t) - offset);
  if (((const Tensor *)t)->owned)
    return;
  begin -= begin % page;
  madvise ((gpointer)begin, end - begin, advice); /* a kernel that knows no such advice does without */
}

void
tensor_info_expect (const TensorInfo *t, guint64 offset, guint64 bytes)
{
  advise (t, offset, bytes, MADV_WILLNEED);
}

void
tensor_info_forget (const TensorInfo *t, guint64 offset, guint64 bytes)
{
  advise (t, offset, bytes, MADV_DONTNEED);
}

static gboolean
fail_foreign (const Tensor *t, GError **error)
{
  return fail (error, t->info.file, t->info.name, "dtype %s is not known; F32, F16 and BF16 are", t->foreign);
}

const TensorInfo *
tensor_set_expect (const TensorSet *set, const gchar *name, guint n_dims, const guint64 *shape, GError **error)
{
  const Tensor *found = g_hash_table_lookup (set->by_name, name);
  const TensorInfo *t;

  if (found == NULL) {
    fail (error, set->name, name, "is missing");
    return NULL;
  }
  t = &found->info;
  if (found->foreign) {
    fail_foreign (found, error);
    return NULL;
  }
  if (t->n_dims != n_dims || memcmp (t->shape, shape, n_dims * sizeof *shape) != 0) {
    g_autofree gchar *there = tensor_shape_text (t->n_dims, t->shape);
    g_autofree gchar *expected = tensor_shape_text (n_dims, shape);

    fail (error, t->file, name, "its shape is %s, config.json makes it %s", there, expected);
    return NULL;
  }
  return t;
}

gboolean
tensor_set_expect_known (const TensorSet *set, GError **error)
{
  const Tensor *t = set->foreign->len > 0 ? g_ptr_array_index (set->foreign, 0) : NULL;

  return t == NULL || fail_foreign (t, error);
}

/* Buffers that a model makes anew from its configuration, which some versions save as well. */
static gboolean
is_harmless (const gchar *name)
{
  static const gchar *const last[] = { "inv_freq", "original_inv_freq", "long_inv_freq", "short_inv_freq", "position_ids" };
  const gchar *dot = strrchr (name, '.');

  for (guint i = 0; i < G_N_ELEMENTS (last); i++)
    if (strcmp (dot != NULL ? dot + 1 : name, last[i]) == 0)
      return TRUE;
  return FALSE;
}

gboolean
tensor_set_expect_only (const TensorSet *set, const gchar *const *names, guint n_names, const gchar *unread, GError **error)
{
  g_autoptr (GHashTable) known = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GString) surplus = g_string_new (NULL);

  for (guint i = 0; i < n_names; i++)
    g_hash_table_add (known, (gpointer)names[i]);
  for (guint i = 0; i < set->tensors->len + set->foreign->len; i++) {
    gboolean foreign = i >= set->tensors->len;
    const TensorInfo *t = foreign ? g_ptr_array_index (set->foreign, i - set->tensors->len) : g_ptr_array_index (set->tensors, i);

    if (g_hash_table_contains (known, t->name))
      continue;
    if (!foreign && !is_harmless (t->name) && g_strcmp0 (t->name, unread) != 0)
      return fail (error, t->file, t->name, "is surplus: the model of config.json has none of that name");
    g_string_append_printf (surplus, "%s%s", surplus->len > 0 ? ", " : "", t->name);
  }
  if (surplus->len > 0)
    g_warning ("%s: tensors that the model has no use for, not read: %s", set->name, surplus->str);
  return TRUE;
}

const TensorInfo **
tensor_set_list (const TensorSet *set, guint *n)
{
  const TensorInfo **list = g_new (const TensorInfo *, set->tensors->len);

  for (guint i = 0; i < set->tensors->len; i++)
    list[i] = g_ptr_array_index (set->tensors, i);
  *n = set->tensors->len;
  return list;
}

void
tensor_set_checksum (const TensorSet *set, GChecksum *checksum)
{
  guint64 size;

  for (guint i = 0; i < set->shards->len; i++) {
    const Shard *shard = g_ptr_array_index (set->shards, i);

    g_checksum_update (checksum, (const guchar *)g_mapped_file_get_contents (shard->map), sizeof (guint64) + shard->header);
    size = GUINT64_TO_LE ((guint64)g_mapped_file_get_length (shard->map));
    g_checksum_update (checksum, (const guchar *)&size, sizeof size);
  }
  if (set->shards->len == 0) {
    g_autoptr (GString) header = tensors_header ((const TensorInfo *const *)set->tensors->pdata, set->tensors->len, &size);

    g_checksum_update (checksum, (const guchar *)header->str, header->len);
    size = GUINT64_TO_LE (size + header->len);
    g_checksum_update (checksum, (const guchar *)&size, sizeof size);
  }
  for (guint i = 0; i < set->tensors->len; i++) {
    const TensorInfo *t = g_ptr_array_index (set->tensors, i);

    g_checksum_update (checksum, t->data, MIN (tensor_info_bytes (t), CHECKSUM_BYTES));
    tensor_info_forget (t, 0, MIN (tensor_info_bytes (t), CHECKSUM_BYTES));
  }
}

void
tensor_set_stamp (const TensorSet *set, GChecksum *checksum)
{
  for (guint i = 0; i < set->shards->len; i++) {
    gint64 times[2] = { 0 };
    GStatBuf file;

    if (g_stat (((const Shard *)g_ptr_array_index (set->shards, i))->path, &file) == 0) {
      times[0] = file.st_mtim.tv_sec;
      times[1] = file.st_mtim.tv_nsec;
    }
    g_checksum_update (checksum, (const guchar *)times, sizeof times);
  }
}
