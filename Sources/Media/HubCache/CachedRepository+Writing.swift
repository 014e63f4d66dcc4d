import Basics
import Foundation

extension CachedRepository {
  /// Makes the folders that a download needs, and marks the cache for programs that back things up.
  ///
  /// - Throws: `FileError.failed`, also where a link stands in the place of one of them.
  package func makeFolders(for commit: String) throws {
    do {
      try FileManager.default.createDirectory(at: cache, withIntermediateDirectories: true)
    } catch {
      throw FileError.failed(path: cache.path, reason: systemReason(error))
    }
    let locks = ".locks/" + folderName
    for path in ["\(folderName)/blobs", "\(folderName)/snapshots/\(commit)", locks] { try makeFolder(path) }
    let tag = cache.appending(path: "CACHEDIR.TAG")
    if access(tag.path, F_OK) == 0 { return }
    let text = """
      Signature: 8a477f597d28d172789f06886806bc55
      # This file is a cache directory tag created by huggingface_hub.
      # For information about cache directory tags, see:
      #\thttps://bford.info/cachedir/

      """
    try WholeFile.write(Data(text.utf8), to: tag)
  }

  /// Remembers which commit a branch or tag means, without a line break, as others read it.
  ///
  /// - Throws: `FileError.failed`.
  package func remember(_ commit: String) throws {
    if name.isPinned || name.revision == commit { return }
    if try knownCommit() == commit { return }
    try write(Data(commit.utf8), to: "refs/\(name.revision)")
  }

  /// Keeps what a commit lists.
  ///
  /// - Throws: `FileError.failed`.
  package func remember(_ listing: RepositoryListing, of commit: String) throws {
    try write(listing.jsonData(isPretty: true), to: "trees/\(commit).json")
  }

  /// Remembers that a commit has no such file.
  ///
  /// - Throws: `FileError.failed`.
  package func rememberAbsence(of path: String, in commit: String) throws { try write(Data(), to: ".no_exist/\(commit)/\(path)") }

  /// Puts a blob into a snapshot under a path.
  ///
  /// A file or link that is there already and leads to the blob, or holds as many bytes, stays.
  /// - Throws: `FileError.failed`.
  package func link(_ path: String, to etag: String, in commit: String, size: Int) throws {
    let inside = "\(folderName)/snapshots/\(commit)/\(path)"
    let place = cache.appending(path: inside)
    try makeFolder(String(inside[..<(inside.lastIndex(of: "/") ?? inside.endIndex)]))
    let up = String(repeating: "../", count: path.filter { $0 == "/" }.count + 2)
    let target = "\(up)blobs/\(etag)"
    if symlink(target, place.path) == 0 { return }
    if errno != EEXIST { throw FileError.current(place) }
    // What is no link has no destination, and is looked at below.
    if (try? FileManager.default.destinationOfSymbolicLink(atPath: place.path)) == target { return }
    var status = stat()
    // Systems without links have the file itself.
    if lstat(place.path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size == size { return }
    let partial = PartialName.place(beside: place)
    guard symlink(target, partial.path) == 0 else { throw FileError.current(place) }
    if rename(partial.path, place.path) != 0 {
      let failure = FileError.current(place)
      unlink(partial.path)
      throw failure
    }
  }

  /// Takes the lock of a blob where Python looks for it.
  ///
  /// - Returns: nil where another process, or another download of this one, has it.
  /// - Throws: `FileError.failed`.
  package func lock(_ etag: String) throws -> BlobLock? {
    try BlobLock(cache.appending(path: ".locks/\(folderName)/\(etag).lock"))
  }

  /// Bytes that are there of blobs that are not complete.
  package func partialBytes() throws -> Int {
    let blobs = folder.appending(path: "blobs")
    return try FileManager.default.contentsOfDirectory(atPath: blobs.path).reduce(0) { sum, name in
      name.hasSuffix(PartialBlob.suffix) ? sum + (Self.size(blobs.appending(path: name)) ?? 0) : sum
    }
  }

  /// Writes a file in one piece.
  ///
  /// Nothing half written ever lies in `refs`, where every file is taken for a branch.
  private func write(_ data: Data, to path: String) throws {
    let place = folder.appending(path: path)
    let parent = path.split(separator: "/").dropLast().joined(separator: "/")
    try makeFolder("\(folderName)/\(parent)")
    let partial = PartialName.place(beside: folder.appending(path: place.lastPathComponent))
    try WholeFile.write(data, to: partial)
    if rename(partial.path, place.path) != 0 {
      let failure = FileError.current(place)
      unlink(partial.path)
      throw failure
    }
  }

  /// Makes a folder inside of the cache, and those on the way to it.
  private func makeFolder(_ path: String) throws {
    var place = cache
    for part in path.split(separator: "/") {
      place.append(path: String(part))
      if mkdir(place.path, 0o777) != 0, errno != EEXIST { throw FileError.current(place) }
      var status = stat()
      guard lstat(place.path, &status) == 0 else { throw FileError.current(place) }
      // What is written through a link lands where nobody expects it.
      guard status.st_mode & S_IFMT == S_IFDIR else {
        throw FileError.failed(
          path: place.path,
          reason: "a folder is needed there, not a link or a file; remove it, or set HF_HUB_CACHE to another place")
      }
    }
  }
}

/// A blob that nobody else downloads while this value lives.
package final class BlobLock: Sendable {
  private let descriptor: Int32

  fileprivate init?(_ url: URL) throws {
    guard let descriptor = try Self.locked(url) else { return nil }
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  private static func locked(_ url: URL) throws -> Int32? {
    while true {
      let descriptor = open(url.path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o664)
      if descriptor < 0 { throw FileError.current(url) }
      var status = stat()
      guard lockFile(descriptor) else {
        close(descriptor)
        return nil
      }
      // Who removes a lock's file while it is held would let two in.
      if fstat(descriptor, &status) == 0, status.st_nlink > 0 { return descriptor }
      close(descriptor)
    }
  }
}
