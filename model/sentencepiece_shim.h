/*
 * The one door to libsentencepiece: it reads tokenizer.model; what is done with the pieces is bpe.c's. No exception comes through.
 */
#ifndef MODEL_SENTENCEPIECE_SHIM_H
#define MODEL_SENTENCEPIECE_SHIM_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct _SpModel SpModel;

/* NULL with *message, which the caller frees with free(), when the bytes are no model. */
SpModel *sp_model_load (const char *bytes, size_t n_bytes, char **message);
void sp_model_free (SpModel *model);
/* Whether pieces are merged by rank (byte pair encoding), not chosen by likelihood. */
int sp_model_is_bpe (const SpModel *model);
int sp_model_size (const SpModel *model);
/* id below the size. The string belongs to the model and may be anything a file can hold. */
const char *sp_model_piece (const SpModel *model, int id, size_t *length);
float sp_model_score (const SpModel *model, int id);

#ifdef __cplusplus
}
#endif

#endif
