#include "options.h"
#include "precision.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

static const gchar summary[] =
    "Asks a Mini-InternVL-Chat checkpoint about pictures, a video or nothing but text. Each PROMPT is a\n"
    "round; `<image>` in it stands for a picture or frame, which else are put in front of the first one.";

static const gchar description[] =
    "Answers go to standard output, all else to standard error. Exit: 0 answered; 1 device, memory or\n"
    "model trouble; 2 bad usage, a bad file or, with --batch, an answer missing; 130 interrupted.";

/* Values as GOption gives them. */
typedef struct
{
  gchar *precision, *cache_precision, *tokenizer, *choices, *json_schema;
  gchar **images, **videos;
  gint context_size, cache_size, max_tokens, top_k;
  gint64 seed;
} Raw;

void
options_clear (Options *o)
{
  g_free (o->model);
  g_free (o->lora);
  g_free (o->cache_dir);
  g_free (o->device);
  g_free (o->system);
  g_free (o->logits);
  g_free (o->dump_tiles);
  g_free (o->batch);
  g_free (o->output);
  topic_clear (&o->topic);
  g_strfreev (o->stop);
  g_strfreev (o->choices);
  g_free (o->json_schema);
  memset (o, 0, sizeof (*o));
}

static gboolean G_GNUC_PRINTF (2, 3) bad (GError **error, const gchar *format, ...)
{
  va_list args;

  va_start (args, format);
  if (error)
    *error = g_error_new_valist (G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, format, args);
  va_end (args);
  return FALSE;
}

/* --- checks ---------------------------------------------------------------------------------------------------------------- */

static gboolean
parse_precision (Options *o, const gchar *text, GError **error)
{
  return precision_parse (text, &o->precision) || bad (error, "--precision %s: " PRECISION_NAMES, text);
}

static gboolean
parse_cache_precision (Options *o, const gchar *text, GError **error)
{
  if (!text || g_str_equal (text, "f16"))
    o->cache_precision = MINIVL_CACHE_PRECISION_F16;
  else if (g_str_equal (text, "q8"))
    o->cache_precision = MINIVL_CACHE_PRECISION_Q8;
  else
    return bad (error, "--cache-precision %s: f16 or q8", text);
  return TRUE;
}

static gboolean
parse_tokenizer (Options *o, const gchar *text, GError **error)
{
  if (!text || g_str_equal (text, "auto"))
    o->tokenizer = MINIVL_TOKENIZER_AUTO;
  else if (g_str_equal (text, "fast"))
    o->tokenizer = MINIVL_TOKENIZER_FAST;
  else if (g_str_equal (text, "slow"))
    o->tokenizer = MINIVL_TOKENIZER_SLOW;
  else
    return bad (error, "--tokenizer %s: auto, fast or slow", text);
  return TRUE;
}

static gboolean
check_utf8 (const gchar *option, gchar **texts, gboolean empty_too, GError **error)
{
  for (gchar **text = texts; text && *text; text++)
    if (!g_utf8_validate (*text, -1, NULL))
      return bad (error, "%s: not UTF-8", option);
    else if (!empty_too && **text == '\0')
      return bad (error, "%s: empty", option);
  return TRUE;
}

static gboolean
check_sampling (Options *o, const Raw *raw, GError **error)
{
  if (raw->max_tokens < 1)
    return bad (error, "--max-tokens %d: at least 1", raw->max_tokens);
  if (!isfinite (o->params.temperature) || o->params.temperature < 0)
    return bad (error, "--temperature %g: 0 or more", o->params.temperature);
  if (raw->top_k < 0)
    return bad (error, "--top-k %d: 0 (no limit) or more", raw->top_k);
  if (!(o->params.top_p > 0 && o->params.top_p <= 1))
    return bad (error, "--top-p %g: above 0, at most 1", o->params.top_p);
  if (!isfinite (o->params.repetition_penalty) || o->params.repetition_penalty <= 0)
    return bad (error, "--repetition-penalty %g: above 0", o->params.repetition_penalty);
  if (raw->seed < 0)
    return bad (error, "--seed %" G_GINT64_FORMAT ": 0 or more", raw->seed);
  o->params.max_tokens = raw->max_tokens;
  o->params.top_k = raw->top_k;
  o->params.seed = raw->seed;
  return TRUE;
}

/* Minutes may pass before it is written. */
static gboolean
check_logits (const gchar *path, GError **error)
{
  g_autofree gchar *folder = path ? g_path_get_dirname (path) : NULL;

  if (!path
      || (g_file_test (folder, G_FILE_TEST_IS_DIR) && g_access (folder, W_OK) == 0 && !g_file_test (path, G_FILE_TEST_IS_DIR)))
    return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_ACCES, "--logits %s: no file can be written there", path);
  return FALSE;
}

