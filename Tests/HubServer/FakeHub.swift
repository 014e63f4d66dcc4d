import Crypto
import Foundation
import NIOHTTP1
import Synchronization

/// A hub on this machine: models with their files, and a storage on another port for large ones, as the hub has it.
public final class FakeHub: Sendable {
  /// Who may see a model.
  public enum Access: Sendable, Equatable {
    case everybody
    /// Who has this token.
    case holders(of: String)
    /// Nobody, as its owners have not said yes.
    case gated
  }

  /// A model.
  public struct Model: Sendable {
    /// What its files hold, by commit and path.
    public var commits: [String: [String: [UInt8]]]
    /// What branches and tags mean.
    public var revisions: [String: String]
    /// Files from so many bytes on lie in the storage.
    public var largeFrom = 1000
    /// Who may see it.
    public var access = Access.everybody

    /// A model with one commit on `main`.
    public init(_ files: [String: [UInt8]], commit: String = FakeHub.commit(1)) {
      (commits, revisions) = ([commit: files], ["main": commit])
    }
  }

  /// Is shown each request, how often the same was asked before, and the answer, which it may change.
  public typealias Meddler = @Sendable (ServedRequest, Int, inout Reply) -> Void

  private struct State {
    var models: [String: Model] = [:]
    var meddler: Meddler?
    var counts: [String: Int] = [:]
    var pageSize = 1000
  }

  private final class Shelf: Sendable { let state = Mutex(State()) }

  private let shelf: Shelf
  /// The hub and its storage.
  public let server, storage: LocalServer

  /// A commit's hash with a number in it.
  public static func commit(_ number: Int) -> String {
    String(repeating: "0", count: 32) + String(number + 0x1000_0000, radix: 16)
  }

  /// Starts a hub with models by their names.
  ///
  /// - Parameter pageSize: files on a page of a list.
  public init(_ models: [String: Model], pageSize: Int = 1000, meddler: Meddler? = nil) async throws {
    let shelf = Shelf()
    shelf.state.withLock { state in
      (state.models, state.meddler, state.pageSize) = (models, meddler, pageSize)
    }
    self.shelf = shelf
    let storage = try await LocalServer { Self.meddled(shelf, $0) { Self.stored($0, $1) } }
    self.storage = storage
    server = try await LocalServer { Self.meddled(shelf, $0) { Self.answer($0, $1, storage: storage.address) } }
  }

  /// Changes a model.
  public func change(_ name: String, _ body: (inout Model) -> Void) {
    shelf.state.withLock { state in
      if var model = state.models[name] {
        body(&model)
        state.models[name] = model
      }
    }
  }

  /// Variables that lead to it.
  public func variables(cache: URL, _ more: [String: String] = [:]) -> [String: String] {
    let own = [
      "HF_ENDPOINT": server.address, "HF_HUB_CACHE": cache.path, "HF_TOKEN_PATH": "/nonexistent", "HF_HUB_OFFLINE": "0",
      // A busy machine may pause for longer than the default. Tests of stalled transfers ask for less.
      "HF_HUB_DOWNLOAD_TIMEOUT": "300", "no_proxy": "*",
    ]
    return own.merging(more) { $1 }
  }

  /// Requests to both servers for paths that contain a text.
  public func requests(_ text: String = "", method: HTTPMethod? = nil) -> [ServedRequest] {
    (server.requests + storage.requests).filter {
      (text.isEmpty || $0.path.contains(text)) && (method == nil || $0.method == method)
    }
  }

  /// Ends both servers.
  public func stop() async throws {
    try await server.stop()
    try await storage.stop()
  }

  // MARK: - Hashes

  /// SHA-1 as git takes it of a file.
  public static func gitHash(_ bytes: [UInt8]) -> String {
    hex(Insecure.SHA1.hash(data: Array("blob \(bytes.count)\0".utf8) + bytes))
  }

  /// SHA-256.
  public static func sha256(_ bytes: [UInt8]) -> String { hex(SHA256.hash(data: bytes)) }

  private static func hex(_ digest: some Sequence<UInt8>) -> String { digest.map { String(format: "%02x", $0) }.joined() }

  // MARK: - Answers

  private static func meddled(_ shelf: Shelf, _ request: ServedRequest, _ answer: (State, ServedRequest) -> Reply) -> Reply {
    let (state, count) = shelf.state.withLock { state in
      let key = "\(request.method) \(request.uri)"
      defer { state.counts[key, default: 0] += 1 }
      return (state, state.counts[key, default: 0])
    }
    var reply = answer(state, request)
    state.meddler?(request, count, &reply)
    return reply
  }

