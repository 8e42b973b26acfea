#include "element.h"

#define CHOICES "choices"
#define JSON_SCHEMA "json-schema"

/* The two properties, as they are set. */
typedef struct
{
  gchar *choices, *json_schema;
} Asked;

static void
asked_clear (Asked *a)
{
  g_free (a->choices);
  g_free (a->json_schema);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Asked, asked_clear)

static void
asked_get (Asked *a, GstMinivl *self)
{
  GST_OBJECT_LOCK (self);
  *a = (Asked){ g_strdup (self->settings.per_segment.choices), g_strdup (self->settings.json_schema) };
  GST_OBJECT_UNLOCK (self);
}

/* A file, or the schema itself. (transfer full) */
static gchar *
read_schema (const gchar *property, GError **error)
{
  const gchar *first = property;
  gchar *text = NULL;

  while (g_ascii_isspace (*first))
    first++;
  if (*first == '{')
    return g_strdup (property);
  g_file_get_contents (property, &text, NULL, error);
  return text;
}

/* Whether there can be such answers; schema: (out) (transfer full). (transfer full): why not, and of which property; NULL: there
 * can.
 */
static gchar *
check (GstMinivl *self, const Asked *a, gchar **schema)
{
  g_auto (GStrv) choices = a->choices != NULL ? minivl_choices_split (a->choices) : NULL;
  g_autofree gchar *text = NULL;
  g_autoptr (GError) error = NULL;

  *schema = NULL;
  if (choices != NULL && a->json_schema != NULL)
    return g_strdup (CHOICES " and " JSON_SCHEMA " are both set, and an answer has one shape. Unset one of them.");
  if (a->json_schema != NULL && (text = read_schema (a->json_schema, &error)) == NULL)
    return g_strdup_printf ("The property " JSON_SCHEMA " is neither a file that can be read nor a schema: %s.", error->message);
  if (self->backend->check_shape != NULL && !self->backend->check_shape ((const gchar *const *)choices, text, &error))
    return g_strdup_printf ("The property %s: %s.", text != NULL ? JSON_SCHEMA : CHOICES, error->message);
  *schema = g_steal_pointer (&text);
  return NULL;
}

/* Holds the lock. */
static void
take_schema (GstMinivl *self, gchar *schema)
{
  g_free (self->settings.per_segment.schema);
  self->settings.per_segment.schema = schema;
}

gboolean
answer_shape_is_property (const gchar *name)
{
  return g_str_equal (name, CHOICES) || g_str_equal (name, JSON_SCHEMA);
}

gboolean
answer_shape_start (GstMinivl *self)
{
  g_auto (Asked) asked = { NULL };
  g_autofree gchar *schema = NULL, *complaint = NULL;

  asked_get (&asked, self);
  complaint = check (self, &asked, &schema);
  if (complaint != NULL) {
    GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS, ("%s", complaint), (NULL));
    return FALSE;
  }
  GST_OBJECT_LOCK (self);
  if (g_strcmp0 (self->settings.json_schema, asked.json_schema) == 0) /* else it has been set meanwhile */
    take_schema (self, g_steal_pointer (&schema));
  GST_OBJECT_UNLOCK (self);
  return TRUE;
}

void
answer_shape_set (GstMinivl *self, guint id, const gchar *name, const GValue *value)
{
  g_auto (Asked) asked = { NULL };
  g_autofree gchar *schema = NULL, *complaint = NULL;
  gchar **changed;

  asked_get (&asked, self);
  changed = g_str_equal (name, CHOICES) ? &asked.choices : &asked.json_schema;
  g_free (*changed);
  *changed = g_value_dup_string (value);
  if (*changed != NULL && **changed == '\0')
    g_clear_pointer (changed, g_free);
  complaint = check (self, &asked, &schema);
  if (complaint != NULL) {
    GST_ELEMENT_WARNING (self, LIBRARY, SETTINGS, ("%s stays as it is: %s", name, complaint), (NULL));
    return;
  }
  GST_OBJECT_LOCK (self);
  settings_set (&self->settings, id, value);
  take_schema (self, g_steal_pointer (&schema));
  GST_OBJECT_UNLOCK (self);
}
