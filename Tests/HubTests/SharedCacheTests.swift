import Basics
import Foundation
import HubCache
import HubServer
import NIOCore
import TestSupport
import Testing

@testable import Hub

@Suite struct SharedCacheTests {
  @Test func manyDownloadsAtOnceFetchEachFileOnce() async throws {
    let work = try await Workplace { request, _, reply in
      if BrokenTransferTests.isWeights(request) { reply.delay = .milliseconds(50) }
    }
    try await withThrowingTaskGroup(of: Snapshot.self) { group in
      for _ in 0..<6 { group.addTask { try await work.pull() } }
      for try await snapshot in group { try work.expectFiles(snapshot) }
    }
    #expect(BrokenTransferTests.ranges(work) == [nil])
  }

  @Test func aLockThatAnotherHoldsIsWaitedFor() async throws {
    let work = try await Workplace()
    let repository = CachedRepository(try HubName(Workplace.name), in: work.cache)
    try repository.makeFolders(for: FakeHub.commit(1))
    let etag = FakeHub.sha256(Workplace.files["model.safetensors"] ?? [])
    var lock = try repository.lock(etag)
    #expect(lock != nil)
    #expect(try repository.lock(etag) == nil)
    let pull = Task { try await work.pull() }
    try await Task.sleep(for: .milliseconds(300))
    #expect(BrokenTransferTests.ranges(work).isEmpty)
    lock = nil
    try work.expectFiles(try await pull.value)
  }

  @Test func cancellingEndsADownloadAndKeepsWhatCame() async throws {
    let work = try await Workplace { request, _, reply in
      if request.path.hasSuffix("/model.safetensors"), request.method == .GET { reply.delay = .seconds(60) }
    }
    let pull = Task { try await work.pull() }
    while work.hub.requests("/model.safetensors", method: .GET).isEmpty { try await Task.sleep(for: .milliseconds(5)) }
    pull.cancel()
    await #expect(throws: CancellationError.self) { _ = try await pull.value }
    #expect(try work.listing().contains { $0.hasSuffix("config.json") })
  }

  // MARK: - Links

  @Test(arguments: ["models--org--model", "models--org--model/blobs", "models--org--model/snapshots", ".locks"])
  func nothingIsWrittenThroughLinkedFolders(_ path: String) async throws {
    let work = try await Workplace()
    let outside = work.scratch.url.appending(path: "outside")
    try FileManager.default.createDirectory(at: outside, withIntermediateDirectories: true)
    let link = work.cache.appending(path: path)
    try FileManager.default.createDirectory(at: link.deletingLastPathComponent(), withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(at: link, withDestinationURL: outside)
    let error = await #expect(throws: FileError.self) { _ = try await work.pull() }
    #expect(error?.description.contains(link.lastPathComponent) == true)
    #expect(try FileManager.default.contentsOfDirectory(atPath: outside.path).isEmpty)
  }

  @Test func aLinkInPlaceOfAPartialFileIsNotFollowed() async throws {
    let work = try await Workplace()
    let outside = work.scratch.url.appending(path: "victim")
    try Data("mine".utf8).write(to: outside)
    let repository = CachedRepository(try HubName(Workplace.name), in: work.cache)
    try repository.makeFolders(for: FakeHub.commit(1))
    let etag = FakeHub.sha256(Workplace.files["model.safetensors"] ?? [])
    let partial = work.repository.appending(path: "blobs/\(etag).epic-partial")
    try FileManager.default.createSymbolicLink(at: partial, withDestinationURL: outside)
    await #expect(throws: FileError.self) { _ = try await work.pull() }
    #expect(try Data(contentsOf: outside) == Data("mine".utf8))
  }

  /// Newer versions of Python's library keep a file once for all repositories, and link each repository's blob to it.
  @Test func sharedBlobsAreReadAndNeverWritten() async throws {
    let work = try await Workplace()
    let bytes = Workplace.files["model.safetensors"] ?? []
    let etag = FakeHub.sha256(bytes)
    let store = work.cache.appending(path: "blobs/ab/" + String(repeating: "ab", count: 32))
    try FileManager.default.createDirectory(at: store.deletingLastPathComponent(), withIntermediateDirectories: true)
    let repository = CachedRepository(try HubName(Workplace.name), in: work.cache)
    try repository.makeFolders(for: FakeHub.commit(1))
    let blob = work.repository.appending(path: "blobs/\(etag)")
    try FileManager.default.createSymbolicLink(
      atPath: blob.path, withDestinationPath: "../../blobs/ab/" + String(repeating: "ab", count: 32))
    // One of another length is not what is meant; it stays as it is, and the repository gets a blob of its own.
    try Data(bytes.prefix(10)).write(to: store)
    try work.expectFiles(try await work.pull())
    #expect(try Data(contentsOf: store) == Data(bytes.prefix(10)))
    #expect((try? FileManager.default.destinationOfSymbolicLink(atPath: blob.path)) == nil)
    // One that is right is used.
    try FileManager.default.removeItem(at: blob)
    try FileManager.default.createSymbolicLink(
      atPath: blob.path, withDestinationPath: "../../blobs/ab/" + String(repeating: "ab", count: 32))
    try Data(bytes).write(to: store)
    let count = BrokenTransferTests.ranges(work).count
    try work.expectFiles(try await work.pull())
    #expect(BrokenTransferTests.ranges(work).count == count)
  }

  @Test func aWrongLinkInASnapshotIsReplaced() async throws {
    let work = try await Workplace()
    let snapshot = try await work.pull()
    let link = snapshot.folder.appending(path: "model.safetensors")
    for target in ["../../blobs/absent", "/etc/passwd"] {
      try FileManager.default.removeItem(at: link)
      try FileManager.default.createSymbolicLink(atPath: link.path, withDestinationPath: target)
      try work.expectFiles(try await work.pull())
    }
    // A system without links has the file itself, which serves.
    try FileManager.default.removeItem(at: link)
    try Data(Workplace.files["model.safetensors"] ?? []).write(to: link)
    #expect(try await work.pull().downloaded == 0)
    #expect((try? FileManager.default.destinationOfSymbolicLink(atPath: link.path)) == nil)
  }

  @Test func modesFollowTheUsersMask() async throws {
    let work = try await Workplace()
    let snapshot = try await work.pull()
    let probe = work.scratch.url.appending(path: "probe")
    #expect(FileManager.default.createFile(atPath: probe.path, contents: nil))
    func mode(_ url: URL) throws -> Int? {
      try FileManager.default.attributesOfItem(atPath: url.resolvingSymlinksInPath().path)[.posixPermissions] as? Int
    }
    #expect(try mode(snapshot.folder.appending(path: "config.json")) == mode(probe))
  }

  @Test func tooLittleRoomIsSaidBeforeAnythingIsFetched() async throws {
    let work = try await Workplace { request, _, reply in
      guard request.path.contains("/tree/") else { return }
      let text = String(decoding: reply.body, as: UTF8.self)
      reply.body = Array(text.replacing("300000", with: "\(1 << 42)").utf8)
    }
    guard case .noRoom(_, needed: 1 << 42, _)? = await work.failure()?.kind else { return #expect(Bool(false)) }
    #expect(work.hub.requests("/model.safetensors").isEmpty)
  }
}
