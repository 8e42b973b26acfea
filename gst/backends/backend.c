#include "backend.h"

static void
for_each_string (BackendOptions *o, void (*change) (const gchar **string))
{
  const gchar **const strings[] = { &o->engine.model_path, &o->engine.lora, &o->engine.cache_dir, &o->engine.device,
    &o->server.endpoint, &o->server.model, &o->server.api_key_file, &o->server.ca_file };

  for (guint i = 0; i < G_N_ELEMENTS (strings); i++)
    change (strings[i]);
}

static void
copy_string (const gchar **string)
{
  *string = g_strdup (*string);
}

static void
free_string (const gchar **string)
{
  g_free ((gchar *)*string);
}

void
backend_options_copy (BackendOptions *to, const BackendOptions *from)
{
  *to = *from;
  for_each_string (to, copy_string);
}

void
backend_options_clear (BackendOptions *options)
{
  for_each_string (options, free_string);
  *options = (BackendOptions){ { NULL } };
}
