/* Names of precisions: see precision.h. */
#include "precision.h"

gboolean
precision_parse (const gchar *text, MinivlPrecision *precision)
{
  static const gchar *const names[] = { [MINIVL_PRECISION_AUTO] = "auto",
    [MINIVL_PRECISION_F32] = "f32",
    [MINIVL_PRECISION_F16] = "f16",
    [MINIVL_PRECISION_Q8] = "q8",
    [MINIVL_PRECISION_Q4] = "q4" };
  MinivlPrecision p = MINIVL_PRECISION_AUTO;

  while (text && p < G_N_ELEMENTS (names) && !g_str_equal (text, names[p]))
    p++;
  if (p == G_N_ELEMENTS (names))
    return FALSE;
  *precision = p;
  return TRUE;
}
