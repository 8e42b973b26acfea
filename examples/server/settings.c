/* The command line: see settings.h. */
#include "settings.h"

#include "examples/media.h"
#include "examples/precision.h"

#include <string.h>

static const gchar summary[] = "Answers questions about pictures and videos over HTTP, as OpenAI's API has them: GET /v1/models,\n"
                               "POST /v1/chat/completions, GET /health, GET /metrics; and a page for people at /.";

static const gchar description[] = "Exit: 0 ended by SIGINT or SIGTERM, which end answers with an error; 1 device, memory or model "
                                   "trouble, or a port that is taken;\n"
                                   "2 bad usage or a file that cannot be used.";

/* Values as GOption gives them. */
typedef struct
{
  gchar *precision, *key_file;
  gint port, context_size, cache_size, connections, parallel, queue, most_body, most_bodies, most_header, most_pictures;
  gint most_megapixels, video_seconds, decode_memory, decoded_memory, decode_seconds, request_seconds, idle_seconds;
} Raw;

void
settings_clear (Settings *s)
{
  g_free (s->model);
  g_free (s->lora);
  g_free (s->device);
  g_free (s->cache_dir);
  g_free (s->host);
  g_free (s->model_name);
  g_clear_pointer (&s->keys, g_ptr_array_unref);
  g_strfreev (s->remote_hosts);
  g_strfreev (s->origins);
  memset (s, 0, sizeof *s);
}

static gboolean G_GNUC_PRINTF (2, 3) bad (GError **error, const gchar *format, ...)
{
  va_list args;

  va_start (args, format);
  if (error)
    *error = g_error_new_valist (G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, format, args);
  va_end (args);
  return FALSE;
}

static gboolean
check_range (const gchar *option, gint value, gint least, gint most, GError **error)
{
  return (value >= least && value <= most) || bad (error, "%s %d: %d to %d", option, value, least, most);
}

