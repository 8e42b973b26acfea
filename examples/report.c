#include "report.h"
#include "jsontext.h"

#include "model/minivl-budget.h"

#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>

static void
add_int (JsonBuilder *b, const gchar *name, gint64 value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_int_value (b, value);
}

static void
add_string (JsonBuilder *b, const gchar *name, const gchar *value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_string_value (b, value);
}

static void
add_ids (JsonBuilder *b, const gchar *name, const gint32 *ids, guint n_ids)
{
  json_builder_set_member_name (b, name);
  json_builder_begin_array (b);
  for (guint i = 0; i < n_ids; i++)
    json_builder_add_int_value (b, ids[i]);
  json_builder_end_array (b);
}

/* null where no time went by */
static void
add_rate (JsonBuilder *b, const gchar *name, guint n, guint64 ns)
{
  json_builder_set_member_name (b, name);
  if (n > 0 && ns > 0)
    json_builder_add_double_value (b, n * 1e9 / ns);
  else
    json_builder_add_null_value (b);
}

/* null where there were none to choose from */
static void
add_choice (JsonBuilder *b, const MinivlAnswer *a)
{
  json_builder_set_member_name (b, "choice");
  if (a->choice >= 0)
    json_builder_add_int_value (b, a->choice);
  else
    json_builder_add_null_value (b);
  json_builder_set_member_name (b, "choice_probabilities");
  if (!a->choice_probabilities) {
    json_builder_add_null_value (b);
    return;
  }
  json_builder_begin_array (b);
  for (guint i = 0; i < a->n_choices; i++)
    json_builder_add_double_value (b, a->choice_probabilities[i]);
  json_builder_end_array (b);
}

static void
add_pictures (JsonBuilder *b, const Report *r)
{
  json_builder_set_member_name (b, "tiles");
  json_builder_begin_array (b);
  for (guint i = 0; i < r->n_pictures; i++) {
    MinivlPictureInfo info;

    minivl_picture_get_info (r->pictures[i], &info);
    json_builder_begin_array (b);
    json_builder_add_int_value (b, info.columns);
    json_builder_add_int_value (b, info.rows);
    json_builder_end_array (b);
  }
  json_builder_end_array (b);

  json_builder_set_member_name (b, "frames");
  json_builder_begin_array (b);
  for (guint i = 0; i < r->n_frames; i++)
    json_builder_add_int_value (b, r->frames[i]);
  json_builder_end_array (b);

  json_builder_set_member_name (b, "frame_times");
  json_builder_begin_array (b);
  for (guint i = 0; i < r->n_frames; i++)
    if (r->frame_times[i] >= 0)
      json_builder_add_int_value (b, r->frame_times[i]);
    else
      json_builder_add_null_value (b);
  json_builder_end_array (b);
}

/* The kernel's own figure for this program; getrusage() would count what ran in the process before it. 0: it tells none. */
static guint64
peak_rss_bytes (void)
{
  g_autofree gchar *status = NULL;
  const gchar *line;

  if (!g_file_get_contents ("/proc/self/status", &status, NULL, NULL))
    return 0;
  line = strstr (status, "VmHWM:");
  return line ? g_ascii_strtoull (line + strlen ("VmHWM:"), NULL, 10) * 1024 : 0;
}

gchar *
report_to_json (const Report *r)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  const MinivlAnswer *a = r->answer;

  json_builder_begin_object (b);
  add_string (b, "text", a->text);
  add_string (b, "finish_reason", minivl_finish_to_string (a->finish));
  add_int (b, "prompt_tokens", a->prompt_tokens);
  add_int (b, "output_tokens", a->output_tokens);
  add_int (b, "cached_tokens", a->cached_tokens);
  add_int (b, "drafted", a->drafted);
  add_int (b, "accepted", a->accepted);
  add_ids (b, "input_ids", a->input_ids, a->prompt_tokens);
  add_ids (b, "token_ids", a->token_ids, a->output_tokens);
  add_choice (b, a);
  add_pictures (b, r);
  json_builder_set_member_name (b, "warnings");
  json_builder_begin_array (b);
  if (r->warning)
    json_builder_add_string_value (b, r->warning);
  json_builder_end_array (b);
  add_int (b, "seed", r->seed);
  add_string (b, "precision", r->engine->precision);
  add_string (b, "cache_precision", r->engine->cache_precision);
  add_string (b, "device", r->engine->device);
  add_string (b, "model", r->engine->model);
  add_string (b, "model_hash", r->engine->model_hash);
  add_string (b, "tokenizer", r->engine->tokenizer);
  add_string (b, "system_source", r->system_source);

  json_builder_set_member_name (b, "timings");
  json_builder_begin_object (b);
  add_int (b, "load", r->load_ns);
  add_int (b, "preprocess", r->preprocess_ns);
  add_int (b, "encode", r->encode_ns);
  add_int (b, "prefill", a->prefill_ns);
  add_int (b, "decode", a->decode_ns);
  add_int (b, "total", r->total_ns);
  json_builder_end_object (b);

  json_builder_set_member_name (b, "tokens_per_second");
  json_builder_begin_object (b);
  add_rate (b, "prefill", a->prompt_tokens - a->cached_tokens, a->prefill_ns);
  add_rate (b, "decode", a->output_tokens, a->decode_ns);
  json_builder_end_object (b);

  add_int (b, "device_bytes", r->engine->device_bytes);
  add_int (b, "peak_rss_bytes", peak_rss_bytes ());
  json_builder_end_object (b);
  root = json_builder_get_root (b);
  return json_text_write (root);
}

