/**
 * SECTION:element-minivloverlay
 * @title: minivloverlay
 *
 * minivl, with what it says drawn into the video: reports in white on a darkened background, and in red the alerts that are on. It
 * has all properties, messages and action signals of minivl, which is its child of that name, and font-desc. It has no text_src.
 *
 * From a source that is not live, a report is on the frames of the segment that it is about. They wait in the element until it is
 * there, up to two segments of them: 10 s of 720p30 are 415 MB. What a player plays beside the video, sound for one, needs a queue
 * as long as that. With segment-duration=0 nothing waits, nor do frames of segments that are larger than 2 GiB, which is warned of.
 *
 * From a live source nothing waits: a report is drawn from the moment it is there, until the next one or for text-duration.
 *
 * The drawing is done by textoverlay (of the package gstreamer1.0-x on Debian). Letters are as large as suits the picture and
 * smaller where there is much to be read, or what font-desc says.
 *
 * ## Examples
 * |[
 * gst-launch-1.0 filesrc location=vtest.avi ! decodebin ! videoconvert ! minivloverlay segment-duration=5000000000 ! \
 *     jpegenc ! avimux ! filesink location=out.avi
 * ]| a copy of the video with what happens written into it
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! minivloverlay alerts="Is the door open?" ! videoconvert ! autovideosink
 * ]| a camera that tells what it sees
 */
#include "gstminivloverlay.h"

#include "gst/element/gstminivl.h"
#include "gst/element/pixels.h"
#include "gst/element/place.h"
#include "gst/results/log.h"
#include "gst/results/result.h"
#include "overlay-board.h"

/* Most bytes of frames that wait for their segment to end. */
#define MAX_BYTES (G_GUINT64_CONSTANT (2) << 30)
/* Longest time that they wait for the next frame, us. */
#define LONGEST_STALL (5 * G_TIME_SPAN_SECOND)
/* Buffers between the two threads where nothing waits. */
#define LIVE_BUFFERS 2
#define SHADING 180

/* Above the ids of minivl */
#define PROP_FONT_DESC 2000

/* The segment of a frame that minivl cannot place yet. */
#define UNDECIDED G_MAXUINT64

/* Why a frame is drawn without its segment's text. */
typedef enum
{
  NOT_EARLY, /* it is not */
  EARLY_TOO_LARGE,
  EARLY_STALLED,
} Early;

/* A frame between minivl and textoverlay. */
typedef struct
{
  guint64 number; /* as its Place has it */
  gsize size;
  guint64 segment; /* 0: none; UNDECIDED */
  gboolean waits;  /* for its segment's text */
} Passing;

struct _GstMinivlOverlay
{
  GstBin parent;
  GstElement *minivl, *queue, *overlay; /* owned by the bin; overlay: NULL if not installed */

  /* between start and stop */
  gboolean is_whole; /* one segment is all of the video */

  /* the thread that the video comes in */
  gboolean is_of_small_pool; /* what minivl has in hand */

  /* the thread that draws */
  GstCaps *caps;
  CaptionSpace space;
  gboolean is_outside; /* in no segment: nothing is drawn */
  Early warned_of;

  GMutex lock;
  GCond changed;
  gboolean stopping, flushing;
  GQueue passing;     /* Passing, oldest first */
  guint64 bytes;      /* of them */
  guint64 begun;      /* the last segment that a frame was in */
  guint64 first_open; /* segments below are complete */
  guint64 stale;      /* segments up to this one have been flushed */
  gint64 came;        /* monotonic time, us, of the last frame; 0: minivl is working on one */
  guint limit;        /* of the queue, in buffers */
  Board board;
  gboolean own_font;
};

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE (PIXELS_COPIED)));
static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE (PIXELS_COPIED)));

G_DEFINE_FINAL_TYPE (GstMinivlOverlay, gst_minivl_overlay, GST_TYPE_BIN)
GST_ELEMENT_REGISTER_DEFINE (minivloverlay, "minivloverlay", GST_RANK_NONE, GST_TYPE_MINIVL_OVERLAY)

/* --- frames between minivl and textoverlay, under the lock -------------------------------------------------------------------- */

