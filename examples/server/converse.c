/* Answers what is asked: see converse.h. */
#include "converse.h"

#include "remote.h"

typedef struct
{
  const Conversing *c;
  MinivlSession *session;
  guint tiles;     /* of pictures so far */
  GPtrArray *mark; /* those of the last mark, which the session does not have yet */
  ConverseText on_text;
  gpointer user_data;
  /* Of the medium that is being read. */
  const AskPart *part;
  guint n_marks;
  guint64 engine_ns; /* that its pictures took in the engine, and no medium */
} Work;

/* Of a failure of the library's. */
static gboolean
refuse_error (Refusal *refusal, const gchar *param, const GError *error)
{
  switch (error->code) {
    case MINIVL_ERROR_BUDGET:
      return refuse (refusal, 400, "context_length_exceeded", "messages", "%s", error->message);
    case MINIVL_ERROR_CANCELLED:
      return refuse (refusal, 499, "cancelled", NULL, "cancelled");
    case MINIVL_ERROR_USAGE:
    case MINIVL_ERROR_IMAGES:
    case MINIVL_ERROR_MEMORY:
      return refuse (refusal, 400, "invalid_value", param, "%s", error->message);
    case MINIVL_ERROR_DEVICE:
      return refuse (refusal, 500, "device_lost", NULL, "%s", error->message);
    default:
      return refuse (refusal, 500, "model_failed", NULL, "%s", error->message);
  }
}

/* --- media ----------------------------------------------------------------------------------------------------------------- */

/* Pictures alone may be more than the context holds; encoding them all first would take minutes to find that out. */
static gboolean
check_context (const Work *w, Refusal *refusal)
{
  const MinivlEngineInfo *info = minivl_engine_get_info (w->c->engine);
  guint64 tokens = (guint64)w->tiles * info->tile_tokens;

  return tokens < info->context_size
         || refuse (refusal, 400, "context_length_exceeded", "messages",
             "pictures of %" G_GUINT64_FORMAT " tokens and more do not fit the context of %u: use fewer pictures, frames or tiles",
             tokens, info->context_size);
}

/* Shows the session what stands for the last mark. */
static void
end_mark (Work *w)
{
  if (w->mark->len > 0)
    minivl_session_add_pictures (w->session, (MinivlPicture *const *)w->mark->pdata, w->mark->len);
  g_ptr_array_set_size (w->mark, 0);
}

/* A DecoderFrame: it stands for a mark of its own, unless it is joined to the one in front. */
static gboolean
add_picture (const guint8 *rgb, guint width, guint height, gpointer user_data, Refusal *refusal)
{
  Work *w = user_data;
  const MinivlImage image = { { rgb }, width, height, { (gsize)width * 3 } };
  g_autoptr (GError) error = NULL;
  g_autoptr (MinivlPicture) picture = NULL;
  MinivlPictureInfo info;
  gint64 since = g_get_monotonic_time ();
  gboolean encoded;

  picture = minivl_session_encode (w->session, &image, w->part->max_tiles, w->c->cancel, &error);
  w->engine_ns += (g_get_monotonic_time () - since) * 1000;
  if (!picture)
    return refuse_error (refusal, w->part->param, error);
  if (!w->part->joined) {
    end_mark (w);
    w->n_marks++;
  }
  g_ptr_array_add (w->mark, minivl_picture_ref (picture));
  minivl_picture_get_info (picture, &info);
  encoded = album_add (w->c->album, picture);
  metrics_add_picture (w->c->metrics, encoded);
  if (encoded) {
    metrics_add_time (w->c->metrics, STAGE_PREPROCESS, info.preprocess_ns);
    metrics_add_time (w->c->metrics, STAGE_ENCODE, info.encode_ns);
  }
  w->tiles += info.tiles;
  return check_context (w, refusal);
}

/* n (out): how many marks it has */
static gboolean
read_medium (Work *w, const AskPart *part, guint *n, Refusal *refusal)
{
  const Settings *s = w->c->settings;
  const RemoteLimits remote = { (const gchar *const *)s->remote_hosts, s->most_body, s->idle_seconds };
  g_autoptr (GBytes) bytes = part->bytes ? g_bytes_ref (part->bytes) : NULL;
  DecoderInput input = { NULL, part->kind == PART_VIDEO, part->segments, part->start, part->stop, part->param };
  gint64 since = g_get_monotonic_time ();
  gboolean ok;

  w->part = part;
  w->n_marks = 0;
  w->engine_ns = 0;
  if (!bytes)
    bytes = remote_fetch (part->url, &remote, w->c->cancellable, part->param, refusal);
  input.bytes = bytes;
  ok = bytes && decoder_run (&input, &s->decoder, w->c->cancellable, add_picture, w, refusal);
  metrics_add_time (w->c->metrics, STAGE_MEDIA, (g_get_monotonic_time () - since) * 1000 - w->engine_ns);
  *n = w->n_marks;
  return ok;
}

