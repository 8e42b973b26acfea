/* What minivl-chat hands out besides text: a round as JSON, logits as a file, the list of devices, a budget. */
#ifndef EXAMPLES_REPORT_H
#define EXAMPLES_REPORT_H

#include "model/minivl.h"

/* One round, and what it took. Nothing is owned. Times are those of this round: what was done before it (loading, encoding) counts
 * for the round that waited for it. */
typedef struct
{
  const MinivlEngineInfo *engine;
  const MinivlAnswer *answer;
  const gchar *system_source;     /* of the engine, or `given` */
  MinivlPicture *const *pictures; /* of the conversation so far */
  guint n_pictures;
  const gint64 *frames;      /* indices of those that are a video's */
  const gint64 *frame_times; /* ns; -1: not known */
  guint n_frames;
  const gchar *warning; /* NULL: none */
  guint64 seed;
  guint64 load_ns, preprocess_ns, encode_ns, total_ns;
} Report;

/* One line without its newline. (transfer full) */
gchar *report_to_json (const Report *report);

/* A safetensors file of one tensor `logits`, F32. */
gboolean report_write_logits (const gchar *path, const MinivlAnswer *answer, GError **error);

/* Prints what the checkpoint takes of the device's memory to standard output, as minivl_budget_init() finds it. */
gboolean report_budget (const MinivlEngineOptions *options, GError **error);

/* Prints the devices to standard output. FALSE with MINIVL_ERROR_DEVICE when there is none. */
gboolean report_devices (GError **error);

#endif