static gboolean
check_dump_tiles (const gchar *path, GError **error)
{
  if (!path || (g_mkdir_with_parents (path, 0777) == 0 && g_access (path, W_OK) == 0))
    return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_ACCES, "--dump-tiles %s: no folder that can be written to", path);
  return FALSE;
}

/* What a batch has in its lines, or cannot have. */
static gboolean
check_batch (const Options *o, const Raw *raw, GError **error)
{
  if (o->topic.prompts || raw->images || raw->videos || o->topic.joined)
    return bad (error, "--batch: PROMPT, --image, --video and --joined are in its lines");
  if (o->logits || o->dump_tiles)
    return bad (error, "--batch: --logits and --dump-tiles are for one conversation");
  return TRUE;
}

static gboolean
check_budget (const Options *o, const Raw *raw, GError **error)
{
  return (!o->topic.prompts && !raw->images && !raw->videos && !o->batch) || bad (error, "--budget: nothing is asked");
}

static gboolean
check_single (const Options *o, GError **error)
{
  if (o->output)
    return bad (error, "--output %s: only with --batch", o->output);
  return o->topic.prompts || bad (error, "no PROMPT; see --help");
}

static gboolean
check (Options *o, const Raw *raw, GError **error)
{
  gchar *system[] = { o->system, NULL };

  if (o->list_devices || o->clear_cache)
    return TRUE;
  if (!(o->budget ? check_budget (o, raw, error) : o->batch ? check_batch (o, raw, error) : check_single (o, error)))
    return FALSE;
  if (!o->model)
    o->model = minivl_default_model_path ();
  if (!o->model)
    return bad (error, "--model DIR is needed: the folder of a checkpoint, for the demo model is not beside libminivl");
  if (!parse_precision (o, raw->precision, error) || !parse_cache_precision (o, raw->cache_precision, error)
      || !parse_tokenizer (o, raw->tokenizer, error))
    return FALSE;
  if (raw->context_size < 0)
    return bad (error, "--context-size %d: at least 1, or 0 for what fits", raw->context_size);
  if (raw->cache_size < 0)
    return bad (error, "--cache-size %d: at least 1, or 0 for what fits", raw->cache_size);
  o->context_size = raw->context_size;
  o->cache_size = raw->cache_size;
  if (!check_sampling (o, raw, error) || !check_utf8 ("PROMPT", o->topic.prompts, TRUE, error)
      || !check_utf8 ("--system", system, TRUE, error) || !check_utf8 ("--stop", o->stop, FALSE, error)
      || !check_utf8 ("--choices", o->choices, FALSE, error))
    return FALSE;
  if (raw->json_schema && !g_file_get_contents (raw->json_schema, &o->json_schema, NULL, error))
    return FALSE;
  if (o->choices && !o->choices[0])
    return bad (error, "--choices: there are none");
  if (!check_logits (o->logits, error) || !check_dump_tiles (o->dump_tiles, error))
    return FALSE;
  for (gchar **text = raw->images; text && *text; text++)
    if (!topic_add_image (&o->topic, *text, error))
      return FALSE;
  if (raw->videos && g_strv_length (raw->videos) > 1)
    return bad (error, "--video: only one");
  if (raw->videos && !topic_set_video (&o->topic, raw->videos[0], error))
    return FALSE;
  if (o->topic.joined && o->topic.images->len == 0)
    return bad (error, "--joined: there is no --image to join");
  return TRUE;
}

