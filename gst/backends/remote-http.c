#include "remote-http.h"

#include <curl/curl.h>
#include <string.h>

#define MOST_TRIES 4
/* Pause in front of the second try; doubles from try to try. */
#define FIRST_PAUSE (500 * G_TIME_SPAN_MILLISECOND)
#define MOST_CONNECT_SECONDS 10
/* Of what comes with a status of failure */
#define MOST_ERROR_BYTES (64 << 10)
/* Without anything to do the thread is woken. */
#define LONGEST_POLL 60000

struct _HttpCall
{
  Http *http;
  gchar *body;
  gboolean streams;
  gint64 begun, until; /* monotonic, us */

  /* under the lock */
  CURL *easy; /* NULL: no try is under way */
  guint tries;
  gint64 next_try, tried, first, ended; /* monotonic, us; first text: 0 is none */
  RemoteReply reply;                    /* of the try there is, or was */
  GString *said;                        /* with a status of failure */
  glong status;                         /* of the last try; 0: none came */
  gboolean done, forgotten;
  GError *error; /* if done */
};

struct _Http
{
  gchar *url, *host, *key, *ca_file; /* key, ca_file: (nullable) */
  struct curl_slist *headers;
  guint parallel;
  gint64 timeout; /* us; negative: none */
  GThread *thread;
  CURLM *multi;

  GMutex lock;
  GCond changed;
  GPtrArray *calls; /* HttpCall, oldest first */
  guint n_running;
  gint64 not_before; /* as Retry-After says, for all calls */
  gboolean is_down;  /* a call failed for what may be mended, and no answer has begun since */
  gboolean woken, quit;
};

/* --- what a try came to ------------------------------------------------------------------------------------------------------ */

/* A server may repeat the key in what it says. (transfer full) */
static gchar *
hide_key (const Http *http, const gchar *text)
{
  g_auto (GStrv) parts = http->key != NULL ? g_strsplit (text, http->key, -1) : NULL;

  return parts != NULL ? g_strjoinv ("***", parts) : g_strdup (text);
}

/* code: a MinivlError */
static void fail (HttpCall *call, gint code, const gchar *format, ...) G_GNUC_PRINTF (3, 4);

static void
fail (HttpCall *call, gint code, const gchar *format, ...)
{
  g_autofree gchar *text = NULL, *hidden = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  hidden = hide_key (call->http, text);
  call->done = TRUE;
  call->error = g_error_new (MINIVL_ERROR, code, "endpoint: %s: %s", call->http->host, hidden);
}

static void
fail_late (HttpCall *call, const gchar *why)
{
  double seconds = (double)(call->until - call->begun) / G_USEC_PER_SEC;

  fail (call, MINIVL_ERROR_MODEL, "no answer within endpoint-timeout (%g s)%s%s", seconds, why != NULL ? ": " : "",
      why != NULL ? why : "");
}

/* The server is to be asked again, unless it has been often enough or there is no time for it. */
static void
try_later (HttpCall *call, const gchar *why, gint64 asked_pause)
{
  Http *http = call->http;
  gint64 now = g_get_monotonic_time ();
  double pause = (double)(FIRST_PAUSE << (call->tries - 1)) * g_random_double_range (0.5, 1);
  gint64 next = now + MAX ((gint64)pause, asked_pause);

  if (asked_pause > 0)
    http->not_before = MAX (http->not_before, now + asked_pause);
  if (call->until >= 0 && next >= call->until)
    fail_late (call, why);
  else if (call->tries >= MOST_TRIES || http->is_down)
    fail (call, MINIVL_ERROR_MODEL, "%s", why);
  else
    call->next_try = next;
  http->is_down = http->is_down || call->done;
}

static gboolean
is_too_long (const gchar *code, const gchar *said)
{
  return g_strcmp0 (code, "context_length_exceeded") == 0 || g_strcmp0 (code, "exceed_context_size_error") == 0
         || strstr (said, "context length") != NULL || strstr (said, "exceeds n_ctx") != NULL;
}

/* llama-cpp-python's server fails with 500 where it has none. */
static gboolean
lacks_probabilities (const gchar *said)
{
  return strstr (said, "logprobs") != NULL;
}