static guint
count_complete (GstMinivlOverlay *self)
{
  guint64 last = 0;
  guint n = 0;

  for (GList *l = self->passing.head; l != NULL; l = l->next) {
    const Passing *passing = l->data;

    n += passing->waits && passing->segment > last && passing->segment < self->first_open;
    last = MAX (last, passing->segment);
  }
  return n;
}

/* Two complete segments may be held, so that one is drawn while the next one is answered. The video is never stopped while the
 * frames that are drawn next still wait for their segment to end. */
static void
limit_queue (GstMinivlOverlay *self, gboolean waits)
{
  guint n = count_complete (self);
  guint limit = !waits ? LIVE_BUFFERS : n >= 2 || (n == 1 && self->bytes > MAX_BYTES) ? 1 : 0;

  if (limit == self->limit)
    return;
  self->limit = limit;
  g_object_set (self->queue, "max-size-buffers", limit, NULL);
}

static Passing *
find_passing (GstMinivlOverlay *self, guint64 number)
{
  for (GList *l = self->passing.head; l != NULL; l = l->next)
    if (((Passing *)l->data)->number == number)
      return l->data;
  return NULL;
}

static void
decide (GstMinivlOverlay *self, guint64 segment)
{
  for (GList *l = self->passing.head; l != NULL; l = l->next) {
    Passing *passing = l->data;

    if (passing->segment == UNDECIDED)
      passing->segment = segment;
  }
}

/* Removes the frame, and those before it that the queue has thrown away. */
static void
remove_passing (GstMinivlOverlay *self, const Passing *until)
{
  gboolean done = FALSE;

  while (!done) {
    Passing *passing = g_queue_pop_head (&self->passing);

    done = passing == until;
    self->bytes -= passing->size;
    g_free (passing);
  }
}

static void
forget (GstMinivlOverlay *self)
{
  g_queue_clear_full (&self->passing, g_free);
  self->bytes = 0;
  self->first_open = 0;
  self->came = 0;
  self->stale = self->begun;
  board_forget (&self->board);
}

/* A complete segment will have a result; one that is not complete may never be. */
static gboolean
may_stall (GstMinivlOverlay *self, const Passing *passing)
{
  return passing->segment >= self->first_open && self->came != 0;
}

static Early
goes_early (GstMinivlOverlay *self, const Passing *passing)
{
  if (passing->segment >= self->first_open && self->bytes > MAX_BYTES)
    return EARLY_TOO_LARGE;
  if (!may_stall (self, passing) || g_get_monotonic_time () < self->came + LONGEST_STALL)
    return NOT_EARLY;
  if (!element_is_paused (GST_ELEMENT (self)))
    return EARLY_STALLED;
  self->came = g_get_monotonic_time ();
  return NOT_EARLY;
}

/* Returns FALSE when the frame has to be dropped. */
static gboolean
wait_for_result (GstMinivlOverlay *self, const Passing *passing, Early *early)
{
  while (passing->waits && passing->segment > self->board.told && !self->stopping && !self->flushing) {
    *early = goes_early (self, passing);
    if (*early != NOT_EARLY)
      break;
    if (may_stall (self, passing))
      g_cond_wait_until (&self->changed, &self->lock, self->came + LONGEST_STALL);
    else
      g_cond_wait (&self->changed, &self->lock);
  }
  return !self->stopping && !self->flushing;
}

/* --- probes ------------------------------------------------------------------------------------------------------------------- */

/* Its owner may have to wait until it comes back. */
static gboolean
is_of_small_pool (GstBuffer *buffer)
{
  g_autoptr (GstStructure) config = buffer->pool != NULL ? gst_buffer_pool_get_config (buffer->pool) : NULL;
  guint most = 0;

  return config != NULL && gst_buffer_pool_config_get_params (config, NULL, NULL, NULL, &most) && most > 0;
}

