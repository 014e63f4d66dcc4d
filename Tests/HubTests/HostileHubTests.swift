import Foundation
import HubCache
import HubServer
import NIOHTTP1
import TestSupport
import Testing

@testable import Hub

/// Answers that would do harm where they were believed.
@Suite struct HostileHubTests {
  @Test(arguments: [
    "../x", "../../.ssh/authorized_keys", "/etc/passwd", "a/../../x", "a//b", "./a", "a/.", "C:/x", "C:x", "a\\..\\x", "x\0y",
    "a\nb.json", "",
    String(repeating: "x", count: 300), "a/" + String(repeating: "b/", count: 600) + "c",
  ])
  func pathsThatLeadOutAreRefused(_ path: String) async throws {
    var files = Workplace.files
    files[path] = [1]
    let work = try await Workplace(FakeHub.Model(files))
    guard case .hostileName(path)? = await work.failure()?.kind else { return #expect(Bool(false)) }
    #expect(!FileManager.default.fileExists(atPath: work.cache.path))
  }

  @Test(arguments: ["../../../x.safetensors", "/etc/passwd", "a/b.safetensors", "absent.safetensors"])
  func shardsThatLeadOutAreRefused(_ shard: String) async throws {
    var files = Workplace.files
    files["model.safetensors.index.json"] = Array(try JSONEncoder().encode(["weight_map": ["a": shard]]))
    let work = try await Workplace(FakeHub.Model(files))
    switch await work.failure()?.kind {
    case .hostileName?, .answer?: break
    case let other: Issue.record("\(other as Any)")
    }
    #expect(try work.listing().filter { $0.contains("snapshots/") }.allSatisfy { !$0.contains("passwd") })
  }

  @Test(arguments: ["\"../../x\"", "\"/etc/x\"", "\"\"", "\"a/b\"", "\".lock\""]) func tagsThatAreNoNamesAreRefused(_ tag: String)
    async throws
  {
    let work = try await Workplace { request, _, reply in
      if request.method == .HEAD { reply.headers.replaceOrAdd(name: "ETag", value: tag) }
    }
    guard case .answer? = await work.failure()?.kind else { return #expect(Bool(false)) }
    #expect(try work.listing().filter { $0.contains("blobs/") } == [])
  }

  @Test(arguments: ["main", "../../../x", "", "abc", String(repeating: "G", count: 40)]) func commitsThatAreNoneAreRefused(
    _ commit: String
  ) async throws {
    let work = try await Workplace { request, _, reply in
      if request.path.contains("/revision/") { reply.body = Array(#"{"sha": "\#(commit)"}"#.utf8) }
    }
    guard case .answer? = await work.failure()?.kind else { return #expect(Bool(false)) }
  }

  @Test(arguments: [
    "", "[]", "null", "{\"sha\": 1}", "{\"sha\":", "<html>", String(repeating: "[", count: 100_000),
  ])
  func answersThatAreNoneAreRefused(_ body: String) async throws {
    let work = try await Workplace { request, _, reply in
      if request.path.contains("/revision/") { reply.body = Array(body.utf8) }
    }
    guard case .answer? = await work.failure()?.kind else { return #expect(Bool(false)) }
  }

  @Test(arguments: [
    #"[{"type": "file", "path": "config.json", "size": -1, "oid": "OID"}]"#,
    #"[{"type": "file", "path": "config.json", "size": 9223372036854775807, "oid": "OID"}]"#,
    #"[{"type": "file", "path": "config.json", "size": 1e300, "oid": "OID"}]"#,
    #"[{"type": "file", "path": "config.json", "size": 1, "oid": "../x"}]"#,
    #"[{"type": "file", "path": "config.json", "size": 1, "oid": "OID", "lfs": {"oid": "../../x", "size": 1}}]"#,
    #"[{"type": "file", "path": "config.json", "oid": "OID"}]"#, #"[{"type": "file"}]"#, "{}", "[1]",
  ])
  func listsThatAreNoneAreRefused(_ body: String) async throws {
    let work = try await Workplace { request, _, reply in
      if request.path.contains("/tree/") {
        reply.body = Array(body.replacing("OID", with: String(repeating: "a", count: 40)).utf8)
      }
    }
    guard case .answer? = await work.failure()?.kind else { return #expect(Bool(false)) }
  }

  @Test func listsWithoutAnEndAreRefused() async throws {
    let work = try await Workplace { request, _, reply in
      guard request.path.contains("/tree/") else { return }
      reply.headers.replaceOrAdd(name: "Link", value: "<\(request.uri)>; rel=\"next\"")
    }
    guard case .answer? = await work.failure()?.kind else { return #expect(Bool(false)) }
    #expect(work.hub.requests("/tree/").count <= 2)
  }

  /// A page elsewhere would be shown the token.
  @Test func listsThatLeadAwayAreRefused() async throws {
    let other = try await LocalServer { _ in Reply(.ok, [:], Array("[]".utf8)) }
    let work = try await Workplace { request, _, reply in
      if request.path.contains("/tree/") {
        reply.headers.replaceOrAdd(name: "Link", value: "<\(other.address)/next>; rel=\"next\"")
      }
    }
    guard case .answer? = await work.failure(Workplace.name, ["HF_TOKEN": "hf_secret"])?.kind else { return #expect(Bool(false)) }
    #expect(other.requests.isEmpty)
  }

  // MARK: - Redirects

  @Test func redirectsOnTheHubAreFollowedWithTheToken() async throws {
    let work = try await Workplace { request, _, reply in
      guard request.path.contains("/org/old") else { return }
      reply = Reply(.temporaryRedirect, ["Location": request.uri.replacing("/org/old", with: "/org/model")])
    }
    work.hub.change(Workplace.name) { $0.access = .holders(of: "hf_right") }
    let snapshot = try await work.pull("org/old", .checkpoint, ["HF_TOKEN": "hf_right"])
    #expect(snapshot.folder.path.contains("models--org--old") && snapshot.downloaded == snapshot.bytes)
  }

  @Test func redirectsElsewhereAreFollowedWithoutTheToken() async throws {
    let files = Workplace.files
    let other = try await LocalServer { _ in Reply(.ok, [:], files["config.json"] ?? []) }
    let work = try await Workplace { request, _, reply in
      guard request.method == .GET, request.path.hasSuffix("/config.json") else { return }
      reply = Reply(.found, ["Location": "http://localhost:\(other.port)/config.json"])
    }
    try work.expectFiles(try await work.pull(Workplace.name, .checkpoint, ["HF_TOKEN": "hf_secret"]))
    #expect(other.requests.count == 1 && other.requests[0]["Authorization"] == nil)
    #expect(work.hub.server.requests.allSatisfy { $0["Authorization"] == "Bearer hf_secret" })
  }

  @Test(arguments: ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x", "//", ""]) func otherSchemesAreNotFollowed(
    _ target: String
  ) async throws {
    let work = try await Workplace { request, _, reply in
      if request.path.contains("/revision/") { reply = Reply(.found, ["Location": target]) }
    }
    guard case .answer? = await work.failure()?.kind else { return #expect(Bool(false)) }
  }

  @Test func circlesAreLeft() async throws {
    let work = try await Workplace { request, _, reply in
      if request.path.contains("/revision/") { reply = Reply(.found, ["Location": request.uri]) }
    }
    guard case .answer? = await work.failure()?.kind else { return #expect(Bool(false)) }
    #expect(work.hub.requests().count == 11)
  }

  // MARK: - Hubs that are none

  @Test func aServerThatIsNoHubIsTold() async throws {
    let work = try await Workplace { request, _, reply in reply.headers.remove(name: "X-Repo-Commit") }
    guard case .answer(_, let reason)? = await work.failure()?.kind else { return #expect(Bool(false)) }
    #expect(reason.contains("hub"))
  }

  @Test func anotherCommitThanAskedForIsRefused() async throws {
    let work = try await Workplace { request, _, reply in
      if request.method == .HEAD { reply.headers.replaceOrAdd(name: "X-Repo-Commit", value: FakeHub.commit(7)) }
    }
    guard case .answer? = await work.failure()?.kind else { return #expect(Bool(false)) }
  }

  @Test func modelsWithoutWeightsThatCanBeReadSayWhatTheyHave() async throws {
    let work = try await Workplace(
      FakeHub.Model(["config.json": Array("{}".utf8), "q4.gguf": Workplace.bytes(2000), "LICENSE": [1]]))
    #expect(await work.failure()?.kind == .noWeights(others: ["q4.gguf"]))
  }
}
