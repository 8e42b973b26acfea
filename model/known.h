/* What a checkpoint says of itself: the logits for one picture and question, as whoever made it computed them. */
#ifndef MODEL_KNOWN_H
#define MODEL_KNOWN_H

#include "engine.h"

/* Asks the engine what minivl-check.json in the folder has the answer to, and compares. TRUE when there is no such file, and when
 * the context is too small to ask in. FALSE with MINIVL_ERROR_FILE for a file that is not as minivl_engine_open() says,
 * MINIVL_ERROR_DEVICE when the logits differ by more than the precision explains. */
gboolean known_answer_check (MinivlEngine *engine, const gchar *folder, GError **error);

#endif
