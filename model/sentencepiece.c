/* ModelProto, as far as byte pairs need it. What is absent is what the .proto says; the last of two values of a field counts. */
#include "sentencepiece.h"

#include <string.h>

/* How a field is written. Others are the ends of groups, which no version of ModelProto has, or nothing. */
enum
{
  WIRE_VARINT = 0,
  WIRE_64 = 1,
  WIRE_BYTES = 2,
  WIRE_32 = 5,
};

/* Numbers of fields */
enum
{
  MODEL_PIECE = 1,
  MODEL_TRAINER = 2,
  MODEL_NORMALIZER = 3,
  MODEL_SELF_TESTS = 4,
  MODEL_DENORMALIZER = 5,
};
enum
{
  PIECE_TEXT = 1,
  PIECE_SCORE = 2,
  PIECE_TYPE = 3,
};
enum
{
  TRAINER_MODEL_TYPE = 3,
  TRAINER_BYTE_FALLBACK = 35,
};

enum
{
  TYPE_UNIGRAM = 1,
  TYPE_BPE = 2,
  TYPE_CHAR = 4,
};

typedef struct
{
  const guint8 *data;
  gsize size;
} Bytes;

typedef struct
{
  const gchar *name;
  const guint8 *start;
  GError **error;
} Source;

typedef struct
{
  gsize at; /* byte of the file */
  guint64 number;
  guint wire;
  guint64 value; /* WIRE_VARINT */
  Bytes bytes;   /* all others */
} Field;

typedef struct
{
  gint model_type;
  gboolean byte_fallback;
} Trainer;

static gboolean G_GNUC_PRINTF (2, 3) bad (const Source *source, const gchar *format, ...)
{
  g_autofree gchar *what = NULL;
  va_list args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (source->error, MINIVL_ERROR, MINIVL_ERROR_FILE, "%s: not a SentencePiece model: %s", source->name, what);
  return FALSE;
}

/* --- the wire format ------------------------------------------------------------------------------------------------------- */

static Bytes
take (Bytes *from, gsize size)
{
  Bytes taken = { from->data, size };

  from->data += size;
  from->size -= size;
  return taken;
}

/* Seven bits a byte, the lowest first. Of the tenth byte all bits but one fall off. */
static gboolean
read_varint (const Source *source, Bytes *from, guint64 *value)
{
  gsize at = from->data - source->start;

  *value = 0;
  for (guint shift = 0; shift < 64; shift += 7) {
    guint8 byte;

    if (from->size == 0)
      return bad (source, "byte %" G_GSIZE_FORMAT ": a number is cut off", at);
    byte = *take (from, 1).data;
    *value |= (guint64)(byte & 0x7f) << shift;
    if (byte < 0x80)
      return TRUE;
  }
  return bad (source, "byte %" G_GSIZE_FORMAT ": a number has more than 10 bytes", at);
}

/* from: not empty */
static gboolean
read_field (const Source *source, Bytes *from, Field *field)
{
  guint64 tag, size = 0;

  field->at = from->data - source->start;
  if (!read_varint (source, from, &tag))
    return FALSE;
  field->number = tag >> 3;
  field->wire = tag & 7;
  if (tag > G_MAXUINT32 || field->number == 0)
    return bad (source, "byte %" G_GSIZE_FORMAT ": no field can have number %" G_GUINT64_FORMAT, field->at, field->number);
  switch (field->wire) {
    case WIRE_VARINT:
      return read_varint (source, from, &field->value);
    case WIRE_64:
      size = 8;
      break;
    case WIRE_BYTES:
      if (!read_varint (source, from, &size))
        return FALSE;
      break;
    case WIRE_32:
      size = 4;
      break;
    default:
      return bad (source, "byte %" G_GSIZE_FORMAT ": field %" G_GUINT64_FORMAT " has wire type %u, which is not known", field->at,
          field->number, field->wire);
  }
  if (size > from->size)
    return bad (source,
        "byte %" G_GSIZE_FORMAT ": field %" G_GUINT64_FORMAT " has %" G_GUINT64_FORMAT " bytes, but %" G_GSIZE_FORMAT " are left",
        field->at, field->number, size, from->size);
  field->bytes = take (from, size);
  return TRUE;
}

