/*
 * A file that results are appended to, a JSON line each, and read back from after a restart. Streams may share a file.
 *
 * Each line is written at once and whole, so that a crash costs at most the last one; if part of that is left, a newline ends it
 * when the file is opened again. Lines that are no results are skipped. Memory does not grow with the file.
 */
#ifndef GST_MINIVL_JOURNAL_H
#define GST_MINIVL_JOURNAL_H

#include "result.h"

G_BEGIN_DECLS

typedef struct _Journal Journal;

/* Makes the file if there is none, and looks through it. stream: whose results are read back. Errors are of G_FILE_ERROR. */
Journal *journal_open (const gchar *path, const gchar *stream, GError **error);
void journal_close (Journal *journal);

/* The highest id in the file, of any stream. */
guint64 journal_get_last_id (const Journal *journal);
/* Lines seen so far that are no results. */
guint64 journal_get_skipped (const Journal *journal);

/* The stream's results after its last summary, one a call, as they were when the file was opened: id, kind, text, times and
 * finish_reason of each. NULL: no more. (transfer full) */
Result *journal_read (Journal *journal);
gboolean journal_append (Journal *journal, const Result *result, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Journal, journal_close)

G_END_DECLS

#endif
