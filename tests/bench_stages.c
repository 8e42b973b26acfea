/*
 * Rows of the model's stages, through an engine: a checkpoint's, or one of true widths whose random weights are made in memory.
 *
 * The language model of the latter has Phi-3-mini's widths and four of its 32 layers; its vision transformer is InternViT-300M.
 */
#include "bench.h"

#include <string.h>

#include "crowd.h"
#include "model/engine.h"
#include "model/model_testing.h"
#include "synth.h"
#include "true_widths.h"
#include "true_words.h"

#define CONTEXT 8192                   /* tokens: more than all prompts here together */
#define PROMPT BENCH_KEYS              /* tokens */
#define N_PROMPTS 4                    /* that are kept in the cache */
#define STEPS 16                       /* of a decode run, PROMPT tokens of context at their middle */
#define QUESTION 24                    /* tokens */
#define FRAME 256                      /* tokens of a frame */
#define FIRST_SEGMENT 32               /* text of the first one that is prepared; no other row has it, or the ones behind it */
#define ANSWER 8                       /* tokens of an answer to a question */
#define TEXT 64                        /* tokens of an answer to be drafted */
#define SHAPE "{\"type\": \"string\"}" /* within a string nearly all tokens may follow, and are gone through */
#define SEED 1                         /* of the weights */
#define PATTERN (1u << 20) /* elements: a matrix repeats them, for making all of them would take longer than the bench */

/* Rows are medians of at least so many runs. */
#define LOADS 3
#define TILES 3
#define PREFILLS (N_PROMPTS - 1) /* a prompt is prefilled once */
#define PICTURES 5
#define DECODES 7
#define SEGMENTS 3
#define SECONDS 2.0

/* --- the engine -------------------------------------------------------------------------------------------------------------- */

static ModelConfig
bench_config (gboolean quick)
{
  return true_widths (quick ? 2 : TRUE_VISION_LAYERS, quick ? 1 : 4);
}

static gpointer
make_tensor (const TensorInfo *t)
{
  gsize bytes = tensor_info_bytes (t), pattern = MIN (bytes, (gsize)PATTERN * dtype_size (t->dtype));
  guint8 *data = g_malloc (bytes);

  synth_fill (t, SEED, 0, pattern / dtype_size (t->dtype), data);
  for (gsize done = pattern; done < bytes; done += pattern)
    memcpy (data + done, data, MIN (pattern, bytes - done));
  return data;
}

static TensorSet *
make_tensors (const ModelConfig *config)
{
  g_autoptr (GPtrArray) list = synth_list (config, DTYPE_BF16);
  TensorSet *set = tensor_set_new ();

  for (guint i = 0; i < list->len; i++) {
    const TensorInfo *t = g_ptr_array_index (list, i);

    tensor_set_add (set, t->name, t->dtype, t->n_dims, t->shape, make_tensor (t));
  }
  return set;
}

/* tensors NULL: the checkpoint. */
static MinivlEngine *
open_engine (const Bench *b, const TensorSet *tensors)
{
  g_autoptr (GError) error = NULL;
  MinivlEngineOptions options = {
    .model_path = b->model,
    .device = b->device,
    .precision = b->precision,
    .context_size = CONTEXT,
  };
  ModelConfig config = bench_config (b->quick);
  EngineParts parts = {
    .name = "true widths", .config = &config, .tensors = (TensorSet *)tensors, .image_token = -1, .end_token = -1
  };
  MinivlEngine *e = tensors ? engine_new (&parts, &options, &error) : minivl_engine_open (&options, &error);

  bench_assert (error);
  e->end_token = e->config.language.eos = -1; /* answers are as long as they are asked to be */
  return e;
}

/* Opens it often enough for the median, if there is a timer; keeps the last one. */
static void
open_engines (Bench *b, BenchTimer *timer)
{
  g_autoptr (TensorSet) tensors = NULL;

  if (!b->model) {
    ModelConfig config = bench_config (b->quick);

    tensors = make_tensors (&config);
  }
  do {
    minivl_engine_unref (b->engine);
    b->engine = open_engine (b, tensors);
    if (timer)
      bench_ran (timer, b->engine->info.load_ns, 1);
  } while (timer && bench_goes_on (timer));
}

static MinivlEngine *
get_engine (Bench *b)
{
  if (!b->engine)
    open_engines (b, NULL);
  return b->engine;
}

