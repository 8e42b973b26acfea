#include "jpeg.h"

#include <gst/video/video.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

/* From here on colours are not subsampled, as cjpeg has it. */
#define FINE_QUALITY 90

/* --- RGB --------------------------------------------------------------------------------------------------------------------- */

static GstVideoFormat
video_format (MinivlFormat format)
{
  static const GstVideoFormat formats[] = {
    [MINIVL_FORMAT_RGB] = GST_VIDEO_FORMAT_RGB,
    [MINIVL_FORMAT_BGR] = GST_VIDEO_FORMAT_BGR,
    [MINIVL_FORMAT_RGBX] = GST_VIDEO_FORMAT_RGBx,
    [MINIVL_FORMAT_BGRX] = GST_VIDEO_FORMAT_BGRx,
    [MINIVL_FORMAT_GRAY8] = GST_VIDEO_FORMAT_GRAY8,
    [MINIVL_FORMAT_NV12] = GST_VIDEO_FORMAT_NV12,
    [MINIVL_FORMAT_I420] = GST_VIDEO_FORMAT_I420,
  };

  return formats[format];
}

/* The reverse of what frame-copier.c makes of a GstVideoInfo. */
static void
fill_frame (GstVideoFrame *frame, const MinivlImage *image)
{
  static const GstVideoColorMatrix matrices[] = {
    [MINIVL_MATRIX_BT601] = GST_VIDEO_COLOR_MATRIX_BT601,
    [MINIVL_MATRIX_BT709] = GST_VIDEO_COLOR_MATRIX_BT709,
    [MINIVL_MATRIX_BT2020] = GST_VIDEO_COLOR_MATRIX_BT2020,
  };
  GstVideoInfo *info = &frame->info;

  *frame = (GstVideoFrame){ .buffer = NULL };
  gst_video_info_set_format (info, video_format (image->format), image->width, image->height);
  for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES (info); p++) {
    frame->data[p] = (gpointer)image->data[p];
    info->stride[p] = (gint)image->stride[p];
  }
  if (!GST_VIDEO_INFO_IS_YUV (info))
    return;
  info->colorimetry.matrix = matrices[image->matrix];
  info->colorimetry.range = image->range == MINIVL_RANGE_FULL ? GST_VIDEO_COLOR_RANGE_0_255 : GST_VIDEO_COLOR_RANGE_16_235;
}

/* Copies what is seen of the picture, upright. from: all of it as it lies, rows of RGB. */
static void
turn (guint8 *to, guint to_width, guint to_height, const guint8 *from, const MinivlImage *image)
{
  guint o = image->orientation; /* EXIF's number, 1 to 8; 0 is 1 */
  gboolean swap = o >= 5, mirror_x = o == 2 || o == 3 || o == 7 || o == 8, mirror_y = o == 3 || o == 4 || o == 6 || o == 7;
  guint width = swap ? to_height : to_width, height = swap ? to_width : to_height;

  for (guint y = 0; y < to_height; y++) {
    for (guint x = 0; x < to_width; x++, to += 3) {
      guint at_x = swap ? y : x, at_y = swap ? x : y;

      at_x = image->crop_x + (mirror_x ? width - 1 - at_x : at_x);
      at_y = image->crop_y + (mirror_y ? height - 1 - at_y : at_y);
      memcpy (to, from + ((gsize)at_y * image->width + at_x) * 3, 3);
    }
  }
}

guint8 *
jpeg_rgb_of (const MinivlImage *image, guint *width, guint *height)
{
  guint seen_width = image->crop_width > 0 ? image->crop_width : image->width - image->crop_x;
  guint seen_height = image->crop_height > 0 ? image->crop_height : image->height - image->crop_y;
  gboolean is_upright = image->orientation <= 1 && seen_width == image->width && seen_height == image->height;
  guint8 *rgb = g_malloc ((gsize)image->width * image->height * 3), *upright;
  GstVideoConverter *converter;
  GstVideoFrame from, to;

  *width = image->orientation >= 5 ? seen_height : seen_width;
  *height = image->orientation >= 5 ? seen_width : seen_height;
  fill_frame (&from, image);
  fill_frame (&to, &(MinivlImage){ { rgb }, image->width, image->height, { (gsize)image->width * 3 } });
  converter = gst_video_converter_new (&from.info, &to.info, NULL);
  gst_video_converter_frame (converter, &from, &to);
  gst_video_converter_free (converter);
  if (is_upright)
    return rgb;
  upright = g_malloc ((gsize)*width * *height * 3);
  turn (upright, *width, *height, rgb, image);
  g_free (rgb);
  return upright;
}

/* --- JPEG -------------------------------------------------------------------------------------------------------------------- */

typedef struct
{
  struct jpeg_error_mgr base; /* first, for libjpeg hands out its address */
  jmp_buf out;
  struct jpeg_compress_struct c;
  unsigned char *data;
  unsigned long size;
} Encoder;

static void
on_error (j_common_ptr c)
{
  longjmp (((Encoder *)c->err)->out, 1);
}

static void
on_message (j_common_ptr c)
{
}

static void
encode (Encoder *e, const guint8 *rgb, guint width, guint height, guint quality)
{
  struct jpeg_compress_struct *c = &e->c;

  jpeg_create_compress (c);
  jpeg_mem_dest (c, &e->data, &e->size);
  c->image_width = width;
  c->image_height = height;
  c->input_components = 3;
  c->in_color_space = JCS_RGB;
  jpeg_set_defaults (c);
  jpeg_set_quality (c, quality, TRUE);
  if (quality >= FINE_QUALITY)
    c->comp_info[0].h_samp_factor = c->comp_info[0].v_samp_factor = 1;
  jpeg_start_compress (c, TRUE);
  while (c->next_scanline < height) {
    JSAMPROW row = (JSAMPROW)rgb + (gsize)c->next_scanline * width * 3;

    jpeg_write_scanlines (c, &row, 1);
  }
  jpeg_finish_compress (c);
}

GBytes *
jpeg_encode (const guint8 *rgb, guint width, guint height, guint quality, GError **error)
{
  g_autofree Encoder *e = g_new0 (Encoder, 1);
  GBytes *jpeg = NULL;

  e->c.err = jpeg_std_error (&e->base);
  e->base.error_exit = on_error;
  e->base.output_message = on_message;
  if (setjmp (e->out) == 0) {
    encode (e, rgb, width, height, quality);
    jpeg = g_bytes_new (e->data, e->size);
  } else {
    gchar text[JMSG_LENGTH_MAX];

    e->base.format_message ((j_common_ptr)&e->c, text);
    g_set_error (error, MINIVL_ERROR, MINIVL_ERROR_IMAGES, "no JPEG of %u x %u pixels: %s", width, height, text);
  }
  jpeg_destroy_compress (&e->c);
  free (e->data);
  return jpeg;
}
