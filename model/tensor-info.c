/* What is known of a tensor without a file: its type, its size, and what a safetensors file says of it. */
#include "safetensors.h"

#include <string.h>

#define HEADER_ALIGN 8

static const struct
{
  const gchar *name;
  guint size;
} dtypes[] = { [DTYPE_F32] = { "F32", 4 }, [DTYPE_F16] = { "F16", 2 }, [DTYPE_BF16] = { "BF16", 2 } };

guint
dtype_size (Dtype dtype)
{
  return dtypes[dtype].size;
}

const gchar *
dtype_name (Dtype dtype)
{
  return dtypes[dtype].name;
}

guint64
tensor_elements (const TensorInfo *t)
{
  guint64 n = 1;

  for (guint i = 0; i < t->n_dims; i++)
    n *= t->shape[i];
  return n;
}

guint64
tensor_info_bytes (const TensorInfo *t)
{
  return tensor_elements (t) * dtype_size (t->dtype);
}

gboolean
dtype_parse (const gchar *name, Dtype *dtype)
{
  for (guint i = 0; i < G_N_ELEMENTS (dtypes); i++)
    if (strcmp (dtypes[i].name, name) == 0) {
      *dtype = i;
      return TRUE;
    }
  return FALSE;
}

gchar *
tensor_shape_text (guint n_dims, const guint64 *shape)
{
  GString *text = g_string_new ("[");

  for (guint i = 0; i < n_dims; i++)
    g_string_append_printf (text, "%s%" G_GUINT64_FORMAT, i > 0 ? ", " : "", shape[i]);
  g_string_append_c (text, ']');
  return g_string_free (text, FALSE);
}

void
tensors_append_quoted (GString *out, const gchar *text)
{
  g_string_append_c (out, '"');
  for (; *text != '\0'; text++) {
    if (*text == '"' || *text == '\\')
      g_string_append_c (out, '\\');
    if ((guchar)*text < 0x20)
      g_string_append_printf (out, "\\u%04x", *text);
    else
      g_string_append_c (out, *text);
  }
  g_string_append_c (out, '"');
}

GString *
tensors_header (const TensorInfo *const *tensors, guint n, guint64 *data_bytes)
{
  GString *out = g_string_new ("12345678{\"__metadata__\":{\"format\":\"pt\"}");
  guint64 at = 0, length;

  for (guint i = 0; i < n; i++) {
    g_string_append_c (out, ',');
    tensors_append_quoted (out, tensors[i]->name);
    g_string_append_printf (out, ":{\"dtype\":\"%s\",\"shape\":[", dtype_name (tensors[i]->dtype));
    for (guint k = 0; k < tensors[i]->n_dims; k++)
      g_string_append_printf (out, "%s%" G_GUINT64_FORMAT, k > 0 ? "," : "", tensors[i]->shape[k]);
    g_string_append_printf (
        out, "],\"data_offsets\":[%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT "]}", at, at + tensor_info_bytes (tensors[i]));
    at += tensor_info_bytes (tensors[i]);
  }
  g_string_append_c (out, '}');
  while (out->len % HEADER_ALIGN != 0)
    g_string_append_c (out, ' ');
  length = GUINT64_TO_LE (out->len - sizeof length);
  memcpy (out->str, &length, sizeof length);
  *data_bytes = at;
  return out;
}
