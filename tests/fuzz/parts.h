/*
 * What every target shares: an input cut into parts, and files made of them.
 *
 * A part is two bytes of length, little endian, and its bytes; the last one is whatever is left. So one flipped bit leaves most of
 * an input what it was.
 */
#ifndef TESTS_FUZZ_PARTS_H
#define TESTS_FUZZ_PARTS_H

#include <glib.h>

typedef struct
{
  const guint8 *data;
  gsize size;
} Part;

/* The next part, taken off the rest. Past the end: empty. */
Part part_take (Part *rest);
/* The next number, little endian, of at most 8 bytes. Past the end: 0. */
guint64 part_number (Part *rest, guint n_bytes);
/* As a C string. (transfer full) */
gchar *part_text (Part part);
/* The way back: for seeds. The last part is appended as it is. */
void part_append (GString *out, gconstpointer data, gsize size);

/* A folder in TMPDIR, which whoever runs the target removes. (transfer none) */
const gchar *scratch_folder (void);
void scratch_write (const gchar *file, Part contents);
void scratch_remove (const gchar *file);

/* Warnings are part of the work here, and errors are not looked at. */
void fuzz_quiet (void);

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);
int LLVMFuzzerInitialize (int *argc, char ***argv);

#endif
