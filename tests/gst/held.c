#include "held.h"

#include <unistd.h>

#define PATIENCE (60 * G_TIME_SPAN_SECOND)

guint
held_entries (const gchar *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  guint n = 0;

  g_assert_nonnull (dir);
  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

gint64
held_bytes (void)
{
  g_autofree gchar *text = NULL;
  g_auto (GStrv) pages = NULL;

  g_assert_true (g_file_get_contents ("/proc/self/statm", &text, NULL, NULL));
  pages = g_strsplit (text, " ", 3);
  return g_ascii_strtoll (pages[1], NULL, 10) * sysconf (_SC_PAGESIZE);
}

/* Threads of pools may linger: g_thread_pool_stop_unused_threads() tells them to go and, before all have heard it, allows them to
 * stay. */
guint
held_threads (guint expected)
{
  gint64 end = g_get_monotonic_time () + PATIENCE;
  guint n;

  g_thread_pool_stop_unused_threads ();
  while ((n = held_entries ("/proc/self/task")) > expected && g_get_monotonic_time () < end)
    g_usleep (1000);
  return n;
}