/* A job on the scheduler's thread. */
static void
run_job (Bench *b, SchedulerFunc func, gpointer data)
{
  g_autoptr (GError) error = NULL;

  scheduler_run (get_engine (b)->scheduler, func, data, &error);
  bench_assert (error);
}

/* --- what the stages are made of --------------------------------------------------------------------------------------------- */

/* Counts the matrices' numbers; the vectors' do not matter. */
static double
vision_weights (const ModelConfig *c)
{
  double d = c->vision.hidden;

  return model_select_layer (c) * (4 * d * d + 2 * d * c->vision.intermediate)
         + d * 3 * c->vision.patch_size * c->vision.patch_size;
}

static double
projector_weights (const ModelConfig *c)
{
  double h = c->language.hidden;

  return h * c->vision.hidden * c->shuffle * c->shuffle + h * h;
}

static double
layers_weights (const LanguageConfig *c)
{
  double h = c->hidden, kv = (double)c->kv_heads * language_head_dim (c);

  return c->layers * (h * (h + 2 * kv) + h * h + 3 * h * c->intermediate);
}

static double
head_weights (const LanguageConfig *c)
{
  return (double)c->vocab * c->hidden;
}

/* Of the layers and the head, as they are stored. */
static double
step_bytes (const Weights *w)
{
  double bytes = tensor_bytes (&w->head);

  for (guint i = 0; i < w->n_language; i++) {
    const LanguageLayer *l = &w->language[i];

    bytes += tensor_bytes (&l->qkv) + (l->v.rows ? tensor_bytes (&l->v) : 0) + tensor_bytes (&l->o) + tensor_bytes (&l->gate_up)
             + tensor_bytes (&l->down);
  }
  return bytes;
}

/* Of a sequence of `keys`. */
static double
cache_bytes (const MinivlEngine *e, guint keys)
{
  const LanguageConfig *c = &e->config.language;

  return 2.0 * keys * c->layers * c->kv_heads * language_head_dim (c) * type_size (kv_pool_layer (e->kv, 0)->k.type);
}

static BenchRow
row_of (Bench *b, const gchar *name, gchar *shape, BenchLimit limit)
{
  const MinivlEngine *e = get_engine (b);

  return (BenchRow){
    .name = name, .shape = shape, .limit = limit, .precision = e->weights->head.type == TYPE_BF16 ? "bf16" : e->info.precision
  };
}

/* The row of a stage that another one is compared with; it is also measured when nobody asked for it. */
static guint64
ns_of (Bench *b, const gchar *name, void (*run) (Bench *b))
{
  for (;;) {
    for (guint i = 0; i < b->rows->len; i++)
      if (g_str_equal (g_array_index (b->rows, BenchRow, i).name, name))
        return g_array_index (b->rows, BenchRow, i).ns;
    run (b);
  }
}

/* --- loading ----------------------------------------------------------------------------------------------------------------- */

void
bench_load (Bench *b)
{
  const ModelConfig *c;
  BenchTimer timer;
  BenchRow row;
  double weights;

  bench_timer_start (&timer, 0, b->quick ? 1 : LOADS);
  open_engines (b, &timer);
  c = &b->engine->config;
  weights = vision_weights (c) + projector_weights (c) + layers_weights (&c->language)
            + head_weights (&c->language) * (c->language.tied ? 1 : 2);
  row = row_of (b, "load", g_strdup_printf ("%.2f G weights", weights * 1e-9), LIMIT_NONE);
  bench_timer_stop (&timer, &row);
  row.weights = weights;
  row.bytes = weights_bytes (b->engine->weights);
  bench_add (b, row);
}

/* --- pictures ---------------------------------------------------------------------------------------------------------------- */

typedef struct
{
  Vision *vision;
  const MinivlImage *image;
  gboolean encode;
  VisionResult result;
} Seen;

/* One picture of one tile, as the element's frames are. */
static gboolean
look (gpointer data, GError **error)
{
  Seen *seen = data;
  VisionPicture *picture = vision_picture_new (seen->vision, seen->image, 1, NULL, error);
  VisionTile tile = { picture, 0 };

  if (picture && seen->encode && !vision_encode (seen->vision, &tile, 1, NULL, error))
    g_clear_pointer (&picture, vision_picture_free);
  if (!picture)
    return FALSE;
  seen->result = vision_picture_finish (picture);
  g_free (seen->result.features);
  return TRUE;
}

