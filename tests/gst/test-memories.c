/* Video in memory that is not the system's: when and where it is mapped, and what becomes of frames that cannot be. */
#define _GNU_SOURCE /* memfd_create */
#include "gst/element/gstminivl.h"
#include "rig.h"

#include <fcntl.h>
#include <gst/allocators/gstdmabuf.h>
#include <gst/video/video.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef HAVE_GL
#include <EGL/egl.h>
#include <gst/gl/egl/gstgldisplay_egl.h>
#include <gst/gl/gl.h>
#endif

#define SIZE (8 * 4 * 3)

static const gchar *const memories[] = { "memory:DMABuf", "memory:VAMemory", "memory:GLMemory" };

static void
set_caps (Rig *rig, const gchar *memory, const gchar *format)
{
  g_autofree gchar *line =
      g_strdup_printf ("video/x-raw(%s), format = %s, width = 8, height = 4, framerate = 10/1", memory, format);

  gst_harness_set_src_caps_str (rig->video, line);
}

static void
push (Rig *rig, GstMemory *memory, guint number)
{
  GstBuffer *buffer = gst_buffer_new ();

  gst_buffer_append_memory (buffer, memory);
  GST_BUFFER_PTS (buffer) = number * 100 * GST_MSECOND;
  GST_BUFFER_DURATION (buffer) = 100 * GST_MSECOND;
  g_assert_cmpint (gst_harness_push (rig->video, buffer), ==, GST_FLOW_OK);
}

/* Every pixel carries the number, as rig_frame() has it. */
static void
paint (guint8 *pixels, guint number)
{
  for (guint i = 0; i < SIZE; i++)
    pixels[i] = (guint8)(number >> 8 * (i % 3));
}

/* No further warning is on the bus. */
static void
assert_warned_once (Rig *rig, const gchar *part)
{
  rig_await_warning (rig, part);
  rig_eos (rig);
  rig_assert_no_warning (rig);
}

/* --- memory that is watched --------------------------------------------------------------------------------------------------- */

typedef struct
{
  GstMemory memory;
  guint8 pixels[SIZE];
  gboolean fails; /* to be mapped */
} WatchedMemory;

typedef GstAllocator Watched;
typedef GstAllocatorClass WatchedClass;

static GType watched_get_type (void);
G_DEFINE_TYPE (Watched, watched, GST_TYPE_ALLOCATOR)

static GMutex lock;
static GCond changed;
static GThread *streaming;
static gboolean held; /* who maps waits */
static guint n_mapped;

static gpointer
watched_map (GstMemory *memory, gsize size, GstMapFlags flags)
{
  WatchedMemory *watched = (WatchedMemory *)memory;

  g_assert_true (flags == GST_MAP_READ);
  g_assert_true (g_thread_self () != streaming);
  g_mutex_lock (&lock);
  n_mapped++;
  while (held)
    g_cond_wait (&changed, &lock);
  g_mutex_unlock (&lock);
  return watched->fails ? NULL : watched->pixels;
}

static void
watched_unmap (GstMemory *memory)
{
}

static void
watched_free (GstAllocator *allocator, GstMemory *memory)
{
  g_free (memory);
}

static void
watched_init (Watched *allocator)
{
  allocator->mem_type = "watched";
  allocator->mem_map = watched_map;
  allocator->mem_unmap = watched_unmap;
}

static void
watched_class_init (WatchedClass *klass)
{
  klass->free = watched_free;
}

static GstMemory *
watched_new (GstAllocator *allocator, guint number, gboolean fails)
{
  WatchedMemory *watched = g_new0 (WatchedMemory, 1);

  gst_memory_init (&watched->memory, 0, allocator, NULL, SIZE, 0, 0, SIZE);
  watched->fails = fails;
  paint (watched->pixels, number);
  return &watched->memory;
}

static GstAllocator *
watch (void)
{
  streaming = g_thread_self ();
  n_mapped = 0;
  return gst_object_ref_sink (g_object_new (watched_get_type (), NULL));
}

/* Two frames of a hundred, and the few that are kept in case that no other comes. */
static void
test_only_sampled_frames_are_mapped (void)
{
  for (guint k = 0; k < G_N_ELEMENTS (memories); k++) {
    g_autoptr (GstAllocator) allocator = watch ();
    Rig *rig = rig_new ("segment-duration=10000000000");

    set_caps (rig, memories[k], "RGB");
    for (guint i = 0; i <= 100; i++)
      push (rig, watched_new (allocator, i, FALSE), i);
    rig_assert_result (rig, 1, 0, 10000, "stop");
    rig_assert_frames (0, 25, 75, G_MAXUINT);
    rig_eos (rig);
    g_assert_cmpuint (n_mapped, >=, 2);
    g_assert_cmpuint (n_mapped, <=, 6);
    g_assert_cmpuint (gst_harness_buffers_received (rig->video), ==, 101);
    rig_free (rig);
  }
}

