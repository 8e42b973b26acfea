/* What minivl-chat refuses before it touches a model or a device: exit 2, the reason on standard error, nothing on standard output.
 */
#include "../program.h"

#include <glib/gstdio.h>
#include <string.h>

static gchar *folder;

/* A picture of one pixel, whose name holds a colon. */
#define PICTURE "a:b.ppm"

#define MAX_ARGS 10

typedef struct
{
  const gchar *name;
  const gchar *args[MAX_ARGS]; /* `@` is the folder */
  const gchar *says;
} Case;

static const Case cases[] = {
  { "no-prompt", { "--model", "@" }, "PROMPT" },
  { "unknown-option", { "--model", "@", "--nosuch", "hello" }, "--nosuch" },
  { "option-without-value", { "hello", "--model" }, "--model" },
  { "unknown-cache-precision", { "--model", "@", "--cache-precision", "f32", "hello" }, "f16 or q8" },
  { "unknown-precision", { "--model", "@", "--precision", "f64", "hello" }, "f64" },
  { "unknown-tokenizer", { "--model", "@", "--tokenizer", "quick", "hello" }, "auto, fast or slow" },
  { "context-not-a-number", { "--model", "@", "--context-size", "8k", "hello" }, "--context-size" },
  { "context-of-less-than-nothing", { "--model", "@", "--context-size", "-1", "hello" }, "--context-size" },
  { "cache-of-less-than-nothing", { "--model", "@", "--cache-size", "-1", "hello" }, "--cache-size" },
  { "no-tokens", { "--model", "@", "--max-tokens", "0", "hello" }, "--max-tokens" },
  { "temperature-below-0", { "--model", "@", "--temperature", "-1", "hello" }, "--temperature" },
  { "temperature-not-finite", { "--model", "@", "--temperature", "nan", "hello" }, "--temperature" },
  { "top-k-below-0", { "--model", "@", "--top-k", "-1", "hello" }, "--top-k" },
  { "top-p-of-0", { "--model", "@", "--top-p", "0", "hello" }, "--top-p" },
  { "top-p-above-1", { "--model", "@", "--top-p", "1.1", "hello" }, "--top-p" },
  { "penalty-of-0", { "--model", "@", "--repetition-penalty", "0", "hello" }, "--repetition-penalty" },
  { "seed-below-0", { "--model", "@", "--seed", "-1", "hello" }, "--seed" },
  { "empty-stop", { "--model", "@", "--stop", "", "hello" }, "--stop" },
  { "prompt-not-utf8", { "--model", "@", "\xff" }, "UTF-8" },
  { "no-such-picture", { "--model", "@", "--image", "@/none.png", "hello" }, "none.png" },
  { "no-such-picture-with-tiles", { "--model", "@", "--image", "@/none.png:4", "hello" }, "none.png" },
  { "no-picture", { "--model", "@", "--image", "@/text", "hello" }, "@/text" },
  { "tiles-not-a-number", { "--model", "@", "--image", "@/" PICTURE ":x", "hello" }, "MAX_TILES" },
  { "no-tiles", { "--model", "@", "--image", "@/" PICTURE ":0", "hello" }, "MAX_TILES" },
  { "too-many-tiles", { "--model", "@", "--image", "@/" PICTURE ":41", "hello" }, "MAX_TILES" },
  { "too-few-marks", { "--model", "@", "--image", "@/" PICTURE, "--image", "@/" PICTURE, "<image>\nhello" }, "1 <image>" },
  { "too-many-marks", { "--model", "@", "--image", "@/" PICTURE ":2", "<image> <image>\nhello" }, "2 <image>" },
  { "marks-without-pictures", { "--model", "@", "<image>\nhello" }, "1 <image>" },
  { "joined-marks", { "--model", "@", "--joined", "--image", "@/" PICTURE, "--image", "@/" PICTURE, "<image> <image>" },
      "2 <image>" },
  { "nothing-to-join", { "--model", "@", "--joined", "hello" }, "--joined" },
  { "no-such-video", { "--model", "@", "--video", "@/none.avi:8:0-1", "hello" }, "none.avi" },
  { "no-video", { "--model", "@", "--video", "@/text:8", "hello" }, "@/text" },
  { "two-videos", { "--model", "@", "--video", "@/" PICTURE, "--video", "@/" PICTURE, "hello" }, "--video" },
  { "dump-into-a-file", { "--model", "@", "--dump-tiles", "@/text", "hello" }, "--dump-tiles" },
  { "no-segments", { "--model", "@", "--video", "@/" PICTURE ":0", "hello" }, "SEGMENTS" },
  { "bound-without-stop", { "--model", "@", "--video", "@/" PICTURE ":1:3", "hello" }, "START-STOP" },
  { "bound-backwards", { "--model", "@", "--video", "@/" PICTURE ":1:3-2", "hello" }, "START-STOP" },
  { "bound-of-nothing", { "--model", "@", "--video", "@/" PICTURE ":1:3-3", "hello" }, "START-STOP" },
  { "start-past-the-end", { "--model", "@", "--video", "@/" PICTURE ":1:5-6", "hello" }, "past the end" },
  { "batch-and-prompt", { "--model", "@", "--batch", "@/text", "hello" }, "in its lines" },
  { "batch-and-picture", { "--model", "@", "--batch", "@/text", "--image", "@/" PICTURE }, "in its lines" },
  { "batch-and-video", { "--model", "@", "--batch", "@/text", "--video", "@/" PICTURE }, "in its lines" },
  { "batch-and-joined", { "--model", "@", "--batch", "@/text", "--joined" }, "in its lines" },
  { "batch-and-logits", { "--model", "@", "--batch", "@/text", "--logits", "@/x.safetensors" }, "one conversation" },
  { "batch-and-tiles", { "--model", "@", "--batch", "@/text", "--dump-tiles", "@" }, "one conversation" },
  { "no-such-batch", { "--model", "@", "--batch", "@/none.jsonl" }, "none.jsonl" },
  { "batch-onto-itself", { "--model", "@", "--batch", "@/text", "--output", "@/text" }, "the input" },
  { "batch-onto-something-else", { "--model", "@", "--batch", "@/text", "--output", "@/" PICTURE }, "not a line that --batch" },
  { "batch-into-a-folder", { "--model", "@", "--batch", "@/text", "--output", "@" }, "@: " },
  { "output-without-batch", { "--model", "@", "--output", "@/none", "hello" }, "only with --batch" },
  { "logits-nowhere", { "--model", "@", "--logits", "@/none/x.safetensors", "hello" }, "--logits" },
};

