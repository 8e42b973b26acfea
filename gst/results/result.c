#include "result.h"

#include "gst/backends/json-text.h"

#include <json-glib/json-glib.h>

/* The order of the keys in a JSON line. */
static const gchar *const field_names[] = {
  "id",
  "kind",
  "final",
  "stream",
  "text",
  "data",
  "prompt",
  "model",
  "model_hash",
  "precision",
  "device",
  "tokenizer",
  "system_source",
  "question",
  "score",
  "active",
  "same_as",
  "segment_start",
  "segment_stop",
  "running_time",
  "utc",
  "frames",
  "tiles",
  "prompt_tokens",
  "output_tokens",
  "cached_tokens",
  "drafted",
  "accepted",
  "seed",
  "finish_reason",
  "timings",
  "dropped_segments",
};

Result *
result_new (void)
{
  Result *result = g_new0 (Result, 1);

  result->refs = 1;
  result->kind = RESULT_SEGMENT;
  result->running_time = GST_CLOCK_TIME_NONE;
  result->score = -1;
  result->frames = g_array_new (FALSE, FALSE, sizeof (guint64));
  result->tiles = g_array_new (FALSE, FALSE, sizeof (guint));
  return result;
}

Result *
result_ref (Result *result)
{
  g_atomic_int_inc (&result->refs);
  return result;
}

void
result_unref (Result *result)
{
  if (result == NULL || !g_atomic_int_dec_and_test (&result->refs))
    return;
  g_free (result->stream);
  g_free (result->text);
  g_free (result->data);
  g_free (result->prompt);
  g_free (result->model);
  g_free (result->model_hash);
  g_free (result->precision);
  g_free (result->tokenizer);
  g_free (result->system_source);
  g_free (result->device);
  g_free (result->utc);
  g_free (result->question);
  g_array_unref (result->frames);
  g_array_unref (result->tiles);
  g_free (result);
}

static void
set_string (GstStructure *s, const gchar *name, const gchar *value)
{
  if (value != NULL)
    gst_structure_set (s, name, G_TYPE_STRING, value, NULL);
}

static void
append_and_unset (GValue *array, GValue *value)
{
  gst_value_array_append_and_take_value (array, value);
  *value = (GValue)G_VALUE_INIT;
}

static void
set_frames (GstStructure *s, const GArray *frames)
{
  GValue list = G_VALUE_INIT, item = G_VALUE_INIT;

  g_value_init (&list, GST_TYPE_ARRAY);
  for (guint i = 0; i < frames->len; i++) {
    g_value_init (&item, G_TYPE_UINT64);
    g_value_set_uint64 (&item, g_array_index (frames, guint64, i));
    append_and_unset (&list, &item);
  }
  gst_structure_take_value (s, "frames", &list);
}

static void
set_tiles (GstStructure *s, const GArray *tiles)
{
  GValue list = G_VALUE_INIT, pair = G_VALUE_INIT, item = G_VALUE_INIT;

  if (tiles->len == 0)
    return;
  g_value_init (&list, GST_TYPE_ARRAY);
  for (guint i = 0; i + 1 < tiles->len; i += 2) {
    g_value_init (&pair, GST_TYPE_ARRAY);
    for (guint k = 0; k < 2; k++) {
      g_value_init (&item, G_TYPE_UINT);
      g_value_set_uint (&item, g_array_index (tiles, guint, i + k));
      append_and_unset (&pair, &item);
    }
    append_and_unset (&list, &pair);
  }
  gst_structure_take_value (s, "tiles", &list);
}

GstStructure *
result_to_structure (const Result *r, const gchar *name)
{
  g_autoptr (GstStructure) timings = gst_structure_new ("timings", "wait", G_TYPE_UINT64, r->wait, "preprocess", G_TYPE_UINT64,
      r->preprocess, "encode", G_TYPE_UINT64, r->encode, "prefill", G_TYPE_UINT64, r->prefill, "decode", G_TYPE_UINT64, r->decode,
      "total", G_TYPE_UINT64, r->total, NULL);
  GstStructure *s = gst_structure_new (name, "id", G_TYPE_UINT64, r->id, "kind", G_TYPE_STRING, r->kind, "final", G_TYPE_BOOLEAN,
      TRUE, "segment_start", G_TYPE_UINT64, r->segment_start, "segment_stop", G_TYPE_UINT64, r->segment_stop, "seed", G_TYPE_UINT64,
      r->seed, "finish_reason", G_TYPE_STRING, r->finish_reason, "timings", GST_TYPE_STRUCTURE, timings, "dropped_segments",
      G_TYPE_UINT64, r->dropped_segments, NULL);

  set_string (s, "stream", r->stream);
  set_string (s, "text", r->text);
  set_string (s, "data", r->data);
  set_string (s, "prompt", r->prompt);
  set_string (s, "model", r->model);
  set_string (s, "model_hash", r->model_hash);
  set_string (s, "precision", r->precision);
  set_string (s, "device", r->device);
  set_string (s, "tokenizer", r->tokenizer);
  set_string (s, "system_source", r->system_source);
  set_string (s, "utc", r->utc);
  if (GST_CLOCK_TIME_IS_VALID (r->running_time))
    gst_structure_set (s, "running_time", G_TYPE_UINT64, r->running_time, NULL);
  if (!g_str_equal (r->kind, RESULT_SUMMARY))
    set_frames (s, r->frames);
  set_tiles (s, r->tiles);
  if (r->question != NULL)
    gst_structure_set (s, "question", G_TYPE_STRING, r->question, "active", G_TYPE_BOOLEAN, r->active, NULL);
  if (r->score >= 0)
    gst_structure_set (s, "score", G_TYPE_DOUBLE, r->score, NULL);
  if (r->same_as > 0)
    gst_structure_set (s, "same_as", G_TYPE_UINT64, r->same_as, NULL);
  if (r->answered)
    gst_structure_set (s, "prompt_tokens", G_TYPE_UINT64, r->prompt_tokens, "output_tokens", G_TYPE_UINT64, r->output_tokens,
        "cached_tokens", G_TYPE_UINT64, r->cached_tokens, "drafted", G_TYPE_UINT64, r->drafted, "accepted", G_TYPE_UINT64,
        r->accepted, NULL);
  return s;
}

