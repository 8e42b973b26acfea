/* One conversation: see conversation.h. */
#include "conversation.h"
#include "report.h"

/* A picture or frame to be encoded, in the order of the marks. */
typedef struct
{
  MediaFrame frame; /* of a picture: read at first, so that a file that cannot be used is told at once */
  guint max_tiles;
  gint64 index; /* of a video's frame; -1 for a picture */
} Source;

/* What stands for one mark. */
typedef struct
{
  guint first, n;
} Mark;

static void
clear_source (gpointer data)
{
  media_frame_clear (&((Source *)data)->frame);
}

void
conversation_init (Conversation *c, const Options *options, Topic *topic, gint *interrupted)
{
  *c = (Conversation){ .options = options, .topic = topic, .interrupted = interrupted };
  c->sources = g_array_new (FALSE, FALSE, sizeof (Source));
  g_array_set_clear_func (c->sources, clear_source);
  c->marks = g_array_new (FALSE, FALSE, sizeof (Mark));
  c->frames = g_array_new (FALSE, FALSE, sizeof (gint64));
  c->frame_times = g_array_new (FALSE, FALSE, sizeof (gint64));
  c->pictures = g_ptr_array_new_with_free_func ((GDestroyNotify)minivl_picture_unref);
}

void
conversation_clear (Conversation *c)
{
  minivl_session_free (c->session);
  g_clear_pointer (&c->pictures, g_ptr_array_unref);
  minivl_engine_unref (c->engine);
  media_video_free (c->video);
  g_free (c->warning);
  g_clear_pointer (&c->frames, g_array_unref);
  g_clear_pointer (&c->frame_times, g_array_unref);
  g_clear_pointer (&c->marks, g_array_unref);
  g_clear_pointer (&c->sources, g_array_unref);
  *c = (Conversation){ NULL };
}

gboolean
conversation_goes_on (const Conversation *c, GError **error)
{
  if (!g_atomic_int_get (c->interrupted))
    return TRUE;
  g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_CANCELLED, "interrupted");
  return FALSE;
}

/* --- sources --------------------------------------------------------------------------------------------------------------- */

static gboolean
add_images (Conversation *c, GError **error)
{
  for (guint i = 0; i < c->topic->images->len; i++) {
    const ImageOption *image = &g_array_index (c->topic->images, ImageOption, i);
    Source source = { .max_tiles = image->max_tiles, .index = -1 };
    Mark mark = { i, 1 };

    if (!media_read_picture (image->path, &source.frame, error))
      return FALSE;
    g_array_append_val (c->sources, source);
    if (c->topic->joined && i > 0)
      g_array_index (c->marks, Mark, 0).n++;
    else
      g_array_append_val (c->marks, mark);
  }
  return TRUE;
}

static gboolean
has_marks (const Conversation *c)
{
  for (gchar **prompt = c->topic->prompts; *prompt; prompt++)
    if (minivl_prompt_count_marks (*prompt) > 0)
      return TRUE;
  return FALSE;
}

static gboolean
add_video (Conversation *c, GError **error)
{
  const VideoOption *v = c->topic->video;
  gboolean marked = has_marks (c);
  g_autofree gint64 *indices = NULL;
  gint64 last = 0;
  guint64 shown;

  if (!v)
    return TRUE;
  indices = g_new (gint64, v->segments);
  c->video = media_video_open (v->path, error);
  if (!c->video || !media_video_choose (c->video, v->start, v->stop, v->segments, indices, error))
    return FALSE;
  for (guint i = 0; i < v->segments; i++) {
    Source source = { .max_tiles = 1, .index = indices[i] >= 0 ? indices[i] : last };
    Mark mark = { c->sources->len, 1 };

    /* What the file has lost is left out; where the prompts have a mark for it, the last frame stands there. */
    if (indices[i] < 0 && !marked)
      continue;
    /* A file of which nothing can be shown is told at once. */
    if (c->n_frames == 0) {
      if (!media_video_read (c->video, source.index, &shown, &source.frame, error))
        return FALSE;
      source.index = shown;
    }
    g_array_append_val (c->sources, source);
    g_array_append_val (c->marks, mark);
    c->n_frames++;
    last = source.index;
  }
  return TRUE;
}

/* --- marks ----------------------------------------------------------------------------------------------------------------- */

