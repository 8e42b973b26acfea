/* What this process holds. */
#ifndef TESTS_HELD_H
#define TESTS_HELD_H

#include <glib.h>

guint held_entries (const gchar *folder);
/* Resident memory, without trimming it. */
gint64 held_bytes (void);
/* Waits for threads above the expected ones to end, and counts. */
guint held_threads (guint expected);

#endif
