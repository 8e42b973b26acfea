/*
 * A file that results are appended to, a JSON line each, and read back from after a restart. Streams may share a file.
 *
 * Each line is written at once and whole, so that a crash costs at most the last one; if part of that is left, a newline ends it
 * before the next one. Lines that are no results are skipped. What is read back is bounded, and memory does not grow with the file.
 * A file that is moved away, removed or emptied, as logrotate does, is followed by a new one of the same name.
 */
#ifndef GST_MINIVL_JOURNAL_H
#define GST_MINIVL_JOURNAL_H

#include "result.h"

G_BEGIN_DECLS

/* Of those that are read back */
#define JOURNAL_MOST_REPORTS 10000

typedef struct _Journal Journal;

/* Makes the file if there is none; reads its last byte, however large it is. stream: whose results are read back. Errors are of
 * G_FILE_ERROR. */
Journal *journal_open (const gchar *path, const gchar *stream, GError **error);
void journal_close (Journal *journal);

/* Once, before anything is appended: looks for what the stream reported behind its last summary, and while that was made, from the
 * end of the file to its beginning; a large file without such a summary takes a while. quit: atomic; not 0 ends it. */
void journal_look_back (Journal *journal, const gint *quit);
/* The highest id that was seen, of any stream: no result of this one has a higher one. */
guint64 journal_get_last_id (const Journal *journal);
/* Lines seen that are no results. */
guint64 journal_get_skipped (const Journal *journal);
/* There were more reports than are kept. */
gboolean journal_is_cut (const Journal *journal);
/* The next result that was found, oldest first: id, kind, text, times and finish_reason of each. NULL: no more. (transfer full) */
Result *journal_read (Journal *journal);

gboolean journal_append (Journal *journal, const Result *result, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Journal, journal_close)

G_END_DECLS

#endif
