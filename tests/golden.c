#include "golden.h"

#include <json-glib/json-glib.h>
#include <string.h>

struct _Golden
{
  GMappedFile *file;
  JsonParser *parser;
  JsonObject *header; /* of the parser */
  const gchar *data;
};

Golden *
golden_open (const gchar *path, GError **error)
{
  g_autoptr (Golden) g = g_new0 (Golden, 1);
  const gchar *bytes;
  guint64 length;

  g->file = g_mapped_file_new (path, FALSE, error);
  if (!g->file)
    return NULL;
  bytes = g_mapped_file_get_contents (g->file);
  memcpy (&length, bytes, sizeof length);
  length = GUINT64_FROM_LE (length);
  g->parser = json_parser_new_immutable ();
  if (!json_parser_load_from_data (g->parser, bytes + 8, length, error))
    return NULL;
  g->header = json_node_get_object (json_parser_get_root (g->parser));
  g->data = bytes + 8 + length;
  return g_steal_pointer (&g);
}

void
golden_free (Golden *g)
{
  if (!g)
    return;
  g_clear_object (&g->parser);
  g_clear_pointer (&g->file, g_mapped_file_unref);
  g_free (g);
}

static gconstpointer
find (const Golden *g, const gchar *name, const gchar *dtype, gsize *n)
{
  JsonObject *tensor;
  JsonArray *offsets;

  if (!json_object_has_member (g->header, name))
    return NULL;
  tensor = json_object_get_object_member (g->header, name);
  if (g_strcmp0 (json_object_get_string_member (tensor, "dtype"), dtype) != 0)
    return NULL;
  offsets = json_object_get_array_member (tensor, "data_offsets");
  *n = (json_array_get_int_element (offsets, 1) - json_array_get_int_element (offsets, 0)) / 4;
  return g->data + json_array_get_int_element (offsets, 0);
}

const float *
golden_floats (const Golden *g, const gchar *name, gsize *n)
{
  return find (g, name, "F32", n);
}

const gint32 *
golden_ints (const Golden *g, const gchar *name, gsize *n)
{
  return find (g, name, "I32", n);
}

gchar **
golden_names (const Golden *g)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  g_autoptr (GList) members = json_object_get_members (g->header);

  for (GList *l = members; l; l = l->next)
    if (g_strcmp0 (l->data, "__metadata__") != 0)
      g_ptr_array_add (names, g_strdup (l->data));
  g_ptr_array_add (names, NULL);
  return (gchar **)g_ptr_array_free (g_steal_pointer (&names), FALSE);
}

static double
mean (const float *a, gsize n)
{
  double sum = 0.0;

  for (gsize i = 0; i < n; i++)
    sum += a[i];
  return sum / n;
}

static double
nmse (const float *a, double mean_a, const float *b, double mean_b, gsize n)
{
  double error = 0.0, power = 0.0;

  for (gsize i = 0; i < n; i++) {
    double wanted = b[i] - mean_b, off = a[i] - mean_a - wanted;

    error += off * off;
    power += wanted * wanted;
  }
  return power > 0.0 ? error / power : error;
}

double
golden_nmse (const float *a, const float *b, gsize n)
{
  return nmse (a, 0.0, b, 0.0, n);
}

double
golden_nmse_less_mean (const float *a, const float *b, gsize n)
{
  return nmse (a, mean (a, n), b, mean (b, n), n);
}
