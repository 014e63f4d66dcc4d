#pragma once
// Videos for tests, written through FFmpeg: frames of one colour each, at times of the caller's choice.

#include <stdint.h>

typedef struct {
  // A name of FFmpeg's: libx264, libx264rgb, mpeg4, ffv1, gif.
  const char *codec;
  int width, height;
  // Of the times, as a fraction of a second.
  int unitNumerator, unitDenominator;
  // FFmpeg's pixel format.
  const char *format;
  // 1 for full range, 0 for limited.
  int isFullRange;
  // Nine numbers of 16.16 fixed point, or null.
  const int32_t *matrix;
  // When the last frame ends.
  int64_t end;
} EpicMadeVideo;

// Writes a video of `count` frames. Every frame has `levels[i]` in all samples of its first plane but for the first quarter of its first
// row, which is `marks[i]`; other planes hold 128. 1, or 0.
int epic_make_video(const char *path, EpicMadeVideo video, const int64_t *times, const uint8_t *levels, const uint8_t *marks, int count);
