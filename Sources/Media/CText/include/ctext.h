#pragma once
// What tokenizers need of Oniguruma (regular expressions) and utf8proc (Unicode normalisation), and no more.
// Texts are valid UTF-8 and may hold NUL. Functions that can fail return 0 on success, and may be called from several threads at once.

#include <stddef.h>
#include <stdint.h>

// A compiled regular expression.
typedef struct ctext_regex ctext_regex;

// Compiles a pattern in Oniguruma's own syntax; the caller frees it with ctext_regex_free.
// On failure writes one line, cut to `capacity` bytes and terminated by NUL, into `message`.
int ctext_regex_compile(const uint8_t *pattern, size_t size, ctext_regex **regex, char *message, size_t capacity);
void ctext_regex_free(ctext_regex *regex);

// Finds all matches from left to right; an empty one directly behind another match does not count. `bounds` gets 2 * `count` offsets,
// start and end of each; the caller frees it with ctext_free. Fails as ctext_regex_compile does, also where matching takes too many steps.
int ctext_regex_find_all(const ctext_regex *regex, const uint8_t *text, size_t size, size_t **bounds, size_t *count,
                         char *message, size_t capacity);

typedef enum ctext_form { CTEXT_NFC = 0, CTEXT_NFD = 1, CTEXT_NFKC = 2, CTEXT_NFKD = 3 } ctext_form;

// Brings a text into a Unicode normalization form; the caller frees `result` with ctext_free. Fails where memory runs out.
int ctext_normalize(const uint8_t *text, size_t size, ctext_form form, uint8_t **result, size_t *count);

void ctext_free(void *memory);
