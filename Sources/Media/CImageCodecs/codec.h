#pragma once
#include "include/cimagecodecs.h"

#include <stdio.h>

// Fills the message and gives the failure status, so that a codec can write `return codec_failure(message, "...")`.
static inline int codec_failure(EpicCodecMessage *message, const char *reason) {
  snprintf(message->text, sizeof message->text, "%s", reason);
  return 0;
}
