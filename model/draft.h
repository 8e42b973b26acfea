/*
 * Prompt lookup: what an answer is likely to go on with, copied from where its last tokens stand in the conversation or in earlier
 * answers. The model checks several such tokens in one step. What is drafted changes no answer, only how many steps it takes.
 *
 * No device and no threads: a memory is its session's, a draft its request's.
 */
#ifndef MODEL_DRAFT_H
#define MODEL_DRAFT_H

#include <glib.h>

/* Most rows of a step that are shared out, and so most tokens of a draft and one more. */
#define DRAFT_ROWS 8
/* Most tokens that are remembered of earlier answers, and of a prompt: its last ones. */
#define DRAFT_MEMORY 4096
#define DRAFT_PROMPT 8192
/* A place in a conversation where nothing can be copied, pictures for one. */
#define DRAFT_GAP -1

/* Earlier answers, and how often drafts were right. */
typedef struct _DraftMemory DraftMemory;
typedef struct _Draft Draft;

DraftMemory *draft_memory_new (void);
void draft_memory_free (DraftMemory *m);
/* An answer that is done, with the prompt's last tokens, so that the next one may begin like it. d: (nullable): its draft */
void draft_memory_add (DraftMemory *m, const Draft *d, const gint32 *prompt, guint n_prompt, const gint32 *answer, guint n_answer);

/* For an answer to a prompt of ids and gaps. What is needed of the memory is copied. */
Draft *draft_new (const DraftMemory *m, const gint32 *prompt, guint n_prompt);
void draft_free (Draft *d);
/* The answer's next token. */
void draft_add (Draft *d, gint32 id);
/* The tokens that are likely to follow, at most n: how many. */
guint draft_find (Draft *d, gint32 *ids, guint n);

/* Of n answers that are decoded together. */
typedef struct
{
  Draft *draft; /* (nullable) with nothing found */
  guint found;  /* tokens that may be drafted for it, as draft_find() gave them or fewer */
  guint n;      /* (out): tokens that are worth it */
} DraftShare;

/* Shares out the rows of one step, at most `rows` with a row for each of the answers. A step of more rows takes longer: it is made
 * only where every answer in it can be expected to gain. Else drafts have the rows that would be padding. */
void draft_share (DraftShare *shares, guint n, guint rows);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Draft, draft_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DraftMemory, draft_memory_free)

#endif
