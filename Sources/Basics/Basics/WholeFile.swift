import Foundation

/// Files that appear whole or not at all, also where the machine loses its power.
public enum WholeFile {
  /// Writes a file in place of one that may be there.
  ///
  /// - Throws: `FileError.failed`; the old file is there then, as it was.
  public static func write(_ data: Data, to url: URL) throws {
    try write(to: url) { descriptor in try data.withUnsafeBytes { try writeAll($0, to: descriptor, url) } }
  }

  /// Writes a value as JSON with sorted keys.
  ///
  /// - Throws: `FileError.failed`; `EncodingError`.
  public static func write(json value: some Encodable, to url: URL, pretty: Bool = false) throws {
    try write(value.jsonData(isPretty: pretty), to: url)
  }

  /// Writes a file piece by piece.
  ///
  /// - Parameter fill: is given a descriptor to write to.
  /// - Throws: `FileError.failed`, and what `fill` throws.
  public static func write(to url: URL, _ fill: (Int32) throws -> Void) throws {
    let partial = PartialName.place(beside: url)
    let descriptor = open(partial.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    if descriptor < 0 { throw FileError.current(url) }
    do {
      defer { close(descriptor) }
      // Held while it is written, so that nobody takes it for what a killed process left.
      _ = lockFile(descriptor)
      try fill(descriptor)
      if fsync(descriptor) != 0 { throw FileError.current(url) }
      if rename(partial.path, url.path) != 0 { throw FileError.current(url) }
    } catch {
      unlink(partial.path)
      throw error
    }
    try bringToDisk(url.standardizedFileURL.deletingLastPathComponent())
  }
}
