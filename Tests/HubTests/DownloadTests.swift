import Foundation
import HubServer
import Synchronization
import TestSupport
import Testing

@testable import Hub
@testable import HubCache

@Suite struct DownloadTests {
  @Test func whatIsNeededIsLaidOutAsPythonDoes() async throws {
    let work = try await Workplace()
    let snapshot = try await work.pull()
    try work.expectFiles(snapshot)
    let commit = FakeHub.commit(1)
    #expect(snapshot.commit == commit && snapshot.folder.path == work.repository.appending(path: "snapshots/\(commit)").path)
    #expect(snapshot.downloaded == snapshot.bytes && snapshot.note == nil && snapshot.name.description == Workplace.name)
    #expect(try String(contentsOf: work.repository.appending(path: "refs/main"), encoding: .utf8) == commit)
    for path in Workplace.needed {
      let bytes = try #require(Workplace.files[path])
      let etag = bytes.count < 1000 ? FakeHub.gitHash(bytes) : FakeHub.sha256(bytes)
      let target = try FileManager.default.destinationOfSymbolicLink(atPath: snapshot.folder.appending(path: path).path)
      #expect(target == "../../blobs/\(etag)")
      #expect(FileManager.default.fileExists(atPath: work.cache.appending(path: ".locks/models--org--model/\(etag).lock").path))
    }
    let blobs = try FileManager.default.contentsOfDirectory(atPath: work.repository.appending(path: "blobs").path)
    #expect(blobs.count == Workplace.needed.count && !blobs.contains { $0.contains(".") })
    #expect(try work.listing().contains("CACHEDIR.TAG"))
    #expect(try !work.listing().contains { $0.contains(".epic") })
    // The storage of large files is not the hub.
    #expect(!work.hub.storage.requests.isEmpty)
    for request in work.hub.requests() { #expect(request["Authorization"] == nil && request["Accept-Encoding"] == "identity") }
  }

  @Test func whatIsThereIsNotFetchedAgain() async throws {
    let work = try await Workplace()
    let first = try await work.pull()
    let before = work.hub.requests().count
    let second = try await work.pull()
    #expect(second.folder == first.folder && second.downloaded == 0 && second.bytes == first.bytes)
    // One question what `main` is now.
    #expect(work.hub.requests().count == before + 1)
    // A whole commit is what it is.
    _ = try await work.pull("\(Workplace.name)@\(FakeHub.commit(1))")
    #expect(work.hub.requests().count == before + 1)
  }

  @Test func filesThatAreGoneComeAgain() async throws {
    let work = try await Workplace()
    let first = try await work.pull()
    let blob = first.folder.appending(path: "model.safetensors").resolvingSymlinksInPath()
    try FileManager.default.removeItem(at: blob)
    let second = try await work.pull()
    try work.expectFiles(second)
    #expect(second.downloaded == 300_000)
    // A blob that another snapshot brought is linked alone.
    try FileManager.default.removeItem(at: first.folder.appending(path: "model.safetensors"))
    let third = try await work.pull()
    try work.expectFiles(third)
    #expect(third.downloaded == 0)
  }

  @Test func aNewCommitBringsWhatChangedAlone() async throws {
    let work = try await Workplace()
    let old = try await work.pull()
    var files = Workplace.files
    files["config.json"] = Array(#"{"new": 1}"#.utf8)
    work.hub.change(Workplace.name) { model in
      model.commits[FakeHub.commit(2)] = files
      model.revisions["main"] = FakeHub.commit(2)
      model.revisions["refs/pr/1"] = FakeHub.commit(2)
    }
    let new = try await work.pull()
    try work.expectFiles(new, of: files)
    try work.expectFiles(old)
    #expect(new.downloaded == files["config.json"]?.count)
    #expect(try await work.pull("org/model@refs/pr/1").folder == new.folder)
    #expect(try String(contentsOf: work.repository.appending(path: "refs/refs/pr/1"), encoding: .utf8) == FakeHub.commit(2))
  }

  @Test func listsHavePages() async throws {
    var files = Workplace.files
    for index in 0..<95 { files["extra/\(index).txt"] = [UInt8(index)] }
    let work = try await Workplace(FakeHub.Model(files), pageSize: 10)
    let snapshot = try await work.pull()
    try work.expectFiles(snapshot)
    #expect(work.hub.requests("/tree/").count == 11)
    let tree = try Data(contentsOf: work.repository.appending(path: "trees/\(FakeHub.commit(1)).json"))
    #expect(RepositoryListing(tree, of: "")?.files.count == files.count)
  }

  @Test func shardsAreThoseOfTheIndex() async throws {
    var files = Workplace.files
    files["model.safetensors"] = nil
    let names = (1...3).map { "model-0000\($0)-of-00003.safetensors" }
    for (index, name) in names.enumerated() { files[name] = Workplace.bytes(20_000, seed: UInt64(index + 9)) }
    files["consolidated.safetensors"] = Workplace.bytes(60_000)
    let map = Dictionary(uniqueKeysWithValues: names.enumerated().map { ("layer.\($0).weight", $1) })
    files["model.safetensors.index.json"] = Array(try JSONEncoder().encode(["weight_map": map]))
    let work = try await Workplace(FakeHub.Model(files))
    let described = Workplace.needed.filter { $0 != "model.safetensors" } + ["model.safetensors.index.json"]
    try work.expectFiles(try await work.pull(Workplace.name, .tokenizer), described, of: files)
    try work.expectFiles(try await work.pull(), described + names, of: files)
  }

  @Test func theTowerOfAnOriginalCheckpointComesAlong() async throws {
    let hub = try await FakeHub([
      "org/original": FakeHub.Model([
        "config.json": Array(#"{"mm_vision_tower": "clip/tower"}"#.utf8), "pytorch_model.bin": Workplace.bytes(3000),
      ]), "clip/tower": FakeHub.Model(["config.json": Array("{}".utf8), "pytorch_model.bin": Workplace.bytes(2000)]),
    ])
    let scratch = try Scratch()
    let environment = try HubEnvironment(hub.variables(cache: scratch.url))
    let snapshot = try await HubDownload(environment).pull(HubName("org/original"))
    #expect(snapshot.note == nil && snapshot.downloaded == snapshot.bytes + 2002)
    let tower = try CachedRepository(HubName("clip/tower"), in: scratch.url).wholeSnapshot(.checkpoint)
    #expect(tower.files == ["config.json", "pytorch_model.bin"])
  }

  @Test func progressGrowsUpToTheWhole() async throws {
    let work = try await Workplace()
    let seen = Mutex<[DownloadProgress]>([])
    let snapshot = try await work.pull { progress in seen.withLock { $0.append(progress) } }
    let all = seen.withLock { $0 }
    #expect(zip(all, all.dropFirst()).allSatisfy { $0.done <= $1.done && $0.total <= $1.total })
    #expect(all.allSatisfy { $0.done <= $0.total } && all.last?.done == snapshot.bytes && all.last?.received == snapshot.bytes)
  }

  @Test func damagedFilesOfTheCacheAreFoundAndReplaced() async throws {
    let work = try await Workplace()
    let first = try await work.pull()
    let blob = first.folder.appending(path: "model.safetensors").resolvingSymlinksInPath()
    var bytes = try Data(contentsOf: blob)
    bytes[1000] ^= 1
    try bytes.write(to: blob)
    #expect(try await work.pull().downloaded == 0)
    let checked = try await work.pull(rechecks: true)
    try work.expectFiles(checked)
    #expect(checked.downloaded == 300_000)
    #expect(try await work.pull(rechecks: true).downloaded == 0)
  }

  @Test func etagsComeInManyForms() {
    let hash = String(repeating: "ab", count: 20)
    for text in ["\"\(hash)\"", "W/\"\(hash)\"", hash] { #expect(text.plainETag == hash) }
    for text in ["", "\"\"", "\"../x\"", "\"a/b\"", "\".x\"", "\"a\0\"", "\"a b\"", String(repeating: "a", count: 300)] {
      #expect(text.plainETag == nil, "\(text)")
    }
  }

  @Test func nextPagesAreFoundInLinkHeaders() {
    #expect(#"<https://h/a?cursor=b>; rel="next""#.nextLink == "https://h/a?cursor=b")
    #expect(#"<https://h/p>; rel="prev", <https://h/n>; rel="next""#.nextLink == "https://h/n")
    #expect("<https://h/n>; rel=next".nextLink == "https://h/n")
    #expect(#"<https://h/p>; rel="prev""#.nextLink == nil && "".nextLink == nil)
  }
}