static void
note_status (HttpCall *call, gint64 asked_pause)
{
  g_autofree gchar *code = NULL, *said = remote_reply_read_error (call->said->str, call->said->len, &code);
  g_autofree gchar *why = g_strdup_printf ("status %ld%s%s", call->status, *said != '\0' ? ": " : "", said);
  gboolean too_long = is_too_long (code, said), stays = too_long || lacks_probabilities (said);

  if (call->status == 429 || (call->status >= 500 && !stays))
    try_later (call, why, asked_pause);
  else if (call->status == 401 || call->status == 403)
    fail (call, MINIVL_ERROR_MODEL, "%s. Set api-key-file to a file with a key that the server takes.", why);
  else if (call->status >= 300 && call->status < 400)
    fail (call, MINIVL_ERROR_MODEL, "%s: redirects are not followed. Set endpoint to where they lead.", why);
  else if (call->status == 404)
    fail (call, MINIVL_ERROR_MODEL, "%s. Set endpoint to what stands in front of /chat/completions, and model to one it has.", why);
  else
    fail (call, too_long ? MINIVL_ERROR_BUDGET : MINIVL_ERROR_MODEL, "%s", why);
}

static gboolean
may_be_mended (CURLcode code)
{
  switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
      return TRUE;
    default:
      return FALSE;
  }
}

/* Of a try that did not end as HTTP has it. */
static void
note_transport (HttpCall *call, CURLcode code)
{
  const gchar *why = curl_easy_strerror (code);

  if (code == CURLE_OPERATION_TIMEDOUT && call->until >= 0 && g_get_monotonic_time () >= call->until)
    fail_late (call, NULL);
  else if (may_be_mended (code))
    try_later (call, why, 0);
  else if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
    fail (call, MINIVL_ERROR_MODEL, "%s. Set ca-file to the certificate of who signed the server's.", why);
  else
    fail (call, MINIVL_ERROR_MODEL, "%s", why);
}

/* Holds the lock. What is whole counts, however the connection ended. */
static void
note_end (HttpCall *call, CURLcode code, gint64 asked_pause)
{
  gboolean is_whole = call->status == 200 && (code == CURLE_OK || call->reply.is_whole) && remote_reply_end (&call->reply);

  if (call->reply.nonsense != NULL)
    fail (call, is_too_long (call->reply.code, call->reply.nonsense) ? MINIVL_ERROR_BUDGET : MINIVL_ERROR_MODEL, "%s",
        call->reply.nonsense);
  else if (is_whole)
    call->done = TRUE;
  else if (code != CURLE_OK)
    note_transport (call, code);
  else if (call->status == 200 && call->reply.bytes == 0 && call->streams)
    fail (call, MINIVL_ERROR_MODEL, "its answer is empty");
  else if (call->status == 200)
    try_later (call, "its answer breaks off", 0);
  else
    note_status (call, asked_pause);
  call->http->is_down = call->http->is_down && !is_whole;
  call->ended = g_get_monotonic_time ();
}

/* --- transfers --------------------------------------------------------------------------------------------------------------- */

static size_t
on_data (char *data, size_t size, size_t n, void *user_data)
{
  HttpCall *call = user_data;
  gboolean goes_on = TRUE;

  g_mutex_lock (&call->http->lock);
  curl_easy_getinfo (call->easy, CURLINFO_RESPONSE_CODE, &call->status);
  if (call->status != 200) {
    g_string_append_len (call->said, data, MIN (size * n, MOST_ERROR_BYTES - MIN (call->said->len, MOST_ERROR_BYTES)));
  } else {
    remote_reply_feed (&call->reply, data, size * n);
    if (call->first == 0 && call->reply.text->len > 0) {
      call->first = g_get_monotonic_time ();
      call->http->is_down = FALSE;
    }
    goes_on = call->reply.nonsense == NULL && !call->forgotten;
    g_cond_broadcast (&call->http->changed);
  }
  g_mutex_unlock (&call->http->lock);
  return goes_on ? size * n : 0;
}

