/*
 * Calls of one server, several at once, each tried again while that may help.
 *
 * A thread of its own does the transfers. All functions are for one other thread, http_wake() apart. A call is tried again when the
 * server cannot be reached, breaks off, or says that it is busy or broken (429, 5xx): after a pause that doubles from try to try,
 * of which a random part is left out so that cameras do not come back all at once, or after what Retry-After says. A server that
 * let a call fail that way gets one try of each later call, until one works: a video does not wait for it over and over.
 */
#ifndef GST_MINIVL_REMOTE_HTTP_H
#define GST_MINIVL_REMOTE_HTTP_H

#include "backend.h"
#include "remote-reply.h"

G_BEGIN_DECLS

typedef struct _Http Http;
typedef struct _HttpCall HttpCall;

/* FALSE when a file cannot be read, or the endpoint is no URL; the message names the property. Nothing is sent. */
gboolean http_check (const BackendServer *server, GError **error);
/* NULL with the errors of http_check(). */
Http *http_new (const BackendServer *server, GError **error);
/* Breaks off all calls and frees them. */
void http_free (Http *http);

/* body: (transfer full): JSON, sent by POST. streams: it asks for a stream; one that is empty is not asked for again. The call
 * waits where as many as may be are under way. Freed by http_forget(). */
HttpCall *http_call (Http *http, gchar *body, gboolean streams);
/* Breaks it off if it is under way. */
void http_forget (Http *http, HttpCall *call);

typedef enum
{
  HTTP_TEXT,  /* there is more text */
  HTTP_DONE,  /* answered, or failed */
  HTTP_WOKEN, /* http_wake() */
  HTTP_LATE,  /* `until` has passed */
} HttpNews;

/* Waits for news. until: monotonic, us; negative: none. told: how much text is known. */
HttpNews http_await (Http *http, HttpCall *call, gsize told, gint64 until);
/* From any thread; ends the wait there is, or the next one. */
void http_wake (Http *http);

/* The text so far. A try that began anew may have less than before. (transfer full) */
gchar *http_get_text (Http *http, HttpCall *call);
/* Of a call that is done: NULL, and why, when it failed. Lives as long as the call. */
const RemoteReply *http_get_reply (HttpCall *call, GError **error);
/* Whether the server refused the body itself. */
gboolean http_was_refused (const HttpCall *call);
/* Whether a stream began in which nothing came. */
gboolean http_was_empty (const HttpCall *call);
/* From the start of the last try to its first text, and from there to its end, or to now; ns. */
void http_get_times (Http *http, const HttpCall *call, guint64 *first_ns, guint64 *rest_ns);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Http, http_free)

G_END_DECLS

#endif
