import Foundation
import Synchronization

/// A file of JSON objects, one in a line, that a process adds to as they come.
///
/// It only grows: lines that cannot be read stay where they are, and lines that no longer count are moved to a file beside it. The one
/// thing that is dropped is half a line at the end, which a killed process leaves.
public final class Journal: Sendable {
  /// The file.
  public let url: URL
  private let descriptor: Int32
  private let syncs: Bool
  /// Bytes of whole lines.
  private let end: Mutex<Int>

  private static let newline = UInt8(ascii: "\n")

  /// Opens a file, which is made where it is not there; its folder must be.
  ///
  /// - Parameters:
  ///   - syncs: bring lines to the disk as soon as they are written, so that they outlive the machine's power too.
  ///   - locks: keep others out while it is open; who does without sees to it that nobody else writes.
  /// - Throws: `FileError`; `.inUse` where it is open already.
  public init(_ url: URL, syncs: Bool = false, locks: Bool = true) throws {
    let descriptor = open(url.path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    if descriptor < 0 { throw FileError.current(url) }
    do {
      if locks, !lockFile(descriptor) { throw FileError.inUse(path: url.relativePath) }
      let whole = Self.wholeLines(try Self.contents(descriptor, url)).count
      if ftruncate(descriptor, off_t(whole)) != 0 { throw FileError.current(url) }
      (self.url, self.descriptor, self.syncs) = (url, descriptor, syncs)
      end = Mutex(whole)
    } catch {
      close(descriptor)
      throw error
    }
  }

  deinit { close(descriptor) }

  // MARK: - Reading

  /// What the file's lines hold, first to last, without the lines that hold something else.
  ///
  /// - Throws: `FileError.failed`.
  public func records<Record: Decodable>(_ type: Record.Type) throws -> [Record] {
    let whole = end.withLock { $0 }
    return Self.records(type, try Self.contents(descriptor, url).prefix(whole))
  }

  /// The same for a file that another process may be adding to; nothing is changed, and no file is no records.
  ///
  /// - Throws: `FileError.failed`.
  public static func records<Record: Decodable>(_ type: Record.Type, in url: URL) throws -> [Record] {
    let descriptor = open(url.path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0, errno == ENOENT { return [] }
    if descriptor < 0 { throw FileError.current(url) }
    defer { close(descriptor) }
    return records(type, try contents(descriptor, url))
  }

  private static func records<Record: Decodable>(_ type: Record.Type, _ data: Data) -> [Record] {
    let decoder = JSONDecoder()
    // A machine that lost its power may leave anything, and another version may have written other fields.
    return wholeLines(data).split(separator: newline).compactMap { try? decoder.decode(type, from: $0) }
  }

  // MARK: - Writing

  /// Adds records at once.
  ///
  /// - Throws: `FileError.failed`, and the file is as it was; `EncodingError`.
  public func append(_ records: [some Encodable]) throws {
    var lines = Data()
    for record in records { lines += try record.jsonData() + [Self.newline] }
    if !lines.isEmpty { try append(lines) }
  }

  private func append(_ lines: Data) throws {
    try end.withLock { end in
      do {
        if lseek(descriptor, off_t(end), SEEK_SET) < 0 { throw FileError.current(url) }
        try lines.withUnsafeBytes { try writeAll($0, to: descriptor, url) }
        if syncs, fsync(descriptor) != 0 { throw FileError.current(url) }
      } catch {
        // What follows must not be glued to half a line.
        ftruncate(descriptor, off_t(end))
        throw error
      }
      end += lines.count
    }
  }

  /// Brings what has been added to the disk.
  ///
  /// - Throws: `FileError.failed`.
  public func sync() throws { if fsync(descriptor) != 0 { throw FileError.current(url) } }

  /// Moves the first line that no longer counts, and all after it, to the file `<name>.superseded.jsonl` beside this one.
  ///
  /// - Throws: `FileError`; every line is in one of the two files then, or in both.
  public func supersede<Record: Decodable>(_ type: Record.Type, where isOutdated: (Record) throws -> Bool) throws {
    let data = Self.wholeLines(try Self.contents(descriptor, url))
    let decoder = JSONDecoder()
    var kept = 0
    for line in data.split(separator: Self.newline, omittingEmptySubsequences: false) {
      // A line that cannot be read is nobody's to judge, so it stays.
      if let record = try? decoder.decode(type, from: line), try isOutdated(record) { break }
      kept += line.count + 1
    }
    if kept >= data.count { return }
    let name = url.deletingPathExtension().lastPathComponent + ".superseded.jsonl"
    let other = try Journal(url.deletingLastPathComponent().appending(path: name), syncs: true)
    try other.append(data.dropFirst(kept))
    try end.withLock { end in
      if ftruncate(descriptor, off_t(kept)) != 0 { throw FileError.current(url) }
      end = kept
    }
  }

  // MARK: - Bytes

  private static func wholeLines(_ data: Data) -> Data {
    data.prefix(data.lastIndex(of: newline).map { $0 - data.startIndex + 1 } ?? 0)
  }

  private static func contents(_ descriptor: Int32, _ url: URL) throws -> Data {
    var status = stat()
    if fstat(descriptor, &status) != 0 { throw FileError.current(url) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw FileError.failed(path: url.relativePath, reason: "it is not a file") }
    var data = Data(count: Int(status.st_size))
    let read = try data.withUnsafeMutableBytes { room in
      var position = 0
      while position < room.count {
        let rest = UnsafeMutableRawBufferPointer(rebasing: room[position...])
        let count = retrying { pread(descriptor, rest.baseAddress, min(rest.count, 1 << 30), off_t(position)) }
        if count < 0 { throw FileError.current(url) }
        if count == 0 { break }
        position += count
      }
      return position
    }
    return data.prefix(read)
  }
}
