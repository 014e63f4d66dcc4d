#pragma once
// A narrow C face over the picture libraries: every format offers the same two calls, so that Swift can hold them in one
// table. Measuring reads headers only; the caller checks the size against its limits, allocates, and then decodes.
// Nothing here prints, exits or keeps state, and the data is only read.

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  size_t width;
  size_t height;
} EpicPictureSize;

// The reason of a failure, as a zero-terminated phrase without a full stop.
typedef struct {
  char text[200];
} EpicCodecMessage;

// All functions return 1 on success, or 0 after filling `message`.

// Reads the size in pixels from the headers of `data`.
int epic_jpeg_measure(const uint8_t *data, size_t count, EpicPictureSize *size, EpicCodecMessage *message);
int epic_png_measure(const uint8_t *data, size_t count, EpicPictureSize *size, EpicCodecMessage *message);
int epic_webp_measure(const uint8_t *data, size_t count, EpicPictureSize *size, EpicCodecMessage *message);
int epic_gif_measure(const uint8_t *data, size_t count, EpicPictureSize *size, EpicCodecMessage *message);

// Decodes to `rgb`, which has room for 3 * width * height bytes of the size that was measured; alpha is dropped.
int epic_jpeg_decode(const uint8_t *data, size_t count, EpicPictureSize size, uint8_t *rgb, EpicCodecMessage *message);
int epic_png_decode(const uint8_t *data, size_t count, EpicPictureSize size, uint8_t *rgb, EpicCodecMessage *message);
int epic_webp_decode(const uint8_t *data, size_t count, EpicPictureSize size, uint8_t *rgb, EpicCodecMessage *message);
int epic_gif_decode(const uint8_t *data, size_t count, EpicPictureSize size, uint8_t *rgb, EpicCodecMessage *message);

// Encodes `rgb` as an 8-bit PNG into memory that the caller releases with `epic_png_release`.
int epic_png_encode(const uint8_t *rgb, EpicPictureSize size, uint8_t **data, size_t *count, EpicCodecMessage *message);
void epic_png_release(uint8_t *data);

// Encodes `rgb` as a JPEG of a quality of 1 to 100 with colours in full resolution; released with `epic_jpeg_release`.
int epic_jpeg_encode(const uint8_t *rgb, EpicPictureSize size, int quality, uint8_t **data, size_t *count, EpicCodecMessage *message);
void epic_jpeg_release(uint8_t *data);

#ifdef __cplusplus
}
#endif
