/* JPEG, by libjpeg-turbo: see picture.h. */
#include "picture.h"

#include <setjmp.h>
#include <string.h>

#include <jpeglib.h>
/* What it has depends on what the other one says that the library does. */
#include <jerror.h>

typedef struct
{
  struct jpeg_error_mgr base; /* first, for libjpeg hands out its address */
  jmp_buf out;
  gchar damage[JMSG_LENGTH_MAX]; /* what spoils pixels, the first there was; empty if none */
} Errors;

static void
on_error (j_common_ptr d)
{
  longjmp (((Errors *)d->err)->out, 1);
}

/* Pillow takes all warnings; of those here, pixels are made up. Bytes that nobody needs are harmless, and cameras write them. */
static void
on_message (j_common_ptr d, int level)
{
  Errors *errors = (Errors *)d->err;
  gboolean spoilt = FALSE;

  if (level >= 0 || *errors->damage)
    return;
  switch (d->err->msg_code) {
    case JWRN_ARITH_BAD_CODE:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_MUST_RESYNC:
      spoilt = TRUE;
      break;
    case JWRN_JPEG_EOF:
      /* Of a single scan that matters only if bits are missing, which is told as well. */
      spoilt = jpeg_has_multiple_scans ((j_decompress_ptr)d);
      break;
  }
  if (spoilt)
    d->err->format_message (d, errors->damage);
}

static gboolean
is_unsupported (int code)
{
  return code == JERR_SOF_UNSUPPORTED || code == JERR_BAD_PRECISION || code == JERR_ARITH_NOTIMPL || code == JERR_NOT_COMPILED
         || code == JERR_CONVERSION_NOTIMPL || code == JERR_FRACT_SAMPLE_NOTIMPL || code == JERR_CCIR601_NOTIMPL;
}

static gboolean
failed (j_decompress_ptr d, const gchar *path, GError **error)
{
  gchar text[JMSG_LENGTH_MAX];

  d->err->format_message ((j_common_ptr)d, text);
  if (is_unsupported (d->err->msg_code))
    return picture_unsupported (error, path, "this kind of JPEG (%s)", text);
  return picture_damaged (error, path, text);
}

/* Of four components Pillow takes each for the brightness that an ink leaves, as Adobe writes them. */
static void
convert_cmyk (guint8 *rgb, const guint8 *in, guint width)
{
  for (guint x = 0; x < width; x++, rgb += 3, in += 4)
    picture_from_cmyk (rgb, 255 - in[0], 255 - in[1], 255 - in[2], 255 - in[3]);
}

static gboolean
read_pixels (j_decompress_ptr d, const gchar *path, MediaFrame *frame, GError **error)
{
  guint8 *line = NULL;

  jpeg_read_header (d, TRUE);
  if (!picture_begin (frame, d->image_width, d->image_height, path, error))
    return FALSE;
  if (d->num_components != 1 && d->num_components != 3 && d->num_components != 4)
    return picture_unsupported (error, path, "a JPEG of %d components", d->num_components);
  d->out_color_space = d->num_components == 4 ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress (d);
  if (d->num_components == 4)
    line = *d->mem->alloc_sarray ((j_common_ptr)d, JPOOL_IMAGE, frame->width * 4, 1);
  for (guint y = 0; y < frame->height; y++) {
    guint8 *row = frame->data + y * frame->stride, *to = line ? line : row;

    jpeg_read_scanlines (d, &to, 1);
    if (line)
      convert_cmyk (row, line, frame->width);
  }
  return TRUE;
}

gboolean
picture_read_jpeg (FILE *file, const gchar *path, MediaFrame *frame, GError **error)
{
  struct jpeg_decompress_struct d = { 0 };
  Errors errors = { 0 };
  gboolean ok;

  d.err = jpeg_std_error (&errors.base);
  errors.base.error_exit = on_error;
  errors.base.emit_message = on_message;
  if (setjmp (errors.out) == 0) {
    jpeg_create_decompress (&d);
    jpeg_stdio_src (&d, file);
    ok = read_pixels (&d, path, frame, error);
  } else {
    ok = failed (&d, path, error);
  }
  jpeg_destroy_decompress (&d);
  return ok && (!*errors.damage || picture_damaged (error, path, errors.damage));
}
