/* The file of converted weights: see converted.h. */
#include "converted.h"
#include "safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Of how the numbers lie in the blocks, and of what is in the file. */
#define LAYOUT "1"
#define SUMS "minivl.checksums"
/* Where the data begins: whole pages, which a device could import. */
#define ALIGN 4096
#define PREFIX "weights-"
#define SUFFIX ".safetensors"
#define TEMPORARY SUFFIX "."
/* Left free for everybody else. */
#define SPARE (G_GUINT64_CONSTANT (64) << 20)
#define LANES 4
#define PRIME G_GUINT64_CONSTANT (0x9E3779B185EBCA87)

struct _Converted
{
  gchar *folder, *path;
  GArray *tensors;  /* ConvertedTensor */
  guint64 *offsets; /* in the file, of each tensor, of the sums and of the end */
  GString *header;

  GMappedFile *map; /* of the file that is read */

  gchar *temporary; /* of the file that is written */
  gint fd;          /* -1: none is */
  guint64 *sums;
  guint n_sums;
};

static const ConvertedTensor *
tensor_of (const Converted *c, guint i)
{
  return &g_array_index (c->tensors, ConvertedTensor, i);
}

static void
tensor_clear (gpointer data)
{
  g_free (((ConvertedTensor *)data)->name);
}

/* --- the header -------------------------------------------------------------------------------------------------------------- */

static void
append_entry (GString *out, const gchar *name, guint64 a, guint64 b, guint64 *at)
{
  g_string_append_c (out, ',');
  tensors_append_quoted (out, name);
  g_string_append_printf (out,
      ":{\"dtype\":\"U8\",\"shape\":[%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT "],\"data_offsets\":[%" G_GUINT64_FORMAT
      ",%" G_GUINT64_FORMAT "]}",
      a, b, *at, *at + a * b);
  *at += a * b;
}

static void
make_header (Converted *c, const gchar *source, const gchar *identity)
{
  g_autofree gchar *valid = g_utf8_make_valid (source, -1);
  GString *out = g_string_new ("12345678{\"__metadata__\":{\"layout\":\"" LAYOUT "\",\"identity\":");
  guint64 at = 0, length;
  guint i;

  tensors_append_quoted (out, identity);
  g_string_append (out, ",\"source\":");
  tensors_append_quoted (out, valid);
  g_string_append_c (out, '}');
  c->offsets = g_new (guint64, c->tensors->len + 2);
  for (i = 0; i < c->tensors->len; i++) {
    c->offsets[i] = at;
    append_entry (out, tensor_of (c, i)->name, tensor_of (c, i)->octets, tensor_of (c, i)->octet_bytes, &at);
  }
  c->offsets[i] = at;
  append_entry (out, SUMS, c->tensors->len, sizeof (guint64), &at);
  c->offsets[i + 1] = at;
  g_string_append_c (out, '}');
  while (out->len % ALIGN != 0)
    g_string_append_c (out, ' ');
  length = GUINT64_TO_LE (out->len - sizeof length);
  memcpy (out->str, &length, sizeof length);
  for (i = 0; i < c->tensors->len + 2; i++)
    c->offsets[i] += out->len;
  c->header = out;
}

Converted *
converted_new (const gchar *folder, const gchar *source, const gchar *identity, GArray *tensors)
{
  Converted *c = g_new0 (Converted, 1);
  g_autofree gchar *sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, source, -1);
  g_autofree gchar *name = g_strdup_printf (PREFIX "%.16s" SUFFIX, sum);

  c->folder = g_strdup (folder);
  c->path = g_build_filename (folder, name, NULL);
  c->fd = -1;
  c->tensors = tensors;
  g_array_set_clear_func (tensors, tensor_clear);
  make_header (c, source, identity);
  return c;
}

static void
give_up (Converted *c)
{
  if (c->fd < 0)
    return;
  g_unlink (c->temporary);
  close (c->fd);
  c->fd = -1;
}