static void
test_refused (gconstpointer data)
{
  const Case *c = data;
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  g_autofree gchar *says = NULL;
  g_auto (ProgramResult) r = { 0 };
  g_auto (GStrv) says_parts = g_strsplit (c->says, "@", -1);

  g_ptr_array_add (argv, g_strdup (MINIVL_CHAT));
  for (guint i = 0; i < MAX_ARGS && c->args[i]; i++) {
    g_auto (GStrv) parts = g_strsplit (c->args[i], "@", -1);

    g_ptr_array_add (argv, g_strjoinv (folder, parts));
  }
  g_ptr_array_add (argv, NULL);
  says = g_strjoinv (folder, says_parts);
  program_run ((const gchar *const *)argv->pdata, &r);
  if (r.code != 2 || !strstr (r.err, says))
    g_test_message ("exit %d: %s", r.code, r.err);
  g_assert_cmpint (r.code, ==, 2);
  g_assert_cmpstr (r.out, ==, "");
  g_assert_nonnull (strstr (r.err, says));
}

/* One page. */
static void
test_help (void)
{
  const gchar *argv[] = { MINIVL_CHAT, "--help", NULL };
  g_auto (ProgramResult) r = { 0 };
  g_auto (GStrv) lines = NULL;

  program_run (argv, &r);
  g_assert_cmpint (r.code, ==, 0);
  g_assert_nonnull (strstr (r.out, "--video"));
  g_assert_nonnull (strstr (r.out, "--batch"));
  lines = g_strsplit (r.out, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), <=, 45);
  for (gchar **line = lines; *line; line++)
    g_assert_cmpuint (g_utf8_strlen (*line, -1), <=, 100);
}

int
main (int argc, char **argv)
{
  g_autofree gchar *picture = NULL, *text = NULL;
  int code;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("minivl-usage-XXXXXX", NULL);
  g_assert_nonnull (folder);
  picture = g_build_filename (folder, PICTURE, NULL);
  text = g_build_filename (folder, "text", NULL);
  g_assert_true (g_file_set_contents (picture, "P6 1 1 255\nabc", -1, NULL));
  g_assert_true (g_file_set_contents (text, "no picture", -1, NULL));

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree gchar *name = g_strconcat ("/chat/refused/", cases[i].name, NULL);

    g_test_add_data_func (name, &cases[i], test_refused);
  }
  g_test_add_func ("/chat/help", test_help);
  code = g_test_run ();
  g_unlink (picture);
  g_unlink (text);
  g_rmdir (folder);
  g_free (folder);
  return code;
}
