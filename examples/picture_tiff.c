/* TIFF, by libtiff: see picture.h. The first picture of a file, turned as the file asks, for Pillow does that of TIFF alone. */
#include "picture.h"

#include <string.h>
#include <unistd.h>

#include <tiffio.h>

/* Samples of a pixel, at most, that are looked at: further ones are alpha and the like. */
#define MOST_CHANNELS 4
#define MOST_SAMPLES 16
#define MOST_BYTES (1 << 30)

typedef struct
{
  TIFF *tiff;
  guint32 width, height;
  guint16 bits, samples, photometric, planes, compression, orientation;
  gboolean premultiplied; /* by the sample behind the colours */
  guint channels;         /* samples of a pixel that are kept */
  guint8 *pixels;         /* channels a pixel, as the file has them but of 8 bits; an index as it is */
  gchar text[1024];       /* of libtiff's first error; empty if there was none */
} Tiff;

static int
on_error (TIFF *tiff, void *data, const char *module, const char *format, va_list args)
{
  Tiff *t = data;

  if (!*t->text)
    g_vsnprintf (t->text, sizeof t->text, format, args);
  return 1;
}

/* Tags that it does not know, for one. */
static int
on_warning (TIFF *tiff, void *data, const char *module, const char *format, va_list args)
{
  return 1;
}

static gboolean
damaged (const Tiff *t, const gchar *path, GError **error)
{
  return picture_damaged (error, path, *t->text ? t->text : "it has no picture");
}

/* --- what kind it is ------------------------------------------------------------------------------------------------------- */

static gboolean
check_samples (const Tiff *t, const gchar *path, GError **error)
{
  guint16 format = SAMPLEFORMAT_UINT;

  TIFFGetField (t->tiff, TIFFTAG_SAMPLEFORMAT, &format);
  if (format == SAMPLEFORMAT_IEEEFP)
    return picture_unsupported (error, path, "a TIFF of floating-point samples");
  if (format == SAMPLEFORMAT_INT)
    return picture_unsupported (error, path, "a TIFF of signed samples");
  if (format != SAMPLEFORMAT_UINT)
    return picture_unsupported (error, path, "a TIFF of sample format %u", format);
  if (t->bits != 1 && t->bits != 2 && t->bits != 4 && t->bits != 8 && t->bits != 16)
    return picture_unsupported (error, path, "a TIFF of %u bits a sample", t->bits);
  if (t->samples > MOST_SAMPLES)
    return picture_unsupported (error, path, "a TIFF of %u samples a pixel", t->samples);
  return TRUE;
}

/* How many samples are the colours, and what they are. */
static gboolean
find_colours (Tiff *t, const gchar *path, GError **error)
{
  guint16 inks = INKSET_CMYK, n_extra = 0, *extra = NULL;
  guint colours;

  switch (t->photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
    case PHOTOMETRIC_PALETTE:
      colours = 1;
      break;
    case PHOTOMETRIC_RGB:
    case PHOTOMETRIC_YCBCR:
      colours = 3;
      break;
    case PHOTOMETRIC_SEPARATED:
      TIFFGetFieldDefaulted (t->tiff, TIFFTAG_INKSET, &inks);
      if (inks != INKSET_CMYK)
        return picture_unsupported (error, path, "a TIFF of inks other than CMYK");
      colours = 4;
      break;
    case PHOTOMETRIC_CIELAB:
      return picture_unsupported (error, path, "a TIFF of L*a*b* colours");
    default:
      return picture_unsupported (error, path, "a TIFF of colours of kind %u", t->photometric);
  }
  if (t->samples < colours)
    return picture_unsupported (error, path, "a TIFF of such colours with %u samples a pixel", t->samples);
  if (t->photometric == PHOTOMETRIC_PALETTE && t->bits > 8)
    return picture_unsupported (error, path, "a TIFF with a palette of %u bits", t->bits);
  TIFFGetField (t->tiff, TIFFTAG_EXTRASAMPLES, &n_extra, &extra);
  t->premultiplied = colours != 4 && t->samples > colours && n_extra > 0 && extra[0] == EXTRASAMPLE_ASSOCALPHA
                     && t->photometric != PHOTOMETRIC_PALETTE;
  t->channels = colours + t->premultiplied;
  return TRUE;
}

