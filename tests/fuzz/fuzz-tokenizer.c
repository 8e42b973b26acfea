/* Tokenizer files, and a text through whatever they make. */
#include "model/sentencepiece.h"
#include "model/tokenizer.h"
#include "parts.h"

#include <string.h>

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  fuzz_quiet ();
  return 0;
}

/* The text as it is made is the text that is made. */
static void
check_stream (const Tokenizer *t, const gint32 *ids, guint n, const gchar *whole, const gchar *stop)
{
  const gchar *const stops[] = { stop, NULL };
  TextStream *s = text_stream_new (t, stop ? stops : NULL);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree gchar *last = NULL;
  gboolean stopped = FALSE;

  for (guint i = 0; i < n && !stopped; i++) {
    g_autofree gchar *piece = text_stream_push (s, ids[i], &stopped);

    g_string_append (text, piece ? piece : "");
  }
  last = stopped ? NULL : text_stream_end (s);
  g_string_append (text, last ? last : "");
  g_assert (strcmp (text->str, text_stream_text (s)) == 0);
  if (stopped)
    g_assert (g_str_has_prefix (whole, text->str) && !strstr (text->str, stop));
  else
    g_assert (strcmp (text->str, whole) == 0);
  text_stream_free (s);
}

/* Nothing special comes of words, but what marks the ends and what is not known. */
static void
check_words (const Tokenizer *t, Part text)
{
  const TextRange all = { 0, text.size };
  guint n;
  g_autofree gint32 *ids = tokenizer_encode_parts (t, (const gchar *)text.data, text.size, &all, 1, &n);

  for (guint i = 0; i < n; i++)
    g_assert (!tokenizer_is_special (t, ids[i]) || (i == 0 && ids[i] == tokenizer_bos (t))
              || (i + 1 == n && ids[i] == tokenizer_eos (t)) || ids[i] == tokenizer_id (t, "<unk>"));
}

static void
check_text (const Tokenizer *t, Part text)
{
  guint n;
  g_autofree gint32 *ids = tokenizer_encode (t, (const gchar *)text.data, text.size, &n);
  g_autofree gchar *plain = tokenizer_decode (t, ids, n, FALSE), *raw = tokenizer_decode (t, ids, n, TRUE);
  g_autofree gchar *stop = plain[0] && plain[1] ? g_utf8_substring (plain, 1, MIN (g_utf8_strlen (plain, -1), 3)) : NULL;

  g_assert (g_utf8_validate (plain, -1, NULL) && g_utf8_validate (raw, -1, NULL));
  for (guint i = 0; i < n; i++)
    g_assert (ids[i] >= 0 && (guint)ids[i] < tokenizer_size (t) && tokenizer_token (t, ids[i]));
  check_stream (t, ids, n, plain, NULL);
  check_stream (t, ids, n, plain, stop && *stop ? stop : NULL);
  check_words (t, text);
}

/* Of a file that is read a byte more is there than it has. */
static void
check_pieces (Part file)
{
  g_autofree gchar *bytes = g_memdup2 (file.data, file.size);
  g_autoptr (GError) error = NULL;
  g_autoptr (SpModel) model = sp_model_read (bytes, file.size, "pieces", &error);

  g_assert (model ? !error : error && error->domain == MINIVL_ERROR);
  for (guint id = 0; model && id < model->pieces->len; id++) {
    const SpPiece *piece = &g_array_index (model->pieces, SpPiece, id);

    g_assert (piece->length == 0 || (piece->text >= bytes && piece->text + piece->length <= bytes + file.size));
    g_assert (piece->type >= SP_NORMAL && piece->type <= SP_BYTE);
  }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  static const gchar *const files[] = { "tokenizer_config.json", "added_tokens.json", "tokenizer.json", "tokenizer.model" };
  Part rest = { data, size };
  g_autofree guint8 *bytes = NULL;
  g_autoptr (Tokenizer) t = NULL;
  g_autoptr (GError) error = NULL;
  Part text = part_take (&rest);

  bytes = g_memdup2 (text.data, text.size); /* of this size to the byte */
  text.data = bytes ? bytes : (const guint8 *)"";
  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    Part part = i + 1 < G_N_ELEMENTS (files) ? part_take (&rest) : rest;

    if (i == 3)
      check_pieces (part);
    if (part.size > 0)
      scratch_write (files[i], part);
    else
      scratch_remove (files[i]);
  }
  t = tokenizer_load (scratch_folder (), FALSE, &error);
  g_assert (t ? !error : error && error->domain == MINIVL_ERROR);
  if (t)
    check_text (t, text);
  return 0;
}
