/*
 * The self-check: whether a device computes what the plain C twins do, and the memory of it on disk.
 */
#include "selfcheck.h"

#include <errno.h>
#include <string.h>

#define FIRST_LINE "minivl self-check 2" /* goes up when the cases change */
#define MAX_BYTES (64u << 10)            /* a larger file holds what older versions left: it is started again */

/* --- what is remembered ----------------------------------------------------------------------------------------------------- */

/* Hexadecimal digests, one for each variant that passed. The file is lines: the first one, the device's digest, the variants', and
 * the digest of all that comes before. Failures are not kept: they may have been mended, and are reported each time. */
typedef struct
{
  gchar *path, *device;
  GHashTable *passed;
} Verdict;

static void
checksum_text (GChecksum *sum, const gchar *text)
{
  g_checksum_update (sum, (const guchar *)text, strlen (text) + 1);
}

/* Some drivers choose the width of subgroups, and how f16 is converted depends on the CPU: both change the code that runs. */
static gchar *
device_digest (const Device *dev)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);

  checksum_text (sum, dev->info.name);
  checksum_text (sum, dev->info.driver);
  g_checksum_update (sum, dev->uuid, VK_UUID_SIZE);
  g_checksum_update (sum, (const guchar *)&dev->driver_version, sizeof dev->driver_version);
  g_checksum_update (sum, (const guchar *)&dev->limits.subgroup, sizeof dev->limits.subgroup);
  g_checksum_update (sum, (const guchar *)&dev->limits.geometry.plain_halves, sizeof dev->limits.geometry.plain_halves);
  return g_strdup (g_checksum_get_string (sum));
}

static gchar *
variant_digest (const Variant *v, const gchar *op)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);

  checksum_text (sum, op);
  checksum_text (sum, v->shader->name);
  g_checksum_update (sum, (const guchar *)v->shader->words, v->shader->size);
  g_checksum_update (sum, (const guchar *)&v->local, sizeof v->local);
  g_checksum_update (sum, (const guchar *)&v->subgroup, sizeof v->subgroup);
  g_checksum_update (sum, (const guchar *)&v->full_subgroups, sizeof v->full_subgroups);
  g_checksum_update (sum, (const guchar *)v->spec, sizeof v->spec);
  return g_strdup (g_checksum_get_string (sum));
}

static void
verdict_read (Verdict *verdict)
{
  g_autofree gchar *contents = NULL, *digest = NULL;
  g_auto (GStrv) lines = NULL;
  const gchar *last;
  gsize length;
  guint n;

  if (!verdict->path || !g_file_get_contents (verdict->path, &contents, &length, NULL))
    return;
  last = g_strrstr_len (contents, length, "\n");
  if (last && length <= MAX_BYTES)
    digest = g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *)contents, last - contents);
  lines = g_strsplit (contents, "\n", -1);
  n = g_strv_length (lines);
  if (!digest || n < 3 || !g_str_equal (lines[n - 1], digest) || !g_str_equal (lines[0], FIRST_LINE)
      || !g_str_equal (lines[1], verdict->device)) {
    g_debug ("%s is damaged or of another driver: ignored", verdict->path);
    return;
  }
  for (guint i = 2; i < n - 1; i++)
    g_hash_table_add (verdict->passed, g_strdup (lines[i]));
}

static void
verdict_init (Verdict *verdict, const Device *dev)
{
  g_autofree gchar *folder = dev->cache_file ? g_path_get_dirname (dev->cache_file) : NULL;
  g_autofree gchar *name = g_strdup_printf (CACHE_VERDICTS "%s-%08x.txt", dev->info.uuid, dev->driver_version);

  verdict->path = folder ? g_build_filename (folder, name, NULL) : NULL;
  verdict->device = device_digest (dev);
  verdict->passed = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  verdict_read (verdict);
}

static void
verdict_clear (Verdict *verdict)
{
  g_clear_pointer (&verdict->passed, g_hash_table_unref);
  g_free (verdict->path);
  g_free (verdict->device);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Verdict, verdict_clear)

/* A verdict that cannot be written only costs time at the next start. */
static void
verdict_write (const Verdict *verdict)
{
  g_autoptr (GString) text = g_string_new (FIRST_LINE);
  g_autofree gchar *folder = NULL, *digest = NULL;
  g_autoptr (GError) error = NULL;
  GHashTableIter iter;
  gpointer variant;

  if (!verdict->path)
    return;
  folder = g_path_get_dirname (verdict->path);
  g_string_append_printf (text, "\n%s", verdict->device);
  g_hash_table_iter_init (&iter, verdict->passed);
  while (g_hash_table_iter_next (&iter, &variant, NULL))
    g_string_append_printf (text, "\n%s", (const gchar *)variant);
  digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, text->str, text->len);
  g_string_append_printf (text, "\n%s", digest);
  if (g_mkdir_with_parents (folder, 0700) != 0 || !g_file_set_contents (verdict->path, text->str, text->len, &error))
    g_debug ("%s is not written: %s", verdict->path, error ? error->message : g_strerror (errno));
}

/* --- checking --------------------------------------------------------------------------------------------------------------- */

static gchar *
constants_text (const Variant *v)
{
  GString *text = g_string_new (v->n_spec ? ", constants" : NULL);

  for (guint i = 0; i < v->n_spec; i++)
    g_string_append_printf (text, " %u", v->spec[i]);
  return g_string_free (text, FALSE);
}

