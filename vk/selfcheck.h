/*
 * The cases of device_self_check(): inputs of a small shape for a variant of a shader, and what its plain twin makes of them.
 * Private to vk/selfcheck*.c and the tests.
 */
#ifndef VK_SELFCHECK_H
#define VK_SELFCHECK_H

#include "vk.h"

/* A tensor of a case: an input, whose memory is `bytes`, or an output, [rows][cols], which must be `want`, with zeros in the
 * padding; or both, what is changed in place; or, with neither, room to work in. */
typedef struct _CaseTensor CaseTensor;
struct _CaseTensor
{
  Tensor tensor;
  gpointer bytes;
  double *want;
  guint parts; /* numbers in an element, that many are in `want`; 0 is 1 */
  double (*element) (const CaseTensor *own, gconstpointer bytes, gsize i); /* the i'th number, unless it is the element itself */
};

#define CASE_MAX_TENSORS 8

typedef struct _Case Case;
struct _Case
{
  const Variant *variant;
  const gchar *op;
  Arena *arena;
  guint32 random; /* state of the numbers, one for each case: it does not depend on the other cases */
  void (*record) (const Case *c, OpStream *s);
  CaseTensor tensors[CASE_MAX_TENSORS];
  guint n_tensors;
  double bound; /* of the outputs' NMSE */
  KvLayer kv;
};

/* Plans the case of an op's variant in an arena that is not committed yet; it is the same every time. FALSE: there is none
 * for this op. variant, op and arena are borrowed. */
gboolean case_init (Case *c, Arena *arena, const Variant *variant, const gchar *op);
void case_clear (Case *c);
/* Fills the inputs. */
gboolean case_write (const Case *c, GError **error);
/* The worst NMSE of its outputs; infinity where the twin has only zeros and the device has not. */
gboolean case_read (const Case *c, double *nmse, GError **error);

/* Of the ops over logits: selfcheck_logits.c. */
void case_plan_mask (Case *c);
void case_plan_top (Case *c);

/* --- for plans -------------------------------------------------------------------------------------------------------------- */

/* Of weights, table or cache, as the shader's name tells it. */
TensorType case_type (const Case *c);

/* low .. high - 1 */
gint case_number (Case *c, gint low, gint high);
/* n numbers of 5 bits, -2 .. 2 at a step of 1; offset apart. (transfer full) */
float *case_numbers (Case *c, gsize n, float step, float offset);
guint32 *case_pixels (Case *c, gsize n);
double *case_widened (const float *v, gsize n);
double *case_widened_words (const guint32 *v, gsize n);

/* The tensors in the order they are added; the first is what the op makes. */
#define TENSOR(c, i) (&(c)->tensors[i].tensor)

CaseTensor *case_add (Case *c, TensorType type, TensorLayout layout, guint rows, guint cols);
/* One that is in the arena already. */
CaseTensor *case_own (Case *c, const Tensor *t);
/* Inputs: dense rows of 4 bytes an element; weights from f32, which are rounded to what these become. */
const Tensor *case_add_rows (Case *c, TensorType type, guint rows, guint cols, gconstpointer dense);
const Tensor *case_add_weights (Case *c, TensorType type, guint rows, guint cols, float *dense);
/* Takes want. */
const Tensor *case_add_output (Case *c, TensorType type, guint rows, guint cols, double *want);

#endif
