import Foundation
import HubCache
import HubServer
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import Hub

@Suite struct BrokenTransferTests {
  /// Whether a request is for the large file's bytes.
  static func isWeights(_ request: ServedRequest) -> Bool {
    request.method == .GET && request.path.hasSuffix("/model.safetensors") && request.uri.contains("signature")
  }

  static func ranges(_ work: Workplace) -> [String?] { work.hub.storage.requests.filter { isWeights($0) }.map { $0["Range"] } }

  private static var partial: String { "blobs/\(FakeHub.sha256(Workplace.files["model.safetensors"] ?? [])).epic-partial" }

  @Test func aCutConnectionIsGoneOnWith() async throws {
    let work = try await Workplace { request, count, reply in
      if Self.isWeights(request), count < 2 { reply.cutAfter = 100_000 }
    }
    let snapshot = try await work.pull()
    try work.expectFiles(snapshot)
    #expect(snapshot.downloaded == snapshot.bytes)
    // What is still on its way when a connection is cut may be lost, so each transfer brings as much or less.
    let starts = Self.ranges(work).map { $0.flatMap { Int($0.filter(\.isNumber)) } ?? 0 }
    #expect(starts.count == 3 && starts[0] == 0)
    for (start, next) in zip(starts, starts.dropFirst()) { #expect((start...start + 100_000).contains(next)) }
    // What is gone on with is looked up at the hub again, as addresses of the storage do not last.
    #expect(work.hub.server.requests.filter { $0.method == .GET && $0.path.hasSuffix("/model.safetensors") }.count == 3)
  }

  @Test func anotherProcessGoesOnWhereOneWasCut() async throws {
    let isCut = Mutex(true)
    let work = try await Workplace { request, _, reply in
      if Self.isWeights(request), isCut.withLock({ $0 }) { reply.cutAfter = 70_000 - (Self.start(request) ?? 0) }
    }
    let error = await work.failure(attempts: 2)
    guard case .cut("model.safetensors", _, let done, 300_000)? = error?.kind else {
      return #expect(Bool(false), "\(error as Any)")
    }
    #expect((1...70_000).contains(done))
    #expect(CachedRepository.size(work.repository.appending(path: Self.partial)) == done)
    isCut.withLock { $0 = false }
    let snapshot = try await work.pull()
    try work.expectFiles(snapshot)
    #expect(snapshot.downloaded == 300_000 - done && Self.ranges(work).last == "bytes=\(done)-")
    #expect(try !work.listing().contains { $0.hasSuffix(".epic-partial") })
  }

  @Test func aServerThatCannotGoOnBeginsAnew() async throws {
    let work = try await Workplace { request, count, reply in
      guard Self.isWeights(request) else { return }
      reply = Reply(.ok, [:], Workplace.files["model.safetensors"] ?? [])
      if count == 0 { reply.cutAfter = 123_456 }
    }
    let snapshot = try await work.pull()
    try work.expectFiles(snapshot)
    #expect(Self.ranges(work).count == 2 && snapshot.downloaded > snapshot.bytes)
  }

  @Test func aServerThatAlwaysBeginsAnewAndIsAlwaysCutIsGivenUp() async throws {
    let work = try await Workplace { request, _, reply in
      guard Self.isWeights(request) else { return }
      reply = Reply(.ok, [:], Workplace.files["model.safetensors"] ?? [])
      reply.cutAfter = 100_000
    }
    guard case .cut? = await work.failure(attempts: 3)?.kind else { return #expect(Bool(false)) }
    #expect((4...20).contains(Self.ranges(work).count))
  }

  /// Bodies without a length end wherever they end.
  @Test func aShortBodyWithoutALengthIsGoneOnWith() async throws {
    let work = try await Workplace { request, count, reply in
      guard Self.isWeights(request) else { return }
      reply.isChunked = true
      if count == 0 { reply.body = Array(reply.body.prefix(1000)) }
    }
    try work.expectFiles(try await work.pull())
    #expect(Self.ranges(work) == [nil, "bytes=1000-"])
  }

  @Test func whatCannotBeGoneOnWithIsDropped() async throws {
    let work = try await Workplace { request, _, reply in
      if Self.isWeights(request), request["Range"] != nil {
        reply = Reply(.rangeNotSatisfiable, ["Content-Range": "bytes */300000"])
      }
    }
    try Self.leave(Workplace.bytes(500), in: work)
    try work.expectFiles(try await work.pull())
    #expect(Self.ranges(work) == ["bytes=500-", nil])
  }

  @Test(arguments: [400_000, 300_000, 5000]) func whatIsLeftAndDamagedIsFetchedAnew(_ count: Int) async throws {
    let work = try await Workplace()
    try Self.leave(Workplace.bytes(count, seed: 99), in: work)
    try work.expectFiles(try await work.pull())
  }

  @Test func damagedBytesAreRefused() async throws {
    let work = try await Workplace { request, _, reply in if Self.isWeights(request) { reply.body[7] ^= 1 } }
    let error = await work.failure()
    guard case .damaged("model.safetensors", _, FakeHub.sha256(Workplace.files["model.safetensors"] ?? []))? = error?.kind else {
      return #expect(Bool(false), "\(error as Any)")
    }
    // Once more, and then no more.
    #expect(Self.ranges(work).count == 2)
    #expect(try !work.listing().contains { $0.hasSuffix(".epic-partial") || $0.hasSuffix("model.safetensors") })
    #expect(try !work.listing().contains("models--org--model/refs/main"))
  }

  @Test func damagedFilesOfGitAreRefused() async throws {
    let work = try await Workplace { request, _, reply in
      if request.method == .GET, request.path.hasSuffix("tokenizer.json") { reply.body[0] ^= 1 }
    }
    guard case .damaged("tokenizer.json", _, _)? = await work.failure()?.kind else { return #expect(Bool(false)) }
  }

  @Test func damageThatPassesIsMendedByItself() async throws {
    let work = try await Workplace { request, count, reply in if Self.isWeights(request), count == 0 { reply.body[7] ^= 1 } }
    try work.expectFiles(try await work.pull())
  }

  @Test(arguments: [299_999, 300_001]) func otherLengthsAreRefused(_ length: Int) async throws {
    let work = try await Workplace { request, _, reply in
      if Self.isWeights(request) { reply.body = Workplace.bytes(length) }
    }
    guard case .wrongSize("model.safetensors", length, 300_000)? = await work.failure()?.kind else { return #expect(Bool(false)) }
  }

  @Test func bodiesThatDoNotEndAreRefused() async throws {
    let work = try await Workplace { request, _, reply in
      guard Self.isWeights(request) else { return }
      reply.body += Workplace.bytes(100_000)
      reply.isChunked = true
    }
    guard case .wrongSize("model.safetensors", _, 300_000)? = await work.failure()?.kind else { return #expect(Bool(false)) }
  }

  @Test(arguments: ["bytes 99-299999/300000", "bytes 100-299999/400000", "pages 1-2/3", ""])
  func otherRangesAreRefused(_ range: String) async throws {
    let work = try await Workplace { request, _, reply in
      guard Self.isWeights(request), request["Range"] != nil else { return }
      reply.headers.replaceOrAdd(name: "Content-Range", value: range)
    }
    try Self.leave(Array(Workplace.bytes(300_000).prefix(100)), in: work)
    guard case .answer? = await work.failure()?.kind else { return #expect(Bool(false)) }
  }

  @Test func packedBodiesAreRefused() async throws {
    let work = try await Workplace { request, _, reply in
      if Self.isWeights(request) { reply.headers.add(name: "Content-Encoding", value: "gzip") }
    }
    guard case .answer? = await work.failure()?.kind else { return #expect(Bool(false)) }
  }

  private static func start(_ request: ServedRequest) -> Int? { request["Range"].flatMap { Int($0.filter(\.isNumber)) } }

  /// What a killed process left.
  private static func leave(_ bytes: [UInt8], in work: Workplace) throws {
    let url = work.repository.appending(path: partial)
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
  }
}
