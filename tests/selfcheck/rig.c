#include "rig.h"

#include <glib/gstdio.h>

#include "ops/harness.h"
#include "ops/survey.h"

Device *
rig_open (const Rig *f, gboolean storage_form, guint local)
{
  const DeviceOptions options = { .cache_dir = f->folder, .storage_form = storage_form, .local = local };

  return harness_device (&options);
}

guint
rig_keep_only (OpStream *survey, const gchar *op)
{
  GHashTable *variants = op_survey_variants (survey, NULL);
  GHashTableIter iter;
  gpointer name;

  g_hash_table_iter_init (&iter, variants);
  while (g_hash_table_iter_next (&iter, NULL, &name))
    if (!g_str_equal (name, op))
      g_hash_table_iter_remove (&iter);
  return g_hash_table_size (variants);
}

SelfCheck
rig_check (const Rig *f, const gchar *op, TensorType weights, KvType kv, GError **error)
{
  g_autoptr (Device) dev = rig_open (f, FALSE, 0);
  g_autoptr (OpStream) survey = survey_model (dev, weights, kv);
  SelfCheck result;
  gboolean ok;

  if (op)
    rig_keep_only (survey, op);
  ok = device_self_check (dev, survey, &result, error);
  g_assert_true (ok == (*error == NULL));
  /* Variants that have passed before cost no pipeline and no submit. */
  g_assert_true ((g_hash_table_size (dev->pipelines) == 0) == (result.checked == 0));
  return result;
}

void
rig_set_up (Rig *f, gconstpointer data)
{
  g_autoptr (Device) dev = NULL;
  g_autofree gchar *name = NULL;

  f->folder = g_dir_make_tmp ("minivl-verdict-XXXXXX", NULL);
  g_assert_nonnull (f->folder);
  dev = rig_open (f, FALSE, 0);
  name = g_strdup_printf ("self-check-%s-%08x.txt", dev->info.uuid, dev->driver_version);
  f->file = g_build_filename (f->folder, name, NULL);
}

void
rig_tear_down (Rig *f, gconstpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (f->folder, 0, NULL);
  const gchar *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree gchar *path = g_build_filename (f->folder, name, NULL);

    g_chmod (path, 0600);
    g_remove (path);
  }
  g_rmdir (f->folder);
  g_free (f->folder);
  g_free (f->file);
}
