#include "source.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char containers[] = "mov,matroska,avi,gif,mpegts,mpeg,flv,asf,ogg,wav,w64,mp3,flac,aac,aiff,au";
#define VIDEO_CODECS \
  "h264,hevc,libdav1d,vp8,vp9,mpeg1video,mpeg2video,mpeg4,h263,flv,theora,gif,mjpeg,msmpeg4,msmpeg4v2,wmv1,wmv2,wmv3,vc1,prores,ffv1," \
  "png,rawvideo"
#define AUDIO_CODECS \
  "aac,mp3float,mp3,flac,alac,vorbis,opus,ac3,eac3,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be," \
  "pcm_f64le,pcm_u8,pcm_alaw,pcm_mulaw,adpcm_ima_wav,adpcm_ms,wmav1,wmav2"
const char epic_video_codecs[] = VIDEO_CODECS;
const char epic_audio_codecs[] = AUDIO_CODECS;
// Files of videos have sound too, and a stream is known by trying its decoder.
static const char media_codecs[] = VIDEO_CODECS "," AUDIO_CODECS;

static _Thread_local char complaint[160];

const char *epic_video_complaint(void) { return complaint; }
void epic_video_clear_complaint(void) { complaint[0] = 0; }

// FFmpeg prints what it thinks; here it is kept for the message.
static void keep(void *context, int level, const char *format, va_list arguments) {
  (void)context;
  if (level > AV_LOG_ERROR) return;
  vsnprintf(complaint, sizeof complaint, format, arguments);
  size_t end = strlen(complaint);
  while (end > 0 && (complaint[end - 1] == '\n' || complaint[end - 1] == '.' || complaint[end - 1] == ' ')) complaint[--end] = 0;
  for (size_t i = 0; i < end; i++) {
    if ((unsigned char)complaint[i] < 0x20) complaint[i] = ' ';
  }
}

static void silence(void) { av_log_set_callback(keep); }

int epic_video_failure(EpicVideoMessage *message, EpicVideoFailure kind, const char *what, int error) {
  char reason[AV_ERROR_MAX_STRING_SIZE] = "";
  if (error != 0) av_strerror(error, reason, sizeof reason);
  const char *parts[] = {what, reason, complaint};
  message->kind = kind;
  message->text[0] = 0;
  size_t used = 0;
  for (int i = 0; i < 3; i++) {
    if (!parts[i][0] || used >= sizeof message->text - 1) continue;
    used += (size_t)snprintf(message->text + used, sizeof message->text - used, "%s%s", used ? ": " : "", parts[i]);
  }
  return 0;
}

// What a pipe has ready, a byte at least; 0 at its end.
static int pipe_bytes(int file, uint8_t *buffer, int count) {
  ssize_t found;
  do {
    found = read(file, buffer, (size_t)count);
  } while (found < 0 && errno == EINTR);
  return found < 0 ? AVERROR(errno) : (int)found;
}

int epic_video_bytes(const EpicVideoSource *source, int64_t position, uint8_t *buffer, int count) {
  int64_t left = source->count - position;
  if (left <= 0 || count <= 0) return 0;
  size_t wanted = count < left ? (size_t)count : (size_t)left;
  if (source->data) {
    memcpy(buffer, source->data + position, wanted);
    return (int)wanted;
  }
  ssize_t found;
  do {
    found = pread(source->file, buffer, wanted, position);
  } while (found < 0 && errno == EINTR);
  return found < 0 ? AVERROR(errno) : (int)found;
}

static int read_bytes(void *opaque, uint8_t *buffer, int count) {
  EpicVideoBytes *bytes = opaque;
  int found = bytes->source.count < 0 ? pipe_bytes(bytes->source.file, buffer, count)
                                      : epic_video_bytes(&bytes->source, bytes->position, buffer, count);
  if (found > 0) bytes->position += found;
  return found == 0 ? AVERROR_EOF : found;
}

