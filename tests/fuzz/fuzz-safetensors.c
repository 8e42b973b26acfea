/* Safetensors: one file, or an index and two. What is accepted can be read from end to end, and written again. */
#include "model/safetensors.h"
#include "parts.h"

#include <string.h>

#define INDEX "model.safetensors.index.json"
#define SINGLE "model.safetensors"

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  fuzz_quiet ();
  return 0;
}

static guint
sum_bytes (const TensorInfo *t)
{
  const guint8 *bytes = t->data;
  guint sum = 0;

  for (guint64 i = 0; i < tensor_info_bytes (t); i++)
    sum += bytes[i];
  return sum;
}

static void
check_set (const TensorSet *set)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autoptr (TensorSet) again = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree gchar *copy = g_build_filename (scratch_folder (), SINGLE, NULL);
  g_autofree const TensorInfo **list = NULL;
  guint n;

  tensor_set_checksum (set, sum);
  list = tensor_set_list (set, &n);
  g_assert (tensor_set_write (set, copy, &error));
  again = tensor_set_open (scratch_folder (), &error);
  g_assert (again && !error);
  for (guint i = 0; i < n; i++) {
    const TensorInfo *t = list[i], *same = tensor_set_lookup (again, t->name);

    g_assert (tensor_set_lookup (set, t->name) == t && tensor_set_expect (set, t->name, t->n_dims, t->shape, NULL) == t);
    g_assert (same && same->dtype == t->dtype && same->n_dims == t->n_dims);
    g_assert (memcmp (same->shape, t->shape, sizeof t->shape) == 0 && sum_bytes (same) == sum_bytes (t));
  }
  g_assert (!tensor_set_expect (set, "no such tensor", 0, NULL, NULL));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  Part rest = { data, size }, index = part_take (&rest);
  g_autoptr (TensorSet) set = NULL;
  g_autoptr (GError) error = NULL;

  if (index.size > 0) {
    scratch_write (INDEX, index);
    scratch_write ("model-1.safetensors", part_take (&rest));
    scratch_write ("model-2.safetensors", rest);
  } else
    scratch_write (SINGLE, rest);
  set = tensor_set_open (scratch_folder (), &error);
  scratch_remove (INDEX);
  g_assert (set ? !error : error && error->domain == MINIVL_ERROR);
  if (set)
    check_set (set);
  return 0;
}