/* (transfer full): buffer, or a copy that may be held for long */
static GstBuffer *
on_frame (GstMinivlOverlay *self, GstBuffer *buffer)
{
  const Place *place = place_get (buffer);
  guint64 first_open = place->first_open;
  Passing *passing = g_new0 (Passing, 1);

  passing->number = place->number;
  passing->segment = place->waits ? UNDECIDED : place->segment;
  passing->waits = !place->is_live && !self->is_whole;
  if (passing->waits && self->is_of_small_pool) {
    GstBuffer *copy = gst_buffer_copy_deep (buffer);

    gst_buffer_unref (buffer);
    buffer = copy;
  }
  passing->size = gst_buffer_get_size (buffer);
  g_mutex_lock (&self->lock);
  g_queue_push_tail (&self->passing, passing);
  self->bytes += passing->size;
  if (passing->segment != UNDECIDED) {
    self->begun = MAX (self->begun, passing->segment);
    decide (self, passing->segment);
  }
  self->first_open = first_open;
  self->came = g_get_monotonic_time ();
  limit_queue (self, passing->waits);
  g_cond_signal (&self->changed);
  g_mutex_unlock (&self->lock);
  return buffer;
}

static void
on_event (GstMinivlOverlay *self, GstEvent *event)
{
  g_mutex_lock (&self->lock);
  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_FLUSH_START:
      self->flushing = TRUE;
      break;
    case GST_EVENT_FLUSH_STOP:
      self->flushing = FALSE;
      forget (self);
      break;
    case GST_EVENT_EOS:
    case GST_EVENT_SEGMENT_DONE:
      /* minivl has waited for the results; no more will come */
      decide (self, self->begun);
      self->board.told = MAX (self->board.told, self->begun);
      break;
    default:
      break;
  }
  g_cond_signal (&self->changed);
  g_mutex_unlock (&self->lock);
}

/* Before minivl, which may take long over a frame or the end of the video. */
static GstPadProbeReturn
before_minivl (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstMinivlOverlay *self = data;

  if (info->type & GST_PAD_PROBE_TYPE_BUFFER)
    self->is_of_small_pool = is_of_small_pool (GST_PAD_PROBE_INFO_BUFFER (info));
  g_mutex_lock (&self->lock);
  self->came = 0;
  g_mutex_unlock (&self->lock);
  return GST_PAD_PROBE_OK;
}

/* After minivl, in the streaming thread. */
static GstPadProbeReturn
behind_minivl (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstMinivlOverlay *self = data;
  GstPadProbeReturn answer = GST_PAD_PROBE_OK;

  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    info->data = on_frame (self, GST_PAD_PROBE_INFO_BUFFER (info));
  } else if (info->type & (GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM | GST_PAD_PROBE_TYPE_EVENT_FLUSH)) {
    on_event (self, GST_PAD_PROBE_INFO_EVENT (info));
  } else if (GST_QUERY_IS_SERIALIZED (GST_PAD_PROBE_INFO_QUERY (info))) {
    /* It would wait for frames that cannot be drawn before those after the query. */
    g_mutex_lock (&self->lock);
    if (!g_queue_is_empty (&self->passing))
      answer = GST_PAD_PROBE_DROP;
    g_mutex_unlock (&self->lock);
  }
  return answer;
}

/* Returns whether the picture has changed. */
static gboolean
fit_to_caps (GstMinivlOverlay *self, GstPad *pad)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  GstVideoInfo info;
  gint margin;

  if (caps == self->caps || caps == NULL || !gst_video_info_from_caps (&info, caps))
    return FALSE;
  gst_caps_replace (&self->caps, caps);
  self->space.width = GST_VIDEO_INFO_WIDTH (&info);
  self->space.height = GST_VIDEO_INFO_HEIGHT (&info);
  margin = (gint)caption_margin (&self->space);
  /* textoverlay wraps lines at the picture's width less xpad, wherever they begin */
  g_object_set (self->overlay, "xpad", 2 * margin, "deltax", -margin, "deltay", -margin, NULL);
  return TRUE;
}

/* Under the lock. The frame is drawn now. */
static void
pass (GstMinivlOverlay *self, const Passing *passing, guint64 pts)
{
  gboolean waits = passing->waits, is_outside = waits && passing->segment == 0;

  if (waits)
    board_pass (&self->board, passing->segment, pts);
  else
    board_pass_now (&self->board, pts);
  self->board.changed = self->board.changed || is_outside != self->is_outside;
  self->is_outside = is_outside;
  remove_passing (self, passing);
  limit_queue (self, waits);
}

