/* The example that an application begins with does what it says: on a small random checkpoint, two pictures and a video. */
#include "../program.h"
#include "checkpoint.h"

#include <stdio.h>
#include <string.h>

#define SIDE 64
#define N_ROUNDS 6

static gchar *folder, *model;

static gchar *
path_of (const gchar *name)
{
  return g_build_filename (folder, name, NULL);
}

static void
make_picture (const gchar *name, guint width, guint height)
{
  g_autofree gchar *path = path_of (name);
  g_autoptr (GString) text = g_string_new (NULL);

  g_string_printf (text, "P6 %u %u 255\n", width, height);
  for (guint i = 0; i < width * height * 3; i++)
    g_string_append_c (text, (gchar)(i * 7 + i / width));
  g_assert_true (g_file_set_contents (path, text->str, text->len, NULL));
}

/* A gray level a frame. */
static void
make_video (const gchar *name, guint n_frames)
{
  g_autofree gchar *path = path_of (name);
  g_autoptr (GString) text = g_string_new (NULL);

  g_string_printf (text, "YUV4MPEG2 W%d H%d F10:1 Ip C420jpeg\n", SIDE, SIDE);
  for (guint i = 0; i < n_frames; i++) {
    g_string_append (text, "FRAME\n");
    for (guint j = 0; j < SIDE * SIDE * 3 / 2; j++)
      g_string_append_c (text, (gchar)(j < SIDE * SIDE ? 20 * i : 128));
  }
  g_assert_true (g_file_set_contents (path, text->str, text->len, NULL));
}

static void
run (const gchar *last, ProgramResult *r)
{
  g_autofree gchar *wide = path_of ("wide.ppm"), *small = path_of ("small.ppm"), *video = path_of (last);
  const gchar *argv[] = { QUICKSTART, model, wide, small, video, NULL };

  program_run (argv, r);
}

static void
test_six_rounds (void)
{
  g_auto (ProgramResult) r = { 0 };
  guint asked[N_ROUNDS], known[N_ROUNDS], answered, n = 0;

  run ("video.y4m", &r);
  g_test_message ("%s%s", r.out, r.err);
  g_assert_cmpint (r.code, ==, 0);
  g_assert_cmpstr (r.err, ==, "");
  g_assert_true (g_str_has_prefix (r.out, "model on "));
  for (const gchar *at = r.out; (at = strstr (at, "\n[")); at += 2, n++) {
    g_assert_cmpuint (n, <, N_ROUNDS);
    g_assert_cmpint (sscanf (at, "\n[%u tokens asked, %u of them known; %u answered: ", &asked[n], &known[n], &answered), ==, 3);
    g_assert_cmpuint (answered, >, 0);
  }
  g_assert_cmpuint (n, ==, N_ROUNDS);

  /* A round that goes on knows all of the one before, but for what the answer's text may have changed at its end. */
  for (guint i = 1; i < N_ROUNDS; i += 2)
    g_assert_cmpuint (known[i], >=, asked[i - 1] - 1);
  g_assert_cmpuint (known[0], ==, 0);
  /* 3 tiles and a thumbnail; those and one tile more; four frames. A tile has 16 tokens. */
  g_assert_cmpuint (asked[0], >=, 4 * 16);
  g_assert_cmpuint (asked[2], >=, 5 * 16);
  g_assert_cmpuint (asked[4], >=, 4 * 16);
}

static void
test_file_that_is_missing_is_named (void)
{
  g_auto (ProgramResult) r = { 0 };

  run ("no-such-video", &r);
  g_assert_cmpint (r.code, ==, 1);
  g_assert_nonnull (strstr (r.err, "no-such-video"));
}

int
main (int argc, char **argv)
{
  int code;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("minivl-quickstart-XXXXXX", NULL);
  g_assert_nonnull (folder);
  model = checkpoint_make (folder);
  make_picture ("wide.ppm", 150, 50);
  make_picture ("small.ppm", 40, 40);
  make_video ("video.y4m", 12);
  g_test_add_func ("/quickstart/six-rounds", test_six_rounds);
  g_test_add_func ("/quickstart/file-that-is-missing-is-named", test_file_that_is_missing_is_named);
  code = g_test_run ();
  checkpoint_remove (folder);
  g_free (model);
  g_free (folder);
  return code;
}
