#pragma once
// A pure C view of the sentencepiece library: what the Swift tokenizer needs and no more.
// Functions that can fail return 0 on success; otherwise they write a message, cut to `capacity` bytes and
// terminated by NUL, into `message`. No C++ exception leaves this library.

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// A loaded model. Every function taking a const pointer may be called from several threads at once.
typedef struct csp_model csp_model;

typedef enum csp_kind {
  CSP_NORMAL = 0,
  CSP_UNKNOWN = 1,
  CSP_CONTROL = 2,
  CSP_BYTE = 3,
} csp_kind;

// Loads a serialised model of `size` bytes; the caller frees it with csp_free.
int csp_load(const uint8_t *bytes, size_t size, csp_model **model, char *message, size_t capacity);
void csp_free(csp_model *model);

int32_t csp_piece_count(const csp_model *model);

// The id of a piece, or -1 if the model has no such piece.
int32_t csp_find_piece(const csp_model *model, const uint8_t *bytes, size_t size);

// The piece of an id in 0..<csp_piece_count; the bytes belong to the model.
int csp_piece(const csp_model *model, int32_t id, const uint8_t **bytes, size_t *size, csp_kind *kind);

// Encodes UTF-8 text, adding no special ids; the caller frees `ids` with csp_free_ids.
int csp_encode(const csp_model *model, const uint8_t *text, size_t size, int32_t **ids, size_t *count,
               char *message, size_t capacity);
void csp_free_ids(int32_t *ids);

#ifdef __cplusplus
}
#endif
