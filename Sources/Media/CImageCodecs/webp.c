#include "codec.h"

#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>
#include <webp/demux.h>

static const char *reason(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY: return "out of memory";
    case VP8_STATUS_NOT_ENOUGH_DATA: return "the data end too early";
    case VP8_STATUS_SUSPENDED: return "the data end too early";
    case VP8_STATUS_UNSUPPORTED_FEATURE: return "it uses an unsupported feature";
    default: return "the bitstream is not valid";
  }
}

int epic_webp_measure(const uint8_t *data, size_t count, EpicPictureSize *size, EpicCodecMessage *message) {
  WebPBitstreamFeatures features;
  VP8StatusCode status = WebPGetFeatures(data, count, &features);
  if (status != VP8_STATUS_OK) return codec_failure(message, reason(status));
  *size = (EpicPictureSize){(size_t)features.width, (size_t)features.height};
  return 1;
}

static int decode_still(const uint8_t *data, size_t count, uint8_t *rgb, size_t stride, EpicPictureSize size,
                        EpicCodecMessage *message) {
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) return codec_failure(message, "the codec library does not fit its headers");
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = rgb;
  config.output.u.RGBA.stride = (int)stride;
  config.output.u.RGBA.size = stride * (size.height - 1) + size.width * 3;
  VP8StatusCode status = WebPGetFeatures(data, count, &config.input);
  if (status == VP8_STATUS_OK && ((size_t)config.input.width != size.width || (size_t)config.input.height != size.height)) {
    status = VP8_STATUS_BITSTREAM_ERROR;
  }
  if (status == VP8_STATUS_OK) status = WebPDecode(data, count, &config);
  WebPFreeDecBuffer(&config.output);
  return status == VP8_STATUS_OK ? 1 : codec_failure(message, reason(status));
}

// The first frame of an animation, on a black canvas where it covers only a part.
static int decode_first_frame(const uint8_t *data, size_t count, EpicPictureSize size, uint8_t *rgb,
                              EpicCodecMessage *message) {
  WebPData all = {data, count};
  WebPDemuxState state;
  WebPDemuxer *demuxer = WebPDemuxPartial(&all, &state);
  WebPIterator frame;
  memset(&frame, 0, sizeof frame);
  int done = 0;
  if (!demuxer || !WebPDemuxGetFrame(demuxer, 1, &frame) || !frame.complete) {
    codec_failure(message, "the animation has no complete frame");
  } else if (frame.x_offset < 0 || frame.y_offset < 0 || frame.width < 1 || frame.height < 1 ||
             (size_t)frame.x_offset + (size_t)frame.width > size.width ||
             (size_t)frame.y_offset + (size_t)frame.height > size.height) {
    codec_failure(message, "the first frame lies outside the picture");
  } else {
    memset(rgb, 0, size.width * size.height * 3);
    uint8_t *corner = rgb + ((size_t)frame.y_offset * size.width + (size_t)frame.x_offset) * 3;
    EpicPictureSize part = {(size_t)frame.width, (size_t)frame.height};
    done = decode_still(frame.fragment.bytes, frame.fragment.size, corner, size.width * 3, part, message);
  }
  WebPDemuxReleaseIterator(&frame);
  WebPDemuxDelete(demuxer);
  return done;
}

int epic_webp_decode(const uint8_t *data, size_t count, EpicPictureSize size, uint8_t *rgb, EpicCodecMessage *message) {
  WebPBitstreamFeatures features;
  VP8StatusCode status = WebPGetFeatures(data, count, &features);
  if (status != VP8_STATUS_OK) return codec_failure(message, reason(status));
  if (features.has_animation) return decode_first_frame(data, count, size, rgb, message);
  return decode_still(data, count, rgb, size.width * 3, size, message);
}
