/*
 * Rows `check`: each shader that the model uses, at the model's sizes, against its plain C twin. Cases are those of the self-check
 * (vk/selfcheck.h), only larger.
 */
#ifndef TESTS_BENCH_CHECK_H
#define TESTS_BENCH_CHECK_H

#include "bench.h"
#include "vk/selfcheck.h"

typedef struct _Check Check;
struct _Check
{
  Case c; /* first: c->record is given its address */
  gchar *shape;
  const gchar *precision; /* static */
  double flops, bytes, weights;
  BenchLimit limit;
  gconstpointer size; /* of the plan that made it */
  gpointer data;      /* freed with it */
  /* NMSE of what no tensor's `want` tells; NULL: there is nothing else. */
  double (*compare_more) (const Check *check, GError **error);
  guint extent; /* most rows, where it must be quick; else G_MAXUINT */
};

/* Fills what is not zero yet. */
typedef void (*CheckPlan) (Check *check, gconstpointer size);

/* What check_run() needs of all checks. */
typedef struct
{
  Bench *b;
  GHashTable *shaders; /* names of those that were checked */
} Checks;

void check_run (Checks *checks, const gchar *op, CheckPlan plan, gconstpointer size);

/* Whether a model that was asked for has numbers of this type: those of blocks have others of 16 bits. */
gboolean check_wants (const Bench *b, TensorType type);

/* func for each row below n, in as many threads as there are cores. */
void check_rows (guint n, void (*func) (guint row, gpointer data), gpointer data);

/* bench_check_ops.c: all but the linear layers. */
void check_ops (Checks *checks);

#endif
