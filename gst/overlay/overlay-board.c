#include "overlay-board.h"

#include "gst/results/result.h"

/* How long answers and summaries stay by default */
#define ASIDE_DURATION (10 * GST_SECOND)

/* A result on its way to the frames. */
typedef struct
{
  guint64 segment; /* on whose frames it is first; TOLD_NEXT: an alert, which comes before its segment's result */
  BoardLine line;
  gchar *text;     /* NULL: an alert, or a segment without an answer */
  gchar *question; /* an alert's */
  gboolean active; /* it rose */
} Saying;

#define TOLD_NEXT G_MAXUINT64

static void
saying_free (Saying *saying)
{
  g_free (saying->text);
  g_free (saying->question);
  g_free (saying);
}

void
board_init (Board *board)
{
  *board = (Board){ .duration = GST_CLOCK_TIME_NONE, .alerts = g_ptr_array_new_with_free_func (g_free) };
}

static void
set_text (Board *board, BoardLine line, gchar *text)
{
  g_free (board->texts[line]);
  board->texts[line] = text;
  board->since[line] = GST_CLOCK_TIME_NONE;
  board->changed = TRUE;
}

static void
set_alert (Board *board, const gchar *question, gboolean active)
{
  guint at;
  gboolean is_on = g_ptr_array_find_with_equal_func (board->alerts, question, g_str_equal, &at);

  if (active && !is_on)
    g_ptr_array_add (board->alerts, g_strdup (question));
  else if (!active && is_on)
    g_ptr_array_remove_index (board->alerts, at);
  board->changed = TRUE;
}

void
board_forget (Board *board)
{
  g_queue_clear_full (&board->sayings, (GDestroyNotify)saying_free);
  for (guint i = 0; i < BOARD_LINES; i++)
    set_text (board, i, NULL);
  g_ptr_array_set_size (board->alerts, 0);
}

void
board_clear (Board *board)
{
  board_forget (board);
  g_clear_pointer (&board->alerts, g_ptr_array_unref);
}

/* --- results ----------------------------------------------------------------------------------------------------------------- */

static const gchar *
get_string (const GstStructure *message, const gchar *field)
{
  const gchar *value = gst_structure_get_string (message, field);

  return value != NULL ? value : "";
}

/* NULL: none */
static gchar *
get_text (const GstStructure *message)
{
  g_autofree gchar *text = g_strstrip (g_strdup (get_string (message, "text")));

  return text[0] != '\0' ? g_steal_pointer (&text) : NULL;
}

static void
note_segment (Board *board, guint64 id)
{
  board->told = MAX (board->told, id);
  for (GList *l = board->sayings.head; l != NULL; l = l->next)
    if (((Saying *)l->data)->segment == TOLD_NEXT)
      ((Saying *)l->data)->segment = id;
}

void
board_add (Board *board, const GstStructure *message, guint64 stale)
{
  const gchar *kind = get_string (message, "kind");
  guint64 id = 0;
  Saying *saying;

  gst_structure_get_uint64 (message, "id", &id);
  if (g_str_equal (kind, RESULT_SEGMENT)) {
    note_segment (board, id);
    if (id <= stale)
      return;
  }
  saying = g_new0 (Saying, 1);
  saying->segment = board->told;
  saying->text = get_text (message);
  if (g_str_equal (kind, RESULT_ALERT)) {
    g_clear_pointer (&saying->text, g_free);
    saying->question = g_strdup (get_string (message, "question"));
    gst_structure_get_boolean (message, "active", &saying->active);
    saying->segment = TOLD_NEXT;
  } else if (g_str_equal (kind, RESULT_QUESTION)) {
    saying->line = BOARD_ANSWER;
  } else if (g_str_equal (kind, RESULT_SUMMARY)) {
    saying->line = BOARD_SUMMARY;
  }
  g_queue_push_tail (&board->sayings, saying);
}

/* --- frames ------------------------------------------------------------------------------------------------------------------ */

/* Returns whether it has a text. */
static gboolean
take (Board *board)
{
  Saying *saying = g_queue_pop_head (&board->sayings);
  gboolean has_text = saying->text != NULL;

  if (saying->question != NULL)
    set_alert (board, saying->question, saying->active);
  else if (has_text)
    set_text (board, saying->line, g_steal_pointer (&saying->text));
  saying_free (saying);
  return has_text;
}

static void
end_texts (Board *board, guint64 pts)
{
  for (guint i = 0; i < BOARD_LINES; i++) {
    guint64 duration = board->duration;

    if (!GST_CLOCK_TIME_IS_VALID (duration) && i != BOARD_REPORT)
      duration = ASIDE_DURATION;
    if (!GST_CLOCK_TIME_IS_VALID (board->since[i]) || pts < board->since[i])
      board->since[i] = pts;
    if (board->texts[i] != NULL && GST_CLOCK_TIME_IS_VALID (duration) && pts - board->since[i] >= duration)
      set_text (board, i, NULL);
  }
}

void
board_pass (Board *board, guint64 segment, guint64 pts)
{
  const Saying *saying;

  while ((saying = g_queue_peek_head (&board->sayings)) != NULL && saying->segment <= segment)
    take (board);
  end_texts (board, pts);
}

void
board_pass_now (Board *board, guint64 pts)
{
  while (!g_queue_is_empty (&board->sayings) && !take (board))
    ;
  end_texts (board, pts);
}

gchar *
board_compose (Board *board, const CaptionSpace *space)
{
  g_autoptr (GArray) parts = g_array_new (FALSE, FALSE, sizeof (CaptionPart));
  g_autoptr (GPtrArray) alerts = g_ptr_array_new_with_free_func (g_free);

  board->changed = FALSE;
  for (guint i = 0; i < board->alerts->len; i++) {
    CaptionPart part = { g_strdup_printf ("ALERT: %s", (const gchar *)g_ptr_array_index (board->alerts, i)), TRUE };

    g_ptr_array_add (alerts, (gpointer)part.text);
    g_array_append_val (parts, part);
  }
  for (guint i = 0; i < BOARD_LINES; i++) {
    CaptionPart part = { board->texts[i], FALSE };

    if (part.text != NULL)
      g_array_append_val (parts, part);
  }
  return caption_markup ((const CaptionPart *)parts->data, parts->len, space);
}