static CURL *
make_transfer (HttpCall *call, gint64 now)
{
  const Http *http = call->http;
  CURL *easy = curl_easy_init ();

  curl_easy_setopt (easy, CURLOPT_URL, http->url);
  curl_easy_setopt (easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt (easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt (easy, CURLOPT_USERAGENT, "minivl");
  curl_easy_setopt (easy, CURLOPT_HTTPHEADER, http->headers);
  curl_easy_setopt (easy, CURLOPT_POSTFIELDS, call->body);
  curl_easy_setopt (easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen (call->body));
  curl_easy_setopt (easy, CURLOPT_WRITEFUNCTION, on_data);
  curl_easy_setopt (easy, CURLOPT_WRITEDATA, call);
  curl_easy_setopt (easy, CURLOPT_PRIVATE, call);
  curl_easy_setopt (easy, CURLOPT_CONNECTTIMEOUT, (long)MOST_CONNECT_SECONDS);
  if (http->ca_file != NULL)
    curl_easy_setopt (easy, CURLOPT_CAINFO, http->ca_file);
  if (call->until >= 0)
    curl_easy_setopt (easy, CURLOPT_TIMEOUT_MS, (long)MIN (MAX (1, (call->until - now + 999) / 1000), G_MAXINT));
  return easy;
}

/* Holds the lock. */
static void
start_try (HttpCall *call, gint64 now)
{
  remote_reply_clear (&call->reply);
  remote_reply_init (&call->reply);
  g_string_truncate (call->said, 0);
  call->status = 0;
  call->first = 0;
  call->tried = now;
  call->tries++;
  call->http->n_running++;
  call->easy = make_transfer (call, now);
  curl_multi_add_handle (call->http->multi, call->easy);
}

static void
end_try (HttpCall *call)
{
  curl_multi_remove_handle (call->http->multi, call->easy);
  curl_easy_cleanup (g_steal_pointer (&call->easy));
  call->http->n_running--;
}

static void
call_free (gpointer data)
{
  HttpCall *call = data;

  if (call->easy != NULL)
    end_try (call);
  remote_reply_clear (&call->reply);
  g_string_free (call->said, TRUE);
  g_clear_error (&call->error);
  g_free (call->body);
  g_free (call);
}

/* Holds the lock. Begins what is due. Returns after how many ms there may be more of it. */
static gint
start_what_is_due (Http *http)
{
  gint64 now = g_get_monotonic_time (), next = now + LONGEST_POLL * G_TIME_SPAN_MILLISECOND;

  for (guint i = 0; i < http->calls->len; i++) {
    HttpCall *call = g_ptr_array_index (http->calls, i);
    gint64 due = MAX (call->next_try, http->not_before);

    if (call->done || call->forgotten || call->easy != NULL)
      continue;
    if (call->until >= 0 && due >= call->until) {
      fail_late (call, "the server asks to wait longer");
      g_cond_broadcast (&http->changed);
    } else if (call->until >= 0 && now >= call->until) {
      fail_late (call, NULL);
      g_cond_broadcast (&http->changed);
    } else if (due <= now && http->n_running < http->parallel) {
      start_try (call, now);
    } else {
      next = MIN (next, due > now ? due : call->until >= 0 ? call->until : next);
    }
  }
  return (gint)((MAX (next - now, 0) + 999) / 1000);
}

/* Holds the lock. */
static void
note_what_ended (Http *http)
{
  CURLMsg *message;
  int left;

  while ((message = curl_multi_info_read (http->multi, &left)) != NULL) {
    CURLcode code = message->data.result;
    CURL *easy = message->easy_handle;
    curl_off_t pause = 0;
    HttpCall *call;

    curl_easy_getinfo (easy, CURLINFO_PRIVATE, (char **)&call);
    curl_easy_getinfo (easy, CURLINFO_RESPONSE_CODE, &call->status);
    curl_easy_getinfo (easy, CURLINFO_RETRY_AFTER, &pause);
    end_try (call);
    if (!call->forgotten)
      note_end (call, code, MIN (pause, G_MAXINT) * G_TIME_SPAN_SECOND);
    g_cond_broadcast (&http->changed);
  }
}

/* Holds the lock. */
static void
free_what_is_forgotten (Http *http)
{
  for (guint i = http->calls->len; i-- > 0;)
    if (((HttpCall *)g_ptr_array_index (http->calls, i))->forgotten)
      g_ptr_array_remove_index (http->calls, i);
}

static gpointer
run (gpointer data)
{
  Http *http = data;
  int running;

  g_mutex_lock (&http->lock);
  while (!http->quit) {
    gint wait;

    free_what_is_forgotten (http);
    g_mutex_unlock (&http->lock);
    curl_multi_perform (http->multi, &running);
    g_mutex_lock (&http->lock);
    note_what_ended (http);
    wait = start_what_is_due (http);
    g_mutex_unlock (&http->lock);
    curl_multi_poll (http->multi, NULL, 0, wait, NULL);
    g_mutex_lock (&http->lock);
  }
  g_ptr_array_set_size (http->calls, 0);
  g_mutex_unlock (&http->lock);
  return NULL;
}

/* --- the other thread's side ------------------------------------------------------------------------------------------------- */

/* Without white space around it. FALSE: it cannot be sent. */
static gboolean
read_key (const gchar *path, gchar **key, GError **error)
{
  g_autoptr (GError) why = NULL;

  if (!g_file_get_contents (path, key, NULL, &why)) {
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE, "api-key-file: %s", why->message);
    return FALSE;
  }
  g_strstrip (*key);
  for (const gchar *p = *key; *p != '\0' || p == *key; p++)
    if (!g_ascii_isgraph (*p)) {
      g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE, "api-key-file: %s: a key, and nothing else, is wanted in it", path);
      return FALSE;
    }
  return TRUE;
}