/* Mapping may wait for the device that draws. */
static void
test_the_video_does_not_wait_for_mapping (void)
{
  g_autoptr (GstAllocator) allocator = watch ();
  Rig *rig = rig_new_live (NULL);

  set_caps (rig, "memory:GLMemory", "RGB");
  held = TRUE;
  for (guint i = 0; i <= 10; i++)
    push (rig, watched_new (allocator, i, FALSE), i);
  g_assert_cmpuint (gst_harness_buffers_received (rig->video), ==, 11);
  g_assert_cmpuint (fake_count (FAKE_ENCODE), ==, 0);
  g_mutex_lock (&lock);
  held = FALSE;
  g_cond_broadcast (&changed);
  g_mutex_unlock (&lock);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_frames (0, 2, 7, G_MAXUINT);
  rig_free (rig);
}

/* Frames 2 and 27 are lost, and their segments have the other one. */
static void
test_what_cannot_be_mapped_is_left_out_and_warned_of_once (void)
{
  g_autoptr (GstAllocator) allocator = watch ();
  Rig *rig = rig_new (NULL);

  set_caps (rig, "memory:DMABuf", "RGB");
  for (guint i = 0; i <= 30; i++)
    push (rig, watched_new (allocator, i, i == 2 || i == 27), i);
  g_assert_cmpuint (gst_harness_buffers_received (rig->video), ==, 31);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_frames (0, 7, G_MAXUINT);
  rig_assert_result (rig, 2, 1000, 2000, "stop");
  rig_assert_frames (1, 12, 17, G_MAXUINT);
  rig_assert_result (rig, 3, 2000, 3000, "stop");
  rig_assert_frames (2, 22, G_MAXUINT);
  rig_free (rig);

  rig = rig_new (NULL);
  set_caps (rig, "memory:DMABuf", "RGB");
  for (guint i = 0; i <= 20; i++)
    push (rig, watched_new (allocator, i, i == 2 || i == 12), i);
  assert_warned_once (rig, "A frame could not be read: ");
  rig_free (rig);
}

/* 7 is in both segments, whichever of them comes to it first. */
static void
test_what_cannot_be_mapped_is_left_out_of_all_its_segments (void)
{
  g_autoptr (GstAllocator) allocator = watch ();
  Rig *rig = rig_new ("segment-overlap=500000000");

  set_caps (rig, "memory:DMABuf", "RGB");
  for (guint i = 0; i <= 15; i++)
    push (rig, watched_new (allocator, i, i == 7), i);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_frames (0, 2, G_MAXUINT);
  rig_assert_result (rig, 2, 500, 1500, "stop");
  rig_assert_frames (1, 12, G_MAXUINT);
  rig_free (rig);
}

static void
test_a_segment_without_any_frame_is_an_error_and_the_video_goes_on (void)
{
  g_autoptr (GstAllocator) allocator = watch ();
  Rig *rig = rig_new (NULL);

  set_caps (rig, "memory:VAMemory", "RGB");
  for (guint i = 0; i <= 20; i++)
    push (rig, watched_new (allocator, i, i < 10), i);
  rig_assert_result (rig, 1, 0, 1000, "error");
  rig_assert_result (rig, 2, 1000, 2000, "stop");
  rig_assert_frames (0, 12, 17, G_MAXUINT);
  g_assert_cmpuint (gst_harness_buffers_received (rig->video), ==, 21);
  rig_free (rig);
}

static void
test_regions_of_what_cannot_be_mapped_are_left_out (void)
{
  g_autoptr (GstAllocator) allocator = watch ();
  Rig *rig = rig_new ("roi=a");

  set_caps (rig, "memory:DMABuf", "RGB");
  for (guint i = 0; i <= 10; i++) {
    GstBuffer *buffer = gst_buffer_new ();

    gst_buffer_append_memory (buffer, watched_new (allocator, i, i == 2));
    GST_BUFFER_PTS (buffer) = i * 100 * GST_MSECOND;
    gst_buffer_add_video_region_of_interest_meta (buffer, "a", 0, 0, 4, 2);
    gst_buffer_add_video_region_of_interest_meta (buffer, "a", 1, 1, 3, 2);
    g_assert_cmpint (gst_harness_push (rig->video, buffer), ==, GST_FLOW_OK);
  }
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_frames (0, 7, 7, G_MAXUINT);
  rig_free (rig);
}

