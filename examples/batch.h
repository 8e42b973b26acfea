/*
 * Many conversations of a file, several at a time, so that the engine computes them as one batch.
 *
 * The input has a JSON object a line: `id` (a string or whole number of its own), `rounds` (the prompts, one a round) and, where
 * there are any, `images` (each `FILE[:MAX_TILES]`), `joined` (true: all are the tiles of one mark) and `video`
 * (`FILE[:SEGMENTS[:START-STOP]]`). Empty lines are skipped. null is the same as nothing; a key of another name is refused, for it
 * may be one of these misspelt. All else is the command line's, and the same for all.
 *
 * The output has a line a conversation, whole as soon as it is answered, in the order in which they are done: `id`, `rounds` (what
 * --json prints of each) and, where something was wrong, `error`, with the rounds answered before it. A line that has no id of its
 * own is told by `line`, its number from 1, under `id` null. A run that ends early leaves whole lines; going on is running it
 * again.
 */
#ifndef EXAMPLES_BATCH_H
#define EXAMPLES_BATCH_H

#include "conversation.h"

typedef struct _Batch Batch;

/* Reads options->batch, and options->output as far as it is there: what it has is not asked again, and half a line at its end is
 * cut off. Without an output it is standard output. interrupted, on_step (nullable): as of a Conversation; on_step is called by one
 * thread at a time. NULL with G_FILE_ERROR: also for an output that no batch wrote, and for one that another program writes. */
Batch *batch_open (const Options *options, gint *interrupted, ConversationStep on_step, GError **error);
void batch_free (Batch *batch);

/* How many are to be asked. */
guint batch_count_left (const Batch *batch);

/* Asks them. engine: (nullable): where none is left. FALSE with G_FILE_ERROR when the output has an error for some of the input,
 * MINIVL_ERROR_CANCELLED when interrupted, MINIVL_ERROR_DEVICE when the device is lost, MINIVL_ERROR_FILE when the output has
 * answers of another checkpoint. */
gboolean batch_run (Batch *batch, MinivlEngine *engine, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Batch, batch_free)

#endif
