/* PNG, by libpng: see picture.h. Of an animation (APNG) the picture that stands for it. */
#include "picture.h"

#include <png.h>

typedef struct
{
  FILE *file;
  const gchar *path;
  MediaFrame *frame;
  GError **error;
  gchar text[200]; /* of libpng's error */
} Png;

static void
on_error (png_structp png, png_const_charp text)
{
  Png *p = png_get_error_ptr (png);

  g_strlcpy (p->text, text, sizeof p->text);
  png_longjmp (png, 1);
}

static void
on_warning (png_structp png, png_const_charp text)
{
}

static void
on_read (png_structp png, png_bytep to, size_t n)
{
  Png *p = png_get_io_ptr (png);

  if (fread (to, 1, n, p->file) != n)
    png_error (png, "the file ends too early");
}

/* Alpha and a transparent colour are dropped. */
static void
ask_for_rgb (png_structp png)
{
  png_set_strip_16 (png);
  png_set_strip_alpha (png);
  png_set_palette_to_rgb (png);
  png_set_expand_gray_1_2_4_to_8 (png);
  png_set_gray_to_rgb (png);
}

static gboolean
read_pixels (png_structp png, png_infop info, Png *p)
{
  gint passes;

  png_set_read_fn (png, p, on_read);
  png_set_user_limits (png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  /* A broken colour profile or text is nothing to the pixels: these chunks are passed over. */
  png_set_keep_unknown_chunks (png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_read_info (png, info);
  if (!picture_begin (p->frame, png_get_image_width (png, info), png_get_image_height (png, info), p->path, p->error))
    return FALSE;
  ask_for_rgb (png);
  passes = png_set_interlace_handling (png);
  png_read_update_info (png, info);
  for (gint pass = 0; pass < passes; pass++)
    for (guint y = 0; y < p->frame->height; y++)
      png_read_row (png, p->frame->data + y * p->frame->stride, NULL);
  return TRUE;
}

gboolean
picture_read_png (FILE *file, const gchar *path, MediaFrame *frame, GError **error)
{
  Png p = { file, path, frame, error };
  png_structp png = png_create_read_struct (PNG_LIBPNG_VER_STRING, &p, on_error, on_warning);
  png_infop info = png ? png_create_info_struct (png) : NULL;
  gboolean ok;

  if (info && setjmp (png_jmpbuf (png)) == 0)
    ok = read_pixels (png, info, &p);
  else if (info)
    ok = picture_damaged (error, path, p.text);
  else
    ok = picture_no_memory (error, path);
  png_destroy_read_struct (&png, &info, NULL);
  return ok;
}
