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
/* encoded: no equal one was there */
void metrics_add_picture (Metrics *metrics, gboolean encoded);

/* What is so now. Without a model its members are 0. */
typedef struct
{
  guint n_connections, n_waiting, n_running;
  guint64 body_bytes, device_bytes, steps, step_answers; /* the latter two as in MinivlWork */
} MetricsNow;

/* (transfer full) */
gchar *metrics_to_text (Metrics *metrics, const MetricsNow *now);

#endif
