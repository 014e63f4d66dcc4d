import Basics
import Foundation
import HubCache
import NIOPosix

/// One file on its way into the cache.
struct BlobDownload: Sendable {
  let requests: HubRequests
  /// The cache's folder, named with the commit.
  let repository: CachedRepository
  let path: String
  let listed: ListedFile
  let tally: Tally
  /// Whether what the cache has is known to be damaged.
  var replaces = false

  private var commit: String { repository.name.revision }

  /// Brings the file into the cache where it is not there yet, and into the snapshot.
  ///
  /// - Throws: `HubError`, `Trouble`, `FileError`.
  func run() async throws {
    let head = try await head()
    let size = head.size ?? listed.size
    guard size == listed.size else {
      throw HubError(requests.name.description, .wrongSize(file: path, found: size, expected: listed.size))
    }
    let blob = repository.blob(head.etag)
    func isThere() -> Bool { !replaces && CachedRepository.size(blob) == size }
    if isThere() {
      tally.found(size)
    } else {
      let lock = try await lock(head.etag)
      defer { withExtendedLifetime(lock) {} }
      // Another process may just have finished it.
      if isThere() {
        tally.found(size)
      } else {
        let partial = try PartialBlob(repository, head.etag)
        try await fetch(into: partial, hashes(head.etag))
        try await Self.blocking { try partial.publish(as: blob) }
      }
    }
    try repository.link(path, to: head.etag, in: commit, size: size)
  }

  /// Whether the snapshot's file does not hold what is listed.
  func isDamaged() async throws -> Bool {
    guard let hash = ContentHash(listed.sha256 ?? listed.blobID) else { return false }
    return try await Self.blocking { try repository.mismatch(of: path, commit, with: hash) != nil }
  }

  /// Both hashes are known to everybody who looks at the repository, and each is a promise about the same bytes.
  private func hashes(_ etag: String) -> [ContentHash] {
    let found = [listed.sha256 ?? listed.blobID, etag].compactMap(ContentHash.init)
    return found.count == 2 && found[0] == found[1] ? [found[0]] : found
  }

  private func head() async throws -> HubRequests.Head {
    do {
      return try await requests.head(path, commit)
    } catch Trouble.status(let refusal) where refusal.code == "EntryNotFound" {
      if refusal.commit == commit { try repository.rememberAbsence(of: path, in: commit) }
      throw Trouble.status(refusal)
    }
  }

  private func lock(_ etag: String) async throws -> BlobLock {
    while true {
      if let lock = try repository.lock(etag) { return lock }
      try await Task.sleep(for: .milliseconds(100))
    }
  }

  /// Fills the partial file and compares what lies on the disk with its hashes; what is damaged is fetched anew, once.
  private func fetch(into partial: PartialBlob, _ hashes: [ContentHash]) async throws {
    let size = listed.size
    if try partial.size() > size { try partial.truncate(to: 0) }
    tally.found(try partial.size())
    let transfer = Transfer(blob: self, partial: partial)
    var isSecond = false
    while true {
      try await transfer.run()
      let wrong = try await Self.blocking { () -> (expected: ContentHash, found: String)? in
        for hash in hashes { if let other = try partial.mismatch(with: hash) { return (hash, other) } }
        return nil
      }
      guard let wrong else { return }
      try partial.truncate(to: 0)
      tally.lost(size)
      if isSecond {
        partial.remove()
        let kind = HubError.Kind.damaged(file: path, found: wrong.found, expected: wrong.expected.digits)
        throw HubError(requests.name.description, kind)
      }
      isSecond = true
    }
  }

  /// Work that waits for the disk or computes for seconds, off the threads that all tasks share.
  private static func blocking<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await NIOThreadPool.singleton.runIfActive(work)
  }
}