/* Times preprocessing, or the transformer, of a 1080p picture as decoders give it. */
static void
time_picture (Bench *b, gboolean encode, double seconds, guint least, BenchRow *row)
{
  enum
  {
    WIDTH = 1920,
    HEIGHT = 1080,
    BYTES = WIDTH * HEIGHT * 3 / 2,
  };
  g_autofree guint8 *pixels = g_malloc (BYTES);
  MinivlImage image = {
    .data = { pixels, pixels + WIDTH * HEIGHT },
    .width = WIDTH,
    .height = HEIGHT,
    .stride = { WIDTH, WIDTH },
    .format = MINIVL_FORMAT_NV12,
    .matrix = MINIVL_MATRIX_BT709,
  };
  Seen seen = { .vision = get_engine (b)->vision, .image = &image };
  BenchTimer timer;

  for (guint i = 0; i < BYTES; i++)
    pixels[i] = i * 2654435761u >> 24;
  run_job (b, look, &seen); /* plans for pictures of this size */
  seen.encode = encode;
  bench_timer_start (&timer, seconds, least);
  while (bench_goes_on (&timer)) {
    run_job (b, look, &seen);
    bench_ran (&timer, encode ? seen.result.encode_ns : seen.result.preprocess_ns, 1);
  }
  bench_timer_stop (&timer, row);
  row->bytes = encode ? 0 : BYTES;
}

void
bench_vision_tile (Bench *b)
{
  const ModelConfig *c = &get_engine (b)->config;
  double side = c->tile_side / c->vision.patch_size, tokens = side * side + 1, d = c->vision.hidden;
  BenchRow row = row_of (
      b, "vision_tile", g_strdup_printf ("%u px, %u x %u", c->tile_side, model_select_layer (c), c->vision.hidden), LIMIT_MULADD);

  time_picture (b, TRUE, 0, b->quick ? 1 : TILES, &row);
  row.flops = 2 * tokens * vision_weights (c) + 4 * tokens * tokens * d * model_select_layer (c)
              + 2.0 * model_tile_tokens (c) * projector_weights (c);
  bench_add (b, row);
}

void
bench_preprocess (Bench *b)
{
  guint64 tile_ns = ns_of (b, "vision_tile", bench_vision_tile);
  BenchRow row = row_of (b, "preprocess_1080p", g_strdup ("1920x1080 NV12"), LIMIT_NONE);

  row.precision = "u8";
  time_picture (b, FALSE, SECONDS, PICTURES, &row);
  row.ratio = (double)row.ns / tile_ns;
  row.ratio_of = "vision_tile";
  bench_add (b, row);
}

/* --- answers ----------------------------------------------------------------------------------------------------------------- */

/* The first n tokens of the text of this number. No two of them begin with the same token. */
static void
make_ids (const MinivlEngine *e, guint32 text, guint n, gint32 *ids)
{
  guint32 vocab = e->config.language.vocab, state = text;

  for (guint i = 0; i < n; i++) {
    ids[i] = i == 0 ? text : (state >> 8) % vocab;
    if (ids[i] == e->image_token)
      ids[i] = vocab - 1;
    state = state * 1664525 + 1013904223;
  }
}

typedef struct
{
  MinivlEngine *engine;
  const gint32 *ids;
  guint n_ids, max_tokens;
  const gchar *json_schema; /* nullable */
  MinivlAnswer answer;
} Question;

static gpointer
ask (gpointer data)
{
  Question *q = data;
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (GError) error = NULL;
  g_autoptr (MinivlSession) session = minivl_session_new (q->engine, &error);

  bench_assert (error);
  params.max_tokens = q->max_tokens;
  params.json_schema = q->json_schema;
  session_ask_ids (session, q->ids, q->n_ids, NULL, 0, &params, NULL, NULL, &q->answer, &error);
  bench_assert (error);
  return NULL;
}

#define ANY G_MAXUINT

/* How long it took. cached: tokens that must be found in the cache, or the row would measure something else; or ANY. */
static guint64
ask_alone (Bench *b, const gint32 *ids, guint n_ids, guint max_tokens, guint cached)
{
  Question q = { .engine = get_engine (b), .ids = ids, .n_ids = n_ids, .max_tokens = max_tokens };
  guint64 ns;

  ask (&q);
  g_assert_true (cached == ANY || q.answer.cached_tokens == cached);
  ns = q.answer.total_ns;
  minivl_answer_clear (&q.answer);
  return ns;
}

