/* What the command line of minivl-chat asks for, checked as far as it can be without a model. */
#ifndef EXAMPLES_OPTIONS_H
#define EXAMPLES_OPTIONS_H

#include "model/minivl.h"
#include "topic.h"

typedef struct
{
  gchar *model, *lora, *device, *system, *logits, *dump_tiles, *cache_dir; /* NULL: not given */
  MinivlPrecision precision;
  MinivlTokenizer tokenizer;
  MinivlCachePrecision cache_precision;
  guint context_size, cache_size;
  gchar *batch, *output; /* likewise; with batch the topic is empty */
  Topic topic;
  gboolean json, list_devices, budget, checkpoint_sampling, clear_cache;
  gchar **stop, **choices, *json_schema;
  MinivlParams params; /* stop, choices, json_schema and want_logits as asked for */
} Options;

/* Errors are of domain G_OPTION_ERROR, and G_FILE_ERROR for a file that is not there. Makes the folder of --dump-tiles. `--help`
 * prints and exits. options is
 * cleared with options_clear() on success; on failure it holds nothing. */
gboolean options_parse (Options *options, gint argc, gchar **argv, GError **error);
void options_clear (Options *options);

#endif