static gboolean
find_kind (Tiff *t, const gchar *path, GError **error)
{
  TIFFGetFieldDefaulted (t->tiff, TIFFTAG_BITSPERSAMPLE, &t->bits);
  TIFFGetFieldDefaulted (t->tiff, TIFFTAG_SAMPLESPERPIXEL, &t->samples);
  TIFFGetFieldDefaulted (t->tiff, TIFFTAG_PLANARCONFIG, &t->planes);
  TIFFGetFieldDefaulted (t->tiff, TIFFTAG_COMPRESSION, &t->compression);
  TIFFGetFieldDefaulted (t->tiff, TIFFTAG_ORIENTATION, &t->orientation);
  TIFFGetField (t->tiff, TIFFTAG_PHOTOMETRIC, &t->photometric);
  if (!TIFFIsCODECConfigured (t->compression))
    return picture_unsupported (error, path, "a TIFF of compression %u", t->compression);
  return check_samples (t, path, error) && find_colours (t, path, error);
}

/* --- samples --------------------------------------------------------------------------------------------------------------- */

/* Sample i of a row: of 16 bits its upper 8, of fewer than 8 spread to 0..255 unless it is an index. */
static guint8
sample (const Tiff *t, const guint8 *row, gsize i)
{
  guint16 wide;
  guint value;

  if (t->bits == 8)
    return row[i];
  if (t->bits == 16) {
    memcpy (&wide, row + 2 * i, 2);
    return wide >> 8;
  }
  value = row[i * t->bits / 8] >> (8 - t->bits - i * t->bits % 8) & ((1u << t->bits) - 1);
  return t->photometric == PHOTOMETRIC_PALETTE ? value : value * 255 / ((1u << t->bits) - 1);
}

typedef struct
{
  guint32 width, height, across;
  gsize row, size; /* bytes */
  gboolean tiled;
} Blocks;

/* Tiles, or strips as tiles of the picture's width. */
static Blocks
find_blocks (const Tiff *t)
{
  Blocks b = { t->width, t->height, 1, 0, 0, TIFFIsTiled (t->tiff) };

  if (b.tiled) {
    TIFFGetField (t->tiff, TIFFTAG_TILEWIDTH, &b.width);
    TIFFGetField (t->tiff, TIFFTAG_TILELENGTH, &b.height);
    b.row = TIFFTileRowSize (t->tiff);
    b.size = TIFFTileSize (t->tiff);
    b.across = b.width > 0 ? (t->width + b.width - 1) / b.width : 0;
  } else {
    TIFFGetFieldDefaulted (t->tiff, TIFFTAG_ROWSPERSTRIP, &b.height);
    b.height = MIN (b.height, t->height);
    b.row = TIFFScanlineSize (t->tiff);
    b.size = TIFFVStripSize (t->tiff, b.height);
  }
  return b;
}

/* Takes from a block what lies within the picture. first: the channel that the block's first samples are */
static void
take_block (Tiff *t, const Blocks *b, const guint8 *bytes, guint32 left, guint32 top, guint first)
{
  gboolean apart = t->planes == PLANARCONFIG_SEPARATE;
  guint32 width = MIN (b->width, t->width - left), height = MIN (b->height, t->height - top);
  guint n = apart ? 1 : t->channels, of = apart ? 1 : t->samples;

  for (guint32 y = 0; y < height; y++)
    for (guint32 x = 0; x < width; x++) {
      guint8 *to = t->pixels + ((gsize)(top + y) * t->width + left + x) * t->channels + first;

      for (guint c = 0; c < n; c++)
        to[c] = sample (t, bytes + y * b->row, (gsize)x * of + c);
    }
}