gboolean
options_parse (Options *options, gint argc, gchar **argv, GError **error)
{
  Options o = { .params = MINIVL_PARAMS_INIT };
  Raw raw = { .max_tokens = o.params.max_tokens, .top_k = o.params.top_k };
  /* Texts are taken as file names are, byte for byte: GOption would recode strings, and fail at any letter in the C locale. */
  const GOptionEntry entries[] = {
    { "model", 0, 0, G_OPTION_ARG_FILENAME, &o.model, "checkpoint folder (the demo model)", "DIR" },
    { "lora", 0, 0, G_OPTION_ARG_FILENAME, &o.lora, "an adapter's folder, merged into it SCALE times (1)", "DIR[:SCALE]" },
    { "device", 0, 0, G_OPTION_ARG_FILENAME, &o.device, "index, UUID or part of a name (a GPU before a CPU)", "D" },
    { "list-devices", 0, 0, G_OPTION_ARG_NONE, &o.list_devices, "print the devices; * marks the one taken by default", NULL },
    { "budget", 0, 0, G_OPTION_ARG_NONE, &o.budget, "print what the checkpoint takes of the device's memory", NULL },
    { "precision", 0, 0, G_OPTION_ARG_FILENAME, &raw.precision, "f16, q8, q4, the first of them that fits (auto), or f32", "P" },
    { "cache-precision", 0, 0, G_OPTION_ARG_FILENAME, &raw.cache_precision,
        "of keys and values: f16, or q8 in half the memory (f16)", "P" },
    { "tokenizer", 0, 0, G_OPTION_ARG_FILENAME, &raw.tokenizer, "auto, fast or slow (auto: as the model's card does)", "T" },
    { "context-size", 0, 0, G_OPTION_ARG_INT, &raw.context_size, "most tokens of a conversation (0: 8192 or what fits)", "N" },
    { "cache-size", 0, 0, G_OPTION_ARG_INT, &raw.cache_size, "tokens of all conversations (0: one; --batch: what fits)", "N" },
    { "system", 0, 0, G_OPTION_ARG_FILENAME, &o.system, "system message, \"\" for none (the checkpoint's own)", "TEXT" },
    { "image", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &raw.images, "a picture in at most MAX_TILES tiles (6); repeatable",
        "FILE[:MAX_TILES]" },
    { "joined", 0, 0, G_OPTION_ARG_NONE, &o.topic.joined, "all pictures are the tiles of one <image>", NULL },
    { "video", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &raw.videos, "frames amid SEGMENTS (8) equal parts of these seconds",
        "FILE[:SEGMENTS[:START-STOP]]" },
    { "max-tokens", 0, 0, G_OPTION_ARG_INT, &raw.max_tokens, "most tokens of an answer (512)", "N" },
    { "temperature", 0, 0, G_OPTION_ARG_DOUBLE, &o.params.temperature, "0 takes the best token (0)", "T" },
    { "top-k", 0, 0, G_OPTION_ARG_INT, &raw.top_k, "draw among the K best tokens, 0: all (40)", "K" },
    { "top-p", 0, 0, G_OPTION_ARG_DOUBLE, &o.params.top_p, "draw among the best tokens of P together (0.8)", "P" },
    { "repetition-penalty", 0, 0, G_OPTION_ARG_DOUBLE, &o.params.repetition_penalty, "1 is none (1)", "R" },
    { "checkpoint-sampling", 0, 0, G_OPTION_ARG_NONE, &o.checkpoint_sampling, "the four above from generation_config.json", NULL },
    { "seed", 0, 0, G_OPTION_ARG_INT64, &raw.seed, "same seed, same text (0)", "S" },
    { "stop", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o.stop, "end the answer before TEXT; repeatable", "TEXT" },
    { "choices", 0, 0, G_OPTION_ARG_FILENAME, &raw.choices, "the answer is one of these, split by |", "A|B..." },
    { "json-schema", 0, 0, G_OPTION_ARG_FILENAME, &raw.json_schema, "the answer is JSON that fits this schema", "FILE" },
    { "batch", 0, 0, G_OPTION_ARG_FILENAME, &o.batch, "answer the conversations of a JSON Lines file (README)", "FILE" },
    { "output", 0, 0, G_OPTION_ARG_FILENAME, &o.output, "with --batch: add to FILE what it has no answer to yet", "FILE" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &o.json, "print a JSON object a round, one line each", NULL },
    { "logits", 0, 0, G_OPTION_ARG_FILENAME, &o.logits, "logits after the first prompt, as safetensors", "FILE" },
    { "dump-tiles", 0, 0, G_OPTION_ARG_FILENAME, &o.dump_tiles, "write the tiles that the model sees, as PNG", "DIR" },
    { "cache-dir", 0, 0, G_OPTION_ARG_FILENAME, &o.cache_dir, "folder of converted weights and pipelines, \"\": none", "DIR" },
    { "clear-cache", 0, 0, G_OPTION_ARG_NONE, &o.clear_cache, "empty that folder, and tell what was there", NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o.topic.prompts, NULL, "PROMPT [PROMPT...]" },
    { NULL },
  };
  GOptionContext *context = g_option_context_new (NULL);
  gboolean ok;

  topic_init (&o.topic);
  g_option_context_set_summary (context, summary);
  g_option_context_set_description (context, description);
  g_option_context_add_main_entries (context, entries, NULL);
  ok = g_option_context_parse (context, &argc, &argv, error);
  o.choices = raw.choices ? minivl_choices_split (raw.choices) : NULL;
  ok = ok && check (&o, &raw, error);
  g_option_context_free (context);
  g_free (raw.precision);
  g_free (raw.cache_precision);
  g_free (raw.tokenizer);
  g_free (raw.choices);
  g_free (raw.json_schema);
  g_strfreev (raw.images);
  g_strfreev (raw.videos);
  if (!ok) {
    options_clear (&o);
    return FALSE;
  }
  o.params.stop = (const gchar *const *)o.stop;
  o.params.choices = (const gchar *const *)o.choices;
  o.params.json_schema = o.json_schema;
  o.params.want_logits = o.logits != NULL;
  *options = o;
  return TRUE;
}