void
bench_prefill (Bench *b)
{
  MinivlEngine *e = get_engine (b);
  const LanguageConfig *c = &e->config.language;
  double h = c->hidden, m = PROMPT;
  gint32 ids[PROMPT];
  BenchTimer timer;
  BenchRow row = row_of (b, "prefill_512", g_strdup_printf ("%u, %u x %u", PROMPT, c->layers, c->hidden), LIMIT_MULADD);

  make_ids (e, 0, PROMPT, ids);
  ask_alone (b, ids, PROMPT, 1, 0); /* drivers compile when a kernel first runs */
  bench_timer_start (&timer, 0, b->quick ? 1 : PREFILLS);
  for (guint text = 1; bench_goes_on (&timer); text++) {
    make_ids (e, text, PROMPT, ids);
    bench_ran (&timer, ask_alone (b, ids, PROMPT, 1, 0), 1);
  }
  bench_timer_stop (&timer, &row);
  row.flops = 2 * m * layers_weights (c) + 2 * h * m * (m + 1) * c->layers + 2 * head_weights (c);
  bench_add (b, row);
}

/* Tokens in front of a run of steps. */
#define PAST (PROMPT - STEPS / 2)

static void
fill_cache (Bench *b, guint n)
{
  gint32 ids[PAST];

  for (guint i = 0; i < n; i++) {
    make_ids (get_engine (b), i, PAST, ids);
    ask_alone (b, ids, PAST, 1, ANY);
  }
}

/* What a step of n sequences takes, whose prompts are in the cache. json_schema: (nullable): of their answers. */
static guint64
run_steps (Bench *b, guint n, const gchar *json_schema)
{
  gint32 ids[N_PROMPTS][PAST];
  GThread *threads[N_PROMPTS];
  Question q[N_PROMPTS];
  guint64 ns = 0;

  for (guint i = 0; i < n; i++) {
    make_ids (get_engine (b), i, PAST, ids[i]);
    q[i] =
        (Question){ .engine = get_engine (b), .ids = ids[i], .n_ids = PAST, .max_tokens = STEPS + 1, .json_schema = json_schema };
  }
  crowd_begin (get_engine (b)->scheduler, ask, q, sizeof *q, n, threads);
  crowd_end (threads, n);
  for (guint i = 0; i < n; i++) {
    g_assert_cmpuint (q[i].answer.cached_tokens, ==, PAST - 1);
    ns = MAX (ns, q[i].answer.decode_ns / (q[i].answer.output_tokens - 1));
    minivl_answer_clear (&q[i].answer);
  }
  return ns;
}

static void
count_work (Bench *b, guint n, BenchRow *row)
{
  const MinivlEngine *e = get_engine (b);

  row->weights = layers_weights (&e->config.language) + head_weights (&e->config.language);
  row->bytes = step_bytes (e->weights) + n * cache_bytes (e, PROMPT);
  row->flops = 2 * n * row->weights;
}

void
bench_decode_step (Bench *b)
{
  const LanguageConfig *c = &get_engine (b)->config.language;
  BenchRow row = row_of (b, "decode_step", g_strdup_printf ("%u, %u x %u", PROMPT, c->layers, c->hidden), LIMIT_READ);
  BenchTimer timer;

  fill_cache (b, 1);
  bench_timer_start (&timer, b->quick ? 0 : SECONDS, b->quick ? 1 : DECODES);
  while (bench_goes_on (&timer))
    bench_ran (&timer, run_steps (b, 1, NULL), STEPS + 1); /* the prompt's last token is also a step */
  bench_timer_stop (&timer, &row);
  count_work (b, 1, &row);
  bench_add (b, row);
}

/* In turns with single steps, so that both are measured on an equally busy machine. */
void
bench_decode_batch (Bench *b)
{
  const LanguageConfig *c = &get_engine (b)->config.language;
  BenchRow row =
      row_of (b, "decode_batch4", g_strdup_printf ("%u x %u, %u x %u", N_PROMPTS, PROMPT, c->layers, c->hidden), LIMIT_READ);
  BenchRow one;
  BenchTimer timer, one_timer;

  fill_cache (b, N_PROMPTS);
  bench_timer_start (&timer, b->quick ? 0 : SECONDS, b->quick ? 1 : DECODES);
  bench_timer_start (&one_timer, 0, 0);
  while (bench_goes_on (&timer)) {
    bench_ran (&timer, run_steps (b, N_PROMPTS, NULL), STEPS + 1);
    bench_ran (&one_timer, run_steps (b, 1, NULL), STEPS + 1);
  }
  bench_timer_stop (&timer, &row);
  bench_timer_stop (&one_timer, &one);
  count_work (b, N_PROMPTS, &row);
  row.ratio = (double)row.ns / one.ns;
  row.ratio_of = "decode_step";
  bench_add (b, row);
}