// A place behind the end is an error, so that files that are cut short are found out.
static int64_t seek_bytes(void *opaque, int64_t offset, int whence) {
  EpicVideoBytes *bytes = opaque;
  if (whence & AVSEEK_SIZE) return bytes->source.count;
  int64_t base = 0;
  switch (whence & ~AVSEEK_FORCE) {
    case SEEK_SET: break;
    case SEEK_CUR: base = bytes->position; break;
    case SEEK_END: base = bytes->source.count; break;
    default: return AVERROR(EINVAL);
  }
  if (offset < -base || offset > bytes->source.count - base) return AVERROR_INVALIDDATA;
  return bytes->position = base + offset;
}

// Containers may name further files; none is opened.
static int open_nothing(AVFormatContext *container, AVIOContext **io, const char *url, int flags, AVDictionary **options) {
  (void)container, (void)io, (void)url, (void)flags, (void)options;
  return AVERROR(EPERM);
}

void epic_video_release(AVFormatContext **container) {
  if (!*container) return;
  AVIOContext *io = (*container)->pb;
  avformat_close_input(container);
  if (io) av_freep(&io->buffer);
  avio_context_free(&io);
}

static int known_streams(AVFormatContext *container, EpicVideoLimits limits) {
  AVDictionary *options[64] = {0};
  unsigned count = container->nb_streams < 64 ? container->nb_streams : 64;
  for (unsigned i = 0; i < count; i++) {
    // Frames are decoded to know a stream, under the same limits.
    av_dict_set_int(&options[i], "max_pixels", limits.pixels, 0);
    av_dict_set(&options[i], "codec_whitelist", media_codecs, 0);
    av_dict_set(&options[i], "threads", "1", 0);
  }
  int status = container->nb_streams > 64 ? AVERROR_INVALIDDATA : avformat_find_stream_info(container, options);
  for (unsigned i = 0; i < count; i++) av_dict_free(&options[i]);
  return status;
}

AVFormatContext *epic_video_container(EpicVideoBytes *bytes, EpicVideoLimits limits, EpicVideoMessage *message) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, silence);
  epic_video_clear_complaint();
  bytes->position = 0;
  enum { room = 1 << 16 };
  int isPipe = bytes->source.count < 0;
  uint8_t *buffer = av_malloc(room);
  AVIOContext *io = buffer ? avio_alloc_context(buffer, room, 0, bytes, read_bytes, NULL, isPipe ? NULL : seek_bytes) : NULL;
  AVFormatContext *container = io ? avformat_alloc_context() : NULL;
  if (!container) {
    if (io) av_freep(&io->buffer);
    else av_free(buffer);
    avio_context_free(&io);
    epic_video_failure(message, EPIC_VIDEO_DAMAGED, "out of memory", 0);
    return NULL;
  }
  container->pb = io;
  container->flags |= AVFMT_FLAG_CUSTOM_IO;
  container->io_open = open_nothing;
  AVDictionary *options = NULL;
  av_dict_set(&options, "format_whitelist", containers, 0);
  av_dict_set(&options, "codec_whitelist", media_codecs, 0);
  av_dict_set(&options, "protocol_whitelist", "none", 0);
  int status = avformat_open_input(&container, NULL, NULL, &options);
  av_dict_free(&options);
  if (status < 0) {
    // The container is gone, what it read from is not.
    av_freep(&io->buffer);
    avio_context_free(&io);
    if (status == AVERROR(EINVAL) || (status == AVERROR_INVALIDDATA && !complaint[0])) {
      // FFmpeg may well know what it is, and where that would lead.
      epic_video_clear_complaint();
      epic_video_failure(message, EPIC_VIDEO_NOT_A_VIDEO, "it is in no container that is read here", 0);
    } else {
      epic_video_failure(message, EPIC_VIDEO_DAMAGED, "its container cannot be read", status);
    }
    return NULL;
  }
  if ((status = known_streams(container, limits)) < 0) {
    epic_video_failure(message, EPIC_VIDEO_DAMAGED, "its streams cannot be read", status);
    epic_video_release(&container);
    return NULL;
  }
  return container;
}
