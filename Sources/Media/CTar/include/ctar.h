#pragma once
// What reading data sets needs of libarchive: the members of an open tar file from some place on, and what they hold. Nothing is unpacked.
// Readers are independent of each other; one is used by one thread at a time.

#include <stddef.h>
#include <stdint.h>

typedef struct ctar_reader ctar_reader;

typedef enum ctar_kind {
  CTAR_FILE = 0,
  CTAR_FOLDER = 1,
  CTAR_SYMBOLIC_LINK = 2,
  CTAR_HARD_LINK = 3,
  CTAR_SPARSE = 4,
  // Devices, pipes, sockets.
  CTAR_OTHER = 5
} ctar_kind;

typedef struct ctar_member {
  // Terminated by NUL, as bytes of no promised encoding; lives until the next call.
  const char *name;
  // Where its first header begins in the file, and the bytes of its content.
  int64_t place, size;
  ctar_kind kind;
} ctar_member;

// Reads the bytes `place` ..< `end` of a file, which has to stay open; NULL where no header begins there, or memory runs out.
ctar_reader *ctar_open(int descriptor, int64_t place, int64_t end);
void ctar_close(ctar_reader *reader);

// Goes to the next member: 1, or 0 behind the last one, or -1 where the file is damaged.
int ctar_next(ctar_reader *reader, ctar_member *member);

// Reads exactly `count` bytes of the content of the member that ctar_next went to; -1 where there are fewer.
int ctar_read(ctar_reader *reader, uint8_t *bytes, size_t count);

// What went wrong, in one line; lives until the next call.
const char *ctar_message(ctar_reader *reader);
