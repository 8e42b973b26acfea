/* Why a request is not answered, as OpenAI's API tells it. */
#ifndef SERVER_REFUSAL_H
#define SERVER_REFUSAL_H

#include <glib.h>

typedef struct
{
  guint status;      /* HTTP's; 0: nothing is wrong */
  const gchar *code; /* nullable: the error's name */
  gchar *param;      /* nullable: the field that is wrong */
  gchar *message;
} Refusal;

/* Fills it. param: nullable, copied. Returns FALSE. */
gboolean refuse (Refusal *refusal, guint status, const gchar *code, const gchar *param, const gchar *format, ...)
    G_GNUC_PRINTF (5, 6);
/* The same with status 400: a field whose value cannot be, and one that is not understood and would change the answer. */
gboolean refuse_value (Refusal *refusal, const gchar *param, const gchar *format, ...) G_GNUC_PRINTF (3, 4);
gboolean refuse_unsupported (Refusal *refusal, const gchar *param);

/* `{"error":{"message","type","param","code"}}`. (transfer full) */
gchar *refusal_to_json (const Refusal *refusal);

void refusal_clear (Refusal *refusal);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Refusal, refusal_clear)

#endif
