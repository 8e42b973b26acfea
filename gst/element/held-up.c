#include "element.h"

static void collect (GstPad *src, GHashTable *seen);

static void
collect_link (const GValue *value, gpointer seen)
{
  GstPad *pad = g_value_get_object (value);

  if (g_hash_table_add (seen, gst_object_ref (pad)))
    collect (pad, seen);
}

/* Adds all source pads that what leaves this one may come out of. */
static void
collect (GstPad *src, GHashTable *seen)
{
  g_autoptr (GstPad) peer = gst_pad_get_peer (src);
  GstIterator *links = peer != NULL ? gst_pad_iterate_internal_links (peer) : NULL;

  if (links == NULL)
    return;
  while (gst_iterator_foreach (links, collect_link, seen) == GST_ITERATOR_RESYNC)
    gst_iterator_resync (links);
  gst_iterator_free (links);
}

/* Whether something behind the element joins text and video, so that it may wait for one with the other. */
static gboolean
are_joined (GstMinivl *self)
{
  g_autoptr (GHashTable) video = g_hash_table_new_full (NULL, NULL, gst_object_unref, NULL);
  g_autoptr (GHashTable) texts = g_hash_table_new_full (NULL, NULL, gst_object_unref, NULL);
  g_autoptr (GstMinivlTextSrc) text = element_get_text (self);
  GHashTableIter iter;
  gpointer pad;

  collect (GST_BASE_TRANSFORM_SRC_PAD (self), video);
  if (text != NULL)
    collect (GST_PAD (text), texts);
  g_hash_table_iter_init (&iter, texts);
  while (g_hash_table_iter_next (&iter, &pad, NULL))
    if (g_hash_table_contains (video, pad))
      return TRUE;
  return FALSE;
}

gboolean
held_up (GstElement *element)
{
  GstMinivl *self = (GstMinivl *)element;
  g_autofree gchar *queue = NULL;
  gboolean by_segment;
  guint64 needed;

  GST_OBJECT_LOCK (self);
  by_segment = self->settings.text_timestamp == TEXT_SEGMENT;
  needed = settings_text_queue (&self->settings);
  GST_OBJECT_UNLOCK (self);
  /* A text that is being made will come. Where sinks wait as long as the latest of them, the video is held up by a text that is
   * late though nothing joins the two. */
  if (element_is_paused (element) || worker_is_answering (self->worker) || !(by_segment || are_joined (self)))
    return FALSE;
  queue = needed > 0 ? g_strdup_printf ("\"queue max-size-buffers=0 max-size-bytes=0 max-size-time=%" G_GUINT64_FORMAT "\"", needed)
                     : g_strdup ("one without bounds");
  GST_ELEMENT_WARNING (self, STREAM, FAILED,
      ("The video has been held up for a second, as by a text that is waited for: whatever joins text and video again needs a "
       "queue of at least two segments in the video branch, for a muxer waits for the next text too. Put %s behind minivl.",
          queue),
      (NULL));
  return TRUE;
}
