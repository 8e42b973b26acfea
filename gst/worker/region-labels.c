#include "region-labels.h"

gchar *
region_labels (const GPtrArray *frames)
{
  g_autoptr (GPtrArray) labels = g_ptr_array_new ();
  gboolean any = FALSE;

  for (guint i = 0; i < frames->len; i++) {
    const gchar *label = ((const Frame *)g_ptr_array_index (frames, i))->label;

    any = any || label != NULL;
    if (label != NULL && label[0] != '\0' && !g_ptr_array_find (labels, label, NULL)) /* interned */
      g_ptr_array_add (labels, (gchar *)label);
  }
  if (!any)
    return NULL;
  g_ptr_array_add (labels, NULL);
  return g_strjoinv (", ", (gchar **)labels->pdata);
}
