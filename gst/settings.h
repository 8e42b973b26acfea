/* The element's properties: what they are, and their values. */
#ifndef GST_MINIVL_SETTINGS_H
#define GST_MINIVL_SETTINGS_H

#include "segmenter.h"
#include "worker.h"

G_BEGIN_DECLS

typedef struct
{
  gchar *model_path, *device, *stream;
  MinivlPrecision precision;
  guint context_size, max_tiles;
  SegmenterConfig segments;
  Question question;
  guint64 text_duration;
} Settings;

void settings_init (Settings *settings);
void settings_clear (Settings *settings);

void settings_install_properties (GObjectClass *klass);
/* FALSE when there is no such property. The caller holds the lock. */
gboolean settings_set (Settings *settings, guint id, const GValue *value);
gboolean settings_get (const Settings *settings, guint id, GValue *value);

/* NULL when they fit together, else what is wrong and how to put it right. (transfer full) */
gchar *settings_check (const Settings *settings);
/* How long a text is shown. */
guint64 settings_text_duration (const Settings *settings);

G_END_DECLS

#endif
