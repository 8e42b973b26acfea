/*
 * Answers of a shape: an automaton over bytes says what may follow, and so which tokens may be chosen next.
 *
 * An automaton is built from its end: what a node leads to is added before it, but for what goes round (one more digit, one more
 * item). So the ways that only lead to nodes added before are those that come to an end, and the least tokens to an end are counted
 * along them. Once finished it is immutable and shared, but for the masks that it keeps; how far an answer has come is a ShapeRun.
 */
#ifndef MODEL_SHAPE_H
#define MODEL_SHAPE_H

#include "vocabulary.h"

#define SHAPE_NODES 16384       /* most of an automaton */
#define SHAPE_WORD 1024         /* most bytes of a word */
#define SHAPE_NEVER G_MAXUINT16 /* no node; no end within reach */
#define SHAPE_ENDLESS G_MAXUINT32

/* Reference counted. */
typedef struct _Shape Shape;

/* --- building ------------------------------------------------------------------------------------------------------------- */

/* Its node 0 is an end. (transfer full) */
Shape *shape_new (void);
Shape *shape_ref (Shape *s);
void shape_unref (Shape *s);

/* A node that nothing follows on. Above SHAPE_NODES there are none: it is node 0 then, and shape_finish() fails. */
guint shape_add (Shape *s);
/* The bytes first .. last lead from a node to another one. */
void shape_lead (Shape *s, guint node, guint8 first, guint8 last, guint to);
/* What leads on from another node does so from this one, too. What that is may still change until the end: shape_follow(); or it is
 * copied now: shape_copy(). */
void shape_follow (Shape *s, guint node, guint other);
void shape_copy (Shape *s, guint node, guint other);
/* From behind a `"` that leads on from this node there are at most so many characters; SHAPE_ENDLESS: any number. */
void shape_set_limit (Shape *s, guint node, guint32 characters);
/* Each byte that leads on from this node is a character's first, but for `"`. */
void shape_set_counts (Shape *s, guint node);

/* Words of at most SHAPE_WORD bytes, each of which leads to a node. They are sorted here; no two are equal. Returns the node they
 * begin at. */
typedef struct
{
  const gchar *text;
  guint to;
} ShapeWord;
guint shape_words (Shape *s, ShapeWord *words, guint n);

/* Whether there were too many nodes. */
gboolean shape_is_full (const Shape *s);
/* start: where an answer begins; a space may stand in front. FALSE: there are too many nodes. */
gboolean shape_finish (Shape *s, guint start);
/* Counts the least tokens to an end, for good; before any ShapeRun. */
void shape_measure (Shape *s, const Vocabulary *v);

/* One of several texts: they are not empty, and no two of them are equal but for white space at their ends. Measured, but where v
 * is NULL. NULL with MINIVL_ERROR_USAGE. (transfer full) */
Shape *shape_new_choices (const gchar *const *choices, const Vocabulary *v, GError **error);

/* --- using ---------------------------------------------------------------------------------------------------------------- */

/* Tokens that every answer takes at most if it is kept short: of choices of the one that takes the most. SHAPE_NEVER: the
 * vocabulary does not have what it takes. */
guint shape_least_tokens (const Shape *s);
/* 0: it is not made of choices. */
guint shape_n_choices (const Shape *s);

/* For tests: whether bytes may follow on a place, which moves behind them; and whether that may be the end. */
typedef struct
{
  guint32 node, left; /* left: characters of a string */
} ShapePlace;
ShapePlace shape_start (const Shape *s);
gboolean shape_step (const Shape *s, ShapePlace *place, guint8 byte);
gboolean shape_is_end (const Shape *s, ShapePlace place);
/* For tests: how often all tokens were gone through for those that may follow. */
guint shape_count_walks (Shape *s);

/* An answer on its way: used by one thread at a time. */
typedef struct _ShapeRun ShapeRun;

/* Both are borrowed but for a reference on s; end_tokens: gint32. max_tokens: shape_least_tokens() at least. (transfer full) */
ShapeRun *shape_run_new (Shape *s, const Vocabulary *v, const GArray *end_tokens, guint max_tokens);
void shape_run_free (ShapeRun *r);

/* Words of a mask: whether there is one, then a bit a token, the lowest first; MASK_COLUMNS of vk/ops.h, which is not for all that
 * is for the host. */
#define SHAPE_MASK_WORDS(n) (1 + ((n) + 31) / 32)
/* The tokens that may follow, as op_mask() takes them; until the next call of shape_run_take(). (transfer none) */
const guint32 *shape_run_mask (ShapeRun *r);
/* How many the mask has. */
guint shape_run_allowed (const ShapeRun *r);
/* Whether the tokens that may follow tell choices apart. */
gboolean shape_run_parts (const ShapeRun *r);
/* The logits of tokens that the mask lets through; -infinity is none. ids NULL: they are in the order of their ids. Of choices that
 * some tokens have in common these share the probability equally, until they part; what all have in common does not count. */
void shape_run_weigh (ShapeRun *r, const guint32 *ids, const float *logits, guint n, double top, double sum);
/* The answer goes on with a token of the mask that does not end it. */
void shape_run_take (ShapeRun *r, gint32 token);
/* Whether nothing can follow. */
gboolean shape_run_is_over (const ShapeRun *r);
/* How an answer has ended that is whole: LENGTH if tokens were left out because too few were left to end it behind them. */
MinivlFinish shape_run_finish (const ShapeRun *r);
/* Which of the choices the answer is, -1: it is not whole; chances (transfer none) [n]: of each. */
gint shape_run_choice (const ShapeRun *r, const double **chances);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Shape, shape_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShapeRun, shape_run_free)

#endif