gboolean
report_write_logits (const gchar *path, const MinivlAnswer *answer, GError **error)
{
  g_autoptr (GByteArray) file = g_byte_array_new ();
  g_autofree gchar *header = NULL;
  guint64 size;

  header = g_strdup_printf (
      "{\"logits\":{\"dtype\":\"F32\",\"shape\":[%u],\"data_offsets\":[0,%u]}}", answer->n_logits, answer->n_logits * 4);
  /* Spaces up to a multiple of 8 keep the numbers aligned for readers that map the file. */
  size = (strlen (header) + 7) / 8 * 8;
  size = GUINT64_TO_LE (size);
  g_byte_array_append (file, (const guint8 *)&size, sizeof (size));
  g_byte_array_append (file, (const guint8 *)header, strlen (header));
  while (file->len % 8 != 0)
    g_byte_array_append (file, (const guint8 *)" ", 1);
  for (guint i = 0; i < answer->n_logits; i++) {
    guint32 bits;

    memcpy (&bits, &answer->logits[i], sizeof (bits));
    bits = GUINT32_TO_LE (bits);
    g_byte_array_append (file, (const guint8 *)&bits, sizeof (bits));
  }
  return g_file_set_contents (path, (const gchar *)file->data, file->len, error);
}

gboolean
report_devices (GError **error)
{
  MinivlDevice *devices = NULL;
  guint n_devices = 0;

  if (!minivl_devices_list (&devices, &n_devices, error))
    return FALSE;
  for (guint i = 0; i < n_devices; i++) {
    const MinivlDevice *d = &devices[i];

    printf ("%c %u: %s | %s | %.1f GiB | %s | %s\n", d->chosen ? '*' : ' ', i, d->name, d->type, d->memory / 1073741824.0,
        d->driver, d->uuid);
    if (d->refusal)
      printf ("     cannot be used: %s\n", d->refusal);
    else
      printf ("     kernels: %s\n", d->geometry);
  }
  minivl_devices_free (devices, n_devices);
  if (n_devices == 0) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_DEVICE,
        "there is no Vulkan device: install a driver (mesa-vulkan-drivers has one for every GPU and for the CPU)");
    return FALSE;
  }
  return TRUE;
}

static const gchar *
precision_name (MinivlPrecision precision)
{
  return precision == MINIVL_PRECISION_F16 ? "f16" : precision == MINIVL_PRECISION_Q8 ? "q8" : "q4";
}

static guint64
row_bytes (const MinivlBudgetRow *row)
{
  return row->weights + row->cache + row->scratch;
}

/* The most tokens that fit into so many bytes. */
static gchar *
most_context (const MinivlBudget *budget, MinivlPrecision precision, guint64 memory)
{
  guint most = 0;

  for (guint i = 0; i < budget->n_rows; i++)
    if (budget->rows[i].precision == precision && row_bytes (&budget->rows[i]) <= memory)
      most = MAX (most, budget->rows[i].context_size);
  return most > 0 ? g_strdup_printf ("%u", most) : g_strdup ("-");
}

gboolean
report_budget (const MinivlEngineOptions *options, GError **error)
{
  static const guint cards[] = { 4, 6, 8, 11, 24 };
  g_auto (MinivlBudget) budget = { NULL };

  if (!minivl_budget_init (&budget, options, error))
    return FALSE;
  printf ("%s: %" G_GUINT64_FORMAT " MiB\n\n", budget.device, budget.memory >> 20);
  printf ("precision  context   weights     cache   scratch    in all  (MiB)\n");
  for (guint i = 0; i < budget.n_rows; i++) {
    const MinivlBudgetRow *row = &budget.rows[i];
    const guint64 parts[] = { row->weights, row->cache, row->scratch, row_bytes (row) };

    printf ("%-9s %8u", precision_name (row->precision), row->context_size);
    for (guint k = 0; k < G_N_ELEMENTS (parts); k++)
      printf ("%10" G_GUINT64_FORMAT, (parts[k] + (1 << 20) - 1) >> 20);
    printf ("  %s\n", row->fits ? "fits" : "does not fit");
  }

  printf ("\ncontext of    f16      q8      q4\n");
  for (guint i = 0; i < G_N_ELEMENTS (cards); i++) {
    printf ("%2u GiB    ", cards[i]);
    for (MinivlPrecision p = MINIVL_PRECISION_F16; p <= MINIVL_PRECISION_Q4; p++) {
      g_autofree gchar *most = most_context (&budget, p, (guint64)cards[i] << 30);

      printf ("%8s", most);
    }
    printf ("\n");
  }
  return TRUE;
}