void
converted_free (Converted *c)
{
  if (c == NULL)
    return;
  give_up (c);
  g_clear_pointer (&c->map, g_mapped_file_unref);
  g_array_unref (c->tensors);
  g_string_free (c->header, TRUE);
  g_free (c->offsets);
  g_free (c->sums);
  g_free (c->temporary);
  g_free (c->folder);
  g_free (c->path);
  g_free (c);
}

/* --- reading ----------------------------------------------------------------------------------------------------------------- */

gboolean
converted_open (Converted *c)
{
  GMappedFile *map = g_mapped_file_new (c->path, FALSE, NULL);

  if (map != NULL && g_mapped_file_get_length (map) == c->offsets[c->tensors->len + 1]
      && memcmp (g_mapped_file_get_contents (map), c->header->str, c->header->len) == 0) {
    c->map = map;
    return TRUE;
  }
  if (map != NULL)
    g_mapped_file_unref (map);
  return FALSE;
}

gboolean
converted_is_open (const Converted *c)
{
  return c->map != NULL;
}

const guint8 *
converted_data (const Converted *c, guint i)
{
  return (const guint8 *)g_mapped_file_get_contents (c->map) + c->offsets[i];
}

static void
advise (const Converted *c, guint i, guint64 offset, guint64 bytes, gint advice)
{
  const guintptr page = sysconf (_SC_PAGESIZE);
  guintptr begin = (guintptr)converted_data (c, i) + offset, end;

  end = begin + MIN (bytes, c->offsets[c->tensors->len] - c->offsets[i] - offset);
  begin -= begin % page;
  madvise ((gpointer)begin, end - begin, advice); /* a kernel that knows no such advice does without */
}

void
converted_expect (const Converted *c, guint i, guint64 offset, guint64 bytes)
{
  advise (c, i, offset, bytes, MADV_WILLNEED);
}

void
converted_forget (const Converted *c, guint i, guint64 offset, guint64 bytes)
{
  advise (c, i, offset, bytes, MADV_DONTNEED);
}

/* Each step is one to one in what was summed so far, so that no change of one word is missed. */
static guint64
sum_octet (const guint8 *bytes, guint64 n, guint64 number)
{
  guint64 lanes[LANES], words[LANES], sum = number * PRIME + n;

  for (guint k = 0; k < LANES; k++)
    lanes[k] = number + k;
  for (; n > 0; bytes += sizeof words) {
    guint64 here = MIN (n, sizeof words);

    if (here < sizeof words)
      memset (words, 0, sizeof words);
    memcpy (words, bytes, here);
    for (guint k = 0; k < LANES; k++)
      lanes[k] = (lanes[k] ^ GUINT64_FROM_LE (words[k])) * PRIME;
    n -= here;
  }
  for (guint k = 0; k < LANES; k++)
    sum = ((sum ^ lanes[k]) * PRIME) ^ (sum >> 29);
  return sum;
}

guint64
converted_sum (const guint8 *octets, guint64 first, guint64 n, guint64 octet_bytes)
{
  guint64 sum = 0;

  for (guint64 i = 0; i < n; i++)
    sum += sum_octet (octets + i * octet_bytes, octet_bytes, first + i);
  return sum;
}

gboolean
converted_is_whole (const Converted *c, guint i, guint64 sum)
{
  guint64 there;

  memcpy (&there, converted_data (c, c->tensors->len) + i * sizeof there, sizeof there);
  return GUINT64_FROM_LE (there) == sum;
}

/* --- writing ----------------------------------------------------------------------------------------------------------------- */

static gboolean G_GNUC_PRINTF (2, 3) warn (Converted *c, const gchar *format, ...)
{
  g_autofree gchar *why = NULL;
  va_list args;

  va_start (args, format);
  why = g_strdup_vprintf (format, args);
  va_end (args);
  g_warning ("%s: the converted weights are not kept, so the next start converts them again: %s", c->path, why);
  give_up (c);
  return FALSE;
}

