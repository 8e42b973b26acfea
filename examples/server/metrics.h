/* What is counted, as Prometheus reads it. Any thread. */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include <glib.h>

typedef enum
{
  STAGE_MEDIA, /* pictures and videos fetched and decoded */
  STAGE_PREPROCESS,
  STAGE_ENCODE,
  STAGE_PREFILL,
  STAGE_DECODE,
  N_STAGES,
} Stage;

typedef struct _Metrics Metrics;

Metrics *metrics_new (void);
void metrics_free (Metrics *metrics);

/* A request was answered with that status; 499: its client was gone. */
void metrics_add_request (Metrics *metrics, guint status);
void metrics_add_tokens (Metrics *metrics, guint prompt, guint cached, guint output);
void metrics_add_time (Metrics *metrics, Stage stage, guint64 ns);

/* The rest is as it is now. device_bytes 0: no model is there yet. (transfer full) */
gchar *metrics_to_text (Metrics *metrics, guint n_waiting, guint n_running, guint64 device_bytes);

#endif
