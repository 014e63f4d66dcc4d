import ChatProtocol
import Engine
import Fetching
import Foundation
import Imaging
import LLaVA
import Language
import Logging
import ServiceLifecycle
import Serving
import TestModels
import TestSupport
import Torch

/// A server of a tiny model on a free port of this machine.
final class TestServer: Sendable {
  /// The tiny model, which speaks bytes.
  static let pipeline: LLaVAPipeline = {
    do {
      return try pipeline(of: TestModel.tiny(seed: 1))
    } catch {
      preconditionFailure("\(error)")
    }
  }()

  static func pipeline(of model: LLaVAModel) throws -> LLaVAPipeline {
    try withTemporaryFolder { folder in
      let place = folder.appending(path: "tiny")
      try TestModel.write(model, to: place)
      return try LLaVAPipeline.load(from: place)
    }
  }

  let server: ModelServer
  let port: Int
  private let group: ServiceGroup
  private let task: Task<Void, any Error>

  private init(_ server: ModelServer, _ port: Int, _ group: ServiceGroup, _ task: Task<Void, any Error>) {
    (self.server, self.port, self.group, self.task) = (server, port, group, task)
  }

  static func model(_ pipeline: LLaVAPipeline = pipeline, rungs: [Int] = [4, 8], allowsOthers: Bool = true) throws -> ServedModel
  {
    let ladder = BudgetLadder(
      total: pipeline.model.pictureLayout.count, rungs: rungs.map { .init($0) }, allowsOthers: allowsOthers)
    return try ServedModel(name: "tiny", pipeline, compressor: "fastv", layer: 2, ladder: ladder)
  }

  static func start(
    _ model: ServedModel? = nil, fetcher: PictureFetcher? = nil, _ change: (inout ServerOptions) -> Void = { _ in }
  ) async throws -> TestServer {
    var options = ServerOptions()
    (options.port, options.defaultNewTokens, options.drainSeconds) = (0, 8, 5)
    change(&options)
    var log = Logger(label: "test")
    log.logLevel = .critical
    let server = try await ModelServer(try model ?? Self.model(), options, log: log, fetcher: fetcher)
    let (ports, port) = AsyncStream<Int>.makeStream()
    let group = try server.group(signals: false) { port.yield($0) }
    let task = Task { try await group.run() }
    var iterator = ports.makeAsyncIterator()
    return TestServer(server, await iterator.next() ?? 0, group, task)
  }

  func triggerShutdown() async { await group.triggerGracefulShutdown() }

  /// Waits until it has stopped.
  func wait() async throws { try await task.value }

  func stop() async throws {
    await triggerShutdown()
    try await wait()
  }

  /// Waits until nobody is inside any more; false where somebody stays.
  func isEmptied() async throws -> Bool {
    let end = ContinuousClock.now + .seconds(Patience.seconds)
    while ContinuousClock.now < end {
      let load = server.load
      if load.inside == 0, load.running == 0, load.bytes == 0 { return true }
      try await Task.sleep(for: .milliseconds(5))
    }
    return false
  }

  func client() throws -> RawClient { try RawClient(port: port) }

  /// Asks once, over a connection of its own.
  func ask(_ method: String, _ path: String, _ headers: [String: String] = [:], _ body: String? = nil) async throws -> HTTPReply {
    try await RawClient.onThread { [port] in
      let client = try RawClient(port: port)
      try client.send(RawClient.request(method, path, headers, body.map { Array($0.utf8) }))
      return try client.receive()
    }
  }

  func chat(_ body: String, _ headers: [String: String] = [:]) async throws -> HTTPReply {
    try await ask("POST", "/v1/chat/completions", headers, body)
  }
}

/// Runs a test with a server, and sees to it that the server is as well afterwards as before.
func withServer(
  _ model: ServedModel? = nil, fetcher: PictureFetcher? = nil, _ change: (inout ServerOptions) -> Void = { _ in },
  _ body: (TestServer) async throws -> Void
) async throws {
  let server = try await TestServer.start(model, fetcher: fetcher, change)
  do {
    try await body(server)
  } catch {
    try? await server.stop()
    throw error
  }
  try await server.stop()
}

/// Bodies of requests.
enum Body {
  static func chat(_ extra: String = "", messages: String = #"[{"role":"user","content":"hi"}]"#) -> String {
    #"{"model":"tiny","max_tokens":3,"temperature":0,"messages":"# + messages + (extra.isEmpty ? "" : "," + extra) + "}"
  }

  static func picture(_ url: String, _ extra: String = "", _ image: String = "") -> String {
    let picture = #"{"type":"image_url","image_url":{"url":"# + quoted(url) + (image.isEmpty ? "" : "," + image) + "}}"
    return chat(extra, messages: #"[{"role":"user","content":["# + picture + #",{"type":"text","text":"what?"}]}]"#)
  }

  static func quoted(_ text: String) -> String {
    String(decoding: (try? JSONEncoder().encode(text)) ?? Data(), as: UTF8.self)
  }

  static func uri(_ data: Data, type: String = "image/png") -> String { "data:\(type);base64," + data.base64EncodedString() }

  static let house: Data = {
    do { return try TestModel.drawing().pngData() } catch { preconditionFailure("\(error)") }
  }()
}
