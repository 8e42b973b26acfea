/* What is counted: see metrics.h. */
#include "metrics.h"

#define MOST_STATUS 600

struct _Metrics
{
  GMutex lock; /* for the rest */
  guint64 requests[MOST_STATUS];
  guint64 prompt_tokens, cached_tokens, output_tokens, pictures, encoded;
  guint64 stage_ns[N_STAGES];
};

Metrics *
metrics_new (void)
{
  Metrics *m = g_new0 (Metrics, 1);

  g_mutex_init (&m->lock);
  return m;
}

void
metrics_free (Metrics *metrics)
{
  if (!metrics)
    return;
  g_mutex_clear (&metrics->lock);
  g_free (metrics);
}

void
metrics_add_request (Metrics *metrics, guint status)
{
  g_mutex_lock (&metrics->lock);
  metrics->requests[MIN (status, MOST_STATUS - 1)]++;
  g_mutex_unlock (&metrics->lock);
}

void
metrics_add_tokens (Metrics *metrics, guint prompt, guint cached, guint output)
{
  g_mutex_lock (&metrics->lock);
  metrics->prompt_tokens += prompt;
  metrics->cached_tokens += cached;
  metrics->output_tokens += output;
  g_mutex_unlock (&metrics->lock);
}

void
metrics_add_time (Metrics *metrics, Stage stage, guint64 ns)
{
  g_mutex_lock (&metrics->lock);
  metrics->stage_ns[stage] += ns;
  g_mutex_unlock (&metrics->lock);
}

void
metrics_add_picture (Metrics *metrics, gboolean encoded)
{
  g_mutex_lock (&metrics->lock);
  metrics->pictures++;
  metrics->encoded += encoded;
  g_mutex_unlock (&metrics->lock);
}

/* The lines that say what a row is. */
static void
head (GString *text, const gchar *name, const gchar *type, const gchar *help)
{
  g_string_append_printf (text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
number (GString *text, const gchar *name, const gchar *type, const gchar *help, guint64 value)
{
  head (text, name, type, help);
  g_string_append_printf (text, "%s %" G_GUINT64_FORMAT "\n", name, value);
}

gchar *
metrics_to_text (Metrics *metrics, const MetricsNow *now)
{
  static const gchar *const stages[] = { "media", "preprocess", "encode", "prefill", "decode" };
  GString *text = g_string_new (NULL);

  g_mutex_lock (&metrics->lock);
  head (text, "minivl_requests_total", "counter", "Requests that were answered, by status; 499: the client was gone.");
  for (guint status = 0; status < MOST_STATUS; status++)
    if (metrics->requests[status] > 0)
      g_string_append_printf (
          text, "minivl_requests_total{code=\"%u\"} %" G_GUINT64_FORMAT "\n", status, metrics->requests[status]);
  number (text, "minivl_connections", "gauge", "Connections that are open.", now->n_connections);
  number (text, "minivl_requests_waiting", "gauge", "Requests in the queue.", now->n_waiting);
  number (text, "minivl_requests_running", "gauge", "Requests that are being answered.", now->n_running);
  number (text, "minivl_body_bytes", "gauge", "Bodies of requests that are coming in or not answered yet.", now->body_bytes);
  number (text, "minivl_prompt_tokens_total", "counter", "Tokens of prompts.", metrics->prompt_tokens);
  number (text, "minivl_cached_tokens_total", "counter", "Of these, not computed again.", metrics->cached_tokens);
  number (text, "minivl_output_tokens_total", "counter", "Tokens of answers.", metrics->output_tokens);
  number (text, "minivl_decode_steps_total", "counter", "Steps of the device that gave answers a token each.", now->steps);
  number (
      text, "minivl_decode_step_answers_total", "counter", "Answers in these: by steps, how many go together.", now->step_answers);
  number (text, "minivl_pictures_total", "counter", "Pictures and frames that were shown.", metrics->pictures);
  number (text, "minivl_pictures_encoded_total", "counter", "Of these, no equal one was there.", metrics->encoded);
  head (text, "minivl_stage_seconds_total", "counter", "Time taken, by stage, summed over requests.");
  for (guint stage = 0; stage < N_STAGES; stage++) {
    gchar value[G_ASCII_DTOSTR_BUF_SIZE];

    g_ascii_formatd (value, sizeof value, "%.6f", metrics->stage_ns[stage] / 1e9);
    g_string_append_printf (text, "minivl_stage_seconds_total{stage=\"%s\"} %s\n", stages[stage], value);
  }
  g_mutex_unlock (&metrics->lock);
  number (text, "minivl_device_bytes", "gauge", "Device memory taken by weights, cache and activations.", now->device_bytes);
  return g_string_free (text, FALSE);
}
