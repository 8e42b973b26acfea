/* The example that an application begins with does what it says: on a small random checkpoint, two pictures and the frames of a
 * video. */
#include "../program.h"
#include "checkpoint.h"

#include <stdio.h>
#include <string.h>

#define SIDE 64
#define N_ROUNDS 6
#define N_FRAMES 9
#define FRAME "frame-%u.ppm"

static gchar *folder, *model;

static gchar *
path_of (const gchar *name)
{
  return g_build_filename (folder, name, NULL);
}

/* As FFmpeg writes them. */
static void
make_picture (const gchar *name, guint width, guint height, guint seed)
{
  g_autofree gchar *path = path_of (name);
  g_autoptr (GString) text = g_string_new (NULL);

  g_string_printf (text, "P6\n%u %u\n255\n", width, height);
  for (guint i = 0; i < width * height * 3; i++)
    g_string_append_c (text, (gchar)(i * 7 + i / width + seed));
  g_assert_true (g_file_set_contents (path, text->str, text->len, NULL));
}

static void
run (const gchar *second, ProgramResult *r)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);

  g_ptr_array_add (argv, g_strdup (QUICKSTART));
  g_ptr_array_add (argv, g_strdup (model));
  g_ptr_array_add (argv, path_of ("wide.ppm"));
  g_ptr_array_add (argv, path_of (second));
  for (guint i = 0; i < N_FRAMES; i++) {
    g_autofree gchar *name = g_strdup_printf (FRAME, i);

    g_ptr_array_add (argv, path_of (name));
  }
  g_ptr_array_add (argv, NULL);
  program_run ((const gchar *const *)argv->pdata, r);
}

static void
test_six_rounds (void)
{
  g_auto (ProgramResult) r = { 0 };
  guint asked[N_ROUNDS], known[N_ROUNDS], answered, n = 0;

  run ("small.ppm", &r);
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

  run ("no-such-picture", &r);
  g_assert_cmpint (r.code, ==, 1);
  g_assert_nonnull (strstr (r.err, "no-such-picture"));
}

static void
test_file_that_is_no_picture_is_named (void)
{
  static const gchar *const files[] = { "P6\n40 40\n255\n", "P6\n1 1\n65535\nabcdef", "P6\n1 1\n255\nabcd", "P5\n1 1\n255\na", "" };
  g_autofree gchar *path = path_of ("bad.ppm");

  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    g_auto (ProgramResult) r = { 0 };

    g_assert_true (g_file_set_contents (path, files[i], -1, NULL));
    run ("bad.ppm", &r);
    g_assert_cmpint (r.code, ==, 1);
    g_assert_nonnull (strstr (r.err, "bad.ppm is no binary PPM"));
  }
}

int
main (int argc, char **argv)
{
  int code;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("minivl-quickstart-XXXXXX", NULL);
  g_assert_nonnull (folder);
  model = checkpoint_make (folder);
  make_picture ("wide.ppm", 150, 50, 0);
  make_picture ("small.ppm", 40, 40, 0);
  for (guint i = 0; i < N_FRAMES; i++) {
    g_autofree gchar *name = g_strdup_printf (FRAME, i);

    make_picture (name, SIDE, SIDE, 20 * i);
  }
  g_test_add_func ("/quickstart/six-rounds", test_six_rounds);
  g_test_add_func ("/quickstart/file-that-is-missing-is-named", test_file_that_is_missing_is_named);
  g_test_add_func ("/quickstart/file-that-is-no-picture-is-named", test_file_that_is_no_picture_is_named);
  code = g_test_run ();
  checkpoint_remove (folder);
  g_free (model);
  g_free (folder);
  return code;
}
