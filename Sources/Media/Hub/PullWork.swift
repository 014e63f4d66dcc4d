import Basics
import Foundation
import HubCache

/// The steps of one download.
struct PullWork: Sendable {
  let requests: HubRequests
  let choice: FileChoice
  let rechecks: Bool
  let tally: Tally

  /// Files that are downloaded at the same time.
  private static let atOnce = 4

  private var subject: String { requests.name.description }

  /// Downloads what is missing of a commit: descriptions first, as they name the files with weights.
  func complete(_ repository: CachedRepository) async throws -> Snapshot {
    if !rechecks, let whole = try repository.wholeListedSnapshot(choice) { return whole }
    let commit = repository.name.revision
    let known = try repository.listing(commit)
    let listing = if let known { known } else { try await requests.listing(commit) }
    try repository.makeFolders(for: commit)
    if known == nil { try repository.remember(listing, of: commit) }
    let descriptions = choice.descriptions(in: listing.files.keys)
    try await download(descriptions, listing, repository)
    let weights = try choice.weights(in: Set(listing.files.keys), of: subject) { try repository.contents(of: $0, commit) }
    try await download(weights, listing, repository)
    let files = (descriptions + weights).sorted()
    return Snapshot(
      name: repository.name, commit: commit, folder: repository.snapshot(commit), files: files,
      bytes: files.reduce(0) { $0 + (listing.files[$1]?.size ?? 0) })
  }

  private func download(_ paths: [String], _ listing: RepositoryListing, _ repository: CachedRepository) async throws {
    var missing: [BlobDownload] = []
    for path in paths {
      guard let file = listing.files[path] else {
        throw requests.fault(path, "is named by the weights' index and listed nowhere")
      }
      var blob = BlobDownload(requests: requests, repository: repository, path: path, listed: file, tally: tally)
      if repository.size(of: path, repository.name.revision) == file.size {
        if !rechecks { continue }
        guard try await blob.isDamaged() else { continue }
        blob.replaces = true
      }
      missing.append(blob)
    }
    let needed = missing.reduce(0) { $0 + $1.listed.size }
    try requireRoom(for: needed - repository.partialBytes(), in: repository.cache)
    tally.expect(needed)
    // Large ones first, so that none is left to the end.
    let queue = missing.sorted { ($1.listed.size, $0.path) < ($0.listed.size, $1.path) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (index, blob) in queue.enumerated() {
        if index >= Self.atOnce { _ = try await group.next() }
        group.addTask { try await blob.run() }
      }
      try await group.waitForAll()
    }
  }

  private func requireRoom(for bytes: Int, in folder: URL) throws {
    var status = statvfs()
    guard bytes > 0, statvfs(folder.path, &status) == 0 else { return }
    let (free, isHuge) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
    if !isHuge, free < bytes {
      throw HubError(subject, .noRoom(folder: folder.path, needed: bytes, free: Int(clamping: free)))
    }
  }
}
