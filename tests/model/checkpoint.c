#include "checkpoint.h"

#include <glib/gstdio.h>

#include "../host/trained.h"
#include "../program.h"

static void
must_run (const gchar *const *argv)
{
  g_auto (ProgramResult) r = { 0 };

  program_run (argv, &r);
  if (r.code != 0)
    g_printerr ("%s: exit %d\n%s", argv[0], r.code, r.err);
  g_assert_cmpint (r.code, ==, 0);
}

gchar *
checkpoint_make (const gchar *parent)
{
  gchar *folder = g_build_filename (parent, "model", NULL);
  const gchar *argv[] = { MAKE_CHECKPOINT, TEST_DATA "/demo-config.json", folder, "--tokenizer", trained_folder (), NULL };

  must_run (argv);
  trained_clear ();
  return folder;
}

gchar *
checkpoint_variant (const gchar *model, const gchar *name, const gchar *without, const gchar *from, const gchar *to)
{
  g_autofree gchar *parent = g_path_get_dirname (model);
  gchar *path = g_build_filename (parent, name, NULL);
  g_autoptr (GDir) dir = g_dir_open (model, 0, NULL);
  const gchar *file;

  g_assert_cmpint (g_mkdir (path, 0777), ==, 0);
  while ((file = g_dir_read_name (dir))) {
    g_autofree gchar *source = g_build_filename (model, file, NULL), *target = g_build_filename (path, file, NULL), *text = NULL;
    g_autoptr (GString) changed = NULL;
    gsize n;

    if (g_strcmp0 (file, without) == 0)
      continue;
    g_assert_true (g_file_get_contents (source, &text, &n, NULL));
    changed = g_string_new_len (text, n);
    if (from && g_str_equal (file, "config.json"))
      g_assert_cmpuint (g_string_replace (changed, from, to, 0), ==, 1);
    g_assert_true (g_file_set_contents (target, changed->str, changed->len, NULL));
  }
  return path;
}

void
checkpoint_remove (const gchar *folder)
{
  const gchar *argv[] = { "/bin/rm", "-rf", folder, NULL };

  must_run (argv);
}
