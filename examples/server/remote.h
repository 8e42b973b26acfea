/* Media by URL, from hosts that were named. */
#ifndef SERVER_REMOTE_H
#define SERVER_REMOTE_H

#include "refusal.h"

#include <gio/gio.h>

typedef struct
{
  const gchar *const *hosts; /* nullable: those that are allowed */
  gsize most_bytes;
  guint idle_seconds; /* that nothing may come */
} RemoteLimits;

/* Fetches it, also behind up to five redirects, each of which has to be allowed as well. A host is asked for only at a public
 * address, without a proxy. (transfer full). NULL: refused, with status 499 when cancelled. Any thread. */
GBytes *remote_fetch (
    const gchar *url, const RemoteLimits *limits, GCancellable *cancellable, const gchar *param, Refusal *refusal);

#endif