/* Gives the first prompt the marks that stand nowhere, as the model was taught to read them. */
static gboolean
place_marks (Conversation *c, GError **error)
{
  guint n_images = c->marks->len - c->n_frames, n = 0;
  gchar *marked;

  for (gchar **prompt = c->topic->prompts; *prompt; prompt++)
    n += minivl_prompt_count_marks (*prompt);
  if (n == c->marks->len)
    return TRUE;
  if (n > 0) {
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
        "%u " MINIVL_IMAGE_MARK " in the prompts, but there are %u pictures and frames for them", n, c->marks->len);
    return FALSE;
  }
  marked = minivl_prompt_add_marks (c->topic->prompts[0], n_images, c->n_frames);
  g_free (c->topic->prompts[0]);
  c->topic->prompts[0] = marked;
  return TRUE;
}

gboolean
conversation_read (Conversation *c, GError **error)
{
  return add_images (c, error) && add_video (c, error) && place_marks (c, error) && conversation_goes_on (c, error);
}

/* --- encoding -------------------------------------------------------------------------------------------------------------- */

/* Pictures alone may be more than the context holds; encoding them all first would take minutes to find that out. The sources not
 * yet encoded have at least a tile each. */
static gboolean
check_budget (Conversation *c, guint tiles, GError **error)
{
  const MinivlEngineInfo *info = minivl_engine_get_info (c->engine);
  guint64 tokens = (guint64)(tiles + c->sources->len - c->pictures->len) * info->tile_tokens;
  guint64 all = tokens + c->options->params.max_tokens;

  if (all <= info->context_size)
    return TRUE;
  if (c->sources->len > 0)
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_BUDGET,
        "pictures of %" G_GUINT64_FORMAT " tokens and an answer of %u are %" G_GUINT64_FORMAT
        " too many for the context of %u: use "
        "fewer pictures, frames or tiles, a lower --max-tokens or a higher --context-size",
        tokens, c->options->params.max_tokens, all - info->context_size, info->context_size);
  else
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_BUDGET,
        "an answer of %u tokens is %" G_GUINT64_FORMAT " too many for the context of %u: use a lower --max-tokens or a higher "
        "--context-size",
        c->options->params.max_tokens, all - info->context_size, info->context_size);
  return FALSE;
}

/* What the model sees of a source, a file a tile. */
static gboolean
dump_tiles (Conversation *c, const Source *source, const MinivlImage *image, GError **error)
{
  guint side = minivl_engine_get_info (c->engine)->tile_side, n_tiles;
  g_autofree gchar *name = NULL;
  g_autofree guint8 *tiles = NULL;

  if (!c->options->dump_tiles)
    return TRUE;
  if (source->index >= 0)
    name = g_strdup_printf ("frame-%06" G_GINT64_FORMAT, source->index);
  else
    name = g_strdup_printf ("picture-%03u", (guint)(source - (const Source *)c->sources->data) + 1);
  tiles = minivl_engine_read_tiles (c->engine, image, source->max_tiles, &n_tiles, error);
  if (!tiles)
    return FALSE;
  for (guint i = 0; i < n_tiles; i++) {
    g_autofree gchar *path = g_strdup_printf ("%s/%s-tile-%02u.png", c->options->dump_tiles, name, i + 1);

    if (!media_write_png (path, tiles + (gsize)i * side * side * 3, side, side, error))
      return FALSE;
  }
  return TRUE;
}

static MinivlPicture *
encode (Conversation *c, Source *source, GError **error)
{
  MinivlPicture *picture = NULL;
  MinivlImage image;

  image = (MinivlImage){ { source->frame.data }, source->frame.width, source->frame.height, { source->frame.stride } };
  if (dump_tiles (c, source, &image, error))
    picture = minivl_picture_new (c->engine, &image, source->max_tiles, c->interrupted, error);
  return picture;
}

static void
tell (const Conversation *c, const gchar *what)
{
  if (c->on_step)
    c->on_step (what);
}

/* A frame of the video, unless it is there already. */
static gboolean
read_frame (Conversation *c, Source *source, GError **error)
{
  guint64 shown;
  gint64 time;

  if (source->index < 0)
    return TRUE;
  if (!source->frame.data) {
    if (!media_video_read (c->video, source->index, &shown, &source->frame, error))
      return FALSE;
    source->index = shown;
  }
  time = media_video_get_time (c->video, source->index);
  g_array_append_val (c->frames, source->index);
  g_array_append_val (c->frame_times, time);
  return TRUE;
}

