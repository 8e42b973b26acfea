/* A small checkpoint folder of random weights, as the project's own tools make it. */
#ifndef TESTS_MODEL_CHECKPOINT_H
#define TESTS_MODEL_CHECKPOINT_H

#include <glib.h>

/* Makes parent/model, with the tokenizer of host/trained.h: tiles of 112 pixels and 16 tokens, made for 131072 tokens of context.
 * (transfer full): its name */
gchar *checkpoint_make (const gchar *parent);
/* Makes a folder of that name beside model, of the same files: without one (nullable), and with `from` replaced in config.json
 * (nullable). (transfer full): its name */
gchar *checkpoint_variant (const gchar *model, const gchar *name, const gchar *without, const gchar *from, const gchar *to);
/* Deletes a folder and all in it. */
void checkpoint_remove (const gchar *folder);

#endif
