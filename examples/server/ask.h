/*
 * What a body of POST /v1/chat/completions asks: its JSON as a conversation and parameters. Nothing is decoded here but data: URIs,
 * and nothing computed.
 *
 * A field that is not understood is refused by name, but for those that change no answer.
 */
#ifndef SERVER_ASK_H
#define SERVER_ASK_H

#include "model/minivl.h"
#include "refusal.h"

typedef enum
{
  PART_TEXT,
  PART_PICTURE,
  PART_VIDEO,
} PartKind;

/* A part of a user's message. */
typedef struct
{
  PartKind kind;
  gchar *text;
  GBytes *bytes; /* of a picture or video: of its data: URI */
  gchar *url;    /* or where it is to be had; NULL: bytes */
  guint max_tiles, segments;
  double start, stop; /* seconds of a video; stop below start: all of it */
  gchar *param;       /* how an error names it */
  gboolean joined;    /* a picture whose tiles belong to the mark of the picture in front of it */
} AskPart;

/* What a user said, in one message or several, and what was answered to it. */
typedef struct
{
  GPtrArray *parts; /* AskPart */
  gchar *answer;    /* NULL: the question that is to be answered, which is the last one */
} AskRound;

typedef struct
{
  gchar *model;      /* nullable */
  gchar *system;     /* nullable: the checkpoint's own */
  GPtrArray *rounds; /* AskRound, at least one */
  MinivlParams params;
  gboolean has_seed, has_max_tokens; /* they were asked for */
  gchar **stop, **choices, *schema;  /* params.stop, params.choices and params.json_schema; nullable */
  gboolean stream, include_usage, logprobs, token_ids;
} Ask;

/* text: ends in NUL. max_pictures: of pictures and frames in all. (transfer full) NULL: it is refused. */
Ask *ask_parse (const gchar *text, gsize length, guint max_pictures, Refusal *refusal);
void ask_free (Ask *ask);
/* Which field asks for an answer of a shape; NULL: none does. */
const gchar *ask_shape_param (const Ask *ask);

/* The question as the model reads it. n_marks: of each part that is a picture or video, in order: 0 for a joined one.
 * Parts are lines, but where text has white space at its end or beginning already. A mark stands where the picture does; but where
 * the texts have marks themselves, they stand for the pictures, and must be as many. (transfer full) NULL: they are not. */
gchar *ask_write_question (const AskRound *round, const guint *n_marks, const gchar *param, Refusal *refusal);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Ask, ask_free)

#endif
