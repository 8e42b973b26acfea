/*
 * The rows of an oracle folder that need no device: each is run and reported. A file that is not there is skipped; one that cannot
 * be read is reported as failed.
 */
#ifndef TESTS_CONFORMANCE_HOST_H
#define TESTS_CONFORMANCE_HOST_H

#include "model/config.h"
#include "model/tokenizer.h"

/* figure: how many ids, characters, tiles or numbers are wrong; bound: 0 */
typedef void (*ConformanceReport) (const gchar *name, double figure, double bound, gboolean pass, gpointer user);

/* tokenization.json, both ways */
void conformance_tokenization (const gchar *folder, const Tokenizer *t, ConformanceReport report, gpointer user);
/* grids.json, by the config's tile side and least number of tiles */
void conformance_grids (const gchar *folder, const ModelConfig *config, ConformanceReport report, gpointer user);
/* segments.json */
void conformance_segments (const gchar *folder, ConformanceReport report, gpointer user);
/* preprocess.json by the plain C filters: grid and SHA-256 of every tile of the folder's images */
void conformance_resize (const gchar *folder, const ModelConfig *config, ConformanceReport report, gpointer user);
/* cases.json: the prompt of each case, and its ids when there is a tokenizer. t: (nullable) */
void conformance_prompts (
    const gchar *folder, const ModelConfig *config, const Tokenizer *t, ConformanceReport report, gpointer user);

/* All of them. t: (nullable): then without ids */
void conformance_host (const gchar *folder, const Tokenizer *t, const ModelConfig *config, ConformanceReport report, gpointer user);

#endif
