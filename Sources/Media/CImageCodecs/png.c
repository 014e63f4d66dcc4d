#include "codec.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  const uint8_t *data;
  size_t count;
  size_t position;
  EpicCodecMessage *message;
} Source;

static void fail(png_structp png, png_const_charp reason) {
  Source *source = png_get_error_ptr(png);
  codec_failure(source->message, reason);
  png_longjmp(png, 1);
}

static void ignore(png_structp png, png_const_charp reason) {
  (void)png;
  (void)reason;
}

static void read_bytes(png_structp png, png_bytep bytes, size_t count) {
  Source *source = png_get_io_ptr(png);
  if (count > source->count - source->position) png_error(png, "the data end too early");
  memcpy(bytes, source->data + source->position, count);
  source->position += count;
}

static uint32_t big_endian(const uint8_t *bytes) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

int epic_png_measure(const uint8_t *data, size_t count, EpicPictureSize *size, EpicCodecMessage *message) {
  // Signature (8), then the first chunk: length (4), "IHDR" (4), width (4), height (4).
  if (count < 24) return codec_failure(message, "the data end too early");
  if (memcmp(data + 12, "IHDR", 4) != 0) return codec_failure(message, "the header is missing");
  *size = (EpicPictureSize){big_endian(data + 16), big_endian(data + 20)};
  return 1;
}

// Turns every colour type into 8-bit RGB. Of 16 bits the high ones stay, alpha and transparent colours are dropped, and
// gamma is left alone.
static void request_rgb(png_structp png) {
  png_set_strip_16(png);
  png_set_expand_gray_1_2_4_to_8(png);
  png_set_palette_to_rgb(png);
  png_set_gray_to_rgb(png);
  png_set_strip_alpha(png);
}

// Chunks that carry nothing we use, some of which may unpack to megabytes.
static const png_byte unused_chunks[] = "iCCP\0iTXt\0tEXt\0zTXt\0sPLT\0eXIf\0hIST";

int epic_png_decode(const uint8_t *data, size_t count, EpicPictureSize size, uint8_t *rgb, EpicCodecMessage *message) {
  Source source = {data, count, 0, message};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &source, fail, ignore);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  png_bytep *rows = calloc(size.height, sizeof *rows);
  if (!info || !rows) {
    png_destroy_read_struct(&png, &info, NULL);
    free(rows);
    return codec_failure(message, "out of memory");
  }
  for (size_t y = 0; y < size.height; y++) rows[y] = rgb + y * size.width * 3;
  if (setjmp(png_jmpbuf(png)) == 0) {
    png_set_read_fn(png, &source, read_bytes);
    // The caller has checked the size against its own limits.
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, unused_chunks, (int)(sizeof unused_chunks / 5));
    png_read_info(png, info);
    request_rgb(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    if (png_get_image_height(png, info) != size.height || png_get_rowbytes(png, info) != size.width * 3) {
      png_error(png, "the header is not valid");
    }
    png_read_image(png, rows);
    // What follows the pixels is not read: a file that lacks only its last chunk is still whole as a picture.
    png_destroy_read_struct(&png, &info, NULL);
    free(rows);
    return 1;
  }
  png_destroy_read_struct(&png, &info, NULL);
  free(rows);
  return 0;
}

int epic_png_encode(const uint8_t *rgb, EpicPictureSize size, uint8_t **data, size_t *count, EpicCodecMessage *message) {
  if (size.width > PNG_UINT_31_MAX / 3 || size.height > PNG_UINT_31_MAX) return codec_failure(message, "too large for PNG");
  png_image image = {.version = PNG_IMAGE_VERSION,
                     .width = (png_uint_32)size.width,
                     .height = (png_uint_32)size.height,
                     .format = PNG_FORMAT_RGB};
  // Compressing into a buffer of the largest possible size compresses once, while asking for the size first does it twice.
  png_alloc_size_t room = PNG_IMAGE_PNG_SIZE_MAX(image);
  uint8_t *encoded = malloc(room);
  if (!encoded) return codec_failure(message, "out of memory");
  if (!png_image_write_to_memory(&image, encoded, &room, 0, rgb, (png_int_32)(size.width * 3), NULL)) {
    free(encoded);
    return codec_failure(message, image.message);
  }
  *data = encoded;
  *count = room;
  return 1;
}

void epic_png_release(uint8_t *data) { free(data); }
