import Basics
import Foundation

/// The folder of one repository in the cache.
///
/// It is laid out as `huggingface_hub` does:
///
///     models--org--name/blobs/<etag>                      what files hold
///                       snapshots/<commit>/<path>         links to them
///                       refs/<revision>                   the commit that a branch or tag meant when it was last looked up
///                       trees/<commit>.json               what the commit lists
///                       .no_exist/<commit>/<path>         empty: the commit has no such file
///     .locks/models--org--name/<etag>.lock                held by whoever downloads a blob
public struct CachedRepository: Sendable {
  /// What is looked for in it.
  public let name: HubName
  /// The folder of all repositories.
  public let cache: URL

  /// The place of a repository, which may not be there yet.
  public init(_ name: HubName, in cache: URL) { (self.name, self.cache) = (name, cache) }

  /// `models--org--name`.
  package var folderName: String { "models--" + name.repository.replacing("/", with: "--") }
  package var folder: URL { cache.appending(path: folderName) }
  package func blob(_ etag: String) -> URL { folder.appending(path: "blobs/\(etag)") }
  package func snapshot(_ commit: String) -> URL { folder.appending(path: "snapshots/\(commit)") }

  // MARK: - Reading

  /// The commit that the revision meant when it was last looked up; nil where nobody has.
  package func knownCommit() throws -> String? {
    if name.isPinned { return name.revision }
    let text = try contents(of: folder.appending(path: "refs/\(name.revision)"), limit: 1024).map {
      String(decoding: $0, as: UTF8.self)
    }
    // A name in here becomes a folder's name.
    return text.flatMap { HubName.isCommit($0) ? $0 : nil }
  }

  /// What a commit lists; nil where nobody has asked.
  package func listing(_ commit: String) throws -> RepositoryListing? {
    try contents(of: folder.appending(path: "trees/\(commit).json"), limit: 256 << 20).flatMap {
      RepositoryListing($0, of: name.description)
    }
  }

  /// Bytes of a file of a snapshot, behind all links; nil where it is not there.
  package func size(of path: String, _ commit: String) -> Int? { Self.size(snapshot(commit).appending(path: path)) }

