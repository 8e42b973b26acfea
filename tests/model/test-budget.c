/* What is said to be taken before anything is loaded: by the library, the program and model/README.md. */
#include "model/minivl-budget.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "folder.h"
#include "program.h"
#include "synth.h"

/* The public checkpoint's configuration, and its weights as a hole of the file: nothing but the header is read. */
static gchar *
make_true_shape (const gchar *from, const gchar *to)
{
  gchar *folder = folder_new ();
  g_autofree gchar *source = g_build_filename (TEST_DATA, "configs", "internvl2-4b.json", NULL),
                   *path = g_build_filename (folder, "config.json", NULL),
                   *file = g_build_filename (folder, "model.safetensors", NULL), *text = NULL;
  g_auto (GStrv) parts = NULL;
  g_auto (ModelConfig) config = { 0 };
  g_autoptr (GPtrArray) list = NULL;
  g_autoptr (GString) header = NULL;
  g_autoptr (GError) error = NULL;
  guint64 bytes;

  g_assert_true (g_file_get_contents (source, &text, NULL, NULL));
  if (from) {
    g_assert_nonnull (strstr (text, from));
    parts = g_strsplit (text, from, -1);
    g_free (text);
    text = g_strjoinv (to, parts);
  }
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  model_config_load (&config, path, 0, &error);
  g_assert_no_error (error);
  list = synth_list (&config, DTYPE_BF16);
  header = tensors_header ((const TensorInfo *const *)list->pdata, list->len, &bytes);
  g_assert_true (g_file_set_contents (file, header->str, header->len, NULL));
  g_assert_cmpint (truncate (file, header->len + bytes), ==, 0);
  return folder;
}

static void
init (MinivlBudget *budget, const gchar *folder, MinivlCachePrecision cache)
{
  const MinivlEngineOptions options = { .model_path = folder, .cache_precision = cache };
  g_autoptr (GError) error = NULL;

  g_assert_true (minivl_budget_init (budget, &options, &error));
  g_assert_no_error (error);
}

static const MinivlBudgetRow *
find_row (const MinivlBudget *budget, MinivlPrecision precision, guint context)
{
  for (guint i = 0; i < budget->n_rows; i++)
    if (budget->rows[i].precision == precision && budget->rows[i].context_size == context)
      return &budget->rows[i];
  g_error ("no row for %u tokens", context);
}

/* To the byte, whatever is measured when it is there. */
static void
check_what_an_engine_takes (MinivlCachePrecision cache)
{
  g_auto (MinivlBudget) budget = { NULL };

  init (&budget, CHECKPOINT, cache);
  for (MinivlPrecision p = MINIVL_PRECISION_F16; p <= MINIVL_PRECISION_Q4; p++) {
    const MinivlEngineOptions options = {
      .model_path = CHECKPOINT,
      .precision = p,
      .context_size = 2048,
      .cache_size = 2048,
      .cache_precision = cache,
    };
    const MinivlBudgetRow *row = find_row (&budget, p, 2048);
    g_autoptr (GError) error = NULL;
    g_autoptr (MinivlEngine) engine = minivl_engine_open (&options, &error);

    g_assert_no_error (error);
    g_assert_cmpuint (minivl_engine_get_info (engine)->device_bytes, ==, row->weights + row->cache + row->scratch);
    g_assert_cmpstr (minivl_engine_get_info (engine)->device, ==, budget.device);
    g_assert_true (row->fits);
  }
}

static void
test_an_engine_takes_what_was_said (void)
{
  check_what_an_engine_takes (MINIVL_CACHE_PRECISION_F16);
}

static void
test_so_does_one_with_a_cache_of_8_bits (void)
{
  check_what_an_engine_takes (MINIVL_CACHE_PRECISION_Q8);
}

static void
test_rows_are_those_of_the_true_shape (void)
{
  g_autofree gchar *folder = make_true_shape (NULL, NULL);
  g_auto (MinivlBudget) budget = { NULL };
  guint at = 0;

  init (&budget, folder, MINIVL_CACHE_PRECISION_F16);
  g_assert_cmpuint (budget.n_rows, ==, 3 * 7);
  for (MinivlPrecision p = MINIVL_PRECISION_F16; p <= MINIVL_PRECISION_Q4; p++)
    for (guint context = 2048; context <= 131072; context *= 2, at++) {
      const MinivlBudgetRow *row = &budget.rows[at];

      g_assert_cmpint (row->precision, ==, p);
      g_assert_cmpuint (row->context_size, ==, context);
      /* Keys and values of 32 layers, 3072 wide, at 16 bits. */
      g_assert_cmpuint (row->cache, ==, (guint64)context * 32 * 2 * 3072 * 2);
      g_assert_cmpuint (row->scratch, >, 200 << 20);
      g_assert_cmpuint (row->scratch, <, 400 << 20);
      g_assert_cmpint (row->fits, ==, row->weights + row->cache + row->scratch <= budget.memory);
    }
  /* 4.15 billion weights, the least of which take two bytes, about one, and about five eighths. */
  g_assert_cmpfloat_with_epsilon (find_row (&budget, MINIVL_PRECISION_F16, 2048)->weights, 8.29e9, 0.05e9);
  g_assert_cmpfloat_with_epsilon (find_row (&budget, MINIVL_PRECISION_Q8, 2048)->weights, 4.85e9, 0.1e9);
  g_assert_cmpfloat_with_epsilon (find_row (&budget, MINIVL_PRECISION_Q4, 2048)->weights, 3.7e9, 0.15e9);
  folder_free (g_steal_pointer (&folder));
}