/* A buffer that is too small, and ones whose meta says other than the caps. */
static void
test_buffers_that_are_not_of_their_caps_are_left_out (void)
{
  for (guint k = 0; k < 3; k++) {
    Rig *rig = rig_new ("num-segments=1");

    for (guint i = 0; i <= 10; i++) {
      GstBuffer *buffer = gst_buffer_new_and_alloc (k == 0 ? 10 : 4096);

      gst_buffer_memset (buffer, 0, 0, -1);
      if (k == 1)
        gst_buffer_add_video_meta (buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_NV12, 8, 4);
      if (k == 2)
        gst_buffer_add_video_meta (buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_RGB, 4, 4);
      GST_BUFFER_PTS (buffer) = i * 100 * GST_MSECOND;
      g_assert_cmpint (gst_harness_push (rig->video, buffer), ==, GST_FLOW_OK);
    }
    rig_assert_result (rig, 1, 0, 1000, "error");
    g_assert_cmpuint (gst_harness_buffers_received (rig->video), ==, 11);
    rig_free (rig);
  }
}

/* --- DMA buffers -------------------------------------------------------------------------------------------------------------- */

/* readable: FALSE makes one that cannot be mapped to be read. */
static GstMemory *
dmabuf_new (GstAllocator *allocator, guint number, gboolean readable)
{
  gint fd = memfd_create ("frame", MFD_CLOEXEC);
  guint8 pixels[SIZE];

  paint (pixels, number);
  g_assert_cmpint (write (fd, pixels, SIZE), ==, SIZE);
  if (!readable) {
    g_autofree gchar *path = g_strdup_printf ("/proc/self/fd/%d", fd);
    gint other = open (path, O_WRONLY | O_CLOEXEC);

    g_assert_cmpint (other, >=, 0);
    close (fd);
    fd = other;
  }
  return gst_dmabuf_allocator_alloc (allocator, fd, SIZE);
}

static void
test_dma_buffers (gconstpointer caps)
{
  g_autoptr (GstAllocator) allocator = gst_dmabuf_allocator_new ();
  Rig *rig = rig_new (NULL);

  gst_harness_set_src_caps_str (rig->video, caps);
  for (guint i = 0; i <= 20; i++)
    push (rig, dmabuf_new (allocator, i, i != 2 && i != 17), i);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_frames (0, 7, G_MAXUINT);
  rig_assert_result (rig, 2, 1000, 2000, "stop");
  rig_assert_frames (1, 12, G_MAXUINT);
  g_assert_cmpuint (gst_harness_buffers_received (rig->video), ==, 21);
  rig_free (rig);
}

#if GST_CHECK_VERSION(1, 24, 0)
/* All formats that have a name, and none that is tiled. */
static void
test_linear_drm_formats_alone (void)
{
  g_autoptr (GstElement) element = gst_element_factory_make ("minivl", NULL);
  g_autoptr (GstPad) sink = gst_element_get_static_pad (gst_object_ref_sink (element), "sink");
  static const gchar *const names[] = { "NV12", "YU12", "YUYV", "P010", "AR24", "XR24" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree gchar *linear = g_strdup_printf ("video/x-raw(memory:DMABuf), format = DMA_DRM, drm-format = %s, width = 8, "
                                                "height = 4, framerate = 10/1",
        names[i]);
    g_autofree gchar *tiled =
        g_strdup_printf ("video/x-raw(memory:DMABuf), format = DMA_DRM, "
                         "drm-format = (string)%s:0x0100000000000002, width = 8, height = 4, framerate = 10/1",
            names[i]);
    g_autoptr (GstCaps) yes = gst_caps_from_string (linear), no = gst_caps_from_string (tiled);

    g_assert_true (gst_pad_query_accept_caps (sink, yes));
    g_assert_false (gst_pad_query_accept_caps (sink, no));
  }
}
#endif

/* --- GL ----------------------------------------------------------------------------------------------------------------------- */

#ifdef HAVE_GL
#ifndef EGL_PLATFORM_SURFACELESS_MESA
#define EGL_PLATFORM_SURFACELESS_MESA 0x31DD
#endif

