#include "stages.h"

#include <string.h>

void
stage_give (const gchar *name, const Tensor *t, guint rows, StageFunc on_stage, gpointer user_data)
{
  const float *data = tensor_map (t);
  g_autofree float *packed = g_new (float, (gsize)rows * t->cols);

  for (guint r = 0; r < rows; r++)
    memcpy (packed + (gsize)r * t->cols, data + (gsize)r * t->stride, t->cols * sizeof (float));
  on_stage (name, packed, rows, t->cols, user_data);
}