static void
test_contexts_end_where_the_checkpoint_does (void)
{
  static const struct
  {
    const gchar *to;
    guint rows, most;
  } cases[] = { { "\"max_position_embeddings\": 4096", 2, 4096 }, { "\"max_position_embeddings\": 5000", 2, 4096 },
    { "\"max_position_embeddings\": 1000", 1, 1000 }, { "\"max_position_embeddings\": 1048576", 7, 131072 } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree gchar *folder = make_true_shape ("\"max_position_embeddings\": 131072", cases[i].to);
    g_auto (MinivlBudget) budget = { NULL };

    init (&budget, folder, MINIVL_CACHE_PRECISION_F16);
    g_assert_cmpuint (budget.n_rows, ==, 3 * cases[i].rows);
    g_assert_cmpuint (budget.rows[budget.n_rows - 1].context_size, ==, cases[i].most);
    minivl_budget_clear (&budget);
    g_assert_cmpuint (budget.n_rows, ==, 0);
    folder_free (g_steal_pointer (&folder));
  }
}

static void
test_what_is_no_checkpoint_is_told (void)
{
  g_autofree gchar *folder = make_true_shape (NULL, NULL), *file = g_build_filename (folder, "model.safetensors", NULL);
  const MinivlEngineOptions options = { .model_path = folder }, elsewhere = { .model_path = folder, .device = "no such device" };
  MinivlBudget budget = { NULL };
  g_autoptr (GError) error = NULL;

  g_assert_false (minivl_budget_init (&budget, &elsewhere, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_DEVICE);
  g_clear_error (&error);
  g_assert_false (minivl_budget_init (&budget, &(MinivlEngineOptions){ NULL }, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE);
  g_clear_error (&error);
  g_assert_cmpint (truncate (file, 5000), ==, 0);
  g_assert_false (minivl_budget_init (&budget, &options, &error));
  g_assert_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE);
  g_assert_null (budget.device);
  folder_free (g_steal_pointer (&folder));
}

/* In little memory, and model/README.md's lines are what it says. */
static void
test_the_program_prints_it (void)
{
  g_autofree gchar *folder = make_true_shape (NULL, NULL), *option = g_strdup_printf ("--model=%s", folder), *readme = NULL;
  const gchar *argv[] = { MINIVL_CHAT, option, "--budget", NULL };
  g_auto (ProgramResult) r = { 0 };
  g_auto (MinivlBudget) budget = { NULL };
  g_autofree gchar *line = NULL;
  const MinivlBudgetRow *row;
  struct rusage usage;
  const gchar *cards;
  g_auto (GStrv) lines = NULL;

  program_run (argv, &r);
  g_assert_cmpint (r.code, ==, 0);
  g_assert_cmpstr (r.err, ==, "");
  g_assert_cmpint (getrusage (RUSAGE_CHILDREN, &usage), ==, 0);
#ifndef __SANITIZE_ADDRESS__ /* which takes more */
  g_assert_cmpuint (usage.ru_maxrss, <, 500 << 10);
#endif

  init (&budget, folder, MINIVL_CACHE_PRECISION_F16);
  g_assert_true (g_str_has_prefix (r.out, budget.device));
  row = find_row (&budget, MINIVL_PRECISION_Q4, 8192);
  line = g_strdup_printf ("\nq4 +8192 +%" G_GUINT64_FORMAT " +3072 +%" G_GUINT64_FORMAT " +%" G_GUINT64_FORMAT
                          " +(fits|does not fit)\n",
      (row->weights + (1 << 20) - 1) >> 20, (row->scratch + (1 << 20) - 1) >> 20,
      (row->weights + row->cache + row->scratch + (1 << 20) - 1) >> 20);
  g_assert_true (g_regex_match_simple (line, r.out, 0, 0));

  cards = strstr (r.out, "context of");
  g_assert_nonnull (cards);
  lines = g_strsplit (cards, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 1 + 5 + 1);
  g_assert_true (g_file_get_contents (README, &readme, NULL, NULL));
  for (guint i = 0; i < 6; i++)
    if (!strstr (readme, lines[i]))
      g_error ("model/README.md does not say: %s", lines[i]);
  folder_free (g_steal_pointer (&folder));
}

static void
test_nothing_is_asked_with_it (void)
{
  const gchar *argv[] = { MINIVL_CHAT, "--budget", "Hello", NULL };
  g_auto (ProgramResult) r = { 0 };

  program_run (argv, &r);
  g_assert_cmpint (r.code, ==, 2);
  g_assert_nonnull (strstr (r.err, "--budget: nothing is asked"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/budget/an-engine-takes-what-was-said", test_an_engine_takes_what_was_said);
  g_test_add_func ("/budget/so-does-one-with-a-cache-of-8-bits", test_so_does_one_with_a_cache_of_8_bits);
  g_test_add_func ("/budget/rows-are-those-of-the-true-shape", test_rows_are_those_of_the_true_shape);
  g_test_add_func ("/budget/contexts-end-where-the-checkpoint-does", test_contexts_end_where_the_checkpoint_does);
  g_test_add_func ("/budget/what-is-no-checkpoint-is-told", test_what_is_no_checkpoint_is_told);
  g_test_add_func ("/budget/the-program-prints-it", test_the_program_prints_it);
  g_test_add_func ("/budget/nothing-is-asked-with-it", test_nothing_is_asked_with_it);
  return g_test_run ();
}