static void
warn_of (GstMinivlOverlay *self, Early early)
{
  guint64 duration;

  if (early == NOT_EARLY || early == self->warned_of)
    return;
  self->warned_of = early;
  g_object_get (self->minivl, "segment-duration", &duration, NULL);
  if (early == EARLY_TOO_LARGE)
    GST_ELEMENT_WARNING (self, RESOURCE, NO_SPACE_LEFT,
        ("A segment's frames are more than the %" G_GUINT64_FORMAT " MiB that may wait for its text: some pass before it is there. "
         "Lower segment-duration, or make the video smaller in front of minivloverlay.",
            MAX_BYTES >> 20),
        (NULL));
  else
    GST_ELEMENT_WARNING (self, STREAM, FAILED,
        ("Frames wait for their segment to end, and no other one has come for %d s: they pass without its text. Whatever else of "
         "the source is played beside the video, as its sound, needs a queue of two segments: \"queue max-size-buffers=0 "
         "max-size-bytes=0 max-size-time=%" G_GUINT64_FORMAT "\".",
            (gint)(LONGEST_STALL / G_TIME_SPAN_SECOND), 2 * duration),
        (NULL));
}

/* Before textoverlay, in the thread that draws. */
static GstPadProbeReturn
before_drawing (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstMinivlOverlay *self = data;
  gboolean resized = fit_to_caps (self, pad), draws = TRUE;
  Early early = NOT_EARLY;
  g_autofree gchar *markup = NULL;
  Passing *passing;

  g_mutex_lock (&self->lock);
  passing = find_passing (self, place_get (GST_PAD_PROBE_INFO_BUFFER (info))->number);
  if (passing != NULL)
    draws = wait_for_result (self, passing, &early);
  if (early != NOT_EARLY)
    decide (self, self->begun);
  if (passing != NULL && draws)
    pass (self, passing, GST_BUFFER_PTS (GST_PAD_PROBE_INFO_BUFFER (info)));
  if (draws && (resized || self->board.changed)) {
    self->space.own_font = self->own_font;
    markup = board_compose (&self->board, &self->space);
  }
  g_mutex_unlock (&self->lock);

  if (!draws)
    return GST_PAD_PROBE_DROP;
  warn_of (self, early);
  if (markup != NULL)
    g_object_set (self->overlay, "text", self->is_outside ? "" : markup, NULL);
  return GST_PAD_PROBE_OK;
}

/* After textoverlay: if an element downstream offers to draw, textoverlay leaves it the drawing, and there is no dark background.
 */
static GstPadProbeReturn
behind_overlay (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstQuery *query = GST_PAD_PROBE_INFO_QUERY (info);
  guint at;

  if (GST_QUERY_TYPE (query) == GST_QUERY_ALLOCATION && (info->type & GST_PAD_PROBE_TYPE_PULL) != 0
      && gst_query_find_allocation_meta (query, GST_VIDEO_OVERLAY_COMPOSITION_META_API_TYPE, &at))
    gst_query_remove_nth_allocation_meta (query, at);
  return GST_PAD_PROBE_OK;
}

/* --- messages and states ------------------------------------------------------------------------------------------------------ */

static void
gst_minivl_overlay_handle_message (GstBin *bin, GstMessage *message)
{
  GstMinivlOverlay *self = GST_MINIVL_OVERLAY (bin);

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT && gst_message_has_name (message, RESULT_MESSAGE_NAME)) {
    g_mutex_lock (&self->lock);
    board_add (&self->board, gst_message_get_structure (message), self->stale);
    g_cond_signal (&self->changed);
    g_mutex_unlock (&self->lock);
  }
  GST_BIN_CLASS (gst_minivl_overlay_parent_class)->handle_message (bin, message);
}

static void
start (GstMinivlOverlay *self)
{
  g_autofree gchar *stream = NULL, *name = gst_object_get_name (GST_OBJECT (self));
  guint64 duration, text_duration;

  g_object_get (self->minivl, "segment-duration", &duration, "text-duration", &text_duration, "stream", &stream, NULL);
  if (stream == NULL)
    g_object_set (self->minivl, "stream", name, NULL);
  self->is_whole = duration == 0;
  self->warned_of = NOT_EARLY;
  gst_caps_replace (&self->caps, NULL);
  g_mutex_lock (&self->lock);
  self->stopping = self->flushing = FALSE;
  self->board.duration = text_duration;
  forget (self);
  g_mutex_unlock (&self->lock);
}

