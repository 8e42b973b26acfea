/* Short pipelines whose engine is the desk, and their results. */
#ifndef TESTS_REMOTE_RUN_H
#define TESTS_REMOTE_RUN_H

#include "desk.h"
#include "pipeline.h"

#define N_SEGMENTS 3

/* A result of the pipeline. */
typedef struct
{
  gchar *kind, *text, *finish_reason;
  guint64 id, start, prompt_tokens, output_tokens, cached_tokens;
  gdouble score;
  gboolean active;
} Outcome;

typedef struct
{
  GPtrArray *outcomes;
  gchar *warnings; /* a line each */
} Run;

void run_clear (Run *run);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Run, run_clear)

/* Opens the desk. */
void run_init (int *argc, char ***argv);
/* Segments of two frames each, of a second; later settings override earlier ones. */
GstElement *make_pipeline (guint segments, guint parallel, const gchar *settings);
/* To the end of the stream, and to NULL. pipeline: (transfer full) */
Run finish (GstElement *pipeline);
/* N_SEGMENTS, one question at a time. */
Run run_line (const gchar *settings);
const Outcome *outcome (const Run *run, guint n);
void assert_text (const Run *run, guint n, const gchar *text);
void assert_says (const gchar *all, const gchar *part);
/* Each segment has its result, and only one. */
void assert_all_there (const Run *run);

/* test: a function without arguments, behind which the desk is reset */
void run_rule (gconstpointer test);
/* The i-th case of a rule. */
void add_case (const gchar *rule, const gchar *name, GTestDataFunc test, guint i);
#define RULE(name) g_test_add_data_func ("/remote/" #name, (gconstpointer)test_##name, run_rule)

#endif
