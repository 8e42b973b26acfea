/*
 * A LoRA adapter, in a folder as PEFT writes it: adapter_config.json and adapter_model.safetensors. What it adds to matrices of the
 * language model is merged into their rows while these are copied. Immutable once open, and read by many threads.
 */
#ifndef MODEL_LORA_H
#define MODEL_LORA_H

#include "config.h"
#include "safetensors.h"

typedef struct _Lora Lora;
/* What is added to one matrix: scale * b . a, of rank r */
typedef struct _LoraMatrix LoraMatrix;

/* Splits `DIR[:SCALE]`, the whole of which may be a folder's name. FALSE with MINIVL_ERROR_FILE when there is no such folder, with
 * MINIVL_ERROR_USAGE when SCALE is no number. folder: (out) (transfer full) */
gboolean lora_parse (const gchar *text, gchar **folder, double *scale, GError **error);
/* text: `DIR[:SCALE]`, of which SCALE multiplies what is added. Besides the errors of lora_parse(), MINIVL_ERROR_FILE for what is
 * missing, damaged or of another model, MINIVL_ERROR_MODEL for what is not understood; the message names key or tensor. */
Lora *lora_open (const gchar *text, const LanguageConfig *config, GError **error);
void lora_free (Lora *lora);

/* The folder, as errors name it. */
const gchar *lora_folder (const Lora *lora);
/* Feeds all that shapes the merged weights to a checksum. */
void lora_checksum (const Lora *lora, GChecksum *checksum);
/* As tensor_set_stamp(), of its file. */
void lora_stamp (const Lora *lora, GChecksum *checksum);
/* name: a tensor of the checkpoint. NULL: it stays as it is. */
const LoraMatrix *lora_lookup (const Lora *lora, const gchar *name);
/* Adds to rows first .. first + n of the matrix, f32 without gaps between them. */
void lora_add (const LoraMatrix *m, guint64 first, guint n, float *rows);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Lora, lora_free)

#endif
