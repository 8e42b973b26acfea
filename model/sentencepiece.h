/*
 * The pieces of a tokenizer.model, which is a protobuf (ModelProto of sentencepiece_model.proto). What is done with them is
 * bpe.c's.
 */
#ifndef MODEL_SENTENCEPIECE_H
#define MODEL_SENTENCEPIECE_H

#include "minivl.h"

/* Public models have up to 256,000. */
#define SP_MAX_PIECES (1 << 20)

/* As the file numbers them */
typedef enum
{
  SP_NORMAL = 1,
  SP_UNKNOWN,
  SP_CONTROL,
  SP_USER_DEFINED,
  SP_UNUSED,
  SP_BYTE,
} SpType;

typedef struct
{
  const gchar *text; /* in the file's bytes: no NUL follows, and it may be anything a file can hold */
  gsize length;
  float score; /* any, NaN too */
  SpType type;
} SpPiece;

typedef struct
{
  GArray *pieces;  /* SpPiece, by id */
  gboolean is_bpe; /* pieces are merged by rank (byte pair encoding), not chosen by likelihood */
} SpModel;

/* bytes: of the file; they must outlive the model. name: what errors call it (a path).
 * NULL with MINIVL_ERROR_FILE, naming the byte or the piece, when they are no model: something is cut off or has another type, not
 * just one piece stands for what is unknown, or the byte pieces are not what byte_fallback says. A model without an unknown piece
 * whose `<unk>` has another type has that one for it. Fields that nothing here uses must only be whole. */
SpModel *sp_model_read (const gchar *bytes, gsize n_bytes, const gchar *name, GError **error);
void sp_model_free (SpModel *model);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (SpModel, sp_model_free)

#endif
