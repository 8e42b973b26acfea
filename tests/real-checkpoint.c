/*
 * What a checkpoint of the public weights does, as one JSON report: the ten conversations of the model's card, about pictures that
 * are here, with sizes, times, token ids and margins, and the largest numbers on the way. real-checkpoint.sh runs it.
 *
 * usage: real-checkpoint FOLDER REPORT FILM PICTURE PICTURE TILES [OPTION...]
 *
 * FILM stands for the card's video. TILES: a folder that what the model sees is written into, one folder a conversation. OPTION: as
 * minivl-chat has them. Exit 0: all are answered; 1: some are not, and the report says why; 2: the checkpoint cannot be opened, or
 * the report not written.
 */
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

#include "conversation.h"
#include "model/model_testing.h"

/* `1` and `2` are the pictures, `F` the film. */
static const struct
{
  const gchar *name, *pictures;
  gboolean joined;
  const gchar *rounds[2];
} card[] = {
  { "text", "", FALSE, { "Hello, who are you?", "Can you tell me a story?" } },
  { "picture-shortly", "1", FALSE, { "<image>\nPlease describe the image shortly." } },
  { "picture", "1", FALSE, { "<image>\nPlease describe the image in detail.", "Please write a poem according to the image." } },
  { "two-joined", "12", TRUE,
      { "<image>\nDescribe the two images in detail.", "What are the similarities and differences between these two images." } },
  { "two-separate", "12", FALSE,
      { "Image-1: <image>\nImage-2: <image>\nDescribe the two images in detail.",
          "What are the similarities and differences between these two images." } },
  { "batch-1", "1", FALSE, { "<image>\nDescribe the image in detail." } },
  { "batch-2", "2", FALSE, { "<image>\nDescribe the image in detail." } },
  { "film", "F", FALSE,
      { "Frame1: <image>\nFrame2: <image>\nFrame3: <image>\nFrame4: <image>\nFrame5: <image>\nFrame6: <image>\nFrame7: <image>\n"
        "Frame8: <image>\nWhat happens in the video?",
          "Describe this video in detail. Don't repeat." } },
  { "describe", "1", FALSE, { "<image>\ndescribe this image", "What is the person doing?" } },
  { "describe-two", "12", FALSE, { "Image-1: <image>\nImage-2: <image>\ndescribe these two images" } },
};

/* The largest magnitudes seen. K as the cache holds it is turned: what a pair of it can reach at any position. */
typedef struct
{
  MinivlEngine *engine;
  double k, v, residual, vision_residual;
  const gint32 *ids;
  guint n_ids;
  const MinivlImage *image;
} Extremes;

/* NaN counts as the largest there is. */
static double
larger (double a, double b)
{
  return isnan (b) || b > a ? (isnan (b) ? INFINITY : b) : a;
}

static void
see_qkv (Extremes *e, const float *data, guint rows, guint cols)
{
  const LanguageConfig *c = &e->engine->config.language;
  guint head_dim = language_head_dim (c), half = head_dim / 2, at_k = c->heads * head_dim, at_v = at_k + c->kv_heads * head_dim;
  double factor = rope_attention_factor (c);

  for (guint i = 0; i < rows; i++) {
    const float *row = data + (gsize)i * cols;

    for (guint j = at_k; j < at_v; j++)
      if ((j - at_k) % head_dim < half)
        e->k = larger (e->k, factor * hypot (row[j], row[j + half]));
    for (guint j = at_v; j < cols; j++)
      e->v = larger (e->v, fabs (row[j]));
  }
}

static void
on_stage (const gchar *name, const float *data, guint rows, guint cols, gpointer user_data)
{
  Extremes *e = user_data;
  guint layer;
  double *seen = NULL;

  if (g_str_has_prefix (name, "qkv."))
    see_qkv (e, data, rows, cols);
  else if (sscanf (name, "language.%u", &layer) == 1 && layer < e->engine->config.language.layers)
    seen = &e->residual;
  else if (g_str_has_prefix (name, "vision."))
    seen = &e->vision_residual;
  for (gsize i = 0; seen && i < (gsize)rows * cols; i++)
    *seen = larger (*seen, fabs (data[i]));
}

static gboolean
look (gpointer data, GError **error)
{
  Extremes *e = data;
  g_autoptr (VisionPicture) picture = NULL;

  if (!language_stages (e->engine->language, e->ids, e->n_ids, on_stage, e, error))
    return FALSE;
  picture = vision_picture_new (e->engine->vision, e->image, 1, NULL, error);
  return picture && vision_stages (picture, on_stage, e, error);
}

