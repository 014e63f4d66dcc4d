import Foundation

/// What the system, or another process, does not let happen to a file.
public enum FileError: Error, Equatable, CustomStringConvertible {
  /// The system refuses it, in its own words.
  case failed(path: String, reason: String)
  /// Another process works on it.
  case inUse(path: String)

  /// The failure that `errno` tells of.
  package static func current(_ url: URL) -> FileError { .failed(path: url.relativePath, reason: systemReason(errno)) }

  /// One sentence for people.
  public var description: String {
    switch self {
    case .failed(let path, let reason): "\(path): \(reason); check the path, its permissions and the room on its disk"
    case .inUse(let path): "\(path): another process is at work on it; wait for it"
    }
  }
}

/// Calls a system function again while signals interrupt it.
package func retrying(_ call: () -> Int) -> Int {
  while true {
    let result = call()
    if result >= 0 || errno != EINTR { return result }
  }
}

/// Writes all bytes to a descriptor.
///
/// - Parameter url: what errors name.
/// - Throws: `FileError.failed`.
package func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ url: URL) throws(FileError) {
  var position = 0
  while position < bytes.count {
    let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
    // Linux writes at most 2 GiB at a time.
    let count = retrying { Glibc.write(descriptor, rest.baseAddress, min(rest.count, 1 << 30)) }
    if count < 0 { throw .current(url) }
    position += count
  }
}

/// Brings a file, or a folder's list of names, to the disk.
///
/// - Throws: `FileError.failed`.
func bringToDisk(_ url: URL) throws(FileError) {
  let descriptor = open(url.path, O_RDONLY | O_CLOEXEC)
  if descriptor < 0 { throw .current(url) }
  defer { close(descriptor) }
  if fsync(descriptor) != 0 { throw .current(url) }
}

/// Takes a lock that lasts as long as the descriptor is open.
///
/// - Returns: false where another process, or another descriptor of this one, has it. Where a file system knows no locks, nobody is kept out.
package func lockFile(_ descriptor: Int32) -> Bool { flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK }
