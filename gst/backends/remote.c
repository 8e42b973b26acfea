/*
 * The back end that answers on another machine: any server with OpenAI's API. An element has a connection of its own.
 *
 * The server is not asked before there is a question, so that one that is down when the pipeline starts is no matter. How long its
 * context is and how it counts tokens is not known here: pictures are the server's to count, texts are taken for CONTEXT tokens at
 * most, at BYTES_OF_TOKEN bytes each, which bounds summaries.
 */
#include "jpeg.h"
#include "remote-http.h"
#include "remote-request.h"

#include <string.h>

#define CONTEXT 8192
#define BYTES_OF_TOKEN 3

typedef struct
{
  Http *http;
  gchar *endpoint, *model; /* model: (nullable) */
  guint jpeg_quality, parallel;
  guint n_calls;             /* begun or asked, and not over */
  gboolean no_probabilities; /* the server has none: first words decide */
} Remote;

/* --- opening ----------------------------------------------------------------------------------------------------------------- */

static gboolean
remote_check (const BackendOptions *options, GError **error)
{
  return http_check (&options->server, error);
}

/* Schemas are those of the engine in the process, so that one means the same wherever it is. */
static gboolean
remote_check_shape (const gchar *const *choices, const gchar *json_schema, GError **error)
{
  if (choices == NULL)
    return minivl_shape_check (NULL, json_schema, error);
  g_set_error_literal (error, MINIVL_ERROR, MINIVL_ERROR_USAGE, "it is not possible with endpoint, json-schema with an enum is");
  return FALSE;
}

static gpointer
remote_open (const BackendOptions *options, GError **error)
{
  const BackendServer *server = &options->server;
  Http *http = http_new (server, error);
  Remote *self;

  if (http == NULL)
    return NULL;
  self = g_new0 (Remote, 1);
  self->http = http;
  self->endpoint = g_strdup (server->endpoint);
  self->model = server->model != NULL && server->model[0] != '\0' ? g_strdup (server->model) : NULL;
  self->jpeg_quality = server->jpeg_quality;
  self->parallel = server->parallel;
  return self;
}

static void
remote_close (gpointer data)
{
  Remote *self = data;

  http_free (self->http);
  g_free (self->endpoint);
  g_free (self->model);
  g_free (self);
}

static void
remote_get_info (gpointer data, BackendInfo *info)
{
  const Remote *self = data;

  *info = (BackendInfo){
    .model = self->model,
    .device = self->endpoint,
    .context_size = CONTEXT,
    .max_context_size = CONTEXT,
    .system_source = "server",
  };
}

/* --- pictures ---------------------------------------------------------------------------------------------------------------- */

static gboolean
remote_count_tokens (gpointer data, const MinivlImage *image, guint max_tiles, guint *tokens, GError **error)
{
  *tokens = 0;
  return TRUE;
}

static gpointer
remote_encode (
    gpointer data, const MinivlImage *image, guint max_tiles, const gint *cancel, BackendPictureInfo *info, GError **error)
{
  const Remote *self = data;
  gint64 begun = g_get_monotonic_time ();
  g_autofree guint8 *rgb = NULL;
  g_autofree gchar *base64 = NULL;
  g_autoptr (GBytes) jpeg = NULL;
  RemotePicture *picture;
  guint width, height;

  rgb = jpeg_rgb_of (image, &width, &height);
  jpeg = jpeg_encode (rgb, width, height, self->jpeg_quality, error);
  if (jpeg == NULL)
    return NULL;
  base64 = g_base64_encode (g_bytes_get_data (jpeg, NULL), g_bytes_get_size (jpeg));
  picture = g_new0 (RemotePicture, 1);
  picture->uri = g_strconcat ("data:image/jpeg;base64,", base64, NULL);
  picture->max_tiles = max_tiles;
  /* Into how many tiles a server cuts it is the server's secret, but for one. */
  if (max_tiles == 1)
    info->columns = info->rows = 1;
  info->preprocess_ns = (guint64)(g_get_monotonic_time () - begun) * 1000;
  return picture;
}

