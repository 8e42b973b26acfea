/*
 * Frames that lie in images of the pipeline's Vulkan device (memory:VulkanImage). The model has a device of its own, since the
 * pipeline's has neither the features nor a spare queue; so a sampled frame is copied into memory that the host can read. All other
 * frames, and the images themselves, stay where they are.
 *
 * It is copied whole, not resized first: so the model sees the same bytes as from system memory, all tiles and regions are cut from
 * one copy, and an alert's picture has its full size. That costs a transfer of 3 MB (NV12) or 8 MB (RGBA) for a frame of 1080p.
 *
 * The streaming thread only submits the copy; a thread waits for it. This is the only file of the element that knows Vulkan;
 * without libgstvulkan it is left out.
 */
#ifndef GST_MINIVL_VULKAN_INPUT_H
#define GST_MINIVL_VULKAN_INPUT_H

#include "frame-copier.h"

G_BEGIN_DECLS

typedef struct _VulkanInput VulkanInput;

#ifdef HAVE_VULKAN_INPUT
#define VULKAN_INPUT_CAPS GST_VIDEO_CAPS_MAKE_WITH_FEATURES ("memory:VulkanImage", "{ NV12, RGBA, BGRA }")

VulkanInput *vulkan_input_new (void);
/* Waits until all copies have come. */
void vulkan_input_free (VulkanInput *input);

gboolean vulkan_input_has (GstBuffer *buffer);
/* As frame_copier_copy(), of a buffer that vulkan_input_has(); the pixels come later: see frame_await(). */
Frame *vulkan_input_copy (VulkanInput *input, FrameCopier *copier, GstBuffer *buffer, guint64 time, const Backend *backend);
#else
#define VULKAN_INPUT_CAPS "EMPTY"
#define vulkan_input_has(buffer) FALSE
#define vulkan_input_new() NULL
#define vulkan_input_copy(input, copier, buffer, time, backend) NULL
#define vulkan_input_free g_free
#endif

G_END_DECLS

#endif
