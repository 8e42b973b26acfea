/* WebP, by libwebp: see picture.h. Of an animation the first frame. */
#include "picture.h"

#include <webp/decode.h>
#include <webp/demux.h>

/* Of a whole picture of the largest size, stored without compression, and more. */
#define MOST_BYTES ((gsize)MEDIA_MOST_PIXELS * 5)

static GByteArray *
read_all (FILE *file)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  guint8 block[1 << 16];
  gsize n;

  while (bytes->len < MOST_BYTES && (n = fread (block, 1, sizeof block, file)) > 0)
    g_byte_array_append (bytes, block, n);
  return g_steal_pointer (&bytes);
}

static gboolean
read_pixels (WebPAnimDecoder *decoder, const gchar *path, MediaFrame *frame, GError **error)
{
  uint8_t *rgba;
  int end;

  if (!decoder || !WebPAnimDecoderGetNext (decoder, &rgba, &end))
    return picture_damaged (error, path, "libwebp cannot decode it");
  for (guint y = 0; y < frame->height; y++)
    for (guint x = 0; x < frame->width; x++)
      for (guint c = 0; c < 3; c++)
        frame->data[y * frame->stride + 3 * x + c] = rgba[((gsize)y * frame->width + x) * 4 + c];
  return TRUE;
}

gboolean
picture_read_webp (FILE *file, const gchar *path, MediaFrame *frame, GError **error)
{
  g_autoptr (GByteArray) bytes = read_all (file);
  WebPData data = { bytes->data, bytes->len };
  WebPAnimDecoderOptions options;
  WebPAnimDecoder *decoder;
  WebPBitstreamFeatures features;
  VP8StatusCode status = WebPGetFeatures (bytes->data, bytes->len, &features);
  gboolean ok;

  if (status == VP8_STATUS_UNSUPPORTED_FEATURE)
    return picture_unsupported (error, path, "this kind of WebP");
  if (status != VP8_STATUS_OK)
    return picture_damaged (error, path, status == VP8_STATUS_NOT_ENOUGH_DATA ? "the file ends too early" : "its header is wrong");
  if (!picture_begin (frame, features.width, features.height, path, error))
    return FALSE;
  WebPAnimDecoderOptionsInit (&options);
  options.color_mode = MODE_RGBA;
  decoder = WebPAnimDecoderNew (&data, &options);
  ok = read_pixels (decoder, path, frame, error);
  WebPAnimDecoderDelete (decoder);
  return ok;
}
