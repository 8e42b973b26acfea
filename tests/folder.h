/* Folders for a test's files. */
#ifndef TESTS_FOLDER_H
#define TESTS_FOLDER_H

#include <glib.h>

/* A new, empty one. (transfer full) */
gchar *folder_new (void);
/* Deletes the files in it. */
void folder_empty (const gchar *folder);
/* Deletes it with the files in it. */
void folder_free (gchar *folder);

#endif