  /// Bytes of a file behind all links; nil where there is none.
  package static func size(_ url: URL) -> Int? {
    var status = stat()
    guard stat(url.path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    return Int(status.st_size)
  }

  /// The snapshot of the name's revision where all files of a choice are in it.
  ///
  /// Without a listing, as other programs leave it that download file by file, the files that are there are taken for all.
  /// - Throws: `HubError` with `.offline` where there is no snapshot, `.incomplete` where files are missing; `FileError`.
  public func wholeSnapshot(_ choice: FileChoice) throws -> Snapshot {
    guard let commit = try knownCommit(), FileManager.default.fileExists(atPath: snapshot(commit).path) else {
      throw HubError(name.description, .offline(cache: cache.path))
    }
    let sizes: [String: Int]
    if let listing = try listing(commit) {
      sizes = listing.files.mapValues(\.size)
    } else {
      let names = try FileManager.default.contentsOfDirectory(atPath: snapshot(commit).path)
      sizes = names.reduce(into: [:]) { $0[$1] = size(of: $1, commit) }
    }
    var wanted = choice.descriptions(in: sizes.keys)
    if choice == .checkpoint, !wanted.contains("config.json") { wanted.append("config.json") }
    var missing = wanted.filter { size(of: $0, commit) == nil || size(of: $0, commit) != sizes[$0] }
    if missing.isEmpty {
      do {
        let weights = try choice.weights(in: Set(sizes.keys), of: name.description) { try contents(of: $0, commit) }
        missing = weights.filter { size(of: $0, commit) == nil || size(of: $0, commit) != sizes[$0] }
        wanted += weights
      } catch let error as HubError {
        // Where it is not known what there is, weights may be what others had no use for.
        guard case .noWeights = error.kind, try listing(commit) == nil else { throw error }
        missing = ["the weights"]
      }
    }
    if !missing.isEmpty { throw HubError(name.description, .incomplete(cache: cache.path, missing: missing)) }
    let bytes = wanted.reduce(0) { $0 + (sizes[$1] ?? 0) }
    return Snapshot(name: name, commit: commit, folder: snapshot(commit), files: wanted.sorted(), bytes: bytes)
  }

  /// The same, or nil where files are missing.
  ///
  /// - Throws: `FileError`.
  package func wholeSnapshotIfAny(_ choice: FileChoice) throws -> Snapshot? {
    do {
      return try wholeSnapshot(choice)
    } catch let error as HubError {
      // What is missing can be had; all else is asked for anew and fails there.
      switch error.kind {
      case .offline, .incomplete, .noWeights, .answer, .hostileName: return nil
      default: throw error
      }
    }
  }

  /// The folder of a model that the shared cache holds whole; nil for all other texts.
  ///
  /// - Throws: `FileError`.
  public static func folder(of text: String) throws -> URL? {
    let name: HubName
    do { name = try HubName(text) } catch { return nil }
    let cache = HubEnvironment.cache(ProcessInfo.processInfo.environment)
    return try CachedRepository(name, in: cache).wholeSnapshotIfAny(.checkpoint)?.folder
  }

  /// The same where it is known what the commit lists, so that nothing is missing that another program had no use for.
  package func wholeListedSnapshot(_ choice: FileChoice) throws -> Snapshot? {
    guard let commit = try knownCommit(), try listing(commit) != nil else { return nil }
    return try wholeSnapshotIfAny(choice)
  }

  /// Compares a file of a snapshot with a hash.
  ///
  /// - Returns: nil where they agree, else the hash of what is there.
  package func mismatch(of path: String, _ commit: String, with hash: ContentHash) throws -> String? {
    let url = snapshot(commit).appending(path: path)
    let descriptor = open(url.path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0 { throw FileError.current(url) }
    defer { close(descriptor) }
    let found = try hash.ofFile(descriptor, url)
    return found == hash.digits ? nil : found
  }

  /// What a file of a snapshot holds.
  ///
  /// - Throws: `FileError.failed`.
  package func contents(of path: String, _ commit: String) throws -> Data {
    let url = snapshot(commit).appending(path: path)
    guard let data = try contents(of: url, limit: 256 << 20) else {
      throw FileError.failed(path: url.path, reason: systemReason(ENOENT))
    }
    return data
  }

  /// What a file holds; nil for none.
  private func contents(of url: URL, limit: Int) throws -> Data? {
    guard let size = Self.size(url) else { return nil }
    if size > limit { throw FileError.failed(path: url.path, reason: "it has \(formatBytes(size)), far too much for what it is") }
    do {
      return try Data(contentsOf: url)
    } catch {
      // Another program may have replaced the cache's files meanwhile.
      if access(url.path, F_OK) != 0 { return nil }
      throw FileError.failed(path: url.path, reason: systemReason(error))
    }
  }
}

/// A commit's files in the cache.
public struct Snapshot: Sendable {
  /// What was asked for.
  public private(set) var name: HubName
  /// The commit that it meant.
  public let commit: String
  /// The folder, which is read as any checkpoint's.
  public let folder: URL
  /// The files that were asked for.
  public let files: [String]
  /// Bytes of them.
  public let bytes: Int
  /// Bytes that came over the network for it.
  public var downloaded = 0
  /// One sentence where it may not be what the hub has now.
  public var note: String?

  /// A snapshot.
  package init(name: HubName, commit: String, folder: URL, files: [String], bytes: Int) {
    (self.name, self.commit, self.folder, self.files, self.bytes) = (name, commit, folder, files, bytes)
  }

  /// The same as it was asked for, and what came for it.
  package func named(_ name: HubName, downloaded: Int) -> Snapshot {
    var copy = self
    (copy.name, copy.downloaded) = (name, downloaded)
    return copy
  }
}
