#include "source.h"

#include <libavcodec/avcodec.h>
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What is needed while sound is read.
typedef struct {
  EpicVideoBytes bytes;
  AVFormatContext *container;
  int stream;
  AVCodecContext *decoder;
  AVPacket *packet;
  AVFrame *frame;
  struct SwrContext *resampler;
  float *samples;
  int64_t count, room;
  int rate, channels, format;
} Sound;

static void release(Sound *sound) {
  swr_free(&sound->resampler);
  avcodec_free_context(&sound->decoder);
  epic_video_release(&sound->container);
  av_packet_free(&sound->packet);
  av_frame_free(&sound->frame);
}

// Room for more samples; 0 after filling `message`.
static int reserve(Sound *sound, int64_t more, EpicVideoMessage *message) {
  if (sound->count + more > sound->room) {
    int64_t room = sound->count + more > 2 * sound->room ? sound->count + more : 2 * sound->room;
    float *larger = realloc(sound->samples, (size_t)room * sizeof *larger);
    if (!larger) return epic_video_failure(message, EPIC_VIDEO_DAMAGED, "out of memory", 0);
    sound->samples = larger;
    sound->room = room;
  }
  return 1;
}

// Mixes a frame down and brings it to the wanted rate; a null frame for what is left at the end.
static int convert(Sound *sound, int rate, EpicVideoMessage *message) {
  AVFrame *frame = sound->frame->nb_samples > 0 ? sound->frame : NULL;
  if (frame && !sound->resampler) {
    AVChannelLayout mono = AV_CHANNEL_LAYOUT_MONO;
    int status = swr_alloc_set_opts2(&sound->resampler, &mono, AV_SAMPLE_FMT_FLT, rate, &frame->ch_layout, frame->format,
                                     frame->sample_rate, 0, NULL);
    // Channels are averaged; without a largest value, floats would be added up and be too loud.
    if (status >= 0) status = av_opt_set_double(sound->resampler, "rematrix_maxval", 1, 0);
    if (status >= 0) status = swr_init(sound->resampler);
    if (status < 0) return epic_video_failure(message, EPIC_VIDEO_DAMAGED, "its sound cannot be converted", status);
    sound->rate = frame->sample_rate;
    sound->channels = frame->ch_layout.nb_channels;
    sound->format = frame->format;
  }
  if (!sound->resampler) return 1;
  if (frame && (frame->sample_rate != sound->rate || frame->ch_layout.nb_channels != sound->channels || frame->format != sound->format)) {
    return epic_video_failure(message, EPIC_VIDEO_UNSUPPORTED, "sound that changes on the way", 0);
  }
  int64_t wanted = swr_get_out_samples(sound->resampler, frame ? frame->nb_samples : 0);
  if (wanted < 0) return epic_video_failure(message, EPIC_VIDEO_DAMAGED, "its sound cannot be converted", (int)wanted);
  if (wanted == 0) return 1;
  if (!reserve(sound, wanted, message)) return 0;
  uint8_t *target = (uint8_t *)(sound->samples + sound->count);
  int found = swr_convert(sound->resampler, &target, (int)wanted, frame ? (const uint8_t **)frame->extended_data : NULL,
                          frame ? frame->nb_samples : 0);
  if (found < 0) return epic_video_failure(message, EPIC_VIDEO_DAMAGED, "its sound cannot be converted", found);
  sound->count += found;
  return 1;
}

