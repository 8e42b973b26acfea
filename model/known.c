#include "known.h"

#include <math.h>
#include <string.h>

#include "strictjson.h"

#define FILE_NAME "minivl-check.json"
#define LONGEST_SIDE 4096

/* Most NMSE of the logits. less_mean: an offset that all of them share, which changes no answer, does not count. */
static const struct
{
  const gchar *precision;
  double nmse;
  gboolean less_mean;
} bounds[] = { { "f32", 1e-8, FALSE }, { "f16", 1e-5, FALSE }, { "q8", 3e-3, TRUE }, { "q4", 0.15, TRUE } };
#define CACHE_Q8_NMSE 3e-3

typedef struct
{
  const gchar *path, *prompt;
  MinivlImage image;
  guchar *rgb;
  float *logits;
  guint n_logits;
} Known;

static void
known_clear (Known *k)
{
  g_free (k->rgb);
  g_free (k->logits);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Known, known_clear)

static gboolean
fail (const Known *k, const gchar *what, GError **error)
{
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE, "%s: %s", k->path, what);
  return FALSE;
}

static const gchar *
get_string (JsonObject *root, const gchar *key)
{
  JsonNode *node = json_object_get_member (root, key);

  return node && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING ? json_node_get_string (node)
                                                                                                  : NULL;
}

static gint64
get_integer (JsonObject *root, const gchar *key)
{
  JsonNode *node = json_object_get_member (root, key);

  return node && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_INT64 ? json_node_get_int (node) : 0;
}

static gboolean
read_picture (Known *k, JsonObject *root, GError **error)
{
  gint64 width = get_integer (root, "width"), height = get_integer (root, "height");
  const gchar *rgb = get_string (root, "rgb");
  gsize n = 0;

  if (width < 1 || width > LONGEST_SIDE || height < 1 || height > LONGEST_SIDE)
    return fail (k, "width and height are no numbers of pixels", error);
  k->rgb = rgb ? g_base64_decode (rgb, &n) : NULL;
  if (n != (gsize)(width * height * 3))
    return fail (k, "rgb is not the picture of width and height in base64", error);
  k->image = (MinivlImage){ .data = { k->rgb }, .width = width, .height = height, .stride = { 3 * width } };
  return TRUE;
}

static gboolean
read_logits (Known *k, JsonObject *root, GError **error)
{
  JsonNode *node = json_object_get_member (root, "logits");
  JsonArray *list = node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  guint zeros = 0;

  k->n_logits = list ? json_array_get_length (list) : 0;
  k->logits = g_new (float, k->n_logits);
  for (guint i = 0; i < k->n_logits; i++) {
    JsonNode *element = json_array_get_element (list, i);
    GType type = JSON_NODE_HOLDS_VALUE (element) ? json_node_get_value_type (element) : G_TYPE_INVALID;

    if (type != G_TYPE_DOUBLE && type != G_TYPE_INT64)
      return fail (k, "logits has what is no number", error);
    k->logits[i] = json_node_get_double (element);
    if (!isfinite (k->logits[i]))
      return fail (k, "logits has a number that float32 does not hold", error);
    zeros += k->logits[i] == 0;
  }
  /* The NMSE is a share of the logits' power, which must not be 0. */
  return k->n_logits == 0 || zeros < k->n_logits || fail (k, "logits are all 0", error);
}

/* Counts the prompt's tokens. FALSE: no model of this kind could be asked that. */
static gboolean
count_prompt (MinivlEngine *engine, const Known *k, MinivlSession *session, const MinivlParams *params, guint *n, GError **error)
{
  g_autoptr (GError) failure = NULL;
  g_autofree gchar *what = NULL;

  if (!minivl_session_count_tokens (session, k->prompt, params, n, &failure))
    what = g_strdup_printf ("prompt: %s", failure->message);
  else if (*n + params->max_tokens > engine->config.language.max_position)
    what = g_strdup_printf ("prompt has %u tokens, more than config.json's max_position_embeddings leaves room for", *n);
  return !what || fail (k, what, error);
}

/* The answer has no logits when the context is too small for the question. */
static gboolean
ask (MinivlEngine *engine, const Known *k, MinivlAnswer *answer, GError **error)
{
  g_autoptr (MinivlPicture) picture = minivl_picture_new (engine, &k->image, 1, NULL, error);
  g_autoptr (MinivlSession) session = picture ? minivl_session_new (engine, error) : NULL;
  MinivlParams params = MINIVL_PARAMS_INIT;
  guint n;

  if (!session)
    return FALSE;
  params.max_tokens = 1;
  params.want_logits = TRUE;
  minivl_session_add_pictures (session, &picture, 1);
  if (!count_prompt (engine, k, session, &params, &n, error))
    return FALSE;
  if (n + params.max_tokens > engine->info.context_size)
    return TRUE;
  return minivl_session_ask (session, k->prompt, &params, NULL, NULL, answer, error);
}

static double
mean (const float *a, guint n)
{
  double sum = 0;

  for (guint i = 0; i < n; i++)
    sum += a[i];
  return sum / n;
}

static double
nmse (const float *a, const float *b, guint n, gboolean less_mean)
{
  double difference = 0, whole = 0, mean_a = less_mean ? mean (a, n) : 0, mean_b = less_mean ? mean (b, n) : 0;

  for (guint i = 0; i < n; i++) {
    double wanted = b[i] - mean_b, off = a[i] - mean_a - wanted;

    difference += off * off;
    whole += wanted * wanted;
  }
  return difference / whole;
}

static gboolean
compare (MinivlEngine *engine, const Known *k, const MinivlAnswer *answer, GError **error)
{
  guint i = 0;
  double found, most;

  while (!g_str_equal (bounds[i].precision, engine->info.precision))
    i++;
  found = nmse (answer->logits, k->logits, k->n_logits, bounds[i].less_mean);
  most = g_str_equal (engine->info.cache_precision, "q8") ? MAX (bounds[i].nmse, CACHE_Q8_NMSE) : bounds[i].nmse;
  if (found <= most) /* FALSE for NaN */
    return TRUE;
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_DEVICE,
      "%s computes wrongly: what it makes of the picture in %s differs by an NMSE of %.3g, at most %g is right at %s. Its driver "
      "is "
      "%s: update it, or choose another device; or else the file is not of these weights",
      engine->device_name, k->path, found, most, engine->info.precision, engine->driver);
  return FALSE;
}

gboolean
known_answer_check (MinivlEngine *engine, const gchar *folder, GError **error)
{
  g_autofree gchar *path = g_build_filename (folder, FILE_NAME, NULL);
  g_autoptr (JsonObject) root = NULL;
  g_auto (Known) k = { .path = path };
  g_auto (MinivlAnswer) answer = { NULL };

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;
  root = strict_json_load (path, error);
  if (!root || !read_picture (&k, root, error) || !read_logits (&k, root, error))
    return FALSE;
  k.prompt = get_string (root, "prompt");
  if (!k.prompt)
    return fail (&k, "prompt is no text", error);
  if (k.n_logits != engine->config.language.vocab)
    return fail (&k, "logits are not as many as config.json's vocab_size", error);
  return ask (engine, &k, &answer, error) && (!answer.logits || compare (engine, &k, &answer, error));
}
