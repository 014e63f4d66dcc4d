#pragma once
// How FFmpeg is given the bytes of a video, and nothing else.

#include "include/cvideocodecs.h"

#include <libavformat/avformat.h>

// A position in the bytes.
typedef struct {
  EpicVideoSource source;
  int64_t position;
} EpicVideoBytes;

// An open container over the bytes, its streams known; null after filling `message`.
AVFormatContext *epic_video_container(EpicVideoBytes *bytes, EpicVideoLimits limits, EpicVideoMessage *message);
void epic_video_release(AVFormatContext **container);

// Copies up to `count` bytes from a position, and gives their number; less at the end, negative for an error.
int epic_video_bytes(const EpicVideoSource *source, int64_t position, uint8_t *buffer, int count);

// Whether a file ends before its container says that it does.
int epic_video_is_cut(const EpicVideoSource *source);

// Codecs that are decoded, separated by commas.
extern const char epic_video_codecs[], epic_audio_codecs[];

// Fills the message and gives 0, so that a function can write `return epic_video_failure(...)`. `error` is FFmpeg's, 0 for none.
int epic_video_failure(EpicVideoMessage *message, EpicVideoFailure kind, const char *what, int error);

// What FFmpeg complained about last on this thread; empty for nothing since it was cleared.
const char *epic_video_complaint(void);
void epic_video_clear_complaint(void);
