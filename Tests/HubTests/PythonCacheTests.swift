import Foundation
import HubCache
import HubServer
import TestSupport
import Testing

@testable import Hub

/// The cache that we share with Python's `huggingface_hub`, written by each and read by the other.
@Suite struct PythonCacheTests {
  private struct Found: Decodable {
    let folder: String
    let files: [String: String]
    let warnings: [String]
    let refs: [String: String]
    let size: Int
    let tree: [String]
  }

  private struct Written: Decodable { let folder: String }

  private static func python(_ mode: String, _ work: Workplace, _ revision: String, _ patterns: [String] = []) async throws
    -> Data
  {
    let arguments = [mode, work.hub.server.address, work.cache.path, Workplace.name, revision] + patterns
    do {
      return Data(try await PythonProgram.run("hub_cache.py", arguments).utf8)
    } catch PythonProgram.Failure.unavailable(let reason) {
      print("skipped the comparison with huggingface_hub: \(reason)")
      try Test.cancel("\(reason)")
    }
  }

  @Test func pythonReadsWhatWeWrite() async throws {
    let work = try await Workplace()
    let snapshot = try await work.pull()
    work.hub.change(Workplace.name) { $0.revisions["v1"] = FakeHub.commit(1) }
    _ = try await work.pull("\(Workplace.name)@v1")
    let before = work.hub.requests().count
    let found = try JSONDecoder().decode(Found.self, from: await Self.python("read", work, "v1"))
    #expect(work.hub.requests().count == before)
    #expect(found.folder == snapshot.folder.path && found.warnings == [])
    let expected = Workplace.needed.map { ($0, (Workplace.files[$0] ?? []).map { String(format: "%02x", $0) }.joined()) }
    #expect(found.files == Dictionary(uniqueKeysWithValues: expected))
    #expect(found.refs == ["main": FakeHub.commit(1), "v1": FakeHub.commit(1)] && found.size == snapshot.bytes)
    #expect(found.tree == Workplace.files.keys.sorted())
  }

  @Test func weReadAndCompleteWhatPythonWrites() async throws {
    let work = try await Workplace()
    let offline = ["HF_HUB_OFFLINE": "1"]
    // A part, as a program leaves it that needs no weights.
    _ = try await Self.python("write", work, "main", ["*.json"])
    #expect(
      await work.failure(Workplace.name, offline)?.kind == .incomplete(cache: work.cache.path, missing: ["chat_template.jinja"]))
    let completed = try await work.pull()
    try work.expectFiles(completed)
    #expect(completed.downloaded == 300_000 + (Workplace.files["chat_template.jinja"] ?? []).count)
    // All of it.
    work.hub.change(Workplace.name) { model in
      model.commits[FakeHub.commit(2)] = Workplace.files
      model.revisions["main"] = FakeHub.commit(2)
    }
    let patterns = ["*.json", "*.jinja", "model.safetensors"]
    let written = try JSONDecoder().decode(Written.self, from: await Self.python("write", work, "main", patterns))
    let before = work.hub.requests().count
    let snapshot = try await work.pull(Workplace.name, .checkpoint, offline)
    try work.expectFiles(snapshot)
    #expect(snapshot.folder.path == written.folder && snapshot.commit == FakeHub.commit(2))
    #expect(try await work.pull().downloaded == 0)
    #expect(work.hub.requests().count == before + 1)
  }
}
