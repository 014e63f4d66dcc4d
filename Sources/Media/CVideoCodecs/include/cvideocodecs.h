#pragma once
// A narrow C face over FFmpeg's libraries: a video is opened once, its frames are counted by their packets, and then decoded in the order
// in which they are shown. A stream is decoded as it comes, and nobody knows how long it is. Only containers and codecs of a list are opened, from bytes that the caller hands over: no file that a
// playlist or a header names is ever opened. Nothing here prints or exits.

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct EpicVideo EpicVideo;

// What kind of failure it was.
typedef enum {
  EPIC_VIDEO_NOT_A_VIDEO = 1,
  EPIC_VIDEO_UNSUPPORTED,
  EPIC_VIDEO_NO_FRAMES,
  EPIC_VIDEO_TOO_LARGE,
  EPIC_VIDEO_TOO_LONG,
  EPIC_VIDEO_TOO_MANY_FRAMES,
  EPIC_VIDEO_DAMAGED,
} EpicVideoFailure;

// The reason of a failure, as a zero-terminated phrase without a full stop.
typedef struct {
  EpicVideoFailure kind;
  char text[240];
} EpicVideoMessage;

// Where the bytes are: in memory where `data` is not null, else in an open file. They must outlive the video.
typedef struct {
  const uint8_t *data;
  int file;
  // How many there are; -1 for a pipe, which is read once from its beginning to its end.
  int64_t count;
} EpicVideoSource;

// What is refused.
typedef struct {
  // Pixels of a frame.
  int64_t pixels;
  // Pixels along a side.
  int64_t side;
  // Seconds.
  double seconds;
  // Frames of the file.
  int64_t frames;
} EpicVideoLimits;

// What a video is.
typedef struct {
  // Size of a frame as it is stored.
  int32_t width, height;
  // How it is turned upright, as a number of EXIF's: 1 for not at all.
  int32_t orientation;
  // How many frames it has; 0 of a stream.
  int64_t frames;
  // From the first frame's beginning to the last one's end, in seconds; 0 of a stream.
  double seconds;
} EpicVideoFacts;

// Opens a video and counts its frames. Null after filling `message`.
EpicVideo *epic_video_open(EpicVideoSource source, EpicVideoLimits limits, EpicVideoFacts *facts, EpicVideoMessage *message);

// Opens a video that is read once, and whose end nobody knows; limits of seconds and frames do not count. Null after filling `message`.
EpicVideo *epic_video_stream(EpicVideoSource source, EpicVideoLimits limits, EpicVideoFacts *facts, EpicVideoMessage *message);

// When each frame is shown, ascending, in seconds from the first: room for `facts.frames`.
void epic_video_times(const EpicVideo *video, double *times);

// Decodes the next frame: 1 with its time, in seconds from the first, 0 behind the last one, -1 after filling `message`.
int epic_video_next(EpicVideo *video, double *time, EpicVideoMessage *message);

// Writes the frame before the one that was decoded last, at the end the last, to `rgb`, room for 3 * width * height bytes: 1, or 0 after filling `message`.
int epic_video_rgb(EpicVideo *video, uint8_t *rgb, EpicVideoMessage *message);

void epic_video_close(EpicVideo *video);

// The sound of a file, of one channel at a rate, no more samples than are wanted: to be freed by `epic_audio_free`. Null after filling
// `message`.
float *epic_audio_read(EpicVideoSource source, EpicVideoLimits limits, int rate, int64_t wanted, int64_t *count,
                       EpicVideoMessage *message);
void epic_audio_free(float *samples);

#ifdef __cplusplus
}
#endif
