#include "source.h"

#include <libavcodec/avcodec.h>
#include <libavutil/cpu.h>
#include <libavutil/display.h>
#include <libavutil/imgutils.h>
#include <libswscale/swscale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct EpicVideo {
  EpicVideoBytes bytes;
  EpicVideoLimits limits;
  EpicVideoFacts facts;
  AVFormatContext *container;
  int stream;
  AVCodecContext *decoder;
  AVPacket *packet;
  // The frame that was decoded last, and the one before it.
  AVFrame *frame, *before;
  struct SwsContext *scaler;
  // Times of all frames, in the stream's units, ascending; null of a stream.
  int64_t *times;
  // When the first frame is shown; AV_NOPTS_VALUE until it is known.
  int64_t firstTime;
  int64_t lastTime;
  int isDrained;
};

static AVStream *stream(const EpicVideo *video) { return video->container->streams[video->stream]; }

static int fits(EpicVideoLimits limits, int64_t width, int64_t height) {
  return width > 0 && height > 0 && width <= limits.side && height <= limits.side && width <= limits.pixels / height;
}

// The numbers of EXIF: a swap of rows and columns, then mirroring either axis.
static int orientation(AVStream *stream) {
  size_t size = 0;
  const uint8_t *data = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
  if (!data || size < 9 * sizeof(int32_t)) return 1;
  int32_t matrix[9];
  memcpy(matrix, data, sizeof matrix);
  // A point (x, y) goes to (a x + c y, b x + d y).
  int64_t a = matrix[0], b = matrix[1], c = matrix[3], d = matrix[4];
  if (llabs(a) + llabs(d) >= llabs(b) + llabs(c)) return d < 0 ? (a < 0 ? 3 : 4) : (a < 0 ? 2 : 1);
  return b < 0 ? (c < 0 ? 7 : 8) : (c < 0 ? 6 : 5);
}