static gboolean
read_samples (Tiff *t, const gchar *path, GError **error)
{
  gboolean apart = t->planes == PLANARCONFIG_SEPARATE;
  guint layers = apart ? t->channels : 1;
  Blocks b = find_blocks (t);
  gsize least = ((gsize)b.width * (apart ? 1 : t->samples) * t->bits + 7) / 8;
  g_autofree guint8 *bytes = NULL;
  guint32 down;

  if (b.across == 0 || b.height == 0 || b.row < least || b.size < b.row * b.height || b.size > MOST_BYTES)
    return picture_damaged (error, path, *t->text ? t->text : "its tiles or strips are of no possible size");
  /* Of damaged data libtiff may leave bytes alone and call it success. */
  bytes = g_try_malloc0 (b.size);
  if (!bytes)
    return picture_no_memory (error, path);
  down = (t->height + b.height - 1) / b.height;
  for (guint layer = 0; layer < layers; layer++)
    for (guint32 i = 0; i < b.across * down; i++) {
      guint32 left = i % b.across * b.width, top = i / b.across * b.height, block = layer * b.across * down + i;
      tmsize_t n =
          b.tiled ? TIFFReadEncodedTile (t->tiff, block, bytes, b.size) : TIFFReadEncodedStrip (t->tiff, block, bytes, b.size);

      if (*t->text || n < (tmsize_t)(b.row * (b.tiled ? b.height : MIN (b.height, t->height - top))))
        return damaged (t, path, error);
      take_block (t, &b, bytes, left, top, layer);
    }
  return TRUE;
}

/* As libtiff makes RGB of YCbCr. */
static gboolean
read_rgba (Tiff *t, const gchar *path, GError **error)
{
  g_autofree guint32 *raster = g_try_new (guint32, (gsize)t->width * t->height);
  TIFFRGBAImage image;
  gboolean ok;

  if (!raster)
    return picture_no_memory (error, path);
  if (!TIFFRGBAImageOK (t->tiff, t->text))
    return picture_unsupported (error, path, "this kind of TIFF (%s)", t->text);
  if (!TIFFRGBAImageBegin (&image, t->tiff, 1, t->text))
    return damaged (t, path, error);
  /* It would turn some of the ways that there are. */
  image.orientation = image.req_orientation = ORIENTATION_TOPLEFT;
  ok = TIFFRGBAImageGet (&image, raster, t->width, t->height) && !*t->text;
  TIFFRGBAImageEnd (&image);
  if (!ok)
    return damaged (t, path, error);
  for (gsize i = 0; i < (gsize)t->width * t->height; i++) {
    t->pixels[3 * i] = TIFFGetR (raster[i]);
    t->pixels[3 * i + 1] = TIFFGetG (raster[i]);
    t->pixels[3 * i + 2] = TIFFGetB (raster[i]);
  }
  return TRUE;
}

/* --- colours --------------------------------------------------------------------------------------------------------------- */

typedef struct
{
  guint16 *red, *green, *blue;
} Palette;

static void
colour_of (const Tiff *t, const Palette *palette, const guint8 *in, guint8 *rgb)
{
  switch (t->photometric) {
    case PHOTOMETRIC_PALETTE:
      rgb[0] = palette->red[*in] >> 8;
      rgb[1] = palette->green[*in] >> 8;
      rgb[2] = palette->blue[*in] >> 8;
      break;
    case PHOTOMETRIC_SEPARATED:
      picture_from_cmyk (rgb, in[0], in[1], in[2], in[3]);
      break;
    case PHOTOMETRIC_MINISWHITE:
      rgb[0] = rgb[1] = rgb[2] = 255 - *in;
      break;
    case PHOTOMETRIC_MINISBLACK:
      rgb[0] = rgb[1] = rgb[2] = *in;
      break;
    default:
      memcpy (rgb, in, 3);
  }
  if (t->premultiplied) {
    guint alpha = in[t->channels - 1];

    for (guint c = 0; c < 3; c++)
      rgb[c] = alpha > 0 ? MIN (rgb[c] * 255u / alpha, 255) : 0;
  }
}

