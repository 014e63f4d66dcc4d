#include "ctar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { block_size = 1 << 16 };

struct ctar_reader {
  struct archive *archive;
  int descriptor;
  int64_t start, place, end;
  uint8_t block[block_size];
};

static int64_t left(const ctar_reader *reader) { return reader->end > reader->place ? reader->end - reader->place : 0; }

static la_ssize_t take(struct archive *archive, void *context, const void **bytes) {
  ctar_reader *reader = context;
  size_t count = left(reader) < block_size ? (size_t)left(reader) : block_size;
  ssize_t got;
  do {
    got = pread(reader->descriptor, reader->block, count, reader->place);
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    archive_set_error(archive, errno, "%s", strerror(errno));
    return ARCHIVE_FATAL;
  }
  reader->place += got;
  *bytes = reader->block;
  return got;
}

static la_int64_t skip(struct archive *archive, void *context, la_int64_t request) {
  (void)archive;
  ctar_reader *reader = context;
  int64_t step = request < left(reader) ? request : left(reader);
  reader->place += step;
  return step;
}

ctar_reader *ctar_open(int descriptor, int64_t place, int64_t end) {
  ctar_reader *reader = malloc(sizeof *reader);
  if (!reader) return NULL;
  reader->descriptor = descriptor;
  reader->start = reader->place = place;
  reader->end = end;
  reader->archive = archive_read_new();
  if (reader->archive && archive_read_support_format_tar(reader->archive) == ARCHIVE_OK &&
      // What follows an end mark is read too: a shard may be two that were put together, and damage must not pass for an end.
      archive_read_set_format_option(reader->archive, "tar", "read_concatenated_archives", "1") == ARCHIVE_OK &&
      archive_read_open2(reader->archive, reader, NULL, take, skip, NULL) == ARCHIVE_OK) {
    return reader;
  }
  ctar_close(reader);
  return NULL;
}

void ctar_close(ctar_reader *reader) {
  if (reader->archive) archive_read_free(reader->archive);
  free(reader);
}

static ctar_kind kind(struct archive_entry *entry) {
  if (archive_entry_hardlink(entry)) return CTAR_HARD_LINK;
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG: return archive_entry_sparse_count(entry) > 0 ? CTAR_SPARSE : CTAR_FILE;
    case AE_IFDIR: return CTAR_FOLDER;
    case AE_IFLNK: return CTAR_SYMBOLIC_LINK;
    default: return CTAR_OTHER;
  }
}

int ctar_next(ctar_reader *reader, ctar_member *member) {
  struct archive_entry *entry = NULL;
  int code = archive_read_next_header(reader->archive, &entry);
  if (code == ARCHIVE_EOF) return 0;
  // A warning is about what does not matter here, such as a name that the process's locale cannot spell.
  if (code != ARCHIVE_OK && code != ARCHIVE_WARN) return -1;
  const char *name = archive_entry_pathname(entry);
  member->name = name ? name : "";
  member->place = reader->start + archive_read_header_position(reader->archive);
  member->size = archive_entry_size(entry);
  member->kind = kind(entry);
  return 1;
}

int ctar_read(ctar_reader *reader, uint8_t *bytes, size_t count) {
  size_t got = 0;
  while (got < count) {
    la_ssize_t more = archive_read_data(reader->archive, bytes + got, count - got);
    if (more < 0) return -1;
    if (more == 0) {
      archive_set_error(reader->archive, EIO, "a member is shorter than its header says");
      return -1;
    }
    got += (size_t)more;
  }
  return 0;
}

const char *ctar_message(ctar_reader *reader) {
  const char *message = archive_error_string(reader->archive);
  return message ? message : "unknown error";
}
