#include "shapes.h"

#include <string.h>

#include "json-schema.h"

#define KEPT 8

typedef struct
{
  gchar *name; /* all that it is made of */
  Shape *shape;
} Kept;

struct _Shapes
{
  const Tokenizer *tokenizer;
  const GArray *end_tokens;
  guint n_tokens;

  GMutex lock;
  Vocabulary *vocabulary; /* NULL: was not needed yet; never changes after that */
  GQueue kept;            /* Kept, the last used first */
};

Shapes *
shapes_new (const Tokenizer *tokenizer, const GArray *end_tokens, guint n_tokens)
{
  Shapes *s = g_new0 (Shapes, 1);

  s->tokenizer = tokenizer;
  s->end_tokens = end_tokens;
  s->n_tokens = n_tokens;
  g_mutex_init (&s->lock);
  return s;
}

static void
kept_free (gpointer data)
{
  Kept *k = data;

  shape_unref (k->shape);
  g_free (k->name);
  g_free (k);
}

void
shapes_free (Shapes *s)
{
  if (!s)
    return;
  g_queue_clear_full (&s->kept, kept_free);
  vocabulary_free (s->vocabulary);
  g_mutex_clear (&s->lock);
  g_free (s);
}

/* Choices with their lengths, so that no two lists have one name. (transfer full) */
static gchar *
name_of (const MinivlParams *params)
{
  GString *name;

  if (params->json_schema)
    return g_strconcat ("schema ", params->json_schema, NULL);
  name = g_string_new ("choices");
  for (guint i = 0; params->choices[i]; i++)
    g_string_append_printf (name, " %zu %s", strlen (params->choices[i]), params->choices[i]);
  return g_string_free (name, FALSE);
}

static gboolean
is_of_one_kind (const gchar *const *choices, const gchar *json_schema, GError **error)
{
  if (choices && json_schema)
    g_set_error_literal (error, MINIVL_ERROR, MINIVL_ERROR_USAGE, "an answer is one of choices or fits a JSON schema, not both");
  return !choices || !json_schema;
}

/* Of one of the two. v NULL: not measured. */
static Shape *
compile (const gchar *const *choices, const gchar *json_schema, const Vocabulary *v, GError **error)
{
  Shape *s;

  if (choices)
    return shape_new_choices (choices, v, error);
  s = json_schema_compile (json_schema, error);
  if (s && v)
    shape_measure (s, v);
  return s;
}

gboolean
minivl_shape_check (const gchar *const *choices, const gchar *json_schema, GError **error)
{
  g_autoptr (Shape) s = NULL;

  if (!is_of_one_kind (choices, json_schema, error))
    return FALSE;
  if (choices || json_schema)
    s = compile (choices, json_schema, NULL, error);
  return s || (!choices && !json_schema);
}

/* One that is kept, or is from now on. Under the lock. (transfer none) */
static Shape *
find (Shapes *s, const MinivlParams *params, GError **error)
{
  g_autofree gchar *name = name_of (params);
  GList *l;
  Kept *k;

  if (!s->vocabulary)
    s->vocabulary = vocabulary_new (s->tokenizer, s->end_tokens, s->n_tokens);
  for (l = s->kept.head; l; l = l->next)
    if (g_str_equal (((Kept *)l->data)->name, name))
      break;
  if (l) {
    g_queue_unlink (&s->kept, l);
    g_queue_push_head_link (&s->kept, l);
    return ((Kept *)l->data)->shape;
  }
  k = g_new0 (Kept, 1);
  k->name = g_steal_pointer (&name);
  k->shape = compile (params->choices, params->json_schema, s->vocabulary, error);
  if (!k->shape) {
    kept_free (k);
    return NULL;
  }
  g_queue_push_head (&s->kept, k);
  if (s->kept.length > KEPT)
    kept_free (g_queue_pop_tail (&s->kept));
  return k->shape;
}

ShapeRun *
shapes_begin (Shapes *s, const MinivlParams *params, GError **error)
{
  ShapeRun *run = NULL;
  guint least;
  Shape *shape;

  if (!params->choices && !params->json_schema)
    return NULL;
  if (!is_of_one_kind (params->choices, params->json_schema, error))
    return NULL;
  g_mutex_lock (&s->lock);
  shape = find (s, params, error);
  if (shape && (least = shape_least_tokens (shape)) == SHAPE_NEVER)
    g_set_error_literal (error, MINIVL_ERROR, MINIVL_ERROR_USAGE, "the model has no tokens to write such an answer with");
  else if (shape && least > params->max_tokens)
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE, "%s takes %u tokens and max_tokens is %u",
        params->choices ? "the longest of the choices" : "the shortest answer that fits the schema", least, params->max_tokens);
  else if (shape)
    run = shape_run_new (shape, s->vocabulary, s->end_tokens, params->max_tokens);
  g_mutex_unlock (&s->lock);
  return run;
}