static int open_sound(Sound *sound, EpicVideoLimits limits, EpicVideoMessage *message) {
  sound->container = epic_video_container(&sound->bytes, limits, message);
  if (!sound->container) return 0;
  sound->stream = av_find_best_stream(sound->container, AVMEDIA_TYPE_AUDIO, -1, -1, NULL, 0);
  if (sound->stream < 0) {
    epic_video_clear_complaint();
    return epic_video_failure(message, EPIC_VIDEO_NOT_A_VIDEO, "it has no sound", 0);
  }
  for (unsigned i = 0; i < sound->container->nb_streams; i++) {
    if ((int)i != sound->stream) sound->container->streams[i]->discard = AVDISCARD_ALL;
  }
  AVCodecParameters *parameters = sound->container->streams[sound->stream]->codecpar;
  const AVCodec *codec = avcodec_find_decoder(parameters->codec_id);
  char allowed[640], name[64];
  snprintf(allowed, sizeof allowed, ",%s,", epic_audio_codecs);
  snprintf(name, sizeof name, ",%s,", codec ? codec->name : "?");
  if (!codec || !strstr(allowed, name)) {
    epic_video_clear_complaint();
    return epic_video_failure(message, EPIC_VIDEO_UNSUPPORTED, avcodec_get_name(parameters->codec_id), 0);
  }
  if (parameters->sample_rate <= 0 || parameters->sample_rate > 1 << 20 || parameters->ch_layout.nb_channels <= 0 ||
      parameters->ch_layout.nb_channels > 64) {
    return epic_video_failure(message, EPIC_VIDEO_DAMAGED, "its sound has no rate or no channels", 0);
  }
  sound->decoder = avcodec_alloc_context3(codec);
  sound->packet = av_packet_alloc();
  sound->frame = av_frame_alloc();
  if (!sound->decoder || !sound->packet || !sound->frame) return epic_video_failure(message, EPIC_VIDEO_DAMAGED, "out of memory", 0);
  int status = avcodec_parameters_to_context(sound->decoder, parameters);
  sound->decoder->thread_count = 1;
  sound->decoder->pkt_timebase = sound->container->streams[sound->stream]->time_base;
  if (status >= 0) status = avcodec_open2(sound->decoder, codec, NULL);
  return status < 0 ? epic_video_failure(message, EPIC_VIDEO_DAMAGED, "its decoder does not open", status) : 1;
}

// Decodes until the end, or until there are enough samples.
static int read_sound(Sound *sound, int rate, int64_t wanted, EpicVideoMessage *message) {
  int isDrained = 0;
  while (sound->count < wanted) {
    int status = avcodec_receive_frame(sound->decoder, sound->frame);
    if (status == 0) {
      if (!convert(sound, rate, message)) return 0;
      av_frame_unref(sound->frame);
      continue;
    }
    if (status == AVERROR_EOF) return convert(sound, rate, message);
    if (status != AVERROR(EAGAIN) || isDrained) {
      return epic_video_failure(message, EPIC_VIDEO_DAMAGED, "its sound cannot be decoded", status);
    }
    do {
      av_packet_unref(sound->packet);
      epic_video_clear_complaint();
      status = av_read_frame(sound->container, sound->packet);
    } while (status >= 0 && sound->packet->stream_index != sound->stream);
    if (status == AVERROR_EOF && !epic_video_complaint()[0]) {
      isDrained = 1;
    } else if (status < 0) {
      return epic_video_failure(message, EPIC_VIDEO_DAMAGED, "the data end too early", status == AVERROR_EOF ? 0 : status);
    } else if (sound->packet->flags & AV_PKT_FLAG_CORRUPT) {
      return epic_video_failure(message, EPIC_VIDEO_DAMAGED, "sound is cut short", 0);
    }
    status = avcodec_send_packet(sound->decoder, isDrained ? NULL : sound->packet);
    if (status < 0) return epic_video_failure(message, EPIC_VIDEO_DAMAGED, "its sound cannot be decoded", status);
  }
  return 1;
}

float *epic_audio_read(EpicVideoSource source, EpicVideoLimits limits, int rate, int64_t wanted, int64_t *count,
                       EpicVideoMessage *message) {
  Sound sound = {.bytes = {.source = source}};
  int isRead = 0;
  *count = 0;
  if (epic_video_is_cut(&source)) {
    epic_video_clear_complaint();
    epic_video_failure(message, EPIC_VIDEO_DAMAGED, "the file ends before its content does", 0);
  } else {
    isRead = open_sound(&sound, limits, message) && read_sound(&sound, rate, wanted, message);
  }
  if (isRead && sound.count == 0) isRead = epic_video_failure(message, EPIC_VIDEO_NO_FRAMES, "", 0);
  release(&sound);
  if (!isRead) {
    free(sound.samples);
    return NULL;
  }
  *count = sound.count < wanted ? sound.count : wanted;
  return sound.samples;
}

void epic_audio_free(float *samples) { free(samples); }
