#include "codec.h"

#include <gif_lib.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  const uint8_t *data;
  size_t count;
  size_t position;
} Source;

static int read_bytes(GifFileType *gif, GifByteType *bytes, int count) {
  Source *source = gif->UserData;
  size_t left = source->count - source->position;
  size_t given = (size_t)count < left ? (size_t)count : left;
  memcpy(bytes, source->data + source->position, given);
  source->position += given;
  return (int)given;
}

static int gif_failure(int code, EpicCodecMessage *message) {
  if (code == D_GIF_ERR_READ_FAILED || code == D_GIF_ERR_EOF_TOO_SOON) {
    return codec_failure(message, "the data end too early");
  }
  const char *reason = GifErrorString(code);
  return codec_failure(message, reason ? reason : "the data are not valid");
}

// Reads up to the description of the first frame. `transparent` becomes the index that stands for transparency, or -1.
static int find_first_frame(GifFileType *gif, int *transparent, EpicCodecMessage *message) {
  *transparent = NO_TRANSPARENT_COLOR;
  GifRecordType record;
  do {
    if (DGifGetRecordType(gif, &record) != GIF_OK) return gif_failure(gif->Error, message);
    if (record == TERMINATE_RECORD_TYPE) return codec_failure(message, "it has no frames");
    if (record != EXTENSION_RECORD_TYPE) continue;
    int kind;
    GifByteType *block;
    if (DGifGetExtension(gif, &kind, &block) != GIF_OK) return gif_failure(gif->Error, message);
    while (block) {
      GraphicsControlBlock control;
      if (kind == GRAPHICS_EXT_FUNC_CODE && DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK) {
        *transparent = control.TransparentColor;
      }
      if (DGifGetExtensionNext(gif, &block) != GIF_OK) return gif_failure(gif->Error, message);
    }
  } while (record != IMAGE_DESC_RECORD_TYPE);
  if (DGifGetImageDesc(gif) != GIF_OK) return gif_failure(gif->Error, message);
  return 1;
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

// The screen, grown where the first frame reaches beyond it.
static EpicPictureSize canvas(const GifFileType *gif) {
  size_t right = (size_t)gif->Image.Left + (size_t)gif->Image.Width;
  size_t bottom = (size_t)gif->Image.Top + (size_t)gif->Image.Height;
  return (EpicPictureSize){larger((size_t)gif->SWidth, right), larger((size_t)gif->SHeight, bottom)};
}

int epic_gif_measure(const uint8_t *data, size_t count, EpicPictureSize *size, EpicCodecMessage *message) {
  Source source = {data, count, 0};
  int code = 0, transparent;
  GifFileType *gif = DGifOpen(&source, read_bytes, &code);
  if (!gif) return gif_failure(code, message);
  int found = find_first_frame(gif, &transparent, message);
  if (found) *size = canvas(gif);
  DGifCloseFile(gif, &code);
  return found;
}

typedef struct {
  uint8_t rgb[256][3];
} Colors;

// Indices beyond a colour table are black; without any table, indices are levels of grey.
static Colors colors_of(const GifFileType *gif) {
  const ColorMapObject *map = gif->Image.ColorMap ? gif->Image.ColorMap : gif->SColorMap;
  Colors colors;
  memset(&colors, 0, sizeof colors);
  for (int i = 0; i < 256; i++) {
    if (!map) memset(colors.rgb[i], i, 3);
    if (!map || i >= map->ColorCount) continue;
    colors.rgb[i][0] = map->Colors[i].Red;
    colors.rgb[i][1] = map->Colors[i].Green;
    colors.rgb[i][2] = map->Colors[i].Blue;
  }
  return colors;
}

static int decode_frame(GifFileType *gif, int background, EpicPictureSize size, uint8_t *rgb, EpicCodecMessage *message) {
  const int width = gif->Image.Width, height = gif->Image.Height;
  if (width < 1 || height < 1) return codec_failure(message, "its first frame is empty");
  EpicPictureSize found = canvas(gif);
  if (found.width != size.width || found.height != size.height) return codec_failure(message, "the header is not valid");
  GifPixelType *line = malloc((size_t)width);
  if (!line) return codec_failure(message, "out of memory");
  const Colors colors = colors_of(gif);
  for (size_t i = 0; i < size.width * size.height; i++) memcpy(rgb + 3 * i, colors.rgb[background], 3);

  // Interlaced rows come in four sweeps.
  static const int starts[] = {0, 4, 2, 1}, steps[] = {8, 8, 4, 2};
  int sweeps = gif->Image.Interlace ? 4 : 1, done = 1;
  for (int sweep = 0; sweep < sweeps && done; sweep++) {
    int start = sweeps == 1 ? 0 : starts[sweep], step = sweeps == 1 ? 1 : steps[sweep];
    for (int y = start; y < height && done; y += step) {
      done = DGifGetLine(gif, line, width) == GIF_OK;
      uint8_t *out = rgb + (((size_t)gif->Image.Top + (size_t)y) * size.width + (size_t)gif->Image.Left) * 3;
      for (int x = 0; x < width && done; x++) memcpy(out + 3 * (size_t)x, colors.rgb[line[x]], 3);
    }
  }
  free(line);
  return done ? 1 : gif_failure(gif->Error, message);
}

int epic_gif_decode(const uint8_t *data, size_t count, EpicPictureSize size, uint8_t *rgb, EpicCodecMessage *message) {
  Source source = {data, count, 0};
  int code = 0, transparent, done = 0;
  GifFileType *gif = DGifOpen(&source, read_bytes, &code);
  if (!gif) return gif_failure(code, message);
  if (find_first_frame(gif, &transparent, message)) {
    int background = transparent >= 0 && transparent < 256 ? transparent : 0;
    done = decode_frame(gif, background, size, rgb, message);
  }
  DGifCloseFile(gif, &code);
  return done;
}