static gboolean
check_wire (const Source *source, const Field *field, guint wire, const gchar *what)
{
  if (field->wire != wire)
    return bad (source, "byte %" G_GSIZE_FORMAT ": %s has wire type %u, not %u", field->at, what, field->wire, wire);
  return TRUE;
}

/* The format keeps 32 bits of an enum, and takes a value that is not known for absent. */
static gint
enum_value (const Field *field, gint last, gint otherwise)
{
  gint32 value = (gint32)field->value;

  return value >= 1 && value <= last ? value : otherwise;
}

static float
float_value (const Field *field)
{
  guint32 bits;
  float value;

  memcpy (&bits, field->bytes.data, sizeof bits);
  bits = GUINT32_FROM_LE (bits);
  memcpy (&value, &bits, sizeof value);
  return value;
}

/* --- messages -------------------------------------------------------------------------------------------------------------- */

static gboolean
read_piece (const Source *source, Bytes from, SpPiece *piece)
{
  Field field;

  *piece = (SpPiece){ .text = "", .type = SP_NORMAL };
  while (from.size > 0) {
    if (!read_field (source, &from, &field))
      return FALSE;
    if (field.number == PIECE_TEXT) {
      if (!check_wire (source, &field, WIRE_BYTES, "the text of a piece"))
        return FALSE;
      piece->text = (const gchar *)field.bytes.data;
      piece->length = field.bytes.size;
    } else if (field.number == PIECE_SCORE) {
      if (!check_wire (source, &field, WIRE_32, "the score of a piece"))
        return FALSE;
      piece->score = float_value (&field);
    } else if (field.number == PIECE_TYPE) {
      if (!check_wire (source, &field, WIRE_VARINT, "the type of a piece"))
        return FALSE;
      piece->type = enum_value (&field, SP_BYTE, piece->type);
    }
  }
  return TRUE;
}

static gboolean
read_trainer (const Source *source, Bytes from, Trainer *trainer)
{
  Field field;

  while (from.size > 0) {
    if (!read_field (source, &from, &field))
      return FALSE;
    if (field.number == TRAINER_MODEL_TYPE) {
      if (!check_wire (source, &field, WIRE_VARINT, "model_type"))
        return FALSE;
      trainer->model_type = enum_value (&field, TYPE_CHAR, trainer->model_type);
    } else if (field.number == TRAINER_BYTE_FALLBACK) {
      if (!check_wire (source, &field, WIRE_VARINT, "byte_fallback"))
        return FALSE;
      trainer->byte_fallback = field.value != 0;
    }
  }
  return TRUE;
}

/* Of what is not used only that it is whole. */
static gboolean
skip_message (const Source *source, const Field *field, const gchar *what)
{
  Bytes from = field->bytes;
  Field unused;

  if (!check_wire (source, field, WIRE_BYTES, what))
    return FALSE;
  while (from.size > 0)
    if (!read_field (source, &from, &unused))
      return FALSE;
  return TRUE;
}

static gboolean
read_model (const Source *source, Bytes from, GArray *pieces, Trainer *trainer)
{
  Field field;
  SpPiece piece;

  while (from.size > 0) {
    gboolean ok = TRUE;

    if (!read_field (source, &from, &field))
      return FALSE;
    switch (field.number) {
      case MODEL_PIECE:
        if (!check_wire (source, &field, WIRE_BYTES, "a piece") || !read_piece (source, field.bytes, &piece))
          return FALSE;
        if (pieces->len == SP_MAX_PIECES)
          return bad (source, "it has more than %d pieces", SP_MAX_PIECES);
        g_array_append_val (pieces, piece);
        break;
      case MODEL_TRAINER: /* two of them count as one */
        ok = check_wire (source, &field, WIRE_BYTES, "trainer_spec") && read_trainer (source, field.bytes, trainer);
        break;
      case MODEL_NORMALIZER:
        ok = skip_message (source, &field, "normalizer_spec");
        break;
      case MODEL_SELF_TESTS:
        ok = skip_message (source, &field, "self_test_data");
        break;
      case MODEL_DENORMALIZER:
        ok = skip_message (source, &field, "denormalizer_spec");
        break;
    }
    if (!ok)
      return FALSE;
  }
  return TRUE;
}

