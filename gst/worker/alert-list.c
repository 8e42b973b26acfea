#include "alert-list.h"

GStrv
alert_list (const gchar *property)
{
  g_auto (GStrv) parts = g_strsplit_set (property != NULL ? property : "", ";\r\n", -1);
  g_autoptr (GStrvBuilder) list = g_strv_builder_new ();
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; parts[i] != NULL; i++)
    if (g_strstrip (parts[i])[0] != '\0' && g_hash_table_add (seen, parts[i]))
      g_strv_builder_add (list, parts[i]);
  return g_strv_builder_end (list);
}
