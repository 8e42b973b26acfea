/* Results that text_src cannot deliver: counted, and warned of once. */
#include "textsrc-private.h"

void
text_src_lose (GstMinivlTextSrc *pad, const gchar *why)
{
  pad->lost++;
  if (!pad->lost_told && pad->lost_why == NULL)
    pad->lost_why = why;
}

void
text_src_tell_lost (GstMinivlTextSrc *pad)
{
  g_autoptr (GstElement) element = gst_pad_get_parent_element (GST_PAD (pad));
  const gchar *why;

  g_mutex_lock (&pad->lock);
  why = g_steal_pointer (&pad->lost_why);
  pad->lost_told |= why != NULL;
  g_mutex_unlock (&pad->lock);
  if (element != NULL && why != NULL)
    GST_ELEMENT_WARNING (element, STREAM, FAILED,
        ("Results are lost on text_src: %s. They are on the bus; text_lost in the property stats counts them.", why), (NULL));
}
