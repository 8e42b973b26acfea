/* What the command line of minivl-server asks for. */
#ifndef SERVER_SETTINGS_H
#define SERVER_SETTINGS_H

#include "decoder.h"
#include "model/minivl.h"

typedef struct
{
  gchar *model, *lora, *device, *cache_dir, *host; /* the first and the last are always there */
  gchar *model_name;                               /* what clients call it */
  guint16 port;                                    /* 0: any that is free */
  MinivlPrecision precision;
  guint context_size, cache_size;
  GPtrArray *keys; /* gchar: any of them opens; empty: nothing is closed */
  gchar **remote_hosts, **origins;

  guint connections;
  guint parallel, queue;                     /* requests that are answered at a time, and that may wait */
  gsize most_body, most_bodies, most_header; /* most_bodies: of all requests together */
  guint most_pictures;
  DecoderLimits decoder;
  guint request_seconds, idle_seconds;
} Settings;

/* Errors are of domain G_OPTION_ERROR, and G_FILE_ERROR for a file that cannot be read. `--help` prints and exits. settings is
 * cleared with settings_clear() on success; on failure it holds nothing. */
gboolean settings_parse (Settings *settings, gint argc, gchar **argv, GError **error);
void settings_clear (Settings *settings);

#endif
