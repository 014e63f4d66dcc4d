import Basics
import Foundation

/// An open file that many threads read from at once.
///
/// It is read and not mapped, because a mapped file that somebody shortens ends the process.
final class DataFile: Sendable {
  let path: String
  let size: Int
  /// For libraries that read by themselves.
  let descriptor: Int32

  init(_ url: URL) throws {
    path = url.relativePath
    func failure(_ reason: String = systemReason()) -> DatasetError {
      .unreadable(path: url.relativePath, reason: reason)
    }
    // A pipe or device must not make the call wait.
    descriptor = open(url.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    if descriptor < 0 { throw failure() }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw failure(status.st_mode & S_IFMT == S_IFDIR ? "it is a folder" : "it is not a regular file")
    }
    size = Int(status.st_size)
  }

  deinit { close(descriptor) }

  /// The bytes of a part of the file.
  ///
  /// - Throws: `DatasetError.changed` where the file has become shorter.
  func bytes(at offset: Int, count: Int) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: count) { room, initialized in
      while initialized < count, let start = room.baseAddress {
        let got = pread(descriptor, start + initialized, count - initialized, off_t(offset + initialized))
        if got > 0 {
          initialized += got
        } else if got == 0 {
          throw DatasetError.changed(file: path)
        } else if errno != EINTR {
          throw DatasetError.unreadable(path: path, reason: systemReason())
        }
      }
    }
  }
}