static gboolean
write_all (Converted *c, gconstpointer bytes, gsize n)
{
  for (gsize done = 0; done < n;) {
    gssize wrote = write (c->fd, (const guint8 *)bytes + done, n - done);

    if (wrote < 0 && errno != EINTR)
      return warn (c, "%s", g_strerror (errno));
    done += MAX (wrote, 0);
  }
  return TRUE;
}

gboolean
converted_is_file (const gchar *name, gboolean *temporary)
{
  *temporary = strstr (name, TEMPORARY) != NULL;
  return g_str_has_prefix (name, PREFIX) && (*temporary || g_str_has_suffix (name, SUFFIX));
}

/* Under the lock, so that who has just made it and waits for the lock sees that it is gone. */
gboolean
converted_remove_abandoned (const gchar *path)
{
  gint fd = g_open (path, O_RDONLY | O_CLOEXEC, 0);
  gboolean removed = fd >= 0 && flock (fd, LOCK_EX | LOCK_NB) == 0 && g_unlink (path) == 0;

  if (fd >= 0)
    close (fd);
  return removed;
}

/* A new file, locked. */
static gint
make_temporary (Converted *c)
{
  struct stat file;
  gint fd;

  do {
    g_free (c->temporary);
    c->temporary = g_strconcat (c->path, ".XXXXXX", NULL);
    fd = g_mkstemp_full (c->temporary, O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 || flock (fd, LOCK_EX) != 0) /* without locks it may be swept away, and is not kept then */
      break;
    if (fstat (fd, &file) != 0 || file.st_nlink > 0)
      break;
    close (fd);
  } while (TRUE);
  return fd;
}

/* What processes left that were killed. */
static void
sweep (const Converted *c)
{
  g_autoptr (GDir) dir = g_dir_open (c->folder, 0, NULL);
  const gchar *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree gchar *path = g_build_filename (c->folder, name, NULL);
    gboolean temporary;

    if (converted_is_file (name, &temporary) && temporary)
      converted_remove_abandoned (path);
  }
}

gboolean
converted_begin (Converted *c)
{
  const guint64 size = c->offsets[c->tensors->len + 1];
  struct statvfs there;

  g_clear_pointer (&c->map, g_mapped_file_unref);
  c->n_sums = 0;
  if (g_mkdir_with_parents (c->folder, 0700) != 0)
    return warn (c, "%s", g_strerror (errno));
  sweep (c);
  if (statvfs (c->folder, &there) == 0 && (guint64)there.f_bavail * there.f_frsize < size + SPARE) {
    g_autofree gchar *needed = g_format_size_full (size + SPARE, G_FORMAT_SIZE_IEC_UNITS);
    g_autofree gchar *left = g_format_size_full ((guint64)there.f_bavail * there.f_frsize, G_FORMAT_SIZE_IEC_UNITS);

    return warn (c, "%s are needed on the disk, and %s are free", needed, left);
  }
  c->fd = make_temporary (c);
  if (c->fd < 0)
    return warn (c, "%s", g_strerror (errno));
  if (c->sums == NULL)
    c->sums = g_new (guint64, c->tensors->len);
  return write_all (c, c->header->str, c->header->len);
}

gboolean
converted_is_begun (const Converted *c)
{
  return c->fd >= 0;
}

void
converted_append (Converted *c, gconstpointer bytes, gsize n)
{
  if (c->fd >= 0)
    write_all (c, bytes, n);
}

void
converted_append_sum (Converted *c, guint64 sum)
{
  c->sums[c->n_sums++] = GUINT64_TO_LE (sum);
}

/* Not synced, which takes as long as the disk does: what a crash of the machine leaves shows by its checksums. */
void
converted_finish (Converted *c)
{
  gint fd = c->fd;

  if (fd < 0)
    return;
  g_assert (c->n_sums == c->tensors->len);
  if (!write_all (c, c->sums, c->n_sums * sizeof *c->sums))
    return;
  if (g_rename (c->temporary, c->path) != 0) {
    warn (c, "%s", g_strerror (errno));
    return;
  }
  c->fd = -1;
  close (fd);
}
