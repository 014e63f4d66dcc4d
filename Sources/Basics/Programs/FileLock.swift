import Basics
import Foundation

/// A file that is held until this value goes, or until the process and all that hold it with it have ended.
public final class FileLock: Sendable {
  let descriptor: Int32

  /// Takes a file, which is made where it is not there.
  ///
  /// - Returns: nil where another process holds it.
  /// - Throws: `ProgramError`.
  public init?(_ url: URL) throws {
    descriptor = try open(url, O_RDWR | O_CREAT)
    if flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      close(descriptor)
      return nil
    }
  }

  deinit { close(descriptor) }

  /// Makes a text all that the file holds.
  ///
  /// - Throws: `ProgramError`.
  func write(_ text: String) throws {
    let bytes = Array(text.utf8)
    guard ftruncate(descriptor, 0) == 0, pwrite(descriptor, bytes, bytes.count, 0) == bytes.count else {
      throw ProgramError(path: "the lock of a program", reason: systemReason())
    }
  }
}
