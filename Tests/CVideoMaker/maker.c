#include "include/cvideomaker.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <string.h>

static int write_packets(AVFormatContext *container, AVCodecContext *encoder, AVStream *stream, const int64_t *times, int count,
                         int64_t end, AVRational unit) {
  AVPacket *packet = av_packet_alloc();
  int status;
  while ((status = avcodec_receive_packet(encoder, packet)) == 0) {
    // How long a frame is shown: until the next.
    for (int i = 0; i < count; i++) {
      if (times[i] == packet->pts) packet->duration = (i + 1 < count ? times[i + 1] : end) - times[i];
    }
    av_packet_rescale_ts(packet, unit, stream->time_base);
    packet->stream_index = stream->index;
    if ((status = av_interleaved_write_frame(container, packet)) < 0) break;
  }
  av_packet_free(&packet);
  return status == AVERROR(EAGAIN) || status == AVERROR_EOF ? 0 : status;
}

int epic_make_video(const char *path, EpicMadeVideo video, const int64_t *times, const uint8_t *levels, const uint8_t *marks, int count) {
  av_log_set_level(AV_LOG_ERROR);
  AVFormatContext *container = NULL;
  AVRational unit = {video.unitNumerator, video.unitDenominator};
  const AVCodec *codec = avcodec_find_encoder_by_name(video.codec);
  if (!codec || avformat_alloc_output_context2(&container, NULL, NULL, path) < 0) return 0;
  AVCodecContext *encoder = avcodec_alloc_context3(codec);
  AVStream *stream = avformat_new_stream(container, NULL);
  encoder->width = video.width;
  encoder->height = video.height;
  encoder->time_base = unit;
  encoder->pix_fmt = av_get_pix_fmt(video.format);
  encoder->color_range = video.isFullRange ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
  encoder->gop_size = 4;
  encoder->thread_count = 1;
  if (container->oformat->flags & AVFMT_GLOBALHEADER) encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  // Without loss, so that a test knows every sample.
  av_opt_set(encoder->priv_data, "qp", "0", 0);
  if (!strcmp(video.codec, "mpeg4")) {
    encoder->flags |= AV_CODEC_FLAG_QSCALE;
    encoder->global_quality = FF_QP2LAMBDA;
  }
  int isDone = avcodec_open2(encoder, codec, NULL) >= 0 && avcodec_parameters_from_context(stream->codecpar, encoder) >= 0;
  stream->time_base = unit;
  if (video.matrix) {
    uint8_t *data = av_stream_new_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, 9 * sizeof(int32_t));
    memcpy(data, video.matrix, 9 * sizeof(int32_t));
  }
  isDone = isDone && avio_open(&container->pb, path, AVIO_FLAG_WRITE) >= 0 && avformat_write_header(container, NULL) >= 0;
  AVFrame *frame = av_frame_alloc();
  frame->format = encoder->pix_fmt;
  frame->width = video.width;
  frame->height = video.height;
  frame->color_range = encoder->color_range;
  const AVPixFmtDescriptor *description = av_pix_fmt_desc_get(encoder->pix_fmt);
  int isPacked = description && description->flags & AV_PIX_FMT_FLAG_RGB && !(description->flags & AV_PIX_FMT_FLAG_PLANAR);
  for (int i = 0; isDone && i < count; i++) {
    isDone = av_frame_get_buffer(frame, 0) >= 0;
    for (int plane = 0; isDone && plane < 3 && frame->data[plane]; plane++) {
      int rows = plane > 0 && description ? AV_CEIL_RSHIFT(video.height, description->log2_chroma_h) : video.height;
      memset(frame->data[plane], plane == 0 || isPacked ? levels[i] : 128, (size_t)frame->linesize[plane] * rows);
    }
    int bytes = isPacked ? 3 : 1;
    if (isDone) memset(frame->data[0], marks[i], (size_t)(bytes * video.width / 4));
    frame->pts = times[i];
    isDone = isDone && avcodec_send_frame(encoder, frame) >= 0 &&
             write_packets(container, encoder, stream, times, count, video.end, unit) >= 0;
    av_frame_unref(frame);
    frame->format = encoder->pix_fmt;
    frame->width = video.width;
    frame->height = video.height;
    frame->color_range = encoder->color_range;
  }
  isDone = isDone && avcodec_send_frame(encoder, NULL) >= 0 &&
           write_packets(container, encoder, stream, times, count, video.end, unit) >= 0 && av_write_trailer(container) >= 0;
  if (container->pb) avio_closep(&container->pb);
  av_frame_free(&frame);
  avcodec_free_context(&encoder);
  avformat_free_context(container);
  return isDone;
}
