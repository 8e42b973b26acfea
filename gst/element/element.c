#include "element.h"

GstMinivlTextSrc *
element_get_text (GstMinivl *self)
{
  GstMinivlTextSrc *text;

  GST_OBJECT_LOCK (self);
  text = self->text != NULL ? gst_object_ref (self->text) : NULL;
  GST_OBJECT_UNLOCK (self);
  return text;
}

gboolean
element_is_paused (GstElement *element)
{
  g_autoptr (GstObject) top = gst_object_ref (GST_OBJECT (element));
  GstObject *parent;

  while ((parent = gst_object_get_parent (top)) != NULL) {
    gst_object_unref (top);
    top = parent;
  }
  return GST_STATE_TARGET (top) != GST_STATE_PLAYING && GST_STATE_PENDING (top) < GST_STATE_PAUSED;
}