/* --- rounds ---------------------------------------------------------------------------------------------------------------- */

/* Its pictures are the session's then. (transfer full): the question. NULL: refused */
static gchar *
read_round (Work *w, const AskRound *round, Refusal *refusal)
{
  g_autoptr (GArray) n_marks = g_array_new (FALSE, FALSE, sizeof (guint));

  for (guint i = 0; i < round->parts->len; i++) {
    const AskPart *part = round->parts->pdata[i];
    guint n;

    if (part->kind == PART_TEXT)
      continue;
    if (!read_medium (w, part, &n, refusal))
      return NULL;
    g_array_append_val (n_marks, n);
  }
  end_mark (w);
  return ask_write_question (round, (const guint *)n_marks->data, "messages", refusal);
}

/* The answer's length, as far as the context has room for it, and a seed of its own. */
static gboolean
complete_params (Work *w, Ask *ask, const gchar *question, Refusal *refusal)
{
  const MinivlEngineInfo *info = minivl_engine_get_info (w->c->engine);
  g_autoptr (GError) error = NULL;
  guint n_tokens;

  if (!ask->has_seed)
    ask->params.seed = (guint64)g_random_int () << 32 | g_random_int ();
  if (ask->has_max_tokens)
    return TRUE;
  if (!minivl_session_count_tokens (w->session, question, &ask->params, &n_tokens, &error))
    return refuse_error (refusal, "messages", error);
  if (n_tokens < info->context_size)
    ask->params.max_tokens = MIN (ask->params.max_tokens, info->context_size - n_tokens);
  return TRUE;
}

/* What could have been known of a shape was looked at before: it takes more tokens than there may be. */
static const gchar *
wrong_param (const Ask *ask, const GError *error)
{
  if (error->code != MINIVL_ERROR_USAGE || !ask_shape_param (ask))
    return "messages";
  return ask->has_max_tokens ? "max_tokens" : ask_shape_param (ask);
}

static void
count (const Work *w, const MinivlAnswer *answer)
{
  metrics_add_tokens (w->c->metrics, answer->prompt_tokens, answer->cached_tokens, answer->output_tokens);
  metrics_add_time (w->c->metrics, STAGE_PREFILL, answer->prefill_ns);
  metrics_add_time (w->c->metrics, STAGE_DECODE, answer->decode_ns);
}

/* A MinivlTextFunc */
static void
pass_on (const gchar *text, gpointer user_data)
{
  const Work *w = user_data;

  w->on_text (w->session, text, w->user_data);
}

gboolean
converse (const Conversing *c, Ask *ask, ConverseText on_text, gpointer user_data, MinivlAnswer *answer, Refusal *refusal)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MinivlSession) session = minivl_session_new (c->engine, &error);
  g_autoptr (GPtrArray) mark = g_ptr_array_new_with_free_func ((GDestroyNotify)minivl_picture_unref);
  Work w = { .c = c, .session = session, .mark = mark, .on_text = on_text, .user_data = user_data };
  g_autofree gchar *question = NULL;

  if (!session)
    return refuse_error (refusal, NULL, error);
  if (ask->system)
    minivl_session_set_system (session, ask->system);
  for (guint i = 0; i < ask->rounds->len; i++) {
    const AskRound *round = ask->rounds->pdata[i];

    g_free (question);
    question = read_round (&w, round, refusal);
    if (!question)
      return FALSE;
    if (round->answer)
      minivl_session_add_round (session, question, round->answer);
  }
  if (!complete_params (&w, ask, question, refusal))
    return FALSE;
  ask->params.cancel = c->cancel;
  if (!minivl_session_ask (session, question, &ask->params, on_text ? pass_on : NULL, &w, answer, &error))
    return refuse_error (refusal, wrong_param (ask, error), error);
  count (&w, answer);
  return TRUE;
}
