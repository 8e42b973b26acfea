/* Looking into the model stage by stage, as the golden outputs do. For tests. */
#ifndef MODEL_STAGES_H
#define MODEL_STAGES_H

#include "vk/ops.h"

/* data: [rows][cols], borrowed until return */
typedef void (*StageFunc) (const gchar *name, const float *data, guint rows, guint cols, gpointer user_data);

/* The first rows of a tensor of an ARENA_HOST arena, without its padding columns. */
void stage_give (const gchar *name, const Tensor *t, guint rows, StageFunc on_stage, gpointer user_data);

#endif
