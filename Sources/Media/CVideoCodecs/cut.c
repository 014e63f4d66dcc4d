#include "source.h"

#include <string.h>

// Files that are cut short, told from what their containers say about their own length: FFmpeg shows what is there of many of them and
// calls it the end.

static uint64_t big(const uint8_t *bytes, int count) {
  uint64_t value = 0;
  for (int i = 0; i < count; i++) value = value << 8 | bytes[i];
  return value;
}

static uint32_t little(const uint8_t *bytes) {
  return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

// MP4 and MOV: boxes one after the other, each with its length.
static int boxes_are_cut(const EpicVideoSource *source) {
  int64_t position = 0;
  for (int box = 0; box < 100000 && source->count - position >= 8; box++) {
    uint8_t head[16];
    int found = epic_video_bytes(source, position, head, sizeof head);
    uint64_t size = big(head, 4), least = 8;
    if (size == 1) {
      if (found < 16) return 1;
      size = big(head + 8, 8);
      least = 16;
    }
    // A box without a length goes on to the end of the file.
    if (found < 8 || size < least) return 0;
    if (size > (uint64_t)(source->count - position)) return 1;
    position += (int64_t)size;
  }
  return 0;
}

// The length of an EBML element, whose bytes begin with as many zero bits as there are further bytes; -1 for an unknown one.
static int64_t element_size(const uint8_t *bytes, int room, int *used) {
  int length = 1;
  while (length <= 8 && !(bytes[0] & 0x80 >> (length - 1))) length++;
  if (length > 8 || length > room) return -1;
  uint64_t value = big(bytes, length), mask = (1ULL << 7 * length) - 1;
  *used = length;
  return (value & mask) == mask ? -1 : (int64_t)(value & mask);
}

// Matroska and WebM: a header, and a segment with its length.
static int segment_is_cut(const EpicVideoSource *source) {
  uint8_t head[12];
  int found = epic_video_bytes(source, 4, head, 8), used = 0;
  int64_t size = found == 8 ? element_size(head, 8, &used) : -1;
  if (size < 0 || size > 1 << 20) return 0;
  int64_t position = 4 + used + size;
  if (position > source->count - 5) return 1;
  found = epic_video_bytes(source, position, head, sizeof head);
  if (found < 5 || big(head, 4) != 0x18538067) return 0;
  size = element_size(head + 4, found - 4, &used);
  return size >= 0 && size > source->count - position - 4 - used;
}

int epic_video_is_cut(const EpicVideoSource *source) {
  uint8_t head[12];
  if (epic_video_bytes(source, 0, head, sizeof head) < (int)sizeof head) return 0;
  static const char *const types[] = {"ftyp", "moov", "mdat", "free", "wide", "skip", "styp"};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    if (!memcmp(head + 4, types[i], 4)) return boxes_are_cut(source);
  }
  if (big(head, 4) == 0x1A45DFA3) return segment_is_cut(source);
  if (!memcmp(head, "RIFF", 4)) {
    uint32_t size = little(head + 4);
    // Writers that cannot go back leave it open.
    return size != 0 && size != UINT32_MAX && (int64_t)size > source->count - 8;
  }
  if (!memcmp(head, "GIF8", 4)) {
    uint8_t last = 0;
    for (int64_t end = source->count; end > 0 && !last; end--) {
      if (epic_video_bytes(source, end - 1, &last, 1) < 1) return 0;
    }
    return last != 0x3B;
  }
  return 0;
}