static gboolean
check_ranges (const Raw *raw, GError **error)
{
  const struct
  {
    const gchar *option;
    gint value, least, most;
  } rows[] = {
    { "--port", raw->port, 0, 65535 },
    { "--context-size", raw->context_size, 0, G_MAXINT },
    { "--cache-size", raw->cache_size, 0, G_MAXINT },
    { "--connections", raw->connections, 1, 65536 },
    { "--parallel", raw->parallel, 1, 1024 },
    { "--queue", raw->queue, 0, 65536 },
    { "--max-body", raw->most_body, 1, 1024 },
    { "--max-bodies", raw->most_bodies, raw->most_bodies != 0 ? raw->most_body : 0, 1 << 20 },
    { "--max-header", raw->most_header, 1, 100 }, /* of libsoup's own */
    { "--max-pictures", raw->most_pictures, 1, 1024 },
    { "--max-pixels", raw->most_megapixels, 1, MEDIA_MOST_PIXELS >> 20 },
    { "--max-video-time", raw->video_seconds, 1, 86400 },
    { "--decode-memory", raw->decode_memory, 256, 65536 },
    { "--decoded-memory", raw->decoded_memory, 1, 1 << 20 },
    { "--decode-time", raw->decode_seconds, 1, 3600 },
    { "--request-time", raw->request_seconds, 1, 86400 },
    { "--idle-time", raw->idle_seconds, 1, 3600 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    if (!check_range (rows[i].option, rows[i].value, rows[i].least, rows[i].most, error))
      return FALSE;
  return TRUE;
}

/* A key a line; empty lines, and those that begin with #, are none. */
static gboolean
read_keys (Settings *s, const gchar *path, GError **error)
{
  g_autofree gchar *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!path)
    return TRUE;
  if (!g_file_get_contents (path, &text, NULL, error))
    return FALSE;
  lines = g_strsplit (text, "\n", -1);
  for (gchar **line = lines; *line; line++)
    if (*g_strstrip (*line) && **line != '#')
      g_ptr_array_add (s->keys, g_strdup (*line));
  return s->keys->len > 0 || bad (error, "--api-key-file %s: there is no key in it", path);
}

static gboolean
check (Settings *s, const Raw *raw, gint n_left, GError **error)
{
  g_autoptr (GInetAddress) address = NULL;

  if (n_left > 0)
    return bad (error, "there are options only; see --help");
  if (!s->model)
    s->model = minivl_default_model_path ();
  if (!s->model)
    return bad (error, "--model DIR is needed: the folder of a checkpoint, for the demo model is not beside libminivl");
  if (!precision_parse (raw->precision, &s->precision))
    return bad (error, "--precision %s: " PRECISION_NAMES, raw->precision);
  if (!s->host)
    s->host = g_strdup ("127.0.0.1");
  address = g_inet_address_new_from_string (s->host);
  if (!address)
    return bad (error, "--host %s: an address is wanted, such as 127.0.0.1 or ::", s->host);
  if (s->model_name && (*s->model_name == '\0' || !g_utf8_validate (s->model_name, -1, NULL)))
    return bad (error, "--model-name: a name in UTF-8 is wanted");
  return check_ranges (raw, error) && read_keys (s, raw->key_file, error);
}

static void
take (Settings *s, const Raw *raw)
{
  s->port = raw->port;
  s->context_size = raw->context_size;
  s->cache_size = raw->cache_size;
  s->connections = raw->connections;
  s->parallel = raw->parallel;
  s->queue = raw->queue;
  s->most_body = (gsize)raw->most_body << 20;
  s->most_bodies = raw->most_bodies != 0 ? (gsize)raw->most_bodies << 20 : s->most_body * 16;
  s->most_header = (gsize)raw->most_header << 10;
  s->most_pictures = raw->most_pictures;
  s->decoder = (DecoderLimits){ (guint64)raw->most_megapixels << 20, raw->video_seconds, raw->decode_memory, raw->decode_seconds,
    (guint64)raw->decoded_memory << 20 };
  s->request_seconds = raw->request_seconds;
  s->idle_seconds = raw->idle_seconds;
  if (!s->model_name) {
    g_autofree gchar *path = g_canonicalize_filename (s->model, NULL), *name = g_path_get_basename (path);

    s->model_name = g_utf8_make_valid (name, -1);
  }
}

gboolean
settings_parse (Settings *settings, gint argc, gchar **argv, GError **error)
{
  Settings s = { .keys = g_ptr_array_new_with_free_func (g_free) };
  Raw raw = { .port = 23333,
    .connections = 1024,
    .parallel = 32,
    .queue = 64,
    .most_body = 32,
    .most_header = 32,
    .most_pictures = 64,
    .most_megapixels = MEDIA_MOST_PIXELS >> 20,
    .video_seconds = 600,
    .decode_memory = 3072,
    .decoded_memory = 1024,
    .decode_seconds = 30,
    .request_seconds = 600,
    .idle_seconds = 60 };
  const GOptionEntry entries[] = {
    { "model", 0, 0, G_OPTION_ARG_FILENAME, &s.model, "checkpoint folder (the demo model)", "DIR" },
    { "model-name", 0, 0, G_OPTION_ARG_FILENAME, &s.model_name, "what clients call it (the folder's name)", "NAME" },
    { "lora", 0, 0, G_OPTION_ARG_FILENAME, &s.lora, "an adapter's folder, merged into it SCALE times (1)", "DIR[:SCALE]" },
    { "device", 0, 0, G_OPTION_ARG_FILENAME, &s.device, "index, UUID or part of a name (a GPU before a CPU)", "D" },
    { "precision", 0, 0, G_OPTION_ARG_FILENAME, &raw.precision, PRECISION_NAMES " (auto: what fits)", "P" },
    { "context-size", 0, 0, G_OPTION_ARG_INT, &raw.context_size, "most tokens of a conversation (0: 8192 or what fits)", "N" },
    { "cache-size", 0, 0, G_OPTION_ARG_INT, &raw.cache_size, "tokens of all conversations (0: what fits)", "N" },
    { "cache-dir", 0, 0, G_OPTION_ARG_FILENAME, &s.cache_dir, "folder of converted weights and pipelines, \"\": none", "DIR" },
    { "host", 0, 0, G_OPTION_ARG_FILENAME, &s.host, "address to listen at (127.0.0.1)", "ADDRESS" },
    { "port", 0, 0, G_OPTION_ARG_INT, &raw.port, "port to listen at, 0: any that is free (23333)", "N" },
    { "api-key-file", 0, 0, G_OPTION_ARG_FILENAME, &raw.key_file, "file of keys, one a line, of which clients need one", "FILE" },
    { "allow-origin", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &s.origins, "pages from there may ask (CORS), *: all; repeatable",
        "ORIGIN" },
    { "allow-remote-media", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &s.remote_hosts, "URLs of media may name this host; repeatable",
        "HOST" },
    { "connections", 0, 0, G_OPTION_ARG_INT, &raw.connections, "connections at a time; more wait for one to close (1024)", "N" },
    { "parallel", 0, 0, G_OPTION_ARG_INT, &raw.parallel, "requests that are answered at a time (32)", "N" },
    { "queue", 0, 0, G_OPTION_ARG_INT, &raw.queue, "requests that may wait (64)", "N" },
    { "request-time", 0, 0, G_OPTION_ARG_INT, &raw.request_seconds, "seconds a request may take (600)", "S" },
    { "idle-time", 0, 0, G_OPTION_ARG_INT, &raw.idle_seconds, "seconds a client may do nothing, or take for its headers (60)",
        "S" },
    { "max-header", 0, 0, G_OPTION_ARG_INT, &raw.most_header, "KiB of a request's headers (32)", "N" },
    { "max-body", 0, 0, G_OPTION_ARG_INT, &raw.most_body, "MiB of a request's body, and of a file it names (32)", "N" },
    { "max-bodies", 0, 0, G_OPTION_ARG_INT, &raw.most_bodies, "MiB of the bodies of all requests in hand (16 times max-body)",
        "N" },
    { "max-pictures", 0, 0, G_OPTION_ARG_INT, &raw.most_pictures, "pictures and frames of a request (64)", "N" },
    { "max-pixels", 0, 0, G_OPTION_ARG_INT, &raw.most_megapixels, "pixels of a picture or frame, in units of 1048576 (64)", "N" },
    { "max-video-time", 0, 0, G_OPTION_ARG_INT, &raw.video_seconds, "seconds that a video may last (600)", "S" },
    { "decode-time", 0, 0, G_OPTION_ARG_INT, &raw.decode_seconds, "seconds that decoding a file may take (30)", "S" },
    { "decode-memory", 0, 0, G_OPTION_ARG_INT, &raw.decode_memory, "MiB that decoding a file may take (3072)", "N" },
    { "decoded-memory", 0, 0, G_OPTION_ARG_INT, &raw.decoded_memory, "MiB of decoded pictures in hand, one apart (1024)", "N" },
    { NULL },
  };
  GOptionContext *context = g_option_context_new (NULL);
  gboolean ok;

  g_option_context_set_summary (context, summary);
  g_option_context_set_description (context, description);
  g_option_context_add_main_entries (context, entries, NULL);
  ok = g_option_context_parse (context, &argc, &argv, error) && check (&s, &raw, argc - 1, error);
  g_option_context_free (context);
  if (ok)
    take (&s, &raw);
  g_free (raw.precision);
  g_free (raw.key_file);
  if (!ok) {
    settings_clear (&s);
    return FALSE;
  }
  *settings = s;
  return TRUE;
}
