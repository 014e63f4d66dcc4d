import Basics
import Foundation
import HubCache
import NIOHTTP1

/// What the hub is asked about a model.
struct HubRequests: Sendable {
  let connection: HubConnection
  let policy: RetryPolicy
  let name: HubName

  /// What a file's address tells about it before it is fetched.
  struct Head: Sendable {
    let etag: String
    let size: Int?
  }

  private struct Info: Decodable { let sha: String }

  private struct Entry: Decodable {
    struct Large: Decodable {
      let oid: String
      let size: Int
    }
    let type: String
    let path: String
    let size: Int?
    let oid: String?
    let lfs: Large?
    let xetHash: String?
  }

  /// The commit that the revision means now.
  ///
  /// Where nobody answers, it is soon said, as there may be a copy in the cache.
  func commit() async throws -> String {
    let path = "/api/models/\(name.repository)/revision/\(name.revision.percentEncoded())"
    let info = try await repeating(connections: policy.connections) { try await json(Info.self, connection.url(path)).value }
    guard HubName.isCommit(info.sha) else { throw fault(path, "names no commit") }
    return info.sha
  }

  /// All files of a commit.
  func listing(_ commit: String) async throws -> RepositoryListing {
    let path = "/api/models/\(name.repository)/tree/\(commit)"
    var files: [String: ListedFile] = [:]
    var page: URL? = try connection.url(path + "?recursive=true&expand=false")
    var seen: Set<URL> = []
    while let url = page {
      guard seen.insert(url).inserted, seen.count <= 1000, files.count <= 1_000_000 else { throw fault(path, "never ends") }
      guard connection.isHub(url) else { throw fault(path, "leads away from the hub") }
      let (entries, headers) = try await repeating { try await json([Entry].self, url) }
      for entry in entries where entry.type == "file" { files[entry.path] = try file(entry, path) }
      page = headers["Link"].lazy.compactMap(\.nextLink).first.flatMap { connection.url($0, from: url) }
    }
    return try RepositoryListing(files, of: name.description)
  }

  private func file(_ entry: Entry, _ path: String) throws -> ListedFile {
    let size = entry.lfs?.size ?? entry.size ?? -1
    guard ListedFile.sizes.contains(size), let oid = entry.oid, HubName.isHash(oid, digits: 40) else {
      throw fault(path, "lists a file without size or hash")
    }
    if let large = entry.lfs, !HubName.isHash(large.oid, digits: 64) { throw fault(path, "lists a large file without its hash") }
    let xet = entry.xetHash.flatMap { HubName.isHash($0, digits: 64) ? $0 : nil }
    return ListedFile(size: size, blobID: oid, sha256: entry.lfs?.oid, xetHash: xet)
  }

  /// The address of a file in a commit.
  func address(_ file: String, _ commit: String) throws -> URL {
    try connection.url("/\(name.repository)/resolve/\(commit)/\(file.percentEncoded(keeping: "/"))")
  }

  /// What is to be known about a file.
  ///
  /// `X-Linked-Etag` and `X-Linked-Size` speak of the file where the answer is a redirect to it; `ETag` and `Content-Length` speak of the
  /// answer.
  /// - Throws: `HubError`; `Trouble` with the refusal `EntryNotFound`.
  func head(_ file: String, _ commit: String) async throws -> Head {
    let url = try address(file, commit)
    let response = try await repeating { try await connection.send(.HEAD, url, stopsOffHub: true, of: name) }
    let headers = response.headers
    guard let found = headers.first(name: "X-Repo-Commit") else {
      throw fault(url.path, "does not come from a hub: it names no commit")
    }
    if found != commit { throw fault(url.path, "is about commit \(found.prefix(40)), not \(commit)") }
    let isRedirect = response.status.code >= 300
    let tag = headers.first(name: "X-Linked-Etag") ?? headers.first(name: "ETag")
    guard let etag = tag?.plainETag else { throw fault(url.path, "has no ETag that names a file") }
    let length = headers.first(name: "X-Linked-Size") ?? (isRedirect ? nil : headers.first(name: "Content-Length"))
    return Head(etag: etag, size: length.flatMap { Int($0) })
  }

  // MARK: - Ways of asking

  private func json<Value: Decodable>(
    _ type: Value.Type, _ url: URL
  ) async throws -> (value: Value, headers: HTTPHeaders) {
    let response = try await connection.send(.GET, url, of: name)
    let data = try await connection.body(of: response, limit: 64 << 20, path: url.path, of: name)
    // What a decoder says of a stranger's bytes helps nobody; the path says which answer it was.
    guard let value = try? JSONDecoder().decode(type, from: data) else { throw fault(url.path, "is not what a hub says") }
    return (value, response.headers)
  }

  /// Asks again where a failure may pass.
  ///
  /// - Parameter connections: how often where the connection fails; as often as for other failures unless given.
  func repeating<Value>(connections: Int? = nil, _ ask: () async throws -> Value) async throws -> Value {
    var attempt = 0
    while true {
      do {
        return try await ask()
      } catch let trouble as Trouble {
        attempt += 1
        let isConnection = if case .connection = trouble { true } else { false }
        let most = isConnection ? connections ?? policy.attempts : policy.attempts
        guard trouble.isPassing, attempt <= most, let pause = policy.pause(before: attempt, requested: trouble.requestedPause)
        else {
          throw trouble
        }
        try await Task.sleep(for: pause)
      }
    }
  }

  func fault(_ path: String, _ reason: String) -> HubError { HubError(name.description, .answer(path: path, reason: reason)) }
}
