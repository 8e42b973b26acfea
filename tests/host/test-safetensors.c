/* safetensors: what is read, every malformation by name, and what is written. */
#include "../folder.h"
#include "model/safetensors.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

typedef struct
{
  gchar *folder;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->folder = folder_new ();
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  folder_free (f->folder);
}

/* Without syncing, which thousands of files on a busy disk make minutes of. */
static void
put (Fixture *f, const gchar *file, gconstpointer bytes, gsize n)
{
  g_autofree gchar *path = g_build_filename (f->folder, file, NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents_full (path, bytes, n, G_FILE_SET_CONTENTS_NONE, 0666, &error);
  g_assert_no_error (error);
}

/* header, padded to `off` bytes behind a multiple of four, with 0, 1, 2, ... as n bytes of data behind it */
static void
put_tensors (Fixture *f, const gchar *file, const gchar *header, guint off, gsize n)
{
  g_autoptr (GString) padded = g_string_new (header);
  guint64 length;

  while (padded->len % 4 != off)
    g_string_append_c (padded, ' ');
  length = GUINT64_TO_LE ((guint64)padded->len);
  g_string_prepend_len (padded, (const gchar *)&length, sizeof length);
  for (gsize i = 0; i < n; i++)
    g_string_append_c (padded, i);
  put (f, file, padded->str, padded->len);
}

static void
assert_refused (Fixture *f, const gchar *expected)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (tensor_set_open (f->folder, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE);
  g_assert_nonnull (strstr (error->message, f->folder));
  if (strstr (error->message, expected) == NULL)
    g_error ("\"%s\" lacks \"%s\"", error->message, expected);
}

/* --- one file: rows are a header, the bytes behind it and a part of the message ---------------------------------------------- */

typedef struct
{
  const gchar *name, *header;
  gsize n;
  const gchar *expected;
} Refusal;

#define A(dtype, shape, offsets) "\"a\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define B(offsets) "\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":" offsets "}"
#define TWO A ("\"F32\"", "[2]", "[0,8]")

static const Refusal refusals[] = {
  { "array", "[]      ", 0, "model.safetensors: no safetensors file: the header is no JSON object" },
  { "space-before", " {}     ", 0, "the header is no JSON object" },
  { "broken", "{\"a\":    ", 0, "model.safetensors: line 1" },
  { "twice", "{" TWO "," TWO "}", 8, "key \"a\" is there twice" },
  { "tensor-is-list", "{\"a\":[]}", 0, "model.safetensors: tensor a: its entry is no object" },
  { "no-dtype", "{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "tensor a: dtype is missing" },
  { "no-shape", "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, "tensor a: shape is missing" },
  { "no-offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "tensor a: data_offsets is missing" },
  { "more-keys", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"strides\":[1]}}", 8,
      "tensor a: its entry has keys" },
  { "dtype-number", "{" A ("32", "[2]", "[0,8]") "}", 8, "tensor a: dtype is no string" },
  { "shape-number", "{" A ("\"F32\"", "2", "[0,8]") "}", 8, "tensor a: shape is no list" },
  { "shape-zero", "{" A ("\"F32\"", "[0]", "[0,0]") "}", 0, "tensor a: shape has what is no positive integer as number 0" },
  { "shape-negative", "{" A ("\"F32\"", "[2,-1]", "[0,8]") "}", 8, "no positive integer as number 1" },
  { "shape-fraction", "{" A ("\"F32\"", "[2.0]", "[0,8]") "}", 8, "no positive integer as number 0" },
  { "shape-null", "{" A ("\"F32\"", "[null]", "[0,8]") "}", 8, "no positive integer as number 0" },
  { "shape-long", "{" A ("\"F32\"", "[1,1,1,1,2]", "[0,8]") "}", 8, "tensor a: shape has 5 dimensions, more than 4" },
  { "shape-overflow", "{" A ("\"F32\"", "[4294967296,4294967296]", "[0,8]") "}", 8, "tensor a: the shape's size overflows" },
  { "shape-overflow-to-fit", "{" A ("\"F32\"", "[4611686018427387904,2,2]", "[0,0]") "}", 0,
      "tensor a: the shape's size overflows" },
  { "shape-other", "{" A ("\"F32\"", "[3]", "[0,8]") "}", 8, "tensor a: the shape takes 12 bytes, data_offsets hold 8" },
  { "offsets-one", "{" A ("\"F32\"", "[2]", "[8]") "}", 8, "tensor a: data_offsets are not two integers" },
  { "offsets-three", "{" A ("\"F32\"", "[2]", "[0,8,8]") "}", 8, "tensor a: data_offsets are not two integers" },
  { "offsets-string", "{" A ("\"F32\"", "[2]", "[\"0\",8]") "}", 8, "tensor a: data_offsets are not two integers" },
  { "offsets-object", "{" A ("\"F32\"", "[2]", "{}") "}", 8, "tensor a: data_offsets are not two integers" },
  { "offsets-negative", "{" A ("\"F32\"", "[2]", "[-8,0]") "}", 8, "tensor a: data_offsets are not two integers" },
  { "offsets-backwards", "{" A ("\"F32\"", "[2]", "[8,0]") "}", 8, "tensor a: data_offsets are not two integers" },
  { "truncated", "{" TWO "}", 7, "tensor a: ends at byte 8 of the data, of which the file has 7; it is truncated" },
  { "far-beyond", "{" A ("\"BF16\"", "[4611686018427387903]", "[0,9223372036854775806]") "}", 8, "it is truncated" },
  { "bytes-behind", "{" TWO "}", 9, "1 bytes behind the last tensor belong to none" },
  { "only-bytes", "{}      ", 4, "4 bytes behind the last tensor belong to none" },
  { "gap-at-start", "{" A ("\"F32\"", "[1]", "[4,8]") "}", 8, "tensor a: a gap of 4 bytes before it" },
  { "gap", "{" TWO "," B ("[12,16]") "}", 16, "tensor b: a gap of 4 bytes before it" },
  { "overlap", "{" TWO "," B ("[6,10]") "}", 10, "tensor b: overlaps a" },
  { "same-place", "{" TWO "," B ("[0,4]") "}", 8, "tensor b: overlaps a" },
  { "metadata-is-list", "{\"__metadata__\":[]}", 0, "__metadata__ is no object" },
  { "metadata-number", "{\"__metadata__\":{\"format\":1}}", 0, "__metadata__ has format, which is no string" },
};

static void
test_refused (Fixture *f, gconstpointer data)
{
  const Refusal *r = data;

  put_tensors (f, "model.safetensors", r->header, 0, r->n);
  assert_refused (f, r->expected);
}

static void
test_misaligned_data_is_refused (Fixture *f, gconstpointer data)
{
  put_tensors (f, "model.safetensors", "{" TWO "}", 2, 8);
  assert_refused (f, "tensor a: its data is not aligned to 4 bytes");
}

static void
test_header_length_is_checked (Fixture *f, gconstpointer data)
{
  static const guint64 lengths[] = { 0, 1, 9, 100000001, G_MAXUINT64, G_MAXUINT64 - 7 };
  guint8 bytes[] = "        {}      ";

  put (f, "model.safetensors", "", 0);
  assert_refused (f, "model.safetensors: no safetensors file: 0 bytes cannot hold a header of 0");
  put (f, "model.safetensors", bytes, 7);
  assert_refused (f, "no safetensors file: 7 bytes cannot hold a header of 0");
  for (guint i = 0; i < G_N_ELEMENTS (lengths); i++) {
    g_autofree gchar *expected =
        g_strdup_printf ("no safetensors file: 16 bytes cannot hold a header of %" G_GUINT64_FORMAT, lengths[i]);
    guint64 length = GUINT64_TO_LE (lengths[i]);

    memcpy (bytes, &length, sizeof length);
    put (f, "model.safetensors", bytes, sizeof bytes - 1);
    assert_refused (f, expected);
  }
}

static void
test_empty_folder_is_refused (Fixture *f, gconstpointer data)
{
  assert_refused (f, "neither model.safetensors nor model.safetensors.index.json is there");
}

static void
test_single_file_is_read (Fixture *f, gconstpointer data)
{
  static const gchar header[] = "{\"last\":{\"dtype\":\"BF16\",\"shape\":[2,1,1,1],\"data_offsets\":[12,16]},"
                                "\"__metadata__\":{\"format\":\"pt\"},"
                                "\"scalar\":{\"shape\":[],\"data_offsets\":[8,12],\"dtype\":\"F32\"},"
                                "\"first\":{\"dtype\":\"F16\",\"shape\":[2,2],\"data_offsets\":[0,8]}}";
  g_autoptr (GError) error = NULL;
  g_autoptr (TensorSet) set = NULL;
  g_autofree const TensorInfo **list = NULL;
  const TensorInfo *t;
  guint n;

  put_tensors (f, "model.safetensors", header, 0, 16);
  set = tensor_set_open (f->folder, &error);
  g_assert_no_error (error);
  list = tensor_set_list (set, &n);
  g_assert_cmpuint (n, ==, 3);
  g_assert_cmpstr (list[0]->name, ==, "first");
  g_assert_cmpstr (list[1]->name, ==, "scalar");
  g_assert_cmpstr (list[2]->name, ==, "last");
  g_assert_null (tensor_set_lookup (set, "__metadata__"));
  t = tensor_set_lookup (set, "last");
  g_assert_true (t == list[2]);
  g_assert_cmpint (t->dtype, ==, DTYPE_BF16);
  g_assert_cmpuint (t->n_dims, ==, 4);
  g_assert_cmpuint (t->shape[0], ==, 2);
  g_assert_cmpuint (tensor_info_bytes (t), ==, 4);
  g_assert_cmpmem (t->data, 4, ((const guint8[]){ 12, 13, 14, 15 }), 4);
  g_assert_true (g_str_has_suffix (t->file, "/model.safetensors"));
  t = tensor_set_lookup (set, "scalar");
  g_assert_cmpuint (t->n_dims, ==, 0);
  g_assert_cmpuint (tensor_elements (t), ==, 1);
}

/* --- shards ------------------------------------------------------------------------------------------------------------------ */

#define INDEX "model.safetensors.index.json"
#define ONE(name) "{\"" name "\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}"

typedef struct
{
  const gchar *name, *index, *expected;
} IndexRefusal;

/* Beside x.safetensors with tensor a and y.safetensors with tensor b. */
static const IndexRefusal index_refusals[] = {
  { "broken", "{\"weight_map\":", INDEX ": line 1" },
  { "twice", "{\"weight_map\":{\"a\":\"x.safetensors\",\"a\":\"x.safetensors\"}}", "key \"a\" is there twice" },
  { "no-map", "{\"metadata\":{}}", INDEX ": weight_map is missing or no object" },
  { "map-is-list", "{\"weight_map\":[]}", INDEX ": weight_map is missing or no object" },
  { "map-is-empty", "{\"weight_map\":{}}", INDEX ": weight_map names 0 files" },
  { "file-is-number", "{\"weight_map\":{\"a\":1}}", "tensor a: weight_map names \"\", which is no file of this folder" },
  { "other-folder", "{\"weight_map\":{\"a\":\"../x.safetensors\"}}", "tensor a: weight_map names \"../x.safetensors\"" },
  { "absolute", "{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "tensor a: weight_map names \"/etc/passwd\", which is no file" },
  { "subfolder", "{\"weight_map\":{\"a\":\"s/x.safetensors\"}}", "tensor a: weight_map names \"s/x.safetensors\"" },
  { "parent", "{\"weight_map\":{\"a\":\"..\"}}", "tensor a: weight_map names \"..\"" },
  { "missing-file", "{\"weight_map\":{\"a\":\"x.safetensors\",\"b\":\"z.safetensors\"}}", "z.safetensors" },
  { "missing-tensor", "{\"weight_map\":{\"a\":\"x.safetensors\",\"b\":\"y.safetensors\",\"c\":\"y.safetensors\"}}",
      "tensor c: is not in y.safetensors, where the index has it" },
  { "other-file", "{\"weight_map\":{\"a\":\"y.safetensors\",\"b\":\"x.safetensors\"}}",
      "tensor a: is not in y.safetensors, where the index has it, but in x.safetensors" },
  { "surplus", "{\"weight_map\":{\"a\":\"x.safetensors\",\"c\":\"y.safetensors\"}}", "y.safetensors: tensor b: is surplus" },
};

static void
put_shards (Fixture *f, const gchar *index)
{
  put_tensors (f, "x.safetensors", ONE ("a"), 0, 4);
  put_tensors (f, "y.safetensors", ONE ("b"), 0, 4);
  put (f, INDEX, index, strlen (index));
}

static void
test_index_refused (Fixture *f, gconstpointer data)
{
  const IndexRefusal *r = data;

  put_shards (f, r->index);
  assert_refused (f, r->expected);
}

static void
test_tensor_in_two_shards_is_refused (Fixture *f, gconstpointer data)
{
  put_shards (f, "{\"weight_map\":{\"a\":\"x.safetensors\",\"b\":\"y.safetensors\"}}");
  put_tensors (f, "y.safetensors", ONE ("a"), 0, 4);
  assert_refused (f, "y.safetensors: tensor a: is also in ");
}

static void
test_shards_are_read (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (TensorSet) set = NULL;
  g_autofree const TensorInfo **list = NULL;
  guint n;

  put_shards (f, "{\"weight_map\":{\"b\":\"y.safetensors\",\"a\":\"x.safetensors\"},\"metadata\":{\"total_size\":8}}");
  set = tensor_set_open (f->folder, &error);
  g_assert_no_error (error);
  list = tensor_set_list (set, &n);
  g_assert_cmpuint (n, ==, 2);
  g_assert_cmpstr (list[0]->name, ==, "a");
  g_assert_true (g_str_has_suffix (list[0]->file, "/x.safetensors"));
  g_assert_true (g_str_has_suffix (list[1]->file, "/y.safetensors"));
}

/* --- what the model asks ----------------------------------------------------------------------------------------------------- */

static TensorSet *
make_set (void)
{
  TensorSet *set = tensor_set_new ();

  tensor_set_add (set, "odd \"name\"\\\n", DTYPE_F16, 1, (const guint64[]){ 3 }, g_memdup2 ("abcdef", 6));
  tensor_set_add (set, "b", DTYPE_F16, 1, (const guint64[]){ 1 }, g_memdup2 ("gh", 2));
  tensor_set_add (set, "a", DTYPE_F32, 2, (const guint64[]){ 1, 2 }, g_memdup2 ("ijklmnop", 8));
  return set;
}

static void
test_expected_shape_is_checked (void)
{
  g_autoptr (TensorSet) set = make_set ();
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (tensor_set_expect (set, "a", 2, (const guint64[]){ 1, 2 }, &error));
  g_assert_no_error (error);
  g_assert_null (tensor_set_expect (set, "a", 2, (const guint64[]){ 2, 1 }, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE);
  g_assert_cmpstr (error->message, ==, "(memory): tensor a: its shape is [1, 2], config.json makes it [2, 1]");
  g_clear_error (&error);
  g_assert_null (tensor_set_expect (set, "a", 1, (const guint64[]){ 2 }, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE);
  g_clear_error (&error);
  g_assert_null (tensor_set_expect (set, "c", 1, (const guint64[]){ 2 }, &error));
  g_assert_cmpstr (error->message, ==, "(memory): tensor c: is missing");
}

static void
test_surplus_tensor_is_named (void)
{
  static const gchar *const names[] = { "a", "odd \"name\"\\\n", "x", "b" };
  g_autoptr (TensorSet) set = make_set ();
  g_autoptr (GError) error = NULL;

  g_assert_true (tensor_set_expect_only (set, names, 4, NULL, &error));
  g_assert_no_error (error);
  g_assert_false (tensor_set_expect_only (set, names, 3, NULL, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE);
  g_assert_nonnull (strstr (error->message, "(memory): tensor b: is surplus"));
}

/* What nobody wants may be of any type and shape; what is wanted may not, and says so. */
static void
test_foreign_types_are_no_tensors (Fixture *f, gconstpointer data)
{
  static const gchar *const names[] = { "a" };
  static const gchar index[] =
      "{\"weight_map\":{\"a\":\"x.safetensors\",\"e\":\"x.safetensors\",\"position_ids\":\"x.safetensors\"}}";
  g_autoptr (GError) error = NULL;
  g_autoptr (TensorSet) set = NULL;
  g_autofree const TensorInfo **list = NULL;
  guint n;

  put_tensors (f, "x.safetensors",
      "{" TWO ",\"e\":{\"dtype\":\"F4\",\"shape\":[0,1,1,1,1],\"data_offsets\":[8,9]},"
      "\"position_ids\":{\"dtype\":\"I64\",\"shape\":[1,2],\"data_offsets\":[9,25]}}",
      0, 25);
  put (f, INDEX, index, strlen (index));
  set = tensor_set_open (f->folder, &error);
  g_assert_no_error (error);
  list = tensor_set_list (set, &n);
  g_assert_cmpuint (n, ==, 1);
  g_assert_null (tensor_set_lookup (set, "e"));
  g_assert_null (tensor_set_expect (set, "e", 1, (const guint64[]){ 1 }, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE);
  g_assert_nonnull (strstr (error->message, "x.safetensors: tensor e: dtype F4 is not known; F32, F16 and BF16 are"));
  g_clear_error (&error);
  g_test_expect_message ("minivl", G_LOG_LEVEL_WARNING, "*: tensors that the model has no use for, not read: e, position_ids");
  g_assert_true (tensor_set_expect_only (set, names, 1, NULL, &error));
  g_test_assert_expected_messages ();
}

static void
test_harmless_surplus_is_warned_of_once (void)
{
  static const gchar *const names[] = { "a" };
  g_autoptr (TensorSet) set = tensor_set_new ();
  g_autoptr (GError) error = NULL;

  tensor_set_add (set, "a", DTYPE_F16, 1, (const guint64[]){ 1 }, g_memdup2 ("gh", 2));
  tensor_set_add (set, "m.rotary_emb.inv_freq", DTYPE_F16, 1, (const guint64[]){ 1 }, g_memdup2 ("gh", 2));
  tensor_set_add (set, "v.position_ids", DTYPE_F32, 1, (const guint64[]){ 1 }, g_memdup2 ("ghij", 4));
  tensor_set_add (set, "head", DTYPE_F16, 1, (const guint64[]){ 1 }, g_memdup2 ("gh", 2));
  g_test_expect_message ("minivl", G_LOG_LEVEL_WARNING, "(memory): tensors*not read: m.rotary_emb.inv_freq, v.position_ids, head");
  g_assert_true (tensor_set_expect_only (set, names, 1, "head", &error));
  g_test_assert_expected_messages ();
  g_assert_false (tensor_set_expect_only (set, names, 1, NULL, &error));
  g_assert_nonnull (strstr (error->message, "tensor head: is surplus"));
  g_clear_error (&error);
  tensor_set_add (set, "m.qkv.lora_A", DTYPE_F16, 1, (const guint64[]){ 1 }, g_memdup2 ("gh", 2));
  g_assert_false (tensor_set_expect_only (set, names, 1, "head", &error));
  g_assert_nonnull (strstr (error->message, "tensor m.qkv.lora_A: is surplus"));
}

/* --- writing ----------------------------------------------------------------------------------------------------------------- */

static gchar *
checksum (const TensorSet *set)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);

  tensor_set_checksum (set, sum);
  return g_strdup (g_checksum_get_string (sum));
}

static void
test_written_file_is_read_back (Fixture *f, gconstpointer data)
{
  g_autofree gchar *path = g_build_filename (f->folder, "model.safetensors", NULL);
  g_autoptr (TensorSet) set = make_set (), again = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree gchar *bytes = NULL, *before = checksum (set), *after = NULL;
  g_autofree const TensorInfo **from = NULL, **to = NULL;
  guint64 header;
  guint n, m;
  gsize size;

  tensor_set_write (set, path, &error);
  g_assert_no_error (error);
  again = tensor_set_open (f->folder, &error);
  g_assert_no_error (error);
  from = tensor_set_list (set, &n);
  to = tensor_set_list (again, &m);
  g_assert_cmpuint (n, ==, m);
  for (guint i = 0; i < n; i++) {
    g_assert_cmpstr (from[i]->name, ==, to[i]->name);
    g_assert_cmpint (from[i]->dtype, ==, to[i]->dtype);
    g_assert_cmpuint (from[i]->n_dims, ==, to[i]->n_dims);
    g_assert_cmpmem (from[i]->shape, sizeof from[i]->shape, to[i]->shape, sizeof to[i]->shape);
    g_assert_cmpmem (from[i]->data, tensor_info_bytes (from[i]), to[i]->data, tensor_info_bytes (to[i]));
  }
  after = checksum (again);
  g_assert_cmpstr (before, ==, after);

  g_file_get_contents (path, &bytes, &size, &error);
  g_assert_no_error (error);
  memcpy (&header, bytes, sizeof header);
  g_assert_cmpuint (GUINT64_FROM_LE (header) % 8, ==, 0);
  g_assert_cmpuint (size, ==, 8 + GUINT64_FROM_LE (header) + 16);
  g_assert_cmpmem (bytes + 8, 35, "{\"__metadata__\":{\"format\":\"pt\"},\"odd", 35);
}

static void
test_checksum_follows_header_and_size (Fixture *f, gconstpointer data)
{
  static const gchar *const headers[] = { ONE ("a"), ONE ("b"), ONE ("a") "    " };
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (headers); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (TensorSet) set = NULL;

    put_tensors (f, "model.safetensors", headers[i], 0, 4);
    set = tensor_set_open (f->folder, &error);
    g_assert_no_error (error);
    g_assert_true (g_hash_table_add (seen, checksum (set)));
  }
}

/* Of `n` bytes that are zero but for the one at `at`. (transfer full) */
static gchar *
checksum_of_one_tensor (gsize n, gsize at)
{
  g_autoptr (TensorSet) set = tensor_set_new ();
  gchar *bytes = g_malloc0 (n);

  bytes[at] = 1;
  tensor_set_add (set, "small", DTYPE_F16, 1, (const guint64[]){ 1 }, g_memdup2 ("gh", 2));
  tensor_set_add (set, "large", DTYPE_F16, 1, (const guint64[]){ n / 2 }, bytes);
  return checksum (set);
}

/* A fine-tune has the headers and sizes of what it was made of. */
static void
test_checksum_follows_the_weights (Fixture *f, gconstpointer data)
{
  static const gsize places[] = { 0, 1, 4097, (64 << 10) - 1 };
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autofree gchar *beyond = checksum_of_one_tensor (1 << 18, 64 << 10), *last = checksum_of_one_tensor (1 << 18, (1 << 18) - 1);

  for (guint i = 0; i < G_N_ELEMENTS (places); i++)
    g_assert_true (g_hash_table_add (seen, checksum_of_one_tensor (1 << 18, places[i])));
  g_assert_false (g_hash_table_contains (seen, beyond));
  g_assert_cmpstr (beyond, ==, last); /* no more than 64 KiB of each is read */
}

static void
test_failed_write_leaves_the_old_file (Fixture *f, gconstpointer data)
{
  g_autofree gchar *path = g_build_filename (f->folder, "model.safetensors", NULL);
  g_autoptr (TensorSet) set = make_set ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = NULL;
  g_autofree gchar *bytes = NULL;
  struct rlimit old, small;
  void (*handler) (int);

  put (f, "model.safetensors", "old", 3);
  getrlimit (RLIMIT_FSIZE, &old);
  small = old;
  small.rlim_cur = 16;
  handler = signal (SIGXFSZ, SIG_IGN);
  setrlimit (RLIMIT_FSIZE, &small);
  g_assert_false (tensor_set_write (set, path, &error));
  setrlimit (RLIMIT_FSIZE, &old);
  signal (SIGXFSZ, handler);
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE);
  g_assert_nonnull (strstr (error->message, path));
  g_assert_nonnull (strstr (error->message, "cannot be written"));

  g_file_get_contents (path, &bytes, NULL, NULL);
  g_assert_cmpstr (bytes, ==, "old");
  dir = g_dir_open (f->folder, 0, NULL);
  g_assert_cmpstr (g_dir_read_name (dir), ==, "model.safetensors");
  g_assert_null (g_dir_read_name (dir));
}

static void
test_write_into_no_folder_is_refused (void)
{
  g_autoptr (TensorSet) set = make_set ();
  g_autoptr (GError) error = NULL;

  g_assert_false (tensor_set_write (set, "/nonexistent/x.safetensors", &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE);
  g_assert_nonnull (strstr (error->message, "/nonexistent/x.safetensors"));
}

/* Random damage to header and length is an error or a set whose every byte can be read. */
static void
test_damage_does_no_harm (Fixture *f, gconstpointer data)
{
  g_autofree gchar *path = g_build_filename (f->folder, "model.safetensors", NULL);
  g_autoptr (TensorSet) set = make_set ();
  g_autoptr (GError) write_error = NULL;
  g_autofree gchar *bytes = NULL;
  guint read = 0, rounds = 2000;
  gsize size;

  tensor_set_write (set, path, &write_error);
  g_assert_no_error (write_error);
  g_file_get_contents (path, &bytes, &size, &write_error);
  g_assert_no_error (write_error);
  for (guint i = 0; i < rounds; i++) {
    g_autofree gchar *damaged = g_memdup2 (bytes, size);
    g_autoptr (GError) error = NULL;
    g_autoptr (TensorSet) again = NULL;

    for (guint k = g_test_rand_int_range (1, 4); k > 0; k--)
      damaged[g_test_rand_int_range (0, size)] = "0123456789-\"{}[],: aFB\\\xff"[g_test_rand_int_range (0, 24)];
    put (f, "model.safetensors", damaged, g_test_rand_int_range (0, 8) > 0 ? size : (gsize)g_test_rand_int_range (0, size));
    again = tensor_set_open (f->folder, &error);
    if (again != NULL) {
      g_autofree const TensorInfo **list = NULL;
      guint n;

      list = tensor_set_list (again, &n);
      for (guint k = 0; k < n; k++) {
        g_autofree gpointer copy = g_memdup2 (list[k]->data, tensor_info_bytes (list[k]));

        g_assert_nonnull (copy);
      }
      read++;
    } else {
      g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE);
    }
  }
  g_test_message ("%u of %u were read", read, rounds);
  g_assert_cmpuint (read, >, 0);
  g_assert_cmpuint (read, <, rounds);
}

#define ADD(name, function) g_test_add ("/safetensors/" name, Fixture, NULL, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++) {
    g_autofree gchar *path = g_strconcat ("/safetensors/refused/", refusals[i].name, NULL);

    g_test_add (path, Fixture, &refusals[i], set_up, test_refused, tear_down);
  }
  for (guint i = 0; i < G_N_ELEMENTS (index_refusals); i++) {
    g_autofree gchar *path = g_strconcat ("/safetensors/index-refused/", index_refusals[i].name, NULL);

    g_test_add (path, Fixture, &index_refusals[i], set_up, test_index_refused, tear_down);
  }
  ADD ("header-length-is-checked", test_header_length_is_checked);
  ADD ("misaligned-data-is-refused", test_misaligned_data_is_refused);
  ADD ("empty-folder-is-refused", test_empty_folder_is_refused);
  ADD ("single-file-is-read", test_single_file_is_read);
  ADD ("tensor-in-two-shards-is-refused", test_tensor_in_two_shards_is_refused);
  ADD ("shards-are-read", test_shards_are_read);
  g_test_add_func ("/safetensors/expected-shape-is-checked", test_expected_shape_is_checked);
  g_test_add_func ("/safetensors/surplus-tensor-is-named", test_surplus_tensor_is_named);
  g_test_add_func ("/safetensors/harmless-surplus-is-warned-of-once", test_harmless_surplus_is_warned_of_once);
  ADD ("foreign-types-are-no-tensors", test_foreign_types_are_no_tensors);
  ADD ("written-file-is-read-back", test_written_file_is_read_back);
  ADD ("checksum-follows-header-and-size", test_checksum_follows_header_and_size);
  ADD ("checksum-follows-the-weights", test_checksum_follows_the_weights);
  ADD ("failed-write-leaves-the-old-file", test_failed_write_leaves_the_old_file);
  g_test_add_func ("/safetensors/write-into-no-folder-is-refused", test_write_into_no_folder_is_refused);
  ADD ("damage-does-no-harm", test_damage_does_no_harm);
  return g_test_run ();
}
