/* Journals of any content, and their lines appended to again: what is read back is a result, bounded, and lines are whole. */
#include "gst/results/journal.h"
#include "parts.h"

#include <glib/gstdio.h>
#include <string.h>

#define FILE_NAME "journal"

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  gst_init (NULL, NULL);
  return 0;
}

static void
check_result (const Result *result)
{
  g_assert (g_str_equal (result->stream, "yard") && g_utf8_validate (result->text, -1, NULL));
  g_assert (result->segment_start <= result->segment_stop && result->segment_stop <= RESULT_MAX_TIME);
}

/* Returns how many were read back; kept: the last one. */
static guint
read_all (Journal *journal, Result **kept)
{
  Result *result;
  guint n = 0;

  while ((result = journal_read (journal)) != NULL) {
    check_result (result);
    result_unref (*kept);
    *kept = result;
    n++;
  }
  return n;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree gchar *path = g_build_filename (scratch_folder (), FILE_NAME, NULL);
  g_autoptr (Result) last = NULL, again = NULL, own = result_new ();
  g_autoptr (Journal) journal = NULL;
  gboolean is_cut;
  guint n, n_again;

  scratch_write (FILE_NAME, (Part){ data, size });
  journal = journal_open (path, "yard", NULL);
  g_assert (journal != NULL);
  journal_look_back (journal, &(const gint){ 0 });
  is_cut = journal_is_cut (journal);
  n = read_all (journal, &last);

  own->id = journal_get_last_id (journal) + 1;
  own->stream = g_strdup ("yard");
  own->text = g_strdup ("A man walks.");
  own->finish_reason = "stop";
  own->segment_stop = RESULT_MAX_TIME;
  g_assert (journal_append (journal, own, NULL));
  g_clear_pointer (&journal, journal_close);

  /* It is a line of its own, behind all others; one without an end, which says twice whose it is, has changed hands by that. */
  journal = journal_open (path, "yard", NULL);
  journal_look_back (journal, &(const gint){ 0 });
  g_assert (journal_get_last_id (journal) >= MIN (own->id, G_MAXINT64 / 2));
  n_again = read_all (journal, &again);
  g_assert (is_cut || n_again == n + 1 || (size > 0 && data[size - 1] != '\n' && n_again == n));
  g_assert (is_cut || again->id == own->id);
  scratch_remove (FILE_NAME);
  return 0;
}