static void
remote_picture_unref (gpointer data)
{
  RemotePicture *picture = data;

  g_free (picture->uri);
  g_free (picture);
}

/* --- questions --------------------------------------------------------------------------------------------------------------- */

static gboolean
remote_count_text (gpointer data, const BackendQuestion *question, guint *tokens, GError **error)
{
  gsize bytes = strlen (question->text) + (question->system != NULL ? strlen (question->system) : 0);

  for (guint i = 0; i < question->n_history; i++)
    bytes += strlen (question->history[i].prompt) + strlen (question->history[i].answer);
  *tokens = (guint)MIN (bytes / BYTES_OF_TOKEN + 1, G_MAXINT);
  return TRUE;
}

/* (transfer full) (nullable) */
static HttpCall *
start_call (Remote *self, const BackendQuestion *question, gboolean streams, GError **error)
{
  gchar *body = remote_request (question, self->model, !self->no_probabilities, streams, error);

  self->n_calls += body != NULL;
  return body != NULL ? http_call (self->http, body, streams && !question->params.want_yes) : NULL;
}

static void
end_call (Remote *self, HttpCall *call)
{
  self->n_calls--;
  http_forget (self->http, call);
}

/* A try that begins anew may answer otherwise: then nobody is told more, for what was said cannot be taken back. */
static void
tell (const BackendQuestion *question, GString *told, const gchar *text)
{
  if (question->on_text == NULL || !g_str_has_prefix (text, told->str) || text[told->len] == '\0')
    return;
  question->on_text (text + told->len, question->user_data);
  g_string_assign (told, text);
}

/* Until it is answered, or nobody waits any more. Returns why it ended before it was answered; NULL: it is done. */
static const gchar *
await (Remote *self, HttpCall *call, const BackendQuestion *question, const gint *cancel)
{
  g_autoptr (GString) told = g_string_new (NULL);
  gint64 until = question->params.deadline > 0 ? (gint64)(question->params.deadline / 1000) : -1;
  gsize seen = 0;

  if (question->meanwhile != NULL)
    question->meanwhile (question->user_data);
  while (cancel == NULL || !g_atomic_int_get (cancel)) {
    HttpNews news = http_await (self->http, call, seen, until);
    g_autofree gchar *text = NULL;

    if (news == HTTP_DONE)
      return NULL;
    if (news == HTTP_LATE)
      return "deadline";
    if (news == HTTP_TEXT) {
      text = http_get_text (self->http, call);
      seen = strlen (text);
      tell (question, told, text);
    } else if (question->meanwhile != NULL) {
      question->meanwhile (question->user_data);
    }
  }
  return "cancelled";
}

static gboolean
fill_answer (Remote *self, HttpCall *call, BackendAnswer *answer, const gchar *ended, GError **error)
{
  const RemoteReply *reply = ended == NULL ? http_get_reply (call, error) : NULL;
  gchar *text;

  if (ended == NULL && reply == NULL)
    return FALSE;
  text = reply != NULL ? g_strdup (reply->text->str) : http_get_text (self->http, call);
  *answer = (BackendAnswer){ .text = g_strstrip (text), .finish_reason = ended, .yes = -1 };
  http_get_times (self->http, call, &answer->prefill_ns, &answer->decode_ns);
  if (reply == NULL)
    return TRUE;
  answer->finish_reason = reply->finish;
  answer->prompt_tokens = reply->prompt_tokens;
  answer->output_tokens = reply->output_tokens;
  answer->cached_tokens = reply->cached_tokens;
  answer->yes = reply->yes;
  return TRUE;
}

/* Whether it is to be asked again, by the first word alone. A server that knows no probabilities refuses them or leaves them out.
 */
