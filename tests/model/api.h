/* What the tests of the public header share: a small random checkpoint, an engine on it, and how it is asked. */
#ifndef TESTS_MODEL_API_H
#define TESTS_MODEL_API_H

#include "model/minivl.h"

#define CONTEXT 512
#define WIDE_WIDTH 150
#define WIDE_HEIGHT 50
#define TILE 112
#define TILE_TOKENS 16

extern gchar *api_model;         /* the checkpoint's folder */
extern MinivlEngine *api_engine; /* that most tests share */

/* Makes both, adds tests, runs them, and cleans up. Returns what main() does. */
int api_run (int argc, char **argv, void (*add_tests) (void));

/* In f32, with a context of CONTEXT. (transfer full): NULL with error on failure */
MinivlEngine *api_open_model (const gchar *path, const gchar *device, GError **error);
/* (transfer full) */
MinivlSession *api_new_session (void);
/* answer: (out caller-allocates) */
void api_ask (MinivlSession *session, const gchar *prompt, guint max_tokens, MinivlAnswer *answer);
/* Asserts that asking fails with `code`, and leaves the answer as it was. */
void api_refuse (MinivlSession *session, const gchar *prompt, const MinivlParams *params, MinivlError code);
void api_assert_same_prompt (const MinivlAnswer *a, const MinivlAnswer *b);
/* Prompt, tokens and text. */
void api_assert_same (const MinivlAnswer *a, const MinivlAnswer *b);
/* RGB, of as many colours as it has pixels. (transfer full) */
guint8 *api_make_pixels (guint width, guint height, MinivlImage *image);
/* (transfer full) */
MinivlPicture *api_make_picture (guint width, guint height);

#endif
