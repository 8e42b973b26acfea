#include "desk.h"

#include <gio/gio.h>
#include <string.h>

#define PATIENCE (300 * G_TIME_SPAN_SECOND)

static GMutex lock;
static GCond changed;
static GMainContext *context;
static GSocketService *service;
static GSocket *reserved;
static GPtrArray *requests;        /* DeskRequest */
static GQueue told = G_QUEUE_INIT; /* gchar */
static gchar *told_all;
static guint n_broken_off, n_answering, most, releases;

/* --- responses --------------------------------------------------------------------------------------------------------------- */

gchar *
desk_response (const gchar *status, const gchar *headers, const gchar *body)
{
  return g_strdup_printf ("HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %" G_GSIZE_FORMAT "\r\n%s\r\n%s", status,
      strlen (body), headers != NULL ? headers : "", body);
}

gchar *
desk_stream (const gchar *text)
{
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  g_autoptr (GString) body = g_string_new (": a comment\r\n\r\n");

  for (guint i = 0; words[i] != NULL; i++)
    g_string_append_printf (body, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s%s\"},\"finish_reason\":null}]}\n\n",
        i > 0 ? " " : "", words[i]);
  g_string_append (body, "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
                         "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3,"
                         "\"prompt_tokens_details\":{\"cached_tokens\":2}}}\n\ndata: [DONE]\n\n");
  return desk_response ("200 OK", "Content-Type: text/event-stream\r\n", body->str);
}

gchar *
desk_completion (const gchar *text, const gchar *logprobs)
{
  g_autofree gchar *body =
      g_strdup_printf ("{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s\"},\"logprobs\":%s,"
                       "\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":1}}",
          text, logprobs != NULL ? logprobs : "null");

  return desk_response ("200 OK", "Content-Type: application/json\r\n", body);
}

/* --- requests ---------------------------------------------------------------------------------------------------------------- */

static void
request_free (gpointer data)
{
  DeskRequest *request = data;

  g_clear_pointer (&request->body, json_object_unref);
  g_free (request->head);
  g_free (request);
}

static JsonObject *
parse (const gchar *text)
{
  g_autoptr (JsonNode) root = json_from_string (text, NULL);

  return root != NULL && JSON_NODE_HOLDS_OBJECT (root) ? json_node_dup_object (root) : NULL;
}

/* NULL: the other side closed. */
static DeskRequest *
read_request (GInputStream *in)
{
  g_autoptr (GString) bytes = g_string_new (NULL);
  const gchar *end = NULL, *length;
  DeskRequest *request;
  gchar buffer[4096];
  gsize size = 0;

  while (end == NULL || bytes->len < (gsize)(end + 4 - bytes->str) + size) {
    gssize n = g_input_stream_read (in, buffer, sizeof buffer, NULL, NULL);

    if (n <= 0)
      return NULL;
    g_string_append_len (bytes, buffer, n);
    end = strstr (bytes->str, "\r\n\r\n");
    length = end != NULL ? strstr (bytes->str, "Content-Length:") : NULL;
    size = length != NULL ? g_ascii_strtoull (length + strlen ("content-length:"), NULL, 10) : 0;
  }
  request = g_new0 (DeskRequest, 1);
  request->head = g_strndup (bytes->str, end + 2 - bytes->str);
  request->body = parse (end + 4);
  request->time = g_get_monotonic_time ();
  return request;
}

/* Until it is released, TRUE, or the other side closes. */
static gboolean
hold (GInputStream *in, GSocket *socket, guint release)
{
  gboolean open = TRUE, released = FALSE;
  gchar c;

  while (open && !released) {
    if (g_socket_condition_timed_wait (socket, G_IO_IN, 20 * G_TIME_SPAN_MILLISECOND, NULL, NULL))
      open = g_input_stream_read (in, &c, 1, NULL, NULL) > 0;
    g_mutex_lock (&lock);
    released = releases > release;
    n_broken_off += !open;
    g_cond_broadcast (&changed);
    g_mutex_unlock (&lock);
  }
  return open;
}

static gboolean
on_connection (GThreadedSocketService *s, GSocketConnection *connection, GObject *source, gpointer data)
{
  GInputStream *in = g_io_stream_get_input_stream (G_IO_STREAM (connection));
  GOutputStream *out = g_io_stream_get_output_stream (G_IO_STREAM (connection));
  DeskRequest *request = read_request (in);
  g_autofree gchar *response = NULL;
  guint number, release;
  gboolean holds, answers;

  if (request == NULL)
    return TRUE;
  g_mutex_lock (&lock);
  g_ptr_array_add (requests, request);
  number = requests->len;
  release = releases;
  response = g_queue_pop_head (&told);
  if (response == NULL)
    response = g_strdup (told_all);
  n_answering++;
  most = MAX (most, n_answering);
  g_cond_broadcast (&changed);
  g_mutex_unlock (&lock);

  holds = response != NULL && g_str_has_suffix (response, DESK_HOLDS);
  if (holds)
    response[strlen (response) - strlen (DESK_HOLDS)] = '\0';
  if (holds && *response != '\0')
    g_output_stream_write_all (out, response, strlen (response), NULL, NULL, NULL);
  answers = !holds || hold (in, g_socket_connection_get_socket (connection), release);
  g_mutex_lock (&lock);
  n_answering--; /* before the other side may know */
  g_mutex_unlock (&lock);
  if (response == NULL || (holds && answers)) {
    g_autofree gchar *text = g_strdup_printf ("answer %u", number);

    g_free (response);
    response = desk_stream (text);
  }
  if (answers)
    g_output_stream_write_all (out, response, strlen (response), NULL, NULL, NULL);
  g_io_stream_close (G_IO_STREAM (connection), NULL, NULL);
  return TRUE;
}

