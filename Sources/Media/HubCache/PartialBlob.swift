import Basics
import Crypto
import Foundation

/// A blob that is being downloaded: `blobs/<etag>.epic-partial`, which outlives the process and is gone on with.
///
/// It is not called as Python's are, which are of one process and thrown away.
package final class PartialBlob: Sendable {
  static let suffix = ".epic-partial"

  private let url: URL
  private let descriptor: Int32

  /// Opens the file, which may hold the beginning already.
  ///
  /// - Throws: `FileError.failed`, also where it is a link.
  package init(_ repository: CachedRepository, _ etag: String) throws {
    let url = repository.folder.appending(path: "blobs/\(etag)\(Self.suffix)")
    let descriptor = open(url.path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o666)
    if descriptor < 0 { throw FileError.current(url) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_nlink == 1 else {
      close(descriptor)
      throw FileError.failed(path: url.path, reason: "it is not a file of its own; remove it")
    }
    (self.url, self.descriptor) = (url, descriptor)
  }

  deinit { close(descriptor) }

  /// Bytes that are there.
  package func size() throws -> Int {
    var status = stat()
    if fstat(descriptor, &status) != 0 { throw FileError.current(url) }
    return Int(status.st_size)
  }

  /// Drops what lies behind a position.
  package func truncate(to size: Int) throws { if ftruncate(descriptor, off_t(size)) != 0 { throw FileError.current(url) } }

  /// Adds bytes at the end.
  ///
  /// - Throws: `FileError.failed`, as where the disk is full; what fitted stays.
  package func append(_ bytes: UnsafeRawBufferPointer) throws {
    if lseek(descriptor, 0, SEEK_END) < 0 { throw FileError.current(url) }
    try writeAll(bytes, to: descriptor, url)
  }

  /// Compares what lies on the disk with a hash.
  ///
  /// - Returns: nil where they agree, else the hash of what is there.
  package func mismatch(with hash: ContentHash) throws -> String? {
    let found = try hash.ofFile(descriptor, url)
    return found == hash.digits ? nil : found
  }

  /// Brings the file to the disk and gives it its name; a link that stands there is replaced, not followed.
  package func publish(as blob: URL) throws {
    if fsync(descriptor) != 0 || rename(url.path, blob.path) != 0 { throw FileError.current(blob) }
  }

  /// Removes the file.
  package func remove() { unlink(url.path) }
}

/// What a file must hash to.
package enum ContentHash: Equatable, Sendable {
  /// SHA-256 of the bytes: files outside of git.
  case sha256(String)
  /// SHA-1 of `blob <bytes>\0` and the bytes: files in git.
  case gitBlob(String)

  /// Hexadecimal digits.
  package var digits: String {
    switch self {
    case .sha256(let digits), .gitBlob(let digits): digits
    }
  }

  /// The hash that a text is by its length; nil for other texts.
  package init?(_ text: String) {
    if HubName.isHash(text, digits: 64) {
      self = .sha256(text)
    } else if HubName.isHash(text, digits: 40) {
      self = .gitBlob(text)
    } else {
      return nil
    }
  }

  /// The hash of the same kind of an open file's bytes, from its beginning.
  package func ofFile(_ descriptor: Int32, _ url: URL) throws -> String {
    var status = stat()
    if fstat(descriptor, &status) != 0 { throw FileError.current(url) }
    switch self {
    case .sha256: return try Self.hash(SHA256(), descriptor, url)
    case .gitBlob:
      var hash = Insecure.SHA1()
      hash.update(data: Data("blob \(status.st_size)\0".utf8))
      return try Self.hash(hash, descriptor, url)
    }
  }

  private static func hash<Function: HashFunction>(_ begun: Function, _ descriptor: Int32, _ url: URL) throws -> String {
    var function = begun
    var position = 0
    try withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 16) { room in
      while true {
        let count = retrying { pread(descriptor, room.baseAddress, room.count, off_t(position)) }
        if count < 0 { throw FileError.current(url) }
        if count == 0 { return }
        function.update(bufferPointer: UnsafeRawBufferPointer(rebasing: room[..<count]))
        position += count
      }
    }
    return function.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
