/* What minivloverlay makes of results before it draws: which are read, and how long a caption may be. Without an element. */
#include "film.h"
#include "gst/overlay/overlay-board.h"

#include <string.h>

#define WIDTH 320
#define HEIGHT 240

static void
add (Board *board, guint64 id, const gchar *text, guint64 stale)
{
  g_autoptr (GstStructure) message =
      gst_structure_new ("minivl", "id", G_TYPE_UINT64, id, "kind", G_TYPE_STRING, "segment", "text", G_TYPE_STRING, text, NULL);

  board_add (board, message, stale);
}

static void
assert_reads (Board *board, const gchar *part)
{
  const CaptionSpace space = { .width = WIDTH, .height = HEIGHT };
  g_autofree gchar *markup = board_compose (board, &space);

  if (part != NULL)
    g_assert_nonnull (strstr (markup, part));
  else
    g_assert_cmpstr (markup, ==, "");
}

/* It was told of before a seek, and comes behind it. */
static void
test_a_stale_result_is_not_read (void)
{
  Board board;

  board_init (&board);
  add (&board, 3, "before the seek", 3);
  board_pass (&board, 4, 0);
  assert_reads (&board, NULL);
  add (&board, 4, "behind it", 3);
  board_pass (&board, 4, 0);
  assert_reads (&board, "behind it");
  board_clear (&board);
}

/* Of which some frames of the segment before have still to be drawn. */
static void
test_an_alert_waits_for_its_segment (void)
{
  g_autoptr (GstStructure) alert = gst_structure_new ("minivl", "id", G_TYPE_UINT64, (guint64)2, "kind", G_TYPE_STRING, "alert",
      "question", G_TYPE_STRING, "Is a dog in it?", "active", G_TYPE_BOOLEAN, TRUE, NULL);
  Board board;

  board_init (&board);
  add (&board, 1, "nothing", 0);
  board_add (&board, alert, 0);
  board_pass (&board, 1, 0);
  assert_reads (&board, "nothing");
  g_assert_cmpuint (board.alerts->len, ==, 0);
  add (&board, 3, "a dog", 0);
  board_pass (&board, 1, 0);
  g_assert_cmpuint (board.alerts->len, ==, 0);
  board_pass (&board, 3, 0);
  assert_reads (&board, "ALERT: Is a dog in it?");
  board_clear (&board);
}

static void
test_what_is_left_out_is_told_by_an_ellipsis (void)
{
  static const struct
  {
    guint width, height, words;
    gboolean left_out;
  } cases[] = { { 1280, 720, 400, FALSE }, { 320, 240, 100, FALSE }, { 320, 240, 1000, TRUE }, { 16, 16, 1, TRUE } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const CaptionSpace space = { .width = cases[i].width, .height = cases[i].height };
    g_autofree gchar *words = film_words (cases[i].words), *markup = NULL;
    const CaptionPart part = { words, FALSE };

    markup = caption_markup (&part, 1, &space);
    g_assert_true (g_utf8_validate (markup, -1, NULL));
    g_assert_cmpint (strstr (markup, "…") != NULL, ==, cases[i].left_out);
    g_assert_cmpint (strstr (markup, words) != NULL, ==, !cases[i].left_out);
  }
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);

#define RULE(name) g_test_add_func ("/drawing/" #name, test_##name)
  RULE (a_stale_result_is_not_read);
  RULE (an_alert_waits_for_its_segment);
  RULE (what_is_left_out_is_told_by_an_ellipsis);
#undef RULE
  return g_test_run ();
}
