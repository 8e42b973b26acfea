/*
 * How much memory the host has for this process, in all and left. CPU and integrated devices use it, whatever heap their driver
 * reports.
 */
#include "vk.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

static gboolean
read_number (const gchar *folder, const gchar *name, guint64 *value)
{
  g_autofree gchar *path = g_build_filename (folder, name, NULL);
  g_autofree gchar *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL) || !g_ascii_isdigit (text[0]))
    return FALSE; /* "max" is no limit */
  *value = g_ascii_strtoull (text, NULL, 10);
  return TRUE;
}

/* The number behind a key at the start of a line; 0 when there is none. */
static guint64
read_key (const gchar *folder, const gchar *name, const gchar *key)
{
  g_autofree gchar *path = g_build_filename (folder, name, NULL);
  g_autofree gchar *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return 0;
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    if (g_str_has_prefix (lines[i], key))
      return g_ascii_strtoull (lines[i] + strlen (key), NULL, 10);
  }
  return 0;
}

/* Where there is no /proc, as in a bare chroot: less than MemAvailable, because file pages count as used. */
static guint64
memory_unused (void)
{
  struct sysinfo info;

  return sysinfo (&info) == 0 ? ((guint64)info.freeram + info.bufferram) * info.mem_unit : 0;
}

static guint64
memory_installed (void)
{
  struct sysinfo info;

  return sysinfo (&info) == 0 ? (guint64)info.totalram * info.mem_unit : 0;
}

typedef struct
{
  const gchar *mount, *limit, *usage, *cached;
} CgroupFiles;

static const CgroupFiles cgroup_v1 = { "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
  "total_inactive_file " };
static const CgroupFiles cgroup_v2 = { "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file " };

/* What one cgroup allows, or leaves; no limit is G_MAXUINT64. */
typedef guint64 (*CgroupFunc) (const gchar *folder, const CgroupFiles *files);

static guint64
cgroup_limit (const gchar *folder, const CgroupFiles *files)
{
  guint64 limit;

  return read_number (folder, files->limit, &limit) ? limit : G_MAXUINT64;
}

static guint64
cgroup_left (const gchar *folder, const CgroupFiles *files)
{
  guint64 limit = cgroup_limit (folder, files), usage;

  if (limit == G_MAXUINT64 || !read_number (folder, files->usage, &usage))
    return G_MAXUINT64;
  /* Inactive file pages count as used, but are freed under pressure. */
  usage -= MIN (usage, read_key (folder, "memory.stat", files->cached));
  return limit - MIN (limit, usage);
}

/* The least of the cgroup at path and those above it. In a container the path may be the host's and not exist here: then only the
 * mount itself counts. */
static guint64
cgroup_least (const gchar *root, const CgroupFiles *files, const gchar *path, CgroupFunc func)
{
  g_autofree gchar *inner = g_strdup (path);
  guint64 least = G_MAXUINT64;

  while (TRUE) {
    g_autofree gchar *folder = g_build_filename (root, files->mount, inner, NULL);
    gchar *slash = strrchr (inner, '/');

    least = MIN (least, func (folder, files));
    if (!slash)
      return least;
    *slash = '\0';
  }
}

static guint64
cgroups_least (const gchar *root, CgroupFunc func)
{
  g_autofree gchar *path = g_build_filename (root, "proc", "self", "cgroup", NULL);
  g_autofree gchar *text = NULL;
  g_auto (GStrv) lines = NULL;
  guint64 least = G_MAXUINT64;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return least;
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    g_auto (GStrv) fields = g_strsplit (lines[i], ":", 3); /* number : controllers : path */
    if (g_strv_length (fields) != 3)
      continue;
    g_auto (GStrv) controllers = g_strsplit (fields[1], ",", -1);
    if (fields[1][0] == '\0')
      least = MIN (least, cgroup_least (root, &cgroup_v2, fields[2], func));
    else if (g_strv_contains ((const gchar *const *)controllers, "memory"))
      least = MIN (least, cgroup_least (root, &cgroup_v1, fields[2], func));
  }
  return least;
}

guint64
host_memory_available (const gchar *root)
{
  g_autofree gchar *proc = g_build_filename (root, "proc", NULL);
  guint64 available = read_key (proc, "meminfo", "MemAvailable:") * 1024;

  return MIN (available ? available : memory_unused (), cgroups_least (root, cgroup_left));
}

guint64
host_memory_total (const gchar *root)
{
  g_autofree gchar *proc = g_build_filename (root, "proc", NULL);
  guint64 total = read_key (proc, "meminfo", "MemTotal:") * 1024;

  return MIN (total ? total : memory_installed (), cgroups_least (root, cgroup_limit));
}

void
host_memory_large_pages (gpointer memory, gsize bytes)
{
  const gsize page = sysconf (_SC_PAGESIZE);
  guintptr first = ((guintptr)memory + page - 1) / page * page, end = ((guintptr)memory + bytes) / page * page;

  if (first < end)
    madvise ((gpointer)first, end - first, MADV_HUGEPAGE);
}