/* --- what must be true of it ----------------------------------------------------------------------------------------------- */

static gboolean
is_called (const SpPiece *piece, const gchar *name)
{
  return piece->length == strlen (name) && memcmp (piece->text, name, piece->length) == 0;
}

/* Models rebuilt from other formats, Phi-3's too, call <unk> a control piece. */
static gboolean
find_unknown (const Source *source, const GArray *pieces)
{
  SpPiece *unknown = NULL, *called = NULL;

  for (guint id = 0; id < pieces->len; id++) {
    SpPiece *piece = &g_array_index (pieces, SpPiece, id);

    if (is_called (piece, "<unk>"))
      called = piece;
    if (piece->type != SP_UNKNOWN)
      continue;
    if (unknown)
      return bad (source, "piece %u is of type UNKNOWN, as one before it", id);
    unknown = piece;
  }
  if (!unknown && !called)
    return bad (source, "no piece is of type UNKNOWN, and none is called <unk>");
  if (!unknown)
    called->type = SP_UNKNOWN;
  return TRUE;
}

/* <0x00> to <0xFF>; -1 for anything else */
static gint
byte_of (const SpPiece *piece)
{
  static const gchar digits[] = "0123456789ABCDEF";
  const gchar *text = piece->text, *high, *low;

  if (piece->length != 6 || memcmp (text, "<0x", 3) != 0 || text[5] != '>')
    return -1;
  high = memchr (digits, text[3], 16);
  low = memchr (digits, text[4], 16);
  return high && low ? (high - digits) << 4 | (low - digits) : -1;
}

static gboolean
check_bytes (const Source *source, const GArray *pieces, gboolean byte_fallback)
{
  gboolean there[256] = { FALSE };

  for (guint id = 0; id < pieces->len; id++) {
    const SpPiece *piece = &g_array_index (pieces, SpPiece, id);
    gint byte;

    if (piece->type != SP_BYTE)
      continue;
    byte = byte_of (piece);
    if (!byte_fallback)
      return bad (source, "piece %u is of type BYTE, but byte_fallback is false", id);
    if (byte < 0)
      return bad (source, "piece %u is of type BYTE, but its name is no byte's", id);
    there[byte] = TRUE;
  }
  for (guint i = 0; byte_fallback && i < 256; i++)
    if (!there[i])
      return bad (source, "byte_fallback is true, but no piece of type BYTE is called <0x%02X>", i);
  return TRUE;
}

SpModel *
sp_model_read (const gchar *bytes, gsize n_bytes, const gchar *name, GError **error)
{
  const Source source = { name, (const guint8 *)bytes, error };
  g_autoptr (SpModel) model = g_new0 (SpModel, 1);
  Trainer trainer = { .model_type = TYPE_UNIGRAM };

  model->pieces = g_array_new (FALSE, FALSE, sizeof (SpPiece));
  if (!read_model (&source, (Bytes){ source.start, n_bytes }, model->pieces, &trainer) || !find_unknown (&source, model->pieces)
      || !check_bytes (&source, model->pieces, trainer.byte_fallback))
    return NULL;
  model->is_bpe = trainer.model_type == TYPE_BPE;
  return g_steal_pointer (&model);
}

void
sp_model_free (SpModel *model)
{
  if (!model)
    return;
  g_array_unref (model->pieces);
  g_free (model);
}