static gboolean
encode_all (Conversation *c, GError **error)
{
  guint tiles = 0;

  if (!check_budget (c, tiles, error))
    return FALSE;
  for (guint i = 0; i < c->sources->len; i++) {
    Source *source = &g_array_index (c->sources, Source, i);
    const Source *last = i > 0 ? source - 1 : NULL;
    g_autofree gchar *text = g_strdup_printf ("encoding picture %u of %u", i + 1, c->sources->len);
    MinivlPictureInfo info;
    MinivlPicture *picture;
    gboolean again;

    tell (c, text);
    if (!read_frame (c, source, error)) {
      tell (c, NULL);
      return FALSE;
    }
    again = last && source->index >= 0 && source->index == last->index;
    picture = again ? minivl_picture_ref (c->pictures->pdata[i - 1]) : encode (c, source, error);
    tell (c, NULL);
    media_frame_clear (&source->frame);
    if (!picture)
      return FALSE;
    g_ptr_array_add (c->pictures, picture);
    minivl_picture_get_info (picture, &info);
    tiles += info.tiles;
    if (!again) {
      c->preprocess_ns += info.preprocess_ns;
      c->encode_ns += info.encode_ns;
    }
    if (!check_budget (c, tiles, error))
      return FALSE;
  }
  if (c->video)
    c->warning = media_video_tell_damage (c->video);
  return TRUE;
}

gboolean
conversation_begin (Conversation *c, MinivlEngine *engine, GError **error)
{
  c->engine = minivl_engine_ref (engine);
  if (!encode_all (c, error))
    return FALSE;
  c->session = minivl_session_new (engine, error);
  if (!c->session)
    return FALSE;
  minivl_session_set_system (c->session, c->options->system);
  return TRUE;
}

/* --- answers --------------------------------------------------------------------------------------------------------------- */

gboolean
conversation_ask (Conversation *c, guint round, MinivlTextFunc on_text, gpointer user_data, MinivlAnswer *answer, GError **error)
{
  const gchar *prompt = c->topic->prompts[round];
  guint n_marks = minivl_prompt_count_marks (prompt);
  MinivlParams params = c->options->params;

  for (guint i = 0; i < n_marks; i++) {
    const Mark *mark = &g_array_index (c->marks, Mark, c->marks_asked++);

    minivl_session_add_pictures (c->session, (MinivlPicture *const *)c->pictures->pdata + mark->first, mark->n);
  }
  params.want_logits &= round == 0;
  params.cancel = c->interrupted;
  return conversation_goes_on (c, error) && minivl_session_ask (c->session, prompt, &params, on_text, user_data, answer, error);
}

static guint
pictures_asked (const Conversation *c)
{
  const Mark *last;

  if (c->marks_asked == 0)
    return 0;
  last = &g_array_index (c->marks, Mark, c->marks_asked - 1);
  return last->first + last->n;
}

const gchar *
conversation_system_source (const Conversation *c)
{
  return c->options->system ? "given" : minivl_engine_get_info (c->engine)->system_source;
}

gchar *
conversation_report (const Conversation *c, guint round, const MinivlAnswer *answer)
{
  guint n_pictures = pictures_asked (c), n_images = c->sources->len - c->n_frames;
  Report report = {
    .engine = minivl_engine_get_info (c->engine),
    .answer = answer,
    .system_source = conversation_system_source (c),
    .pictures = (MinivlPicture *const *)c->pictures->pdata,
    .n_pictures = n_pictures,
    .frames = (const gint64 *)c->frames->data,
    .frame_times = (const gint64 *)c->frame_times->data,
    .n_frames = n_pictures > n_images ? n_pictures - n_images : 0,
    .warning = c->warning,
    .seed = c->options->params.seed,
    .load_ns = round == 0 ? c->load_ns : 0,
    .preprocess_ns = round == 0 ? c->preprocess_ns : 0,
    .encode_ns = round == 0 ? c->encode_ns : 0,
  };

  report.total_ns = report.load_ns + report.preprocess_ns + report.encode_ns + answer->total_ns;
  return report_to_json (&report);
}
