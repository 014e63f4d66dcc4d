import Foundation
import Hub
import HubCache
import HubServer
import TestSupport
import Testing

/// A hub with one model, and a cache.
struct Workplace {
  static let name = "org/model"

  /// Bytes that follow from a number.
  static func bytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8(truncatingIfNeeded: state >> 33)
    }
  }

  static let files: [String: [UInt8]] = [
    "config.json": Array("{}".utf8), "tokenizer.json": Array(#"{"version": "1.0"}"#.utf8),
    "chat_template.jinja": Array("{{ x }}".utf8),
    "README.md": Array("# model".utf8), ".gitattributes": Array("*".utf8), "model.safetensors": bytes(300_000),
    "onnx/model.onnx": bytes(2000),
    "model.gguf": bytes(5000, seed: 3), "pytorch_model.bin": bytes(4000, seed: 2), "special_tokens_map.json": [],
  ]
  /// Those of them that a checkpoint is read from.
  static let needed = ["chat_template.jinja", "config.json", "model.safetensors", "special_tokens_map.json", "tokenizer.json"]

  let hub: FakeHub
  let scratch: Scratch

  init(_ model: FakeHub.Model = FakeHub.Model(files), pageSize: Int = 1000, meddler: FakeHub.Meddler? = nil) async throws {
    hub = try await FakeHub([Self.name: model], pageSize: pageSize, meddler: meddler)
    scratch = try Scratch()
  }

  var cache: URL { scratch.url.appending(path: "cache") }
  var repository: URL { cache.appending(path: "models--org--model") }

  func environment(_ variables: [String: String] = [:]) throws -> HubEnvironment {
    try HubEnvironment(hub.variables(cache: cache, variables))
  }

  /// Pulls without long pauses.
  func pull(
    _ text: String = name, _ choice: FileChoice = .checkpoint, _ variables: [String: String] = [:], rechecks: Bool = false,
    attempts: Int = 5, progress: @escaping @Sendable (DownloadProgress) -> Void = { _ in }
  ) async throws -> Snapshot {
    var policy = RetryPolicy()
    (policy.pause, policy.longestPause, policy.attempts) = (.milliseconds(1), .milliseconds(4), attempts)
    policy.longestRequestedPause = .seconds(2)
    return try await HubDownload(environment(variables), policy: policy)
      .pull(HubName(text), choice, rechecks: rechecks, progress: progress)
  }

  /// The failure of a pull that must fail.
  func failure(_ text: String = name, _ variables: [String: String] = [:], attempts: Int = 5) async -> HubError? {
    await #expect(throws: HubError.self) { _ = try await pull(text, .checkpoint, variables, attempts: attempts) }
  }

  /// Whether a snapshot holds what the hub has.
  func expectFiles(
    _ snapshot: Snapshot, _ expected: [String] = needed, of files: [String: [UInt8]] = files,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let found = try FileManager.default.contentsOfDirectory(atPath: snapshot.folder.path).sorted()
    #expect(found == expected.sorted(), sourceLocation: sourceLocation)
    #expect(snapshot.files == expected.sorted(), sourceLocation: sourceLocation)
    for path in expected {
      let data = try Data(contentsOf: snapshot.folder.appending(path: path))
      #expect(data == Data(files[path] ?? [0]), "\(path)", sourceLocation: sourceLocation)
    }
  }

  /// All that lies in the cache, links with what they lead to.
  func listing() throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: cache.path).sorted()
  }
}
