/* Images of a Vulkan device, painted by hand, and what the back end saw of them. */
#ifndef TESTS_STUDIO_H
#define TESTS_STUDIO_H

#include "rig.h"

#define GST_USE_UNSTABLE_API
#include <gst/vulkan/vulkan.h>

/* What the back end saw, as bytes without gaps. */
typedef struct
{
  GPtrArray *images; /* GBytes */
  GArray *layouts;   /* MinivlImage */
} Seen;

void seen_init (Seen *seen);
void seen_clear (Seen *seen);
/* For fake_watch(); data: a Seen. */
void seen_note (const MinivlImage *image, gpointer data);

/* A device as elements have it, and images that are painted on it. */
typedef struct
{
  Rig *rig;
  GstVideoInfo info;
  GstVulkanInstance *instance;
  GstVulkanDevice *device;
  GstVulkanQueue *queue;
  GstVulkanCommandPool *pool;
  GPtrArray *commands; /* all that were submitted */
  GPtrArray *paints;   /* GstMemory that they read */
} Studio;

/* properties: as of rig_new(); format: with further caps behind it, where there are any */
void studio_init (Studio *studio, gboolean live, const gchar *properties, const gchar *format, guint width, guint height);
/* Nothing that was pushed is gone before the device is done with it. */
void studio_clear (Studio *studio);

VkCommandBuffer studio_begin (Studio *studio);
void studio_submit (Studio *studio, VkCommandBuffer cmd);
/* Byte n of a frame, all planes without gaps: the first three are its number, see rig_frame_of(). */
guint8 studio_painted (guint number, gsize n);
/* Fills an image, or the plane of it that aspect says, with a plane's bytes from the n-th on. Returns how many. */
gsize studio_paint (Studio *studio, GstVulkanImageMemory *image, VkImageAspectFlags aspect, guint plane, guint number, gsize first);
/* usage: beside being painted on; 0: not painted, of no contents */
GstBuffer *studio_frame (Studio *studio, guint number, VkImageUsageFlags usage);
void studio_push (Studio *studio, GstBuffer *frame);
/* One image was seen, and it is the frame of that number. */
void studio_assert_painted (const Seen *seen, guint number);

#endif