static GstStateChangeReturn
gst_minivl_overlay_change_state (GstElement *element, GstStateChange transition)
{
  GstMinivlOverlay *self = GST_MINIVL_OVERLAY (element);

  if (transition == GST_STATE_CHANGE_NULL_TO_READY && self->overlay == NULL) {
    GST_ELEMENT_ERROR (self, CORE, MISSING_PLUGIN,
        ("minivloverlay draws by the element textoverlay, which is not there: install GStreamer's pango plugin (on Debian the "
         "package gstreamer1.0-x)."),
        (NULL));
    return GST_STATE_CHANGE_FAILURE;
  }
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED)
    start (self);
  /* The thread that draws may wait for a result, and chaining up waits for that thread. */
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    g_mutex_lock (&self->lock);
    self->stopping = TRUE;
    g_cond_signal (&self->changed);
    g_mutex_unlock (&self->lock);
  }
  return GST_ELEMENT_CLASS (gst_minivl_overlay_parent_class)->change_state (element, transition);
}

/* --- the object --------------------------------------------------------------------------------------------------------------- */

static void
gst_minivl_overlay_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstMinivlOverlay *self = GST_MINIVL_OVERLAY (object);

  if (id != PROP_FONT_DESC) {
    g_object_set_property (G_OBJECT (self->minivl), pspec->name, value);
    return;
  }
  if (self->overlay == NULL)
    return;
  g_mutex_lock (&self->lock);
  self->own_font = g_value_get_string (value) != NULL && g_value_get_string (value)[0] != '\0';
  self->board.changed = TRUE;
  g_mutex_unlock (&self->lock);
  g_object_set_property (G_OBJECT (self->overlay), pspec->name, value);
  g_object_set (self->overlay, "auto-resize", self->own_font, NULL);
}

static void
gst_minivl_overlay_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstMinivlOverlay *self = GST_MINIVL_OVERLAY (object);
  GstElement *child = id == PROP_FONT_DESC ? self->overlay : self->minivl;

  if (child != NULL)
    g_object_get_property (G_OBJECT (child), pspec->name, value);
}

static void
gst_minivl_overlay_finalize (GObject *object)
{
  GstMinivlOverlay *self = GST_MINIVL_OVERLAY (object);

  g_queue_clear_full (&self->passing, g_free);
  board_clear (&self->board);
  gst_caps_replace (&self->caps, NULL);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->changed);
  G_OBJECT_CLASS (gst_minivl_overlay_parent_class)->finalize (object);
}

/* Emits on minivl an action signal that was emitted on the bin. */
static void
forward_action (GClosure *closure, GValue *answer, guint n_params, const GValue *params, gpointer hint, gpointer data)
{
  GstMinivlOverlay *self = g_value_get_object (&params[0]);
  const gchar *name = g_signal_name (((GSignalInvocationHint *)hint)->signal_id);
  g_autoptr (GArray) forwarded = g_array_sized_new (FALSE, TRUE, sizeof (GValue), n_params);

  g_array_set_clear_func (forwarded, (GDestroyNotify)g_value_unset);
  g_array_set_size (forwarded, n_params);
  for (guint i = 0; i < n_params; i++) {
    GValue *value = &g_array_index (forwarded, GValue, i);

    g_value_init (value, i == 0 ? GST_TYPE_MINIVL : G_VALUE_TYPE (&params[i]));
    if (i == 0)
      g_value_set_object (value, self->minivl);
    else
      g_value_copy (&params[i], value);
  }
  g_signal_emitv ((const GValue *)forwarded->data, g_signal_lookup (name, GST_TYPE_MINIVL), 0, answer);
}

