/* Rows of tests/data/small as a test: each must pass, and there must be as many as the oracle wrote. */
#ifndef TESTS_ROWS_H
#define TESTS_ROWS_H

#include "conformance_host.h"

typedef struct
{
  guint n, failed;
} Rows;

/* A ConformanceReport; user: a zeroed Rows */
static inline void
rows_report (const gchar *name, double figure, double bound, gboolean pass, gpointer user)
{
  Rows *rows = user;

  rows->n++;
  if (pass)
    return;
  rows->failed++;
  g_test_message ("%s: %g wrong", name, figure);
}

static inline void
rows_load_config (ModelConfig *config)
{
  g_autoptr (GError) error = NULL;

  model_config_load (config, TEST_DATA "/small/config.json", 8192, &error);
  g_assert_no_error (error);
}

#endif