/* A key in the URL would be seen by all who see the property. */
static gboolean
read_endpoint (const gchar *endpoint, gchar **url, gchar **host, GError **error)
{
  g_autoptr (GUri) uri = g_uri_parse (endpoint, G_URI_FLAGS_ENCODED, NULL);
  const gchar *scheme = uri != NULL ? g_uri_get_scheme (uri) : NULL;
  gsize length = strlen (endpoint);

  if (uri == NULL || (!g_str_equal (scheme, "http") && !g_str_equal (scheme, "https")) || g_uri_get_host (uri) == NULL
      || *g_uri_get_host (uri) == '\0' || g_uri_get_query (uri) != NULL || g_uri_get_fragment (uri) != NULL) {
    g_set_error_literal (error, MINIVL_ERROR, MINIVL_ERROR_USAGE,
        "endpoint: a URL such as http://HOST:PORT/v1 is wanted, without what stands behind ? or #");
    return FALSE;
  }
  if (g_uri_get_userinfo (uri) != NULL) {
    g_set_error_literal (error, MINIVL_ERROR, MINIVL_ERROR_USAGE,
        "endpoint: no user and no password belong into it, where all can read them: set api-key-file");
    return FALSE;
  }
  while (length > 0 && endpoint[length - 1] == '/')
    length--;
  *url = g_strdup_printf ("%.*s/chat/completions", (int)length, endpoint);
  *host = g_uri_get_port (uri) > 0 ? g_strdup_printf ("%s:%d", g_uri_get_host (uri), g_uri_get_port (uri))
                                   : g_strdup (g_uri_get_host (uri));
  return TRUE;
}

static gboolean
check_ca_file (const gchar *path, GError **error)
{
  g_autofree gchar *text = NULL;
  g_autoptr (GError) why = NULL;

  if (path == NULL || g_file_get_contents (path, &text, NULL, &why))
    return TRUE;
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_FILE, "ca-file: %s", why->message);
  return FALSE;
}

/* key (out) (nullable): not there without a file */
static gboolean
read_server (const BackendServer *server, gchar **url, gchar **host, gchar **key, GError **error)
{
  return read_endpoint (server->endpoint, url, host, error) && check_ca_file (server->ca_file, error)
         && (server->api_key_file == NULL || read_key (server->api_key_file, key, error));
}

gboolean
http_check (const BackendServer *server, GError **error)
{
  g_autofree gchar *url = NULL, *host = NULL, *key = NULL;

  return read_server (server, &url, &host, &key, error);
}

static gpointer
init_curl (gpointer data)
{
  curl_global_init (CURL_GLOBAL_DEFAULT);
  return NULL;
}

static void
add_header (Http *http, const gchar *line)
{
  http->headers = curl_slist_append (http->headers, line);
}

