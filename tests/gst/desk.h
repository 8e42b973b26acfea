/* A server that answers each request by what it is told to: a whole HTTP response, a part of one, or nothing. One of the process.
 */
#ifndef TESTS_DESK_H
#define TESTS_DESK_H

#include <json-glib/json-glib.h>

typedef struct
{
  gchar *head;      /* request line and header lines */
  JsonObject *body; /* NULL: it was no JSON */
  gint64 time;      /* monotonic, us */
} DeskRequest;

/* Instead of a response: the connection is closed at once; or kept until desk_release(), or until the other side closes it. The
 * latter also as the end of a response. */
#define DESK_CLOSES ""
#define DESK_HOLDS "hold"

/* On a port that the kernel chooses, which it returns. */
guint desk_open (void);
/* A port that refuses connections until desk_open_reserved(). */
guint desk_reserve (void);
void desk_open_reserved (void);
/* Forgets all requests, and what the next ones were to be told. Nothing is held. */
void desk_reset (void);

/* (transfer full): a stream of events, in as many pieces as text has words; usage is 7, 3 and 2 tokens. */
gchar *desk_stream (const gchar *text);
/* (transfer full): a response of that status line's rest, more header lines (nullable), and body. */
gchar *desk_response (const gchar *status, const gchar *headers, const gchar *body);
/* (transfer full): a chat completion as one object; logprobs: (nullable): JSON */
gchar *desk_completion (const gchar *text, const gchar *logprobs);

/* The next request that nothing is said for yet gets this. response: (transfer full). Others: desk_stream ("answer N"). */
void desk_tell (gchar *response);
/* All further ones get it, instead. response: NULL: as at first. */
void desk_tell_all (const gchar *response);
/* Those that are held are answered by "answer N". */
void desk_release (void);

/* Waits until so many requests have come. */
void desk_await (guint requests);
/* Waits until so many of those that are held were given up by the other side. */
void desk_await_broken_off (guint requests);
guint desk_count (void);
/* Most requests that were being answered at once. */
guint desk_most (void);
/* From 0. It has come. */
const DeskRequest *desk_request (guint n);
/* The value of a header line. (transfer full) (nullable) */
gchar *desk_header (guint n, const gchar *name);

#endif
