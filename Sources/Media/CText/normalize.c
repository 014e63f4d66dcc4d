#include "ctext.h"

#include <utf8proc.h>

int ctext_normalize(const uint8_t *text, size_t size, ctext_form form, uint8_t **result, size_t *count) {
  int isCompatible = form == CTEXT_NFKC || form == CTEXT_NFKD;
  int isComposed = form == CTEXT_NFC || form == CTEXT_NFKC;
  utf8proc_option_t options = UTF8PROC_STABLE | (isCompatible ? UTF8PROC_COMPAT : 0) |
                              (isComposed ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE);
  utf8proc_ssize_t length = utf8proc_map(text, (utf8proc_ssize_t)size, result, options);
  if (length < 0) return -1;
  *count = (size_t)length;
  return 0;
}
