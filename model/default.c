#define _GNU_SOURCE /* dladdr */
#include "minivl.h"

#include <dlfcn.h>
#include <stdlib.h>

/* In the build tree beside the library, and where things are installed. */
static const gchar *const places[] = { "demo-model", DEMO_MODEL_FROM_LIBDIR };

gchar *
minivl_default_model_path (void)
{
  g_autofree gchar *folder = NULL;
  char *library;
  Dl_info info;

  /* Of a variable: the address of a function may be the program's own, in one that takes it. */
  if (!dladdr (places, &info))
    return NULL;
  /* Links are followed, or `..` would lead out of /lib instead of /usr/lib. */
  library = realpath (info.dli_fname, NULL);
  if (!library)
    return NULL;
  folder = g_path_get_dirname (library);
  free (library);
  for (guint i = 0; i < G_N_ELEMENTS (places); i++) {
    g_autofree gchar *path = g_canonicalize_filename (places[i], folder);
    g_autofree gchar *config = g_build_filename (path, "config.json", NULL);

    if (g_file_test (config, G_FILE_TEST_IS_REGULAR))
      return g_steal_pointer (&path);
  }
  return NULL;
}
