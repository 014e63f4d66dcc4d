import Basics
import Foundation

/// The bytes of a regular file of at most `limit` bytes.
///
/// The size is checked on the open file, before anything is read, and a pipe or device never makes the call wait.
func readRegularFile(_ url: URL, limit: Int) throws -> [UInt8] {
  let name = url.relativePath
  func failure(_ reason: String = systemReason()) -> ImagingError {
    .unreadable(file: name, reason: reason)
  }
  guard url.isFileURL else { throw failure("not a file URL") }
  let file = open(url.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
  if file < 0 { throw failure() }
  defer { close(file) }
  var status = stat()
  if fstat(file, &status) != 0 { throw failure() }
  switch status.st_mode & S_IFMT {
  case S_IFREG: break
  case S_IFDIR: throw failure("it is a folder")
  default: throw failure("it is not a regular file")
  }
  let size = Int(status.st_size)
  if size > limit { throw ImagingError.tooManyBytes(file: name, found: size, limit: limit) }
  return try [UInt8](unsafeUninitializedCapacity: size) { room, initialized in
    while initialized < size, let start = room.baseAddress {
      let count = read(file, start + initialized, size - initialized)
      if count == 0 { break }
      if count > 0 {
        initialized += count
      } else if errno != EINTR {
        throw failure()
      }
    }
  }
}