/* (transfer full) (nullable): NULL where there is no such driver */
static GstGLContext *
surfaceless_context (GstGLDisplay **display)
{
  EGLDisplay egl = eglGetPlatformDisplay (EGL_PLATFORM_SURFACELESS_MESA, EGL_DEFAULT_DISPLAY, NULL);
  GstGLContext *context;
  g_autoptr (GError) error = NULL;

  if (egl == EGL_NO_DISPLAY || !eglInitialize (egl, NULL, NULL))
    return NULL;
  *display = GST_GL_DISPLAY (gst_gl_display_egl_new_with_egl_display (egl));
  context = gst_gl_context_new (*display);
  if (!gst_gl_context_create (context, NULL, &error)) {
    g_test_message ("%s", error->message);
    gst_clear_object (&context);
    gst_clear_object (display);
  }
  return context;
}

/* Frame number of RGBA: its first pixel says which. */
static GstBuffer *
gl_frame (GstGLContext *context, GstVideoInfo *info, guint number)
{
  GstGLMemoryAllocator *allocator = gst_gl_memory_allocator_get_default (context);
  GstGLVideoAllocationParams *params =
      gst_gl_video_allocation_params_new (context, NULL, info, 0, NULL, GST_GL_TEXTURE_TARGET_2D, GST_GL_RGBA);
  GstBuffer *buffer = gst_buffer_new ();
  GstMapInfo map;

  gst_buffer_append_memory (
      buffer, GST_MEMORY_CAST (gst_gl_base_memory_alloc (GST_GL_BASE_MEMORY_ALLOCATOR_CAST (allocator), (gpointer)params)));
  gst_gl_allocation_params_free ((gpointer)params);
  gst_object_unref (allocator);
  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  for (gsize i = 0; i < map.size; i++)
    map.data[i] = i % 4 == 0 ? number : 0;
  gst_buffer_unmap (buffer, &map);
  /* into the texture, so that reading it is a download */
  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_READ | GST_MAP_GL));
  gst_buffer_unmap (buffer, &map);
  GST_BUFFER_PTS (buffer) = number * 100 * GST_MSECOND;
  GST_BUFFER_DURATION (buffer) = 100 * GST_MSECOND;
  return buffer;
}

static void
test_textures (void)
{
  GstGLDisplay *display = NULL;
  GstGLContext *context = surfaceless_context (&display);
  GstVideoInfo info;
  Rig *rig;

  if (context == NULL) {
    g_test_skip ("no surfaceless EGL");
    return;
  }
  rig = rig_new (NULL);
  gst_video_info_set_format (&info, GST_VIDEO_FORMAT_RGBA, 8, 4);
  gst_harness_set_src_caps_str (
      rig->video, "video/x-raw(memory:GLMemory), format = RGBA, width = 8, height = 4, framerate = 10/1, texture-target = 2D");
  for (guint i = 0; i <= 10; i++)
    g_assert_cmpint (gst_harness_push (rig->video, gl_frame (context, &info, i)), ==, GST_FLOW_OK);
  rig_assert_result (rig, 1, 0, 1000, "stop");
  rig_assert_frames (0, 2, 7, G_MAXUINT);
  rig_free (rig);
  gst_object_unref (context);
  gst_object_unref (display);
}
#endif

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  fake_reset ();
  g_assert_true (GST_ELEMENT_REGISTER (minivl_fake, NULL));

#define RULE(name) g_test_add_func ("/memories/" #name, test_##name)
  RULE (only_sampled_frames_are_mapped);
  RULE (the_video_does_not_wait_for_mapping);
  RULE (what_cannot_be_mapped_is_left_out_and_warned_of_once);
  RULE (what_cannot_be_mapped_is_left_out_of_all_its_segments);
  RULE (a_segment_without_any_frame_is_an_error_and_the_video_goes_on);
  RULE (regions_of_what_cannot_be_mapped_are_left_out);
  RULE (buffers_that_are_not_of_their_caps_are_left_out);
  g_test_add_data_func ("/memories/dma_buffers/format",
      "video/x-raw(memory:DMABuf), format = RGB, width = 8, height = 4, framerate = 10/1", test_dma_buffers);
#if GST_CHECK_VERSION(1, 24, 0)
  g_test_add_data_func ("/memories/dma_buffers/drm_format",
      "video/x-raw(memory:DMABuf), format = DMA_DRM, drm-format = BG24, width = 8, height = 4, framerate = 10/1", test_dma_buffers);
  RULE (linear_drm_formats_alone);
#endif
#ifdef HAVE_GL
  RULE (textures);
#endif
#undef RULE
  return g_test_run ();
}