// Opens the container from its beginning, and finds its video stream.
static int open_container(EpicVideo *video, EpicVideoMessage *message) {
  video->container = epic_video_container(&video->bytes, video->limits, message);
  if (!video->container) return 0;
  video->stream = av_find_best_stream(video->container, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
  if (video->stream < 0 || stream(video)->disposition & AV_DISPOSITION_ATTACHED_PIC) {
    return epic_video_failure(message, EPIC_VIDEO_NOT_A_VIDEO, "it has no video stream", 0);
  }
  for (unsigned i = 0; i < video->container->nb_streams; i++) {
    if ((int)i != video->stream) video->container->streams[i]->discard = AVDISCARD_ALL;
  }
  AVCodecParameters *codec = stream(video)->codecpar;
  if (codec->width == 0 && codec->height == 0) return epic_video_failure(message, EPIC_VIDEO_DAMAGED, "its frames have no size", 0);
  if (!fits(video->limits, codec->width, codec->height)) {
    char what[80];
    snprintf(what, sizeof what, "its frames are %dx%d pixels", codec->width, codec->height);
    epic_video_clear_complaint();
    return epic_video_failure(message, EPIC_VIDEO_TOO_LARGE, what, 0);
  }
  return 1;
}

// The next packet of the video: 1, 0 at the end, -1 after filling `message`.
static int read_packet(EpicVideo *video, EpicVideoMessage *message) {
  for (;;) {
    av_packet_unref(video->packet);
    epic_video_clear_complaint();
    int status = av_read_frame(video->container, video->packet);
    if (status == AVERROR_EOF && !epic_video_complaint()[0]) return 0;
    if (status < 0) {
      epic_video_failure(message, EPIC_VIDEO_DAMAGED, "the data end too early", status == AVERROR_EOF ? 0 : status);
      return -1;
    }
    if (video->packet->stream_index != video->stream) continue;
    if (video->packet->flags & AV_PKT_FLAG_CORRUPT) {
      epic_video_failure(message, EPIC_VIDEO_DAMAGED, "a frame is cut short", 0);
      return -1;
    }
    return 1;
  }
}

static int ascending(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

static double seconds(const EpicVideo *video, int64_t time) { return (double)time * av_q2d(stream(video)->time_base); }

// Times of all frames by their packets, without decoding any.
static int read_times(EpicVideo *video, EpicVideoMessage *message) {
  int64_t room = 0, count = 0, end = INT64_MIN;
  int status;
  while ((status = read_packet(video, message)) > 0) {
    AVPacket *packet = video->packet;
    // What an edit list cuts away is decoded and never shown.
    if (packet->flags & AV_PKT_FLAG_DISCARD || packet->size == 0) continue;
    if (count >= video->limits.frames) return epic_video_failure(message, EPIC_VIDEO_TOO_MANY_FRAMES, "", 0);
    if (count == room) {
      room = room ? 2 * room : 256;
      int64_t *larger = realloc(video->times, (size_t)room * sizeof *larger);
      if (!larger) return epic_video_failure(message, EPIC_VIDEO_DAMAGED, "out of memory", 0);
      video->times = larger;
    }
    int64_t time = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
    if (time == AV_NOPTS_VALUE || time > INT64_MAX / 4 || time < INT64_MIN / 4) {
      return epic_video_failure(message, EPIC_VIDEO_DAMAGED, "a frame has no time", 0);
    }
    video->times[count++] = time;
    int64_t length = packet->duration > 0 && packet->duration < INT64_MAX / 4 ? packet->duration : 0;
    if (time + length > end) end = time + length;
  }
  if (status < 0) return 0;
  if (count == 0) return epic_video_failure(message, EPIC_VIDEO_NO_FRAMES, "", 0);
  qsort(video->times, (size_t)count, sizeof *video->times, ascending);
  int64_t first = video->times[0], last = video->times[count - 1];
  double length = seconds(video, end - first);
  if (end <= last) {
    // No packet says how long it is: as long as the others on average.
    AVRational rate = stream(video)->avg_frame_rate;
    double usual = rate.num > 0 && rate.den > 0 ? av_q2d(av_inv_q(rate)) : 0.04;
    length = seconds(video, last - first);
    length += count > 1 && last > first ? length / (double)(count - 1) : usual;
  }
  if (!(length > 0) || !isfinite(length)) return epic_video_failure(message, EPIC_VIDEO_DAMAGED, "its frames have no times", 0);
  if (length > video->limits.seconds) {
    char what[64];
    snprintf(what, sizeof what, "%.0f", length);
    epic_video_clear_complaint();
    return epic_video_failure(message, EPIC_VIDEO_TOO_LONG, what, 0);
  }
  video->facts.frames = count;
  video->facts.seconds = length;
  return 1;
}

static int open_decoder(EpicVideo *video, EpicVideoMessage *message) {
  AVCodecParameters *parameters = stream(video)->codecpar;
  const AVCodec *codec = avcodec_find_decoder(parameters->codec_id);
  char allowed[512];
  snprintf(allowed, sizeof allowed, ",%s,", epic_video_codecs);
  char name[64];
  snprintf(name, sizeof name, ",%s,", codec ? codec->name : "?");
  if (!codec || !strstr(allowed, name)) {
    epic_video_clear_complaint();
    return epic_video_failure(message, EPIC_VIDEO_UNSUPPORTED, avcodec_get_name(parameters->codec_id), 0);
  }
  video->decoder = avcodec_alloc_context3(codec);
  if (!video->decoder) return epic_video_failure(message, EPIC_VIDEO_DAMAGED, "out of memory", 0);
  int status = avcodec_parameters_to_context(video->decoder, parameters);
  // Older decoders are not at ease with threads: that of MPEG-4 ends the process at a damaged frame.
  int cores = av_cpu_count(), id = parameters->codec_id;
  int isModern = id == AV_CODEC_ID_H264 || id == AV_CODEC_ID_HEVC || id == AV_CODEC_ID_VP9 || id == AV_CODEC_ID_AV1;
  video->decoder->thread_count = !isModern ? 1 : cores < 4 ? cores : 4;
  video->decoder->max_pixels = video->limits.pixels;
  video->decoder->pkt_timebase = stream(video)->time_base;
  // A frame that is put together from guesses is no frame.
  video->decoder->err_recognition |= AV_EF_CRCCHECK | AV_EF_BITSTREAM | AV_EF_BUFFER | AV_EF_EXPLODE;
  if (status >= 0) status = avcodec_open2(video->decoder, codec, NULL);
  return status < 0 ? epic_video_failure(message, EPIC_VIDEO_DAMAGED, "its decoder does not open", status) : 1;
}

// Room for a video, and nothing opened yet.
static EpicVideo *make(EpicVideoSource source, EpicVideoLimits limits, EpicVideoMessage *message) {
  EpicVideo *video = calloc(1, sizeof *video);
  if (video) {
    video->bytes.source = source;
    video->limits = limits;
    video->packet = av_packet_alloc();
    video->frame = av_frame_alloc();
    video->before = av_frame_alloc();
    if (video->packet && video->frame && video->before) return video;
    epic_video_close(video);
  }
  epic_video_failure(message, EPIC_VIDEO_DAMAGED, "out of memory", 0);
  return NULL;
}

// The video with its facts where it is open, else none.
static EpicVideo *opened(EpicVideo *video, int isOpen, EpicVideoFacts *facts) {
  if (!isOpen) {
    epic_video_close(video);
    return NULL;
  }
  video->facts.width = stream(video)->codecpar->width;
  video->facts.height = stream(video)->codecpar->height;
  video->facts.orientation = orientation(stream(video));
  video->firstTime = video->lastTime = video->times ? video->times[0] : AV_NOPTS_VALUE;
  *facts = video->facts;
  return video;
}

EpicVideo *epic_video_open(EpicVideoSource source, EpicVideoLimits limits, EpicVideoFacts *facts, EpicVideoMessage *message) {
  EpicVideo *video = make(source, limits, message);
  if (!video) return NULL;
  int isOpen = 0;
  if (epic_video_is_cut(&source)) {
    epic_video_clear_complaint();
    epic_video_failure(message, EPIC_VIDEO_DAMAGED, "the file ends before its content does", 0);
  } else {
    isOpen = open_container(video, message) && read_times(video, message);
  }
  if (isOpen) {
    // From the beginning again; going back within it is not exact in all containers.
    epic_video_release(&video->container);
    isOpen = open_container(video, message) && open_decoder(video, message);
  }
  return opened(video, isOpen, facts);
}

EpicVideo *epic_video_stream(EpicVideoSource source, EpicVideoLimits limits, EpicVideoFacts *facts, EpicVideoMessage *message) {
  EpicVideo *video = make(source, limits, message);
  return video ? opened(video, open_container(video, message) && open_decoder(video, message), facts) : NULL;
}

void epic_video_times(const EpicVideo *video, double *times) {
  for (int64_t i = 0; i < video->facts.frames; i++) times[i] = seconds(video, video->times[i] - video->times[0]);
}

int epic_video_next(EpicVideo *video, double *time, EpicVideoMessage *message) {
  if (video->frame->buf[0]) {
    av_frame_unref(video->before);
    av_frame_move_ref(video->before, video->frame);
  }
  for (;;) {
    int status = avcodec_receive_frame(video->decoder, video->frame);
    if (status == 0) {
      AVFrame *frame = video->frame;
      if (frame->decode_error_flags) {
        epic_video_failure(message, EPIC_VIDEO_DAMAGED, "a frame cannot be decoded", 0);
        return -1;
      }
      if (!fits(video->limits, frame->width, frame->height)) {
        epic_video_failure(message, EPIC_VIDEO_TOO_LARGE, "a frame is larger than the first", 0);
        return -1;
      }
      int64_t found = frame->best_effort_timestamp;
      if (video->firstTime == AV_NOPTS_VALUE) video->firstTime = video->lastTime = found == AV_NOPTS_VALUE ? 0 : found;
      if (found != AV_NOPTS_VALUE && found > video->lastTime) video->lastTime = found;
      *time = seconds(video, video->lastTime - video->firstTime);
      return 1;
    }
    if (status == AVERROR_EOF) return 0;
    if (status == AVERROR(EAGAIN) && !video->isDrained) {
      int found = read_packet(video, message);
      if (found < 0) return -1;
      if (found == 0) video->isDrained = 1;
      status = avcodec_send_packet(video->decoder, found ? video->packet : NULL);
    }
    if (status < 0) {
      epic_video_failure(message, EPIC_VIDEO_DAMAGED, "a frame cannot be decoded", status);
      return -1;
    }
  }
}

int epic_video_rgb(EpicVideo *video, uint8_t *rgb, EpicVideoMessage *message) {
  AVFrame *frame = video->before;
  if (!frame->buf[0]) return epic_video_failure(message, EPIC_VIDEO_NO_FRAMES, "", 0);
  int width = video->facts.width, height = video->facts.height;
  video->scaler = sws_getCachedContext(video->scaler, frame->width, frame->height, frame->format, width, height, AV_PIX_FMT_RGB24,
                                       SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT, NULL, NULL, NULL);
  uint8_t *planes[4] = {0};
  int strides[4] = {0};
  // Rows have room behind their ends, as the scaler writes whole vectors.
  if (!video->scaler || av_image_alloc(planes, strides, width, height, AV_PIX_FMT_RGB24, 64) < 0) {
    return epic_video_failure(message, EPIC_VIDEO_DAMAGED, "its frames cannot be converted", 0);
  }
  int isFull = frame->color_range == AVCOL_RANGE_JPEG || frame->format == AV_PIX_FMT_YUVJ420P ||
               frame->format == AV_PIX_FMT_YUVJ422P || frame->format == AV_PIX_FMT_YUVJ444P || frame->format == AV_PIX_FMT_YUVJ440P;
  int space = frame->colorspace == AVCOL_SPC_UNSPECIFIED ? SWS_CS_DEFAULT : (int)frame->colorspace;
  sws_setColorspaceDetails(video->scaler, sws_getCoefficients(space), isFull, sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16,
                           1 << 16);
  int rows = sws_scale(video->scaler, (const uint8_t *const *)frame->data, frame->linesize, 0, frame->height, planes, strides);
  for (int y = 0; y < height; y++) memcpy(rgb + (size_t)y * width * 3, planes[0] + (size_t)y * strides[0], (size_t)width * 3);
  av_freep(&planes[0]);
  return rows == height ? 1 : epic_video_failure(message, EPIC_VIDEO_DAMAGED, "a frame cannot be converted", 0);
}

void epic_video_close(EpicVideo *video) {
  if (!video) return;
  avcodec_free_context(&video->decoder);
  epic_video_release(&video->container);
  av_packet_free(&video->packet);
  av_frame_free(&video->frame);
  av_frame_free(&video->before);
  sws_freeContext(video->scaler);
  free(video->times);
  free(video);
}
