#include "watch.h"

#include "model/model_testing.h"

static MinivlEngine *engine;
static const Request *watched;
static guint64 computed, most;
static guint n_tokens;

void __real_request_add_token (Request *r, const Top *top, gint32 id);
void __wrap_request_add_token (Request *r, const Top *top, gint32 id);

void
__wrap_request_add_token (Request *r, const Top *top, gint32 id)
{
  if (r == watched) {
    guint64 now = language_tokens_computed (engine->language);

    if (n_tokens++ > 0)
      most = MAX (most, now - computed);
    computed = now;
  }
  __real_request_add_token (r, top, id);
}

void
watch_request (MinivlEngine *of, const Request *r)
{
  engine = of;
  watched = r;
  most = n_tokens = 0;
}

guint64
watch_most (void)
{
  return most;
}