/* By name, so that the message about a device is the same each time. */
static gint
case_compare (gconstpointer a, gconstpointer b)
{
  const Variant *one = ((const Case *)a)->variant, *other = ((const Case *)b)->variant;
  gint order = strcmp (one->shader->name, other->shader->name);

  return order ? order : memcmp (one->spec, other->spec, sizeof one->spec);
}

/* Plans all cases, and checks that each takes the variant it is for. */
static gboolean
cases_plan (Device *dev, Arena *arena, GArray *cases, GError **error)
{
  g_autoptr (OpStream) trial = op_survey_new (dev);
  GHashTable *taken;

  for (guint i = 0; i < cases->len; i++) {
    Case *c = &g_array_index (cases, Case, i);

    if (case_init (c, arena, c->variant, c->op))
      c->record (c, trial);
  }
  taken = op_survey_variants (trial, error);
  for (guint i = 0; taken && i < cases->len; i++) {
    const Case *c = &g_array_index (cases, Case, i);
    g_autofree gchar *constants = constants_text (c->variant);

    if (g_hash_table_contains (taken, c->variant))
      continue;
    g_set_error (error, DEVICE_ERROR, DEVICE_ERROR_UNSUPPORTED, "the self-check has no case of %s, shader %s%s", c->op,
        c->variant->shader->name, constants);
    return FALSE;
  }
  return taken != NULL;
}

static gboolean
cases_compare (Device *dev, GArray *cases, GError **error)
{
  const Case *worst = NULL;
  double most = 0;
  guint wrong = 0;

  for (guint i = 0; i < cases->len; i++) {
    const Case *c = &g_array_index (cases, Case, i);
    double nmse;

    if (!case_read (c, &nmse, error))
      return FALSE;
    if (nmse <= c->bound)
      continue;
    wrong++;
    if (!worst || nmse > most) {
      worst = c;
      most = nmse;
    }
  }
  if (worst) {
    g_autofree gchar *constants = constants_text (worst->variant);
    g_autofree gchar *others = wrong > 1 ? g_strdup_printf (", and %u other shaders too,", wrong - 1) : g_strdup ("");

    g_set_error (error, DEVICE_ERROR, DEVICE_ERROR_WRONG,
        "%s computes wrongly: %s (shader %s, workgroups of %u%s)%s differs from plain C by an NMSE of %.3g, at most %g is right. "
        "Its "
        "driver is %s: update it, or choose another device",
        dev->info.name, worst->op, worst->variant->shader->name, worst->variant->local, constants, others, most, worst->bound,
        dev->info.driver);
  }
  return worst == NULL;
}

static gboolean
cases_run (Device *dev, GArray *cases, guint64 *compile_ns, GError **error)
{
  g_autoptr (Arena) arena = arena_new (dev, ARENA_DEVICE, "self-check");
  g_autoptr (OpStream) s = op_stream_new (dev, "self-check");
  guint64 before = dev->compile_ns;
  gint64 start, between, end;

  if (!cases_plan (dev, arena, cases, error) || !arena_commit (arena, error))
    return FALSE;
  for (guint i = 0; i < cases->len; i++) {
    const Case *c = &g_array_index (cases, Case, i);

    if (!case_write (c, error))
      return FALSE;
    c->record (c, s);
  }
  /* Some drivers compile when a pipeline first runs; that is what the first run takes longer than the second. */
  start = g_get_monotonic_time ();
  if (!op_stream_end (s, error) || !op_stream_run (s, NULL, error))
    return FALSE;
  between = g_get_monotonic_time ();
  if (!op_stream_run (s, NULL, error))
    return FALSE;
  end = g_get_monotonic_time ();
  *compile_ns = dev->compile_ns - before + 1000 * MAX (0, (between - start) - (end - between));
  /* What shaders take at these sizes, or to compile, says nothing about real sizes. */
  g_hash_table_remove_all (dev->rates);
  return cases_compare (dev, cases, error);
}

gboolean
device_self_check (Device *dev, OpStream *survey, SelfCheck *result, GError **error)
{
  SelfCheck unused, *r = result ? result : &unused;
  gint64 start = g_get_monotonic_time ();
  g_autoptr (GArray) cases = g_array_new (FALSE, TRUE, sizeof (Case));
  g_auto (Verdict) verdict = { NULL };
  GHashTable *variants = op_survey_variants (survey, error);
  GHashTableIter iter;
  gpointer variant, op;
  gboolean ok;

  *r = (SelfCheck){ 0 };
  if (!variants)
    return FALSE;
  verdict_init (&verdict, dev);
  g_array_set_clear_func (cases, (GDestroyNotify)case_clear);
  g_hash_table_iter_init (&iter, variants);
  while (g_hash_table_iter_next (&iter, &variant, &op)) {
    Case c = { .variant = variant, .op = op };
    g_autofree gchar *digest = variant_digest (variant, op);

    if (g_hash_table_add (verdict.passed, g_steal_pointer (&digest)))
      g_array_append_val (cases, c);
  }
  r->variants = g_hash_table_size (variants);
  r->checked = cases->len;
  g_array_sort (cases, case_compare);
  ok = cases->len == 0 || cases_run (dev, cases, &r->compile_ns, error);
  if (ok && cases->len > 0)
    verdict_write (&verdict);
  r->check_ns = (g_get_monotonic_time () - start) * 1000 - r->compile_ns;
  return ok;
}
