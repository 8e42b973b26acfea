#include "time-type.h"

typedef struct
{
  const gchar *name;
  guint64 ns;
} Unit;

/* The longest first. */
static const Unit units[] = { { "h", 3600 * GST_SECOND }, { "min", 60 * GST_SECOND }, { "s", GST_SECOND }, { "ms", GST_MSECOND },
  { "us", GST_USECOND }, { "ns", 1 } };

static const Unit *
find_unit (const gchar *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (units); i++)
    if (g_str_equal (units[i].name, name))
      return &units[i];
  return NULL;
}

static const gchar *
skip_digits (const gchar *text)
{
  while (g_ascii_isdigit (*text))
    text++;
  return text;
}

/* Digits, perhaps a fraction, and a unit. What is below a nanosecond is cut off. */
static gboolean
parse (const gchar *text, guint64 *ns)
{
  const gchar *point = skip_digits (text), *end = *point == '.' ? skip_digits (point + 1) : point;
  const Unit *unit = find_unit (end);
  guint64 place;

  if (unit == NULL || point == text || end == point + 1)
    return FALSE;
  /* Of too many digits g_ascii_strtoull() makes the largest number. */
  if (!g_uint64_checked_mul (ns, g_ascii_strtoull (text, NULL, 10), unit->ns) || *ns > G_MAXINT64)
    return FALSE;
  place = unit->ns / 10;
  for (const gchar *c = point + 1; c < end; c++, place /= 10)
    *ns += place * (guint64)(*c - '0');
  return *ns <= G_MAXINT64;
}

static gboolean
deserialize (GValue *value, const gchar *text)
{
  g_auto (GValue) number = G_VALUE_INIT;
  guint64 ns;

  g_value_init (&number, G_TYPE_UINT64);
  if (parse (text, &ns))
    g_value_set_uint64 (value, ns);
  else if (gst_value_deserialize (&number, text))
    g_value_set_uint64 (value, g_value_get_uint64 (&number));
  else
    return FALSE;
  return TRUE;
}

static void
from_uint64 (const GValue *from, GValue *to)
{
  g_value_set_uint64 (to, g_value_get_uint64 (from));
}

GType
time_type_get (void)
{
  static gsize type = 0;
  static GstValueTable table = { .deserialize = deserialize };

  if (g_once_init_enter (&type)) {
    table.type = g_type_register_static (G_TYPE_UINT64, "GstMinivlTime", &(GTypeInfo){ 0 }, 0);
    gst_value_register (&table);
    g_value_register_transform_func (G_TYPE_UINT64, table.type, from_uint64);
    g_once_init_leave (&type, table.type);
  }
  return type;
}

gchar *
time_type_format (guint64 ns)
{
  guint i = 0;

  if (!GST_CLOCK_TIME_IS_VALID (ns))
    return g_strdup ("none");
  /* Whole, or seconds with one digit behind the point. */
  while (ns % units[i].ns != 0)
    i++;
  if (units[i].ns == GST_MSECOND && ns % (100 * GST_MSECOND) == 0 && ns > GST_SECOND)
    return g_strdup_printf ("%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT "s", ns / GST_SECOND, ns / (100 * GST_MSECOND) % 10);
  return g_strdup_printf ("%" G_GUINT64_FORMAT "%s", ns / units[i].ns, ns == 0 ? "" : units[i].name);
}