Http *
http_new (const BackendServer *server, GError **error)
{
  static GOnce once = G_ONCE_INIT;
  g_autofree gchar *url = NULL, *host = NULL, *key = NULL, *authorization = NULL;
  Http *http;

  if (!read_server (server, &url, &host, &key, error))
    return NULL;
  g_once (&once, init_curl, NULL);
  http = g_new0 (Http, 1);
  if (key != NULL) {
    authorization = g_strconcat ("Authorization: Bearer ", key, NULL);
    add_header (http, authorization);
  }
  add_header (http, "Content-Type: application/json");
  add_header (http, "Accept: application/json, text/event-stream");
  add_header (http, "Expect:"); /* it would cost a second with servers that do not know it */
  http->url = g_steal_pointer (&url);
  http->host = g_steal_pointer (&host);
  http->key = g_steal_pointer (&key);
  http->ca_file = g_strdup (server->ca_file);
  http->parallel = MAX (server->parallel, 1);
  http->timeout = server->timeout > 0 && server->timeout < G_MAXINT64 ? (gint64)(server->timeout / 1000) : -1;
  http->multi = curl_multi_init ();
  http->calls = g_ptr_array_new_with_free_func (call_free);
  g_mutex_init (&http->lock);
  g_cond_init (&http->changed);
  http->thread = g_thread_new ("minivl-remote", run, http);
  return http;
}

void
http_free (Http *http)
{
  if (http == NULL)
    return;
  g_mutex_lock (&http->lock);
  http->quit = TRUE;
  g_mutex_unlock (&http->lock);
  curl_multi_wakeup (http->multi);
  g_thread_join (http->thread);
  g_ptr_array_unref (http->calls);
  curl_multi_cleanup (http->multi);
  curl_slist_free_all (http->headers);
  g_mutex_clear (&http->lock);
  g_cond_clear (&http->changed);
  g_free (http->url);
  g_free (http->host);
  g_free (http->key);
  g_free (http->ca_file);
  g_free (http);
}

HttpCall *
http_call (Http *http, gchar *body, gboolean streams)
{
  HttpCall *call = g_new0 (HttpCall, 1);

  call->http = http;
  call->body = body;
  call->streams = streams;
  call->begun = g_get_monotonic_time ();
  call->until = http->timeout >= 0 ? call->begun + http->timeout : -1;
  call->said = g_string_new (NULL);
  remote_reply_init (&call->reply);
  g_mutex_lock (&http->lock);
  g_ptr_array_add (http->calls, call);
  g_mutex_unlock (&http->lock);
  curl_multi_wakeup (http->multi);
  return call;
}

void
http_forget (Http *http, HttpCall *call)
{
  g_mutex_lock (&http->lock);
  call->forgotten = TRUE;
  g_mutex_unlock (&http->lock);
  curl_multi_wakeup (http->multi);
}

HttpNews
http_await (Http *http, HttpCall *call, gsize told, gint64 until)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&http->lock);

  for (;;) {
    if (http->woken) {
      http->woken = FALSE;
      return HTTP_WOKEN;
    }
    if (call->reply.text->len > told && call->status == 200)
      return HTTP_TEXT;
    if (call->done)
      return HTTP_DONE;
    if (until < 0)
      g_cond_wait (&http->changed, &http->lock);
    else if (!g_cond_wait_until (&http->changed, &http->lock, until))
      return HTTP_LATE;
  }
}

void
http_wake (Http *http)
{
  g_mutex_lock (&http->lock);
  http->woken = TRUE;
  g_cond_broadcast (&http->changed);
  g_mutex_unlock (&http->lock);
}

gchar *
http_get_text (Http *http, HttpCall *call)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&http->lock);

  return g_strdup (call->reply.text->str);
}

const RemoteReply *
http_get_reply (HttpCall *call, GError **error)
{
  if (call->error != NULL)
    g_propagate_error (error, g_error_copy (call->error));
  return call->error == NULL ? &call->reply : NULL;
}

gboolean
http_was_refused (const HttpCall *call)
{
  return call->error != NULL && (call->status == 400 || call->status == 422 || lacks_probabilities (call->error->message));
}

gboolean
http_was_empty (const HttpCall *call)
{
  return call->streams && call->error != NULL && call->status == 200 && call->reply.bytes == 0;
}

void
http_get_times (Http *http, const HttpCall *call, guint64 *first_ns, guint64 *rest_ns)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&http->lock);
  gint64 ended = call->done ? call->ended : g_get_monotonic_time (), first = call->first > 0 ? call->first : ended;

  *first_ns = (guint64)(first - call->tried) * 1000;
  *rest_ns = (guint64)(ended - first) * 1000;
}
