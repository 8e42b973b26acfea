/* The precisions by the names that options have for them. */
#ifndef TESTS_PRECISION_H
#define TESTS_PRECISION_H

#include "model/plan.h"

static inline gboolean
precision_parse (const gchar *name, MinivlPrecision *precision)
{
  for (guint p = MINIVL_PRECISION_AUTO; p <= MINIVL_PRECISION_Q4; p++)
    if (g_str_equal (name, precision_name (p))) {
      *precision = p;
      return TRUE;
    }
  return FALSE;
}

#endif