/* By the beginning of a conversation in text, and a picture. */
static gboolean
see_extremes (Extremes *e, const gchar *path, const MinivlAnswer *answer, GError **error)
{
  g_auto (MediaFrame) frame = { NULL };
  MinivlImage image;

  if (!media_read_picture (path, &frame, error))
    return FALSE;
  image = (MinivlImage){ { frame.data }, frame.width, frame.height, { frame.stride } };
  e->ids = answer->input_ids;
  e->n_ids = MIN (answer->prompt_tokens, LANGUAGE_CHUNK);
  e->image = &image;
  return scheduler_run (e->engine->scheduler, look, e, error);
}

/* --- conversations --------------------------------------------------------------------------------------------------------- */

typedef struct
{
  gchar **argv; /* FOLDER REPORT FILM PICTURE PICTURE TILES OPTION... */
  MinivlEngine *engine;
  Extremes extremes;
  GString *json;
  guint n_wrong;
} Run;

enum
{
  FOLDER,
  REPORT,
  FILM,
  FIRST_PICTURE,
  SECOND_PICTURE,
  TILES,
  FIRST_OPTION,
};

static void
append_text (GString *json, const gchar *name, const gchar *text)
{
  g_autofree gchar *valid = g_utf8_make_valid (text, -1), *quoted = NULL;
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_VALUE);

  json_node_set_string (node, valid);
  quoted = json_to_string (node, FALSE);
  g_string_append_printf (json, "\"%s\":%s", name, quoted);
}

