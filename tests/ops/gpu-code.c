#include "gpu-code.h"

#include <stdlib.h>
#include <string.h>

const Assembly radeon_assembly = {
  .label = "^\\s*(BB\\d+):",
  .branch = "^\\s+s_c?branch\\S*\\s+(BB\\d+)",
  .always = "^\\s+s_(?:branch|endpgm)",
  .instruction = "^\\s+(?:v_|ds_|s_|buffer_|global_|scratch_|flat_)\\S+",
  .multiply_add = "v_(?:dual_)?(?:fma|fmac|mac|mad|pk_fma)\\w*_f32",
  .matrix = "v_s?wmma\\w*",
  .dot = "v_dot4c?_i32\\w*",
};

const Assembly nvidia_assembly = {
  .label = "^block\\S* \\d+ (L\\d+)\\b",
  .branch = "\\bbra\\b.*\\b(L\\d+)\\b",
  .always = "^\\s+(?:exit\\b|bra (?:pT )?L)",
  .instruction = "^(?!block|\\}|\\s*$)",
  .multiply_add = "\\bffma\\b",
  .matrix = "\\bhmma\\b",
  .dot = "\\bidp4\\b",
  .lane_registers = 512,
};

static guint
statistic (const gchar *out, const gchar *name)
{
  g_autofree gchar *line = g_strdup_printf ("\n%s: ", name);
  const gchar *at = strstr (out, line);

  return at ? strtoul (at + strlen (line), NULL, 10) : 0;
}

static guint
count (GRegex *regex, const gchar *line)
{
  g_autoptr (GMatchInfo) match = NULL;
  guint n = 0;

  for (g_regex_match (regex, line, 0, &match); g_match_info_matches (match); g_match_info_next (match, NULL))
    n++;
  return n;
}

/* (transfer full) (nullable) */
static gchar *
captured (GRegex *regex, const gchar *line)
{
  g_autoptr (GMatchInfo) match = NULL;

  return g_regex_match (regex, line, 0, &match) ? g_match_info_fetch (match, 1) : NULL;
}

/* Instructions that run one after the other. */
typedef struct
{
  Loop counts;
  gchar *target;   /* the label that its last one branches to, or NULL */
  gboolean onward; /* or goes on to the next block */
} Block;

static void
block_clear (gpointer block)
{
  g_free (((Block *)block)->target);
}

/* Of a function: labels gets the number of each label's block. */
static GArray *
blocks_new (const Assembly *assembly, const gchar *out, GHashTable *labels)
{
  g_autoptr (GRegex) label = g_regex_new (assembly->label, 0, 0, NULL), branch = g_regex_new (assembly->branch, 0, 0, NULL);
  g_autoptr (GRegex) instruction = g_regex_new (assembly->instruction, 0, 0, NULL);
  g_autoptr (GRegex) always = g_regex_new (assembly->always, 0, 0, NULL);
  g_autoptr (GRegex) multiply_add = g_regex_new (assembly->multiply_add, 0, 0, NULL);
  g_autoptr (GRegex) matrix = g_regex_new (assembly->matrix, 0, 0, NULL);
  g_autoptr (GRegex) dot = g_regex_new (assembly->dot, 0, 0, NULL);
  g_auto (GStrv) lines = g_strsplit (out, "\n", -1);
  GArray *blocks = g_array_new (FALSE, TRUE, sizeof (Block));
  Block now = { .onward = TRUE };

  g_array_set_clear_func (blocks, block_clear);
  for (guint i = 0; lines[i]; i++) {
    gchar *name = captured (label, lines[i]);

    if (name) {
      g_array_append_val (blocks, now);
      now = (Block){ .onward = TRUE };
      g_hash_table_replace (labels, name, GUINT_TO_POINTER (blocks->len));
    } else if (g_regex_match (instruction, lines[i], 0, NULL)) {
      now.counts.instructions++;
      now.counts.multiply_adds += count (multiply_add, lines[i]);
      now.counts.matrices += count (matrix, lines[i]);
      now.counts.dots += count (dot, lines[i]);
      now.target = captured (branch, lines[i]);
      now.onward = !g_regex_match (always, lines[i], 0, NULL);
      if (now.target || !now.onward) {
        g_array_append_val (blocks, now);
        now = (Block){ .onward = TRUE };
      }
    }
  }
  g_array_append_val (blocks, now);
  return blocks;
}

/* Marks what leads to `block` without passing by the loop's head; not what is left by, which compilers put in between as well. */
static void
mark_loop (GArray *blocks, const gint *targets, guint8 *within, guint block)
{
  if (within[block])
    return;
  within[block] = TRUE;
  for (guint i = 0; i < blocks->len; i++)
    if (targets[i] == (gint)block || (i + 1 == block && g_array_index (blocks, Block, i).onward))
      mark_loop (blocks, targets, within, i);
}

/* Of the loops the one with the most arithmetic, a matrix for 64 multiply-adds. */
static Loop
inner_loop (const Assembly *assembly, const gchar *out)
{
  g_autoptr (GHashTable) labels = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GArray) blocks = blocks_new (assembly, out, labels);
  g_autofree gint *targets = g_new (gint, blocks->len);
  g_autofree guint8 *within = g_new (guint8, blocks->len);
  Loop best = { 0 };

  for (guint i = 0; i < blocks->len; i++) {
    const gchar *target = g_array_index (blocks, Block, i).target;

    targets[i] = target ? GPOINTER_TO_INT (g_hash_table_lookup (labels, target)) : -1;
  }
  for (guint i = 0; i < blocks->len; i++) {
    Loop loop = { 0 };

    if (targets[i] < 0 || targets[i] > (gint)i)
      continue;
    memset (within, 0, blocks->len);
    within[targets[i]] = TRUE;
    mark_loop (blocks, targets, within, i);
    for (guint j = 0; j < blocks->len; j++)
      if (within[j]) {
        const Loop *counts = &g_array_index (blocks, Block, j).counts;

        loop.instructions += counts->instructions;
        loop.multiply_adds += counts->multiply_adds;
        loop.matrices += counts->matrices;
        loop.dots += counts->dots;
      }
    if (loop.multiply_adds + 64 * loop.matrices > best.multiply_adds + 64 * best.matrices)
      best = loop;
  }
  return best;
}

/* Each driver has its own names for them. */
Told
gpu_code_told (const Assembly *assembly, const gchar *out)
{
  const guint registers = MAX (statistic (out, "VGPRs"), statistic (out, "Number of GPRs"));

  return (Told){
    .registers = registers,
    .spilled = statistic (out, "Spilled VGPRs") + statistic (out, "Spilled SGPRs") + statistic (out, "SLM Size"),
    .waves = assembly->lane_registers ? assembly->lane_registers / MAX ((registers + 7) / 8 * 8, 1)
                                      : statistic (out, "Subgroups per SIMD"),
    .shared = statistic (out, "LDS size"),
    .loop = inner_loop (assembly, out),
  };
}

double
loop_share (const Loop *loop)
{
  return loop->instructions ? (double)loop->multiply_adds / loop->instructions : 0;
}