/* The shapes of a model that has no tokenizer are of other words, as many. (transfer full) */
static Shapes *
make_shapes (const MinivlEngine *e, const Tokenizer *words)
{
  return shapes_new (e->tokenizer ? e->tokenizer : words, e->end_tokens, e->config.language.vocab);
}

/* Masked steps in turns with others. */
void
bench_decode_shape (Bench *b)
{
  MinivlEngine *e = get_engine (b);
  g_autoptr (GError) error = NULL;
  g_autoptr (Tokenizer) words = true_words (&error);
  Shapes *of_engine = e->shapes;
  BenchRow row = row_of (b, "decode_shape", g_strdup_printf ("%u, %u tokens", PROMPT, e->config.language.vocab), LIMIT_NONE), one;
  BenchTimer timer, one_timer;

  bench_assert (error);
  e->shapes = make_shapes (e, words);
  fill_cache (b, 1);
  run_steps (b, 1, SHAPE); /* which is compiled then */
  bench_timer_start (&timer, b->quick ? 0 : SECONDS, b->quick ? 1 : DECODES);
  bench_timer_start (&one_timer, 0, 0);
  while (bench_goes_on (&timer)) {
    bench_ran (&timer, run_steps (b, 1, SHAPE), STEPS + 1);
    bench_ran (&one_timer, run_steps (b, 1, NULL), STEPS + 1);
  }
  bench_timer_stop (&timer, &row);
  bench_timer_stop (&one_timer, &one);
  row.ratio = (double)row.ns / one.ns;
  row.ratio_of = "decode_step";
  bench_add (b, row);
  shapes_free (e->shapes);
  e->shapes = of_engine;
}

/* --- drafts ------------------------------------------------------------------------------------------------------------------ */

/* Draws a text of TEXT tokens, whose prompt is in the cache. */
static void
draw (Bench *b, MinivlSession *session, guint seed, guint draft_rows, MinivlAnswer *answer)
{
  MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (GError) error = NULL;
  gint32 ids[PAST];

  make_ids (b->engine, 0, PAST, ids);
  params.max_tokens = TEXT;
  params.temperature = 5; /* so that words hardly come again by themselves */
  params.top_p = 1;
  params.seed = seed;
  scheduler_set_draft_rows (b->engine->scheduler, draft_rows);
  session_ask_ids (session, ids, PAST, NULL, 0, &params, NULL, NULL, answer, &error);
  bench_assert (error);
}

/* An answer that was nine tenths of this one: each tenth token was another. */
static void
remember_nine_tenths (MinivlSession *session, const MinivlAnswer *answer)
{
  gint32 ids[TEXT];

  for (guint i = 0; i < TEXT; i++)
    ids[i] = i % 10 == 5 ? 100 + (gint32)i : answer->token_ids[i];
  session_remember (session, answer->input_ids, answer->prompt_tokens, ids, TEXT);
}

/* The worst of answers: all three tokens of this one in a row, each time with another token behind. */
static void
remember_otherwise (MinivlSession *session, const MinivlAnswer *answer)
{
  gint32 ids[4 * TEXT];
  guint n = 0;

  for (guint i = 0; i + 3 < TEXT; i++) {
    for (guint j = 0; j < 3; j++)
      ids[n++] = answer->token_ids[i + j];
    ids[n++] = 100 + i;
  }
  session_remember (session, answer->input_ids, answer->prompt_tokens, ids, n);
}

/* Texts of one session with drafts, in turns with the same texts without. */
static void
time_drafts (Bench *b, const gchar *name, void (*remember) (MinivlSession *session, const MinivlAnswer *answer))
{
  guint rows = language_equal_rows (get_engine (b)->language), runs = b->quick ? 1 : DECODES;
  BenchRow row = row_of (b, name, NULL, LIMIT_NONE), one;
  BenchTimer timer, one_timer;
  g_autoptr (MinivlSession) session = minivl_session_new (b->engine, NULL);

  fill_cache (b, 1);
  bench_timer_start (&timer, 0, 0);
  bench_timer_start (&one_timer, 0, 0);
  for (guint seed = 0; seed < runs; seed++) {
    g_autoptr (MinivlSession) other = minivl_session_new (b->engine, NULL);
    g_auto (MinivlAnswer) without = { NULL }, with = { NULL };

    bench_goes_on (&one_timer);
    draw (b, other, seed, 1, &without);
    bench_ran (&one_timer, without.decode_ns, 1);
    remember (session, &without);
    bench_goes_on (&timer);
    draw (b, session, seed, rows, &with);
    bench_ran (&timer, with.decode_ns, 1);
    g_assert_cmpmem (with.token_ids, with.output_tokens * 4, without.token_ids, without.output_tokens * 4);
    row.drafted += with.drafted;
    row.accepted += with.accepted;
  }
  scheduler_set_draft_rows (b->engine->scheduler, rows);
  bench_timer_stop (&timer, &row);
  bench_timer_stop (&one_timer, &one);
  row.ratio = (double)row.ns / one.ns;
  row.ratio_of = "without drafts";
  row.shape = g_strdup_printf ("%u x %u, %.0f of %.0f", runs, TEXT, row.accepted, row.drafted);
  bench_add (b, row);
}

