/* How fair the scheduler is to one request. For programs linked with --wrap=request_add_token. */
#ifndef TESTS_MODEL_WATCH_H
#define TESTS_MODEL_WATCH_H

#include "model/engine.h"

/* Watches a request that is not handed in yet, until the next call; NULL for none. */
void watch_request (MinivlEngine *engine, const Request *r);
/* Most tokens that the model has computed between two of the request's own. The request is done. */
guint64 watch_most (void);

#endif
