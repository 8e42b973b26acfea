/* libsentencepiece in C's clothes. */
#include "sentencepiece_shim.h"

#include <cstdint>
#include <cstring>
#include <exception>
#include <new>
#include <sentencepiece_processor.h>
#include <string>

struct _SpModel
{
  sentencepiece::SentencePieceProcessor processor;
  bool is_bpe;
};

namespace {

struct Wire
{
  const uint8_t *at, *end;

  bool varint (uint64_t *value)
  {
    *value = 0;
    for (unsigned shift = 0; shift < 64 && at < end; shift += 7) {
      *value |= (uint64_t)(*at & 0x7f) << shift;
      if (!(*at++ & 0x80))
        return true;
    }
    return false;
  }

  /* Steps over one field. Of a varint *value is the value, of bytes *bytes. */
  bool field (uint64_t *tag, uint64_t *value, Wire *bytes)
  {
    uint64_t size = 0;

    if (!varint (tag))
      return false;
    switch (*tag & 7) {
      case 0:
        return varint (value);
      case 1:
        size = 8;
        break;
      case 2:
        if (!varint (&size))
          return false;
        break;
      case 5:
        size = 4;
        break;
      default:
        return false;
    }
    if (size > (uint64_t)(end - at))
      return false;
    *bytes = { at, at + size };
    at += size;
    return true;
  }
};

/* What the library does not tell, or does not take as it is. Debian does not ship the classes of the file's format. The numbers are
 * those of ModelProto: pieces 1 (piece 1, type 3), trainer_spec 2 (model_type 3). */
struct Scan
{
  bool is_bpe = false, has_unknown = false;
  const uint8_t *unknown_field = nullptr; /* where the piece <unk> begins */
  Wire unknown = {};                      /* its contents */

  Scan (const char *bytes, size_t n_bytes)
  {
    Wire model = { (const uint8_t *)bytes, (const uint8_t *)bytes + n_bytes }, part = {};
    uint64_t tag, value = 0;

    for (const uint8_t *start = model.at; model.field (&tag, &value, &part); start = model.at) {
      if (tag == (1 << 3 | 2))
        piece (start, part);
      else if (tag == (2 << 3 | 2))
        trainer (part);
    }
  }

  void piece (const uint8_t *start, const Wire contents)
  {
    Wire rest = contents, text = {};
    uint64_t tag, value = 0;

    while (rest.field (&tag, &value, &text)) {
      if (tag == (1 << 3 | 2) && text.end - text.at == 5 && memcmp (text.at, "<unk>", 5) == 0) {
        unknown_field = start;
        unknown = contents;
      } else if (tag == (3 << 3 | 0) && value == 2)
        has_unknown = true;
    }
  }

  void trainer (Wire rest)
  {
    uint64_t tag, value = 0;
    Wire unused = {};

    while (rest.field (&tag, &value, &unused))
      if (tag == (3 << 3 | 0))
        is_bpe = value == 2;
  }
};

/* Models rebuilt from other formats call <unk> a control piece, which 0.1.97 refuses and later versions take. The last of two
 * values of a field counts, so one more type makes it what it is. */
std::string
mend (const Scan &scan, const char *bytes, size_t n_bytes)
{
  std::string out;

  if (scan.has_unknown || !scan.unknown_field)
    return std::string (bytes, n_bytes);
  out.assign (bytes, (const char *)scan.unknown_field - bytes);
  out += '\x0a';
  for (size_t size = scan.unknown.end - scan.unknown.at + 2; size; size >>= 7)
    out += (char)((size & 0x7f) | (size > 0x7f ? 0x80 : 0));
  out.append ((const char *)scan.unknown.at, scan.unknown.end - scan.unknown.at);
  out += "\x18\x02";
  out.append ((const char *)scan.unknown.end, bytes + n_bytes - (const char *)scan.unknown.end);
  return out;
}

} // namespace

extern "C" SpModel *
sp_model_load (const char *bytes, size_t n_bytes, char **message)
{
  SpModel *model = nullptr;

  try {
    const Scan scan (bytes, n_bytes);
    model = new SpModel;
    const auto status = model->processor.LoadFromSerializedProto (mend (scan, bytes, n_bytes));
    if (status.ok ()) {
      model->is_bpe = scan.is_bpe;
      return model;
    }
    *message = strdup (status.error_message ());
  } catch (const std::exception &e) {
    *message = strdup (e.what ());
  } catch (...) {
    *message = strdup ("not a SentencePiece model");
  }
  delete model;
  return nullptr;
}

extern "C" void
sp_model_free (SpModel *model)
{
  delete model;
}

extern "C" int
sp_model_is_bpe (const SpModel *model)
{
  return model->is_bpe;
}

extern "C" int
sp_model_size (const SpModel *model)
{
  return model->processor.GetPieceSize ();
}

extern "C" const char *
sp_model_piece (const SpModel *model, int id, size_t *length)
{
  const std::string &piece = model->processor.IdToPiece (id);

  *length = piece.size ();
  return piece.c_str ();
}

extern "C" float
sp_model_score (const SpModel *model, int id)
{
  return model->processor.GetScore (id);
}
