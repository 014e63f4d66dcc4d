#include "codec.h"

#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

int epic_jpeg_measure(const uint8_t *data, size_t count, EpicPictureSize *size, EpicCodecMessage *message) {
  tjhandle codec = tjInitDecompress();
  if (!codec) return codec_failure(message, "out of memory");
  int width = 0, height = 0, subsampling = 0, colorspace = -1;
  int status = tjDecompressHeader3(codec, data, count, &width, &height, &subsampling, &colorspace);
  // An unusual chroma subsampling is refused here but decodes well, and the size is known by then.
  int usable = width > 0 && height > 0 && colorspace >= 0;
  if (!usable) codec_failure(message, status == 0 ? "the header is not valid" : tjGetErrorStr2(codec));
  tjDestroy(codec);
  if (usable) *size = (EpicPictureSize){(size_t)width, (size_t)height};
  return usable;
}

// Whether an end-of-image marker follows the first scan; markers inside earlier segments (thumbnails) do not count.
static int has_end_marker(const uint8_t *data, size_t count) {
  size_t scan = 2;
  while (scan + 4 <= count && data[scan] == 0xFF && data[scan + 1] != 0xDA) {
    if (data[scan + 1] == 0xFF) {
      scan += 1;  // fill byte
    } else {
      scan += 2 + ((size_t)data[scan + 2] << 8 | data[scan + 3]);
    }
  }
  for (size_t i = count; i >= scan + 2; i--) {
    if (data[i - 2] == 0xFF && data[i - 1] == 0xD9) return 1;
  }
  return 0;
}

// libjpeg repairs what it can and warns. Stray bytes between segments lose nothing and are common in the wild; any other
// warning means that part of the picture is missing or wrong.
static int is_harmless(tjhandle codec, const uint8_t *data, size_t count) {
  return tjGetErrorCode(codec) == TJERR_WARNING && strstr(tjGetErrorStr2(codec), "extraneous bytes") &&
         has_end_marker(data, count);
}

// (a * b) / 255, rounded to nearest without a division.
static inline int scaled_product(int a, int b) {
  int product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

// Four-component files store inverted ink as Adobe's tools do, whatever their markers say.
static void convert_cmyk(const uint8_t *cmyk, size_t pixels, uint8_t *rgb) {
  for (size_t i = 0; i < pixels; i++, cmyk += 4, rgb += 3) {
    int light = cmyk[3];
    for (int c = 0; c < 3; c++) {
      rgb[c] = (uint8_t)(light - scaled_product(255 - cmyk[c], light));
    }
  }
}

int epic_jpeg_decode(const uint8_t *data, size_t count, EpicPictureSize size, uint8_t *rgb, EpicCodecMessage *message) {
  tjhandle codec = tjInitDecompress();
  if (!codec) return codec_failure(message, "out of memory");
  int width = 0, height = 0, subsampling = 0, colorspace = -1, done = 0;
  tjDecompressHeader3(codec, data, count, &width, &height, &subsampling, &colorspace);
  int inks = colorspace == TJCS_CMYK || colorspace == TJCS_YCCK;
  uint8_t *pixels = inks ? malloc(size.width * size.height * 4) : rgb;
  if ((size_t)width != size.width || (size_t)height != size.height) {
    codec_failure(message, "the header is not valid");
  } else if (!pixels) {
    codec_failure(message, "out of memory");
  } else {
    // A small file can hold thousands of progressive scans over a large picture; the flag bounds that work.
    int flags = TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS;
    int format = inks ? TJPF_CMYK : TJPF_RGB;
    int status = tjDecompress2(codec, data, count, pixels, width, 0, height, format, flags);
    done = status == 0 || is_harmless(codec, data, count);
    if (!done) codec_failure(message, tjGetErrorStr2(codec));
  }
  if (done && inks) convert_cmyk(pixels, size.width * size.height, rgb);
  if (inks) free(pixels);
  tjDestroy(codec);
  return done;
}

int epic_jpeg_encode(const uint8_t *rgb, EpicPictureSize size, int quality, uint8_t **data, size_t *count, EpicCodecMessage *message) {
  if (size.width > 65500 || size.height > 65500) return codec_failure(message, "too large for JPEG");
  tjhandle codec = tjInitCompress();
  if (!codec) return codec_failure(message, "out of memory");
  unsigned char *encoded = NULL;
  unsigned long length = 0;
  int width = (int)size.width, height = (int)size.height;
  int status = tjCompress2(codec, rgb, width, 0, height, TJPF_RGB, &encoded, &length, TJSAMP_444, quality, TJFLAG_ACCURATEDCT);
  if (status != 0) {
    codec_failure(message, tjGetErrorStr2(codec));
    tjFree(encoded);
  }
  tjDestroy(codec);
  if (status != 0) return 0;
  *data = encoded;
  *count = length;
  return 1;
}

void epic_jpeg_release(uint8_t *data) { tjFree(data); }