static JsonNode *
value_to_node (const GValue *value)
{
  JsonNode *node;

  if (GST_VALUE_HOLDS_ARRAY (value)) {
    JsonArray *array = json_array_new ();

    for (guint i = 0; i < gst_value_array_get_size (value); i++)
      json_array_add_element (array, value_to_node (gst_value_array_get_value (value, i)));
    node = json_node_new (JSON_NODE_ARRAY);
    json_node_take_array (node, array);
  } else if (GST_VALUE_HOLDS_STRUCTURE (value)) {
    const GstStructure *s = gst_value_get_structure (value);
    JsonObject *object = json_object_new ();

    for (gint i = 0; i < gst_structure_n_fields (s); i++) {
      const gchar *name = gst_structure_nth_field_name (s, i);

      json_object_set_member (object, name, value_to_node (gst_structure_get_value (s, name)));
    }
    node = json_node_new (JSON_NODE_OBJECT);
    json_node_take_object (node, object);
  } else if (G_VALUE_HOLDS_STRING (value)) {
    node = json_node_init_string (json_node_alloc (), g_value_get_string (value));
  } else if (G_VALUE_HOLDS_BOOLEAN (value)) {
    node = json_node_init_boolean (json_node_alloc (), g_value_get_boolean (value));
  } else if (G_VALUE_HOLDS_DOUBLE (value)) {
    node = json_node_init_double (json_node_alloc (), g_value_get_double (value));
  } else {
    GValue number = G_VALUE_INIT;

    g_value_init (&number, G_TYPE_INT64);
    g_value_transform (value, &number);
    node = json_node_init_int (json_node_alloc (), g_value_get_int64 (&number));
  }
  return node;
}

gchar *
result_to_json (const Result *result)
{
  g_autoptr (GstStructure) s = result_to_structure (result, RESULT_MESSAGE_NAME);
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();
  g_autofree gchar *line = NULL;

  json_node_take_object (root, object);
  for (guint i = 0; i < G_N_ELEMENTS (field_names); i++) {
    const GValue *value = gst_structure_get_value (s, field_names[i]);

    if (value != NULL && g_str_equal (field_names[i], "data")) /* which is JSON itself */
      json_object_set_member (object, "data", json_from_string (result->data, NULL));
    else if (value != NULL)
      json_object_set_member (object, field_names[i], value_to_node (value));
    else
      json_object_set_null_member (object, field_names[i]);
  }
  line = json_write (root);
  return g_strconcat (line, "\n", NULL);
}

gchar *
result_format_utc (gint64 utc)
{
  g_autoptr (GDateTime) seconds = NULL;
  g_autofree gchar *text = NULL;

  if (utc < 0)
    return NULL;
  seconds = g_date_time_new_from_unix_utc (utc / 1000000000);
  text = g_date_time_format (seconds, "%Y-%m-%dT%H:%M:%S");
  return g_strdup_printf ("%s.%03dZ", text, (gint)(utc / 1000000 % 1000));
}

gboolean
result_has_text (const Result *result)
{
  return result->text != NULL && result->text[0] != '\0' && g_strcmp0 (result->finish_reason, "dropped") != 0
         && g_strcmp0 (result->finish_reason, "error") != 0 && g_strcmp0 (result->finish_reason, "flush") != 0;
}

gboolean
result_is_finished (const Result *r)
{
  return g_strcmp0 (r->finish_reason, "stop") == 0 || g_strcmp0 (r->finish_reason, "length") == 0;
}

gboolean
result_is_made_summary (const Result *r)
{
  return g_str_equal (r->kind, RESULT_SUMMARY) && result_is_finished (r);
}

void
result_meta_register (void)
{
  static gsize once = 0;

  if (g_once_init_enter (&once)) {
    /* No tags: nothing that an element does to the pixels makes the text untrue. GStreamer before 1.24 wants the array. */
    static const gchar *tags[] = { NULL };

    gst_meta_register_custom (RESULT_META_NAME, tags, NULL, NULL, NULL);
    g_once_init_leave (&once, 1);
  }
}

gboolean
result_meta_can_add (GstBuffer *buffer)
{
  return gst_buffer_get_custom_meta (buffer, RESULT_META_NAME) == NULL;
}

void
result_meta_add (const Result *result, GstBuffer *buffer)
{
  g_autoptr (GstStructure) s = result_to_structure (result, RESULT_META_NAME);
  GstCustomMeta *meta = gst_buffer_add_custom_meta (buffer, RESULT_META_NAME);

  for (gint i = 0; i < gst_structure_n_fields (s); i++) {
    const gchar *name = gst_structure_nth_field_name (s, i);

    gst_structure_set_value (gst_custom_meta_get_structure (meta), name, gst_structure_get_value (s, name));
  }
}