void
bench_decode_repeat (Bench *b)
{
  time_drafts (b, "decode_repeat", remember_nine_tenths);
}

void
bench_decode_fresh (Bench *b)
{
  time_drafts (b, "decode_fresh", remember_otherwise);
}

/* A segment of a video, as PROMPT tokens that three questions have in common. */
void
bench_questions (Bench *b)
{
  MinivlEngine *e = get_engine (b);
  const guint n_ids = PROMPT + QUESTION;
  gint32 ids[PROMPT + QUESTION];
  BenchTimer timer, one_timer;
  BenchRow row = row_of (b, "questions_3", g_strdup_printf ("%u + 3 x (%u + %u)", PROMPT, QUESTION, ANSWER), LIMIT_NONE), one;

  bench_timer_start (&timer, 0, b->quick ? 1 : SEGMENTS);
  bench_timer_start (&one_timer, 0, 0);
  for (guint segment = N_PROMPTS; bench_goes_on (&timer); segment++) {
    guint64 ns, all = 0;

    make_ids (e, segment, PROMPT, ids);
    for (guint question = 0; question < 3; question++) {
      make_ids (e, question, QUESTION, ids + PROMPT);
      ns = ask_alone (b, ids, n_ids, ANSWER, question ? PROMPT : 0);
      all += ns;
      if (question == 0)
        bench_ran (&one_timer, ns, 1);
    }
    bench_ran (&timer, all, 1);
  }
  bench_timer_stop (&timer, &row);
  bench_timer_stop (&one_timer, &one);
  row.ratio = (double)row.ns / one.ns;
  row.ratio_of = "one question";
  bench_add (b, row);
}

static void
prepare (Bench *b, const gint32 *ids, guint n)
{
  GArray *tokens = g_array_new (FALSE, FALSE, sizeof (LanguageToken));
  const MinivlParams params = MINIVL_PARAMS_INIT;
  g_autoptr (Request) r = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < n; i++)
    g_array_append_val (tokens, ((LanguageToken){ .key.id = ids[i] }));
  r = request_new (tokens);
  sampler_init (&r->sampler, &params);
  scheduler_ask (get_engine (b)->scheduler, r);
  request_end (r, &error);
  bench_assert (error);
}

/* From a segment's end to the first token, where its frames of 256 tokens were prepared as they came; in turns with one whose
 * frames were not. */
void
bench_first_token (Bench *b)
{
  MinivlEngine *e = get_engine (b);
  const guint n_ids = PROMPT + QUESTION;
  gint32 ids[PROMPT + QUESTION];
  BenchTimer timer, whole_timer;
  BenchRow row = row_of (b, "first_token", g_strdup_printf ("%u + %u", PROMPT, QUESTION), LIMIT_NONE), whole;

  bench_timer_start (&timer, 0, b->quick ? 1 : SEGMENTS);
  bench_timer_start (&whole_timer, 0, 0);
  for (guint segment = FIRST_SEGMENT; bench_goes_on (&timer); segment += 2) {
    make_ids (e, segment, PROMPT, ids);
    make_ids (e, 0, QUESTION, ids + PROMPT);
    for (guint n = FRAME; n <= PROMPT; n += FRAME)
      prepare (b, ids, n);
    bench_ran (&timer, ask_alone (b, ids, n_ids, 1, PROMPT), 1);
    make_ids (e, segment + 1, PROMPT, ids);
    bench_ran (&whole_timer, ask_alone (b, ids, n_ids, 1, 0), 1);
  }
  bench_timer_stop (&timer, &row);
  bench_timer_stop (&whole_timer, &whole);
  row.ratio = (double)row.ns / whole.ns;
  row.ratio_of = "the whole prompt";
  bench_add (b, row);
}