static gboolean
convert (const Tiff *t, MediaFrame *frame, const gchar *path, GError **error)
{
  Palette palette = { NULL };
  gboolean across = t->orientation >= ORIENTATION_LEFTTOP && t->orientation <= ORIENTATION_LEFTBOT;
  /* Which sides are seen from the other end. */
  gboolean mirrored = t->orientation == 2 || t->orientation == 3 || t->orientation == 7 || t->orientation == 8;
  gboolean flipped = t->orientation == 3 || t->orientation == 4 || t->orientation == 6 || t->orientation == 7;

  if (t->photometric == PHOTOMETRIC_PALETTE
      && !TIFFGetField (t->tiff, TIFFTAG_COLORMAP, &palette.red, &palette.green, &palette.blue))
    return picture_damaged (error, path, "it has no palette");
  if (!picture_begin (frame, across ? t->height : t->width, across ? t->width : t->height, path, error))
    return FALSE;
  for (guint y = 0; y < frame->height; y++)
    for (guint x = 0; x < frame->width; x++) {
      guint fx = across ? y : x, fy = across ? x : y;

      fx = mirrored ? t->width - 1 - fx : fx;
      fy = flipped ? t->height - 1 - fy : fy;
      colour_of (t, &palette, t->pixels + ((gsize)fy * t->width + fx) * t->channels, frame->data + y * frame->stride + 3 * x);
    }
  return TRUE;
}

/* --- a file ---------------------------------------------------------------------------------------------------------------- */

static gboolean
read_picture (Tiff *t, const gchar *path, MediaFrame *frame, GError **error)
{
  gboolean rgba, by_jpeg;

  TIFFGetField (t->tiff, TIFFTAG_IMAGEWIDTH, &t->width);
  TIFFGetField (t->tiff, TIFFTAG_IMAGELENGTH, &t->height);
  if (!picture_check_size (t->width, t->height, path, error) || !find_kind (t, path, error))
    return FALSE;
  by_jpeg = t->compression == COMPRESSION_JPEG && t->planes == PLANARCONFIG_CONTIG;
  rgba = t->photometric == PHOTOMETRIC_YCBCR && !by_jpeg;
  if (t->photometric == PHOTOMETRIC_YCBCR && by_jpeg)
    TIFFSetField (t->tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
  /* Errors in tags nobody wants are nothing; from here on each is one of pixels, also where libtiff reads on. */
  *t->text = '\0';
  t->pixels = g_try_malloc ((gsize)t->width * t->height * t->channels);
  if (!t->pixels)
    return picture_no_memory (error, path);
  return (rgba ? read_rgba (t, path, error) : read_samples (t, path, error)) && convert (t, frame, path, error);
}

gboolean
picture_read_tiff (FILE *file, const gchar *path, MediaFrame *frame, GError **error)
{
  TIFFOpenOptions *options = TIFFOpenOptionsAlloc ();
  Tiff t = { 0 };
  gboolean ok;

  TIFFOpenOptionsSetErrorHandlerExtR (options, on_error, &t);
  TIFFOpenOptionsSetWarningHandlerExtR (options, on_warning, &t);
  /* libtiff reads from the descriptor, which is where the stream left it. */
  lseek (fileno (file), 0, SEEK_SET);
  t.tiff = TIFFFdOpenExt (fileno (file), path, "rm", options); /* not mapped: it may change meanwhile */
  TIFFOpenOptionsFree (options);
  if (!t.tiff)
    return damaged (&t, path, error);
  ok = read_picture (&t, path, frame, error);
  g_free (t.pixels);
  TIFFCleanup (t.tiff);
  return ok;
}
