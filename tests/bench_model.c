/* What the rows of the stages tell of a whole model. */
#include "bench.h"

#include "model/engine.h"
#include "true_widths.h"

#define TEXT 92 /* tokens of a segment's prompt that are not of its frames: the system's, the marks', the question's */

static const BenchRow *
find_row (const Bench *b, const gchar *name)
{
  for (guint i = 0; i < b->rows->len; i++)
    if (g_str_equal (g_array_index (b->rows, BenchRow, i).name, name))
      return &g_array_index (b->rows, BenchRow, i);
  return NULL;
}

/* Of a prompt: the layers' weights, causal attention, one row of the head. */
static double
prefill_flops (const LanguageConfig *c, guint layers, double tokens)
{
  double h = c->hidden, kv = (double)c->kv_heads * language_head_dim (c), layer = h * (2 * h + 2 * kv + 3.0 * c->intermediate);

  return layers * (2 * tokens * layer + 2 * h * tokens * (tokens + 1)) + 2.0 * c->vocab * h;
}

/* Bytes of a decode step of all layers, by those of a row that has some of them and BENCH_KEYS tokens of context. */
static double
step_bytes (const MinivlEngine *e, const BenchRow *row, guint layers, double tokens)
{
  const LanguageConfig *c = &e->config.language;
  double head = tensor_bytes (&e->weights->head), layer = (row->bytes - head) / c->layers;
  double token = 2.0 * c->kv_heads * language_head_dim (c) * type_size (kv_pool_layer (e->kv, 0)->k.type);

  return head + layers * (layer + (tokens - BENCH_KEYS) * token);
}

BenchModel
bench_model (const Bench *b)
{
  const BenchRow *tile = find_row (b, "vision_tile"), *prefill = find_row (b, "prefill_512"), *step = find_row (b, "decode_step");
  const ModelConfig *config = b->engine ? &b->engine->config : NULL;
  BenchModel m = { 0 };
  double prompt;

  if (!config)
    return m;
  m.layers = b->model ? config->language.layers : TRUE_LANGUAGE_LAYERS;
  prompt = BENCH_FRAMES * (double)model_tile_tokens (config) + TEXT;
  if (tile)
    m.frame_seconds = tile->ns * 1e-9 * (b->model ? 1 : (double)TRUE_VISION_LAYERS / config->vision.layers);
  if (prefill)
    m.prefill_speed = prompt / (prefill->ns * 1e-9 / prefill->flops * prefill_flops (&config->language, m.layers, prompt));
  if (step)
    m.decode_speed = 1 / (step->ns * 1e-9 / step->bytes * step_bytes (b->engine, step, m.layers, prompt));
  if (tile && prefill && step)
    m.segment_seconds = BENCH_FRAMES * m.frame_seconds + prompt / m.prefill_speed + BENCH_ANSWER / m.decode_speed;
  return m;
}