static void
install_actions (void)
{
  gpointer minivl_class = g_type_class_ref (GST_TYPE_MINIVL);
  guint n_ids;
  g_autofree guint *ids = g_signal_list_ids (GST_TYPE_MINIVL, &n_ids);

  for (guint i = 0; i < n_ids; i++) {
    GSignalQuery query;
    GClosure *closure;

    g_signal_query (ids[i], &query);
    if ((query.signal_flags & G_SIGNAL_ACTION) == 0)
      continue;
    closure = g_closure_new_simple (sizeof (GClosure), NULL);
    g_closure_set_marshal (closure, forward_action);
    g_signal_newv (query.signal_name, GST_TYPE_MINIVL_OVERLAY, query.signal_flags, closure, NULL, NULL, NULL, query.return_type,
        query.n_params, (GType *)query.param_types);
  }
  g_type_class_unref (minivl_class);
}

static void
gst_minivl_overlay_class_init (GstMinivlOverlayClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  object_class->set_property = gst_minivl_overlay_set_property;
  object_class->get_property = gst_minivl_overlay_get_property;
  object_class->finalize = gst_minivl_overlay_finalize;
  gst_minivl_install_properties (object_class);
  g_object_class_install_property (object_class, PROP_FONT_DESC,
      g_param_spec_string ("font-desc", "Font description",
          "Pango font description of what is drawn, as textoverlay has it: a size is for pictures 640 pixels wide, and grows with "
          "them. Empty = sans serif, in a size that suits the picture and the text",
          "", G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING));
  install_actions ();

  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class, "Video describer with overlay", "Filter/Editor/Video/Text",
      "Writes into a video what happens in it, with a vision-language model on Vulkan", "The minivl authors");
  element_class->change_state = gst_minivl_overlay_change_state;
  GST_BIN_CLASS (klass)->handle_message = gst_minivl_overlay_handle_message;
}

static void
add_ghost (GstMinivlOverlay *self, GstStaticPadTemplate *templ, GstPad *target)
{
  g_autoptr (GstPadTemplate) t = gst_static_pad_template_get (templ);

  gst_element_add_pad (GST_ELEMENT (self), gst_ghost_pad_new_from_template (templ->name_template, target, t));
}

static void
set_up_overlay (GstElement *overlay)
{
  g_object_set (overlay, "auto-resize", FALSE, "shaded-background", TRUE, "shading-value", SHADING, "ypos", 1.0, NULL);
  gst_util_set_object_arg (G_OBJECT (overlay), "halignment", "left");
  gst_util_set_object_arg (G_OBJECT (overlay), "line-alignment", "left");
  /* with `bottom`, text that is too high leaves the picture; `position` keeps it inside */
  gst_util_set_object_arg (G_OBJECT (overlay), "valignment", "position");
}

static void
gst_minivl_overlay_init (GstMinivlOverlay *self)
{
  g_autoptr (GstPad) sink = NULL, described = NULL, undrawn = NULL, src = NULL;

  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  board_init (&self->board);
  self->minivl = gst_element_factory_make ("minivl", "minivl");
  self->queue = gst_element_factory_make ("queue", "queue");
  self->overlay = gst_element_factory_make ("textoverlay", "textoverlay");
  gst_minivl_mark_places (GST_MINIVL (self->minivl));
  g_object_set (self->queue, "max-size-buffers", 0, "max-size-bytes", 0, "max-size-time", G_GUINT64_CONSTANT (0), NULL);
  gst_bin_add_many (GST_BIN (self), self->minivl, self->queue, self->overlay, NULL);
  sink = gst_element_get_static_pad (self->minivl, "sink");
  add_ghost (self, &sink_template, sink);
  if (self->overlay == NULL)
    return;

  set_up_overlay (self->overlay);
  gst_element_link (self->minivl, self->queue);
  gst_element_link_pads (self->queue, "src", self->overlay, "video_sink");
  described = gst_element_get_static_pad (self->minivl, "src");
  undrawn = gst_element_get_static_pad (self->overlay, "video_sink");
  src = gst_element_get_static_pad (self->overlay, "src");
  gst_pad_add_probe (sink, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, before_minivl, self, NULL);
  gst_pad_add_probe (described,
      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM | GST_PAD_PROBE_TYPE_EVENT_FLUSH
          | GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM,
      behind_minivl, self, NULL);
  gst_pad_add_probe (undrawn, GST_PAD_PROBE_TYPE_BUFFER, before_drawing, self, NULL);
  gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM, behind_overlay, NULL, NULL);
  add_ghost (self, &src_template, src);
}