/* JSON has no infinity. */
static void
append_number (GString *json, const gchar *name, double value)
{
  gchar text[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append_printf (json, "\"%s\":%s", name, isfinite (value) ? g_ascii_dtostr (text, sizeof text, value) : "null");
}

/* As minivl-chat would be called; without a conversation (-1) as it is opened. */
static gboolean
parse (const Run *r, gint which, Options *options, GError **error)
{
  g_autoptr (GStrvBuilder) b = g_strv_builder_new ();
  g_auto (GStrv) args = NULL;
  g_autofree gchar **copy = NULL;

  g_strv_builder_add_many (b, "minivl-chat", "--json", "--max-tokens", "64", "--model", r->argv[FOLDER], NULL);
  g_strv_builder_addv (b, (const gchar **)r->argv + FIRST_OPTION);
  if (which < 0)
    g_strv_builder_add (b, card[0].rounds[0]);
  else {
    g_autofree gchar *tiles = g_build_filename (r->argv[TILES], card[which].name, NULL);

    g_strv_builder_add_many (b, "--dump-tiles", tiles, NULL);
    if (card[which].joined)
      g_strv_builder_add (b, "--joined");
    for (const gchar *p = card[which].pictures; *p; p++)
      g_strv_builder_add_many (b, *p == 'F' ? "--video" : "--image",
          r->argv[*p == 'F'   ? FILM
                  : *p == '1' ? FIRST_PICTURE
                              : SECOND_PICTURE],
          NULL);
    for (guint i = 0; i < 2 && card[which].rounds[i]; i++)
      g_strv_builder_add (b, card[which].rounds[i]);
  }
  args = g_strv_builder_end (b);
  /* It takes out what it understands. */
  copy = g_memdup2 (args, (g_strv_length (args) + 1) * sizeof *args);
  return options_parse (options, g_strv_length (args), copy, error);
}

static gboolean
ask (Run *r, Conversation *c, guint round, GError **error)
{
  g_auto (MinivlAnswer) answer = { NULL };
  g_autofree gchar *report = NULL;

  if (!conversation_ask (c, round, NULL, NULL, &answer, error))
    return FALSE;
  if (!r->extremes.engine) {
    r->extremes.engine = r->engine;
    if (!see_extremes (&r->extremes, r->argv[FIRST_PICTURE], &answer, error))
      return FALSE;
  }
  report = conversation_report (c, round, &answer);
  g_string_append_printf (r->json, "%s\n{", round > 0 ? "," : "");
  append_text (r->json, "prompt", c->topic->prompts[round]);
  g_string_append (r->json, ",\"margins\":[");
  for (guint i = 0; i < answer.output_tokens; i++)
    g_string_append_printf (r->json, "%s%.4f", i > 0 ? "," : "", answer.top_logprobs[2 * i] - answer.top_logprobs[2 * i + 1]);
  g_string_append_printf (r->json, "],\"answer\":%s}", report);
  return TRUE;
}

static void
converse (Run *r, guint which)
{
  Options options = { 0 };
  g_autoptr (GError) error = NULL;
  gint interrupted = FALSE;
  gboolean ok;

  g_string_append_printf (r->json, "%s\n{\"name\":\"%s\",\"joined\":%s,\"rounds\":[", which > 0 ? "," : "", card[which].name,
      card[which].joined ? "true" : "false");
  ok = parse (r, which, &options, &error);
  if (ok) {
    g_auto (Conversation) c = { NULL };

    options.params.n_logprobs = 2;
    conversation_init (&c, &options, &options.topic, &interrupted);
    ok = conversation_read (&c, &error) && conversation_begin (&c, r->engine, &error);
    for (guint i = 0; ok && i < 2 && card[which].rounds[i]; i++)
      ok = ask (r, &c, i, &error);
  }
  g_string_append_c (r->json, ']');
  if (!ok) {
    r->n_wrong++;
    g_string_append_c (r->json, ',');
    append_text (r->json, "error", error->message);
    g_printerr ("%s: %s\n", card[which].name, error->message);
  }
  g_string_append_c (r->json, '}');
  options_clear (&options);
}

static guint64
weight_bytes (const gchar *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  guint64 sum = 0;

  for (const gchar *name; dir && (name = g_dir_read_name (dir));) {
    g_autofree gchar *path = g_build_filename (folder, name, NULL);
    GStatBuf status;

    if (g_str_has_suffix (name, ".safetensors") && g_stat (path, &status) == 0)
      sum += status.st_size;
  }
  return sum;
}

static void
append_head (Run *r)
{
  const MinivlEngineInfo *info = minivl_engine_get_info (r->engine);

  g_string_append (r->json, "{");
  append_text (r->json, "model", info->model);
  g_string_append_c (r->json, ',');
  append_text (r->json, "model_hash", info->model_hash);
  g_string_append_c (r->json, ',');
  append_text (r->json, "device", info->device);
  g_string_append_c (r->json, ',');
  append_text (r->json, "driver", r->engine->driver);
  g_string_append_printf (r->json,
      ",\"precision\":\"%s\",\"tokenizer\":\"%s\",\"system_source\":\"%s\",\"weight_bytes\":%" G_GUINT64_FORMAT
      ",\"device_bytes\":%" G_GUINT64_FORMAT ",\"load_ns\":%" G_GUINT64_FORMAT ",\n\"conversations\":[",
      info->precision, info->tokenizer, info->system_source, weight_bytes (r->argv[FOLDER]), info->device_bytes, info->load_ns);
}

/* What there is so far: some machines need hours for all of it. */
static gboolean
write_report (Run *r, gint64 begun, GError **error)
{
  gsize length = r->json->len;
  gboolean ok;

  g_string_append_printf (
      r->json, "\n],\n\"total_ns\":%" G_GINT64_FORMAT ",\"largest\":{", (g_get_monotonic_time () - begun) * 1000);
  append_number (r->json, "k", r->extremes.k);
  g_string_append_c (r->json, ',');
  append_number (r->json, "v", r->extremes.v);
  g_string_append_c (r->json, ',');
  append_number (r->json, "residual", r->extremes.residual);
  g_string_append_c (r->json, ',');
  append_number (r->json, "vision_residual", r->extremes.vision_residual);
  g_string_append (r->json, "}}\n");
  ok = g_file_set_contents (r->argv[REPORT], r->json->str, r->json->len, error);
  g_string_truncate (r->json, length);
  return ok;
}

int
main (int argc, char **argv)
{
  Run r = { argv + 1 };
  Options options = { 0 };
  MinivlEngineOptions engine_options = { 0 };
  g_autoptr (GError) error = NULL;
  gint64 begun = g_get_monotonic_time ();
  int code = 2;

  if (argc - 1 < FIRST_OPTION) {
    g_printerr ("usage: real-checkpoint FOLDER REPORT FILM PICTURE PICTURE TILES [OPTION...]\n");
    return 2;
  }
  if (parse (&r, -1, &options, &error)) {
    engine_options = (MinivlEngineOptions){ .model_path = options.model,
      .device = options.device,
      .precision = options.precision,
      .context_size = options.context_size,
      .tokenizer = options.tokenizer };
    r.engine = minivl_engine_open (&engine_options, &error);
  }
  if (r.engine) {
    r.json = g_string_new (NULL);
    append_head (&r);
    for (guint i = 0; i < G_N_ELEMENTS (card) && !error; i++) {
      g_printerr ("%u of %u: %s\n", i + 1, (guint)G_N_ELEMENTS (card), card[i].name);
      converse (&r, i);
      if (write_report (&r, begun, &error))
        code = r.n_wrong > 0 ? 1 : 0;
    }
    if (error)
      code = 2;
    g_string_free (r.json, TRUE);
  }
  if (error)
    g_printerr ("%s\n", error->message);
  minivl_engine_unref (r.engine);
  options_clear (&options);
  return code;
}
