#include "csentencepiece.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include <sentencepiece_processor.h>

struct csp_model {
  sentencepiece::SentencePieceProcessor processor;
};

namespace {

using absl::string_view;

string_view view(const uint8_t *bytes, size_t size) {
  return string_view(reinterpret_cast<const char *>(bytes), size);
}

int fail(const char *text, char *message, size_t capacity) {
  if (capacity > 0) {
    const size_t length = std::min(std::strlen(text), capacity - 1);
    std::memcpy(message, text, length);
    message[length] = 0;
  }
  return 1;
}

// Runs `body`, which returns a sentencepiece status, and turns failure of either kind into a message.
template <typename Body> int guarded(char *message, size_t capacity, Body body) {
  try {
    const sentencepiece::util::Status status = body();
    return status.ok() ? 0 : fail(status.ToString().c_str(), message, capacity);
  } catch (const std::exception &error) {
    return fail(error.what(), message, capacity);
  } catch (...) {
    return fail("unknown C++ exception", message, capacity);
  }
}

} // namespace

int csp_load(const uint8_t *bytes, size_t size, csp_model **model, char *message, size_t capacity) {
  return guarded(message, capacity, [&] {
    auto loaded = std::make_unique<csp_model>();
    const auto status = loaded->processor.LoadFromSerializedProto(view(bytes, size));
    if (status.ok()) *model = loaded.release();
    return status;
  });
}

void csp_free(csp_model *model) { delete model; }

int32_t csp_piece_count(const csp_model *model) { return model->processor.GetPieceSize(); }

int32_t csp_find_piece(const csp_model *model, const uint8_t *bytes, size_t size) {
  try {
    const auto &processor = model->processor;
    const int id = processor.PieceToId(view(bytes, size));
    // The library answers with the unknown id for pieces it does not have.
    if (processor.IsUnknown(id) && view(bytes, size) != processor.IdToPiece(id)) return -1;
    return id;
  } catch (...) {
    return -1;
  }
}

int csp_piece(const csp_model *model, int32_t id, const uint8_t **bytes, size_t *size, csp_kind *kind) {
  try {
    const auto &processor = model->processor;
    if (id < 0 || id >= processor.GetPieceSize()) return 1;
    const std::string &piece = processor.IdToPiece(id);
    *bytes = reinterpret_cast<const uint8_t *>(piece.data());
    *size = piece.size();
    *kind = processor.IsUnknown(id)   ? CSP_UNKNOWN
            : processor.IsControl(id) ? CSP_CONTROL
            : processor.IsByte(id)    ? CSP_BYTE
                                      : CSP_NORMAL;
    return 0;
  } catch (...) {
    return 1;
  }
}

int csp_encode(const csp_model *model, const uint8_t *text, size_t size, int32_t **ids, size_t *count,
               char *message, size_t capacity) {
  return guarded(message, capacity, [&] {
    std::vector<int> encoded;
    const auto status = model->processor.Encode(view(text, size), &encoded);
    if (!status.ok()) return status;
    auto *copy = static_cast<int32_t *>(std::malloc(std::max<size_t>(encoded.size(), 1) * sizeof(int32_t)));
    if (copy == nullptr) throw std::bad_alloc();
    std::copy(encoded.begin(), encoded.end(), copy);
    *ids = copy;
    *count = encoded.size();
    return status;
  });
}

void csp_free_ids(int32_t *ids) { std::free(ids); }
