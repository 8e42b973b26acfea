/* Runs a program to its end and keeps what it said. */
#ifndef TESTS_PROGRAM_H
#define TESTS_PROGRAM_H

#include <glib.h>

typedef struct
{
  gint code; /* exit code; -1 when a signal ended it */
  gchar *out, *err;
} ProgramResult;

/* argv is NULL-terminated; argv[0] is the program. It sees the locale C. A test that cannot start it fails. */
void program_run (const gchar *const *argv, ProgramResult *result);
/* Same, and sends SIGINT once: when standard error, or with `on_out` standard output, first ends in `trigger`. "" is the first
 * byte. */
void program_interrupt (const gchar *const *argv, gboolean on_out, const gchar *trigger, ProgramResult *result);
void program_result_clear (ProgramResult *result);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ProgramResult, program_result_clear)

#endif