static gboolean
lacks_probabilities (const Remote *self, const HttpCall *call, const BackendQuestion *question, const BackendAnswer *answer)
{
  if (!question->params.want_yes || self->no_probabilities)
    return FALSE;
  return http_was_refused (call) || (answer->text != NULL && answer->yes < 0 && remote_reply_first_word (answer->text) < 0);
}

static gboolean
decide (BackendAnswer *answer, GError **error)
{
  if (answer->yes < 0)
    answer->yes = remote_reply_first_word (answer->text);
  if (answer->yes >= 0)
    return TRUE;
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_USAGE, "endpoint: the answer is neither yes nor no, but \"%s\"", answer->text);
  g_clear_pointer (&answer->text, g_free);
  return FALSE;
}

/* Why the server is to be asked once more, otherwise. */
typedef enum
{
  AGAIN_NOT,
  AGAIN_BY_WORD,
  AGAIN_WHOLE, /* without a stream: in one that it cannot begin, it cannot say why */
} Again;

static gboolean
ask_once (Remote *self, const BackendQuestion *question, gboolean streams, const gint *cancel, BackendAnswer *answer, Again *again,
    GError **error)
{
  HttpCall *call = question->begun != NULL ? question->begun : start_call (self, question, streams, error);
  const gchar *ended;
  gboolean ok;

  *again = AGAIN_NOT;
  if (call == NULL)
    return FALSE;
  ended = await (self, call, question, cancel);
  ok = fill_answer (self, call, answer, ended, error);
  if (ended == NULL && lacks_probabilities (self, call, question, answer))
    *again = AGAIN_BY_WORD;
  else if (ended == NULL && http_was_empty (call))
    *again = AGAIN_WHOLE;
  end_call (self, call);
  return ok && (ended != NULL || *again != AGAIN_NOT || !question->params.want_yes || decide (answer, error));
}

static gboolean
remote_ask (gpointer data, const BackendQuestion *question, const gint *cancel, BackendAnswer *answer, GError **error)
{
  Remote *self = data;
  BackendQuestion anew = *question;
  g_autoptr (GError) failure = NULL;
  Again again, ignored;
  gboolean ok = ask_once (self, question, TRUE, cancel, answer, &again, &failure);

  if (again != AGAIN_NOT) {
    g_clear_pointer (&answer->text, g_free);
    g_clear_error (&failure);
    anew.begun = NULL;
    self->no_probabilities = self->no_probabilities || again == AGAIN_BY_WORD;
    ok = ask_once (self, &anew, FALSE, cancel, answer, &ignored, &failure);
    if (again == AGAIN_BY_WORD)
      self->no_probabilities = ok; /* else they were not what is wrong */
  }
  if (failure != NULL)
    g_propagate_error (error, g_steal_pointer (&failure));
  return ok;
}

static gpointer
remote_begin (gpointer data, const BackendQuestion *question)
{
  Remote *self = data;

  return self->n_calls < self->parallel ? start_call (self, question, TRUE, NULL) : NULL;
}

static void
remote_forget (gpointer data, gpointer begun)
{
  end_call (data, begun);
}

/* Of a stir and a cancel: who waits looks what there is. */
static void
remote_wake (gpointer data)
{
  http_wake (((Remote *)data)->http);
}

/* A server has priorities of its own. */
static void
remote_set_priority (gpointer data, gint priority)
{
}

const Backend backend_remote = {
  .check = remote_check,
  .check_shape = remote_check_shape,
  .open = remote_open,
  .get_info = remote_get_info,
  .count_tokens = remote_count_tokens,
  .count_text = remote_count_text,
  .encode = remote_encode,
  .ask = remote_ask,
  .begin = remote_begin,
  .forget = remote_forget,
  .stir = remote_wake,
  .cancel = remote_wake,
  .set_priority = remote_set_priority,
  .picture_unref = remote_picture_unref,
  .close = remote_close,
};