  private static func answer(_ state: State, _ request: ServedRequest, storage: String) -> Reply {
    let parts = request.uri.split(separator: "?")[0].split(separator: "/").map { String($0).removingPercentEncoding ?? "" }
    let isAPI = parts.starts(with: ["api", "models"])
    let rest = isAPI ? Array(parts.dropFirst(2)) : parts
    guard rest.count >= 4 else { return Reply(.notFound) }
    let name = rest[0] + "/" + rest[1]
    let token = request["Authorization"]
    guard let model = state.models[name] else {
      return Reply(
        token == nil ? .unauthorized : .notFound, ["X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"])
    }
    switch model.access {
    case .holders(let right) where token == nil || token != "Bearer \(right)":
      if token != nil { return Reply(.unauthorized, ["X-Error-Message": "Invalid credentials in Authorization header"]) }
      return Reply(.unauthorized, ["X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"])
    case .gated where !isAPI || rest[2] == "tree":
      let message = "Access to model \(name) is restricted."
      return Reply(token == nil ? .unauthorized : .forbidden, ["X-Error-Code": "GatedRepo", "X-Error-Message": message])
    default: break
    }
    let revision = rest[3]
    guard let commit = model.revisions[revision] ?? (model.commits[revision] != nil ? revision : nil),
      let files = model.commits[commit]
    else { return Reply(.notFound, ["X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id: \(revision)"]) }
    if isAPI, rest[2] == "revision" {
      return json([
        "id": name, "_id": "1", "sha": commit, "siblings": [Any](), "tags": [Any](), "private": false, "downloads": 0, "likes": 0,
      ])
    }
    if isAPI, rest[2] == "tree" { return tree(state, request, model, files) }
    guard rest[2] == "resolve" else { return Reply(.notFound) }
    let path = rest.dropFirst(4).joined(separator: "/")
    guard let bytes = files[path] else {
      return Reply(.notFound, ["X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found", "X-Repo-Commit": commit])
    }
    if bytes.count < model.largeFrom {
      return part(of: bytes, request, ["X-Repo-Commit": commit, "ETag": "\"\(gitHash(bytes))\""])
    }
    let hash = sha256(bytes)
    return Reply(
      .found,
      [
        "X-Repo-Commit": commit, "X-Linked-Etag": "\"\(hash)\"", "X-Linked-Size": "\(bytes.count)", "ETag": "\"of-the-pointer\"",
        "Location": "\(storage)/\(name)/\(commit)/\(path)?signature=secret",
      ], Array("Found. Redirecting".utf8))
  }

  private static func tree(_ state: State, _ request: ServedRequest, _ model: Model, _ files: [String: [UInt8]]) -> Reply {
    let start = request.uri.firstMatch(of: /cursor=([0-9]+)/).flatMap { Int($0.1) } ?? 0
    let paths = files.keys.sorted()
    let entries = paths.dropFirst(start).prefix(state.pageSize).map { path in
      let bytes = files[path] ?? []
      var entry: [String: Any] = ["type": "file", "path": path, "size": bytes.count, "oid": gitHash(bytes)]
      if bytes.count >= model.largeFrom {
        entry["oid"] = gitHash(Array(sha256(bytes).utf8))
        entry["lfs"] = ["oid": sha256(bytes), "size": bytes.count, "pointerSize": 134] as [String: Any]
      }
      return entry
    }
    var reply = json(
      (start == 0 ? [["type": "directory", "path": "folder", "oid": gitHash([]), "size": 0] as [String: Any]] : []) + entries)
    if start + entries.count < paths.count {
      let page =
        "http://\(request["Host"] ?? "")\(request.uri.split(separator: "?")[0])?recursive=true&cursor=\(start + entries.count)"
      reply.headers.add(name: "Link", value: "<\(page)>; rel=\"next\"")
    }
    return reply
  }

  private static func stored(_ state: State, _ request: ServedRequest) -> Reply {
    let parts = request.path.split(separator: "/").map(String.init)
    guard parts.count >= 4, request.uri.hasSuffix("?signature=secret"),
      let bytes = state.models[parts[0] + "/" + parts[1]]?.commits[parts[2]]?[parts.dropFirst(3).joined(separator: "/")]
    else { return Reply(.forbidden) }
    return part(of: bytes, request, ["ETag": "\"storage-has-its-own\""])
  }

  /// A file, or what a `Range` asks for.
  private static func part(of bytes: [UInt8], _ request: ServedRequest, _ headers: HTTPHeaders) -> Reply {
    guard let start = request["Range"]?.wholeMatch(of: /bytes=([0-9]+)-/).flatMap({ Int($0.1) }) else {
      return Reply(.ok, headers, bytes)
    }
    var headers = headers
    if start >= bytes.count {
      headers.add(name: "Content-Range", value: "bytes */\(bytes.count)")
      return Reply(.rangeNotSatisfiable, headers)
    }
    headers.add(name: "Content-Range", value: "bytes \(start)-\(bytes.count - 1)/\(bytes.count)")
    return Reply(.partialContent, headers, Array(bytes[start...]))
  }

  private static func json(_ value: Any) -> Reply {
    let data = (try? JSONSerialization.data(withJSONObject: value)) ?? Data()
    return Reply(.ok, ["Content-Type": "application/json"], Array(data))
  }
}
