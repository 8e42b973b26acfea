/* generation_config.json of a checkpoint: where answers end, and how its makers draw them. */
#ifndef MODEL_GENERATION_H
#define MODEL_GENERATION_H

#include "minivl.h"

typedef struct
{
  GArray *stop_ids; /* gint32: eos_token_id, one or a list; NULL: the folder has no such file */
  /* As the reference's generate() takes them: with do_sample off the best token is taken. */
  double temperature, top_p, repetition_penalty;
  guint top_k;
} Generation;

/* vocab: ids are below. A folder without the file is success. FALSE with MINIVL_ERROR_FILE, naming the key. */
gboolean generation_load (Generation *g, const gchar *folder, guint vocab, GError **error);
void generation_clear (Generation *g);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Generation, generation_clear)

#endif
