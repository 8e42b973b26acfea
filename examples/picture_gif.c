/* GIF, by giflib: see picture.h. Of an animation the first frame. */
#include "picture.h"

#include <gif_lib.h>

typedef struct
{
  GifFileType *gif;
  GraphicsControlBlock control;
  guint8 *line;
} Gif;

static int
on_read (GifFileType *gif, GifByteType *to, int n)
{
  return fread (to, 1, n, gif->UserData);
}

static gboolean
damaged (const Gif *g, const gchar *path, GError **error)
{
  const gchar *text = GifErrorString (g->gif->Error);

  return picture_damaged (error, path, text ? text : "it has no picture");
}

/* Up to the first picture. FALSE: there is none. */
static gboolean
find_picture (Gif *g)
{
  GifRecordType type;

  while (DGifGetRecordType (g->gif, &type) == GIF_OK) {
    GifByteType *block;
    int code;

    if (type == IMAGE_DESC_RECORD_TYPE)
      return DGifGetImageDesc (g->gif) == GIF_OK;
    if (type == TERMINATE_RECORD_TYPE)
      return FALSE;
    if (type != EXTENSION_RECORD_TYPE)
      continue;
    if (DGifGetExtension (g->gif, &code, &block) != GIF_OK)
      return FALSE;
    if (block && code == GRAPHICS_EXT_FUNC_CODE)
      DGifExtensionToGCB (block[0], block + 1, &g->control);
    while (block)
      if (DGifGetExtensionNext (g->gif, &block) != GIF_OK)
        return FALSE;
  }
  return FALSE;
}

/* Without a palette an index is a gray; beyond the palette's end all is black. */
static void
colour_of (guint8 *rgb, const ColorMapObject *map, guint index)
{
  GifColorType colour = { index, index, index };

  if (map)
    colour = index < (guint)map->ColorCount ? map->Colors[index] : (GifColorType){ 0, 0, 0 };
  rgb[0] = colour.Red;
  rgb[1] = colour.Green;
  rgb[2] = colour.Blue;
}

static gboolean
read_pixels (Gif *g, MediaFrame *frame)
{
  const GifImageDesc *image = &g->gif->Image;
  const ColorMapObject *map = image->ColorMap ? image->ColorMap : g->gif->SColorMap;
  static const guint firsts[] = { 0, 4, 2, 1 }, steps[] = { 8, 8, 4, 2 };
  guint passes = image->Interlace ? G_N_ELEMENTS (steps) : 1;

  for (guint pass = 0; pass < passes; pass++) {
    guint first = image->Interlace ? firsts[pass] : 0, step = image->Interlace ? steps[pass] : 1;

    for (guint y = first; y < (guint)image->Height; y += step) {
      guint8 *row = frame->data + (image->Top + y) * frame->stride + 3 * (gsize)image->Left;

      if (DGifGetLine (g->gif, g->line, image->Width) != GIF_OK)
        return FALSE;
      for (guint x = 0; x < (guint)image->Width; x++)
        colour_of (row + 3 * x, map, g->line[x]);
    }
  }
  return TRUE;
}

/* What lies around the picture has the transparent colour's, or that of index 0. */
static void
fill (const Gif *g, MediaFrame *frame)
{
  const ColorMapObject *map = g->gif->Image.ColorMap ? g->gif->Image.ColorMap : g->gif->SColorMap;
  guint8 rgb[3];

  colour_of (rgb, map, MAX (g->control.TransparentColor, 0));
  for (guint y = 0; y < frame->height; y++)
    for (guint x = 0; x < frame->width; x++)
      for (guint c = 0; c < 3; c++)
        frame->data[y * frame->stride + 3 * x + c] = rgb[c];
}

static gboolean
read_picture (Gif *g, const gchar *path, MediaFrame *frame, GError **error)
{
  const GifImageDesc *image = &g->gif->Image;

  if (!find_picture (g))
    return damaged (g, path, error);
  if (image->Width < 1 || image->Height < 1)
    return picture_damaged (error, path, "it has no pixels");
  if (!picture_begin (
          frame, MAX (g->gif->SWidth, image->Left + image->Width), MAX (g->gif->SHeight, image->Top + image->Height), path, error))
    return FALSE;
  fill (g, frame);
  g->line = g_malloc (image->Width);
  return read_pixels (g, frame) || damaged (g, path, error);
}

gboolean
picture_read_gif (FILE *file, const gchar *path, MediaFrame *frame, GError **error)
{
  int code;
  Gif g = { DGifOpen (file, on_read, &code), { .TransparentColor = NO_TRANSPARENT_COLOR } };
  gboolean ok;

  if (!g.gif)
    return picture_damaged (error, path, GifErrorString (code));
  ok = read_picture (&g, path, frame, error);
  g_free (g.line);
  DGifCloseFile (g.gif, &code);
  return ok;
}