/* --- the desk ---------------------------------------------------------------------------------------------------------------- */

static gpointer
serve (gpointer data)
{
  g_main_context_push_thread_default (context);
  service = g_threaded_socket_service_new (64);
  g_signal_connect (service, "run", G_CALLBACK (on_connection), NULL);
  g_socket_service_start (service);
  g_main_loop_run (g_main_loop_new (context, FALSE));
  return NULL;
}

static GSocket *
make_socket (void)
{
  g_autoptr (GInetAddress) loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) any = g_inet_socket_address_new (loopback, 0);
  g_autoptr (GError) error = NULL;
  GSocket *socket = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, &error);

  g_assert_no_error (error);
  g_assert_true (g_socket_bind (socket, any, TRUE, &error));
  return socket;
}

static guint
port_of (GSocket *socket)
{
  g_autoptr (GSocketAddress) address = g_socket_get_local_address (socket, NULL);

  return g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address));
}

/* In the service's own thread. socket: (transfer full) */
static gboolean
listen_at (gpointer socket)
{
  g_assert_true (g_socket_listener_add_socket (G_SOCKET_LISTENER (service), socket, NULL, NULL));
  g_object_unref (socket);
  return G_SOURCE_REMOVE;
}

/* Connections wait until the service accepts them. */
static void
open_socket (GSocket *socket)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  g_assert_true (g_socket_listen (socket, NULL));
  g_source_set_callback (source, listen_at, socket, NULL);
  g_source_attach (source, context);
}

guint
desk_open (void)
{
  GSocket *socket = make_socket ();
  guint port = port_of (socket);

  requests = g_ptr_array_new_with_free_func (request_free);
  context = g_main_context_new ();
  g_thread_unref (g_thread_new ("desk", serve, NULL));
  open_socket (socket);
  return port;
}

guint
desk_reserve (void)
{
  reserved = make_socket ();
  return port_of (reserved);
}

void
desk_open_reserved (void)
{
  open_socket (g_steal_pointer (&reserved));
}

void
desk_reset (void)
{
  desk_tell_all (NULL);
  g_mutex_lock (&lock);
  g_ptr_array_set_size (requests, 0);
  g_queue_clear_full (&told, g_free);
  n_broken_off = most = 0;
  releases++;
  g_mutex_unlock (&lock);
}

void
desk_tell (gchar *response)
{
  g_mutex_lock (&lock);
  g_queue_push_tail (&told, response);
  g_mutex_unlock (&lock);
}

void
desk_tell_all (const gchar *response)
{
  g_mutex_lock (&lock);
  g_free (told_all);
  told_all = g_strdup (response);
  g_mutex_unlock (&lock);
}

void
desk_release (void)
{
  g_mutex_lock (&lock);
  releases++;
  g_mutex_unlock (&lock);
}

static void
await (const guint *count, guint n)
{
  gint64 until = g_get_monotonic_time () + PATIENCE;

  while (*count < n)
    if (!g_cond_wait_until (&changed, &lock, until))
      g_error ("%u have come of %u", *count, n);
}

void
desk_await (guint n)
{
  g_mutex_lock (&lock);
  await (&requests->len, n);
  g_mutex_unlock (&lock);
}

void
desk_await_broken_off (guint n)
{
  g_mutex_lock (&lock);
  await (&n_broken_off, n);
  g_mutex_unlock (&lock);
}

guint
desk_count (void)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);

  return requests->len;
}

guint
desk_most (void)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);

  return most;
}

const DeskRequest *
desk_request (guint n)
{
  G_GNUC_UNUSED g_autoptr (GMutexLocker) locker = g_mutex_locker_new (&lock);

  g_assert_cmpuint (n, <, requests->len);
  return g_ptr_array_index (requests, n);
}

gchar *
desk_header (guint n, const gchar *name)
{
  g_auto (GStrv) lines = g_strsplit (desk_request (n)->head, "\r\n", -1);
  gsize length = strlen (name);

  for (guint i = 1; lines[i] != NULL; i++)
    if (g_ascii_strncasecmp (lines[i], name, length) == 0 && lines[i][length] == ':')
      return g_strdup (g_strstrip (lines[i] + length + 1));
  return NULL;
}
