/* `messages` of a request: its rounds, their parts and the system message. */
#ifndef SERVER_MESSAGES_H
#define SERVER_MESSAGES_H

#include "ask.h"
#include "fields.h"

/* Fills system and rounds of an Ask. */
gboolean messages_read (Ask *ask, JsonNode *node, const gchar *param, guint max_pictures, Refusal *refusal);

/* Adds a part to the text so far: on a line of its own, unless there is white space between them. */
void messages_join (GString *text, const gchar *part);

void round_free (gpointer round);

#endif
