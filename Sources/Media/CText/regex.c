#include "ctext.h"

#include <oniguruma.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

// Steps of one search after which it is given up: about a second, so that a hostile pattern cannot hang its reader.
static const unsigned long step_limit = 100 * 1000 * 1000;

static void initialize(void) {
  OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
  onig_initialize(encodings, 1);
}

static int fail(int code, OnigErrorInfo *details, char *message, size_t capacity) {
  OnigUChar text[ONIG_MAX_ERROR_MESSAGE_LEN];
  int length = details ? onig_error_code_to_str(text, code, details) : onig_error_code_to_str(text, code);
  snprintf(message, capacity, "%.*s", length, (const char *)text);
  return -1;
}

int ctext_regex_compile(const uint8_t *pattern, size_t size, ctext_regex **regex, char *message, size_t capacity) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, initialize);
  OnigErrorInfo details;
  OnigRegex compiled = NULL;
  int code =
      onig_new(&compiled, pattern, pattern + size, ONIG_OPTION_NONE, ONIG_ENCODING_UTF8, ONIG_SYNTAX_DEFAULT, &details);
  if (code != ONIG_NORMAL) return fail(code, &details, message, capacity);
  *regex = (ctext_regex *)compiled;
  return 0;
}

void ctext_regex_free(ctext_regex *regex) { onig_free((OnigRegex)regex); }

// Bytes of the character that begins with `first`.
static size_t character_length(uint8_t first) { return first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4; }

int ctext_regex_find_all(const ctext_regex *regex, const uint8_t *text, size_t size, size_t **bounds, size_t *count,
                         char *message, size_t capacity) {
  OnigRegion *region = onig_region_new();
  OnigMatchParam *limits = onig_new_match_param();
  size_t *found = NULL, used = 0, room = 0, start = 0, previous_end = SIZE_MAX;
  int code = region && limits ? ONIG_NORMAL : ONIGERR_MEMORY;
  if (limits) onig_set_retry_limit_in_search_of_match_param(limits, step_limit);
  while (code >= 0 && start <= size) {
    code = onig_search_with_param((OnigRegex)regex, text, text + size, text + start, text + size, region, ONIG_OPTION_NONE, limits);
    if (code < 0) break;
    size_t from = (size_t)region->beg[0], to = (size_t)region->end[0];
    if (from == to && to == previous_end) {
      start += to < size ? character_length(text[to]) : 1;
      continue;
    }
    if (used == room) {
      room = room ? 2 * room : 32;
      size_t *larger = realloc(found, 2 * room * sizeof *found);
      if (!larger) {
        code = ONIGERR_MEMORY;
        break;
      }
      found = larger;
    }
    found[2 * used] = from;
    found[2 * used + 1] = to;
    used++;
    start = previous_end = to;
  }
  if (limits) onig_free_match_param(limits);
  if (region) onig_region_free(region, 1);
  if (code < 0 && code != ONIG_MISMATCH) {
    free(found);
    return fail(code, NULL, message, capacity);
  }
  *bounds = found;
  *count = used;
  return 0;
}

void ctext_free(void *memory) { free(memory); }
