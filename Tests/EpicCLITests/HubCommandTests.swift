import Foundation
import HubServer
import LLaVA
import TestModels
import Synchronization
import TestSupport
import Testing
import Torch

/// Names of the hub wherever a model is named.
@Suite struct HubCommandTests {
  /// A folder with a model, the same model on a hub, and a cache.
  private struct Place {
    let scratch: Scratch
    let hub: FakeHub
    var url: URL { scratch.url }
    var cache: URL { url.appending(path: "cache") }
    var model: String { url.appending(path: "model").path }

    init(meddler: FakeHub.Meddler? = nil) async throws {
      scratch = try EpicCommand.workplace()
      hub = try await FakeHub(
        ["org/tiny": FakeHub.Model(Self.files(scratch.url.appending(path: "model")))], meddler: meddler)
    }

    static func files(_ folder: URL) throws -> [String: [UInt8]] {
      try FileManager.default.subpathsOfDirectory(atPath: folder.path).reduce(into: [:]) { files, path in
        var isFolder: ObjCBool = false
        let url = folder.appending(path: path)
        if FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder), isFolder.boolValue { return }
        files[path] = Array(try Data(contentsOf: url))
      }
    }

    func run(_ arguments: [String], _ variables: [String: String] = [:]) async throws -> EpicCommand.Outcome {
      try await EpicCommand.run(arguments, environment: hub.variables(cache: cache, variables))
    }

    /// What a command prints; it must say nothing else, as nobody looks.
    func output(_ arguments: [String]) async throws -> String {
      let outcome = try await run(arguments)
      #expect(outcome.code == 0 && outcome.err == "", "\(outcome.err)")
      return outcome.out
    }

    /// The one line of a failure.
    func failure(_ arguments: [String], _ variables: [String: String] = [:], code: Int32 = 1) async throws -> String {
      let outcome = try await run(arguments, variables)
      #expect(outcome.code == code && outcome.out == "", "\(outcome.out)")
      #expect(outcome.err.hasPrefix("epic: ") && outcome.err.split(separator: "\n").count == 1, "\(outcome.err)")
      return outcome.err
    }
  }

  @Test func pullPrintsWhereTheModelIs() async throws {
    struct Report: Decodable {
      let name, revision, commit, folder: String
      let files: [String]
      let bytes, downloadedBytes: Int
    }
    let place = try await Place()
    let first = try JSONDecoder().decode(Report.self, from: Data(try await place.output(["pull", "org/tiny", "--json"]).utf8))
    #expect(first.name == "org/tiny" && first.revision == "main" && first.commit == FakeHub.commit(1))
    #expect(first.files.contains("model.safetensors") && first.bytes == first.downloadedBytes && first.bytes > 10_000)
    #expect(
      try await place.output(["pull", "org/tiny@\(FakeHub.commit(1))", "org/tiny"]) == "\(first.folder)\n\(first.folder)\n")
    let again = try JSONDecoder().decode(
      Report.self, from: Data(try await place.output(["pull", "org/tiny", "--verify", "--json"]).utf8))
    #expect(again.downloadedBytes == 0 && again.bytes == first.bytes)
    for name in first.files {
      #expect(
        try Data(contentsOf: URL(filePath: first.folder + "/" + name))
          == Data(contentsOf: URL(filePath: place.model + "/" + name)))
    }
  }

  @Test(arguments: [
    ["inspect", "MODEL", "--json"], ["generate", "--prompt", "Hello", "--max-tokens", "8", "--model", "MODEL"],
    ["profile", "--keep", "8", "--json", "--model", "MODEL"],
  ])
  func aNameGivesWhatTheFolderGives(_ arguments: [String]) async throws {
    let place = try await Place()
    let expected = try await place.output(arguments.map { $0 == "MODEL" ? place.model : $0 })
    let found = try await place.output(arguments.map { $0 == "MODEL" ? "org/tiny" : $0 })
    #expect(found.replacing("org/tiny", with: place.model) == expected && !expected.isEmpty)
  }

  @Test(arguments: [
    ["bench", "generate", "--new-tokens", "2", "--repeats", "1", "--model", "org/tiny"],
    ["bench", "train", "--steps", "1", "--batch", "1", "--text-tokens", "8", "--model", "org/tiny"],
    ["convert", "org/tiny", "OUT/converted"], ["data", "check", "--file", "OUT/data.jsonl", "--model", "org/tiny"],
    ["data", "check", "--file", "OUT/data.jsonl", "--tokenizer", "org/tiny"],
    ["train", "--set", "model=org/tiny", "--set", "output=OUT/run", "--set", "data.file=OUT/data.jsonl", "--set", "steps=1"],
  ])
  func allCommandsTakeNames(_ arguments: [String]) async throws {
    let place = try await Place()
    let records = (0..<4).map { index in
      #"{"id": "\#(index)", "image": "house.png", "conversations": [{"from": "human", "value": "<image>\nWhat?"}, "#
        + #"{"from": "gpt", "value": "House \#(index)."}]}"#
    }
    try Data(records.joined(separator: "\n").utf8).write(to: place.url.appending(path: "data.jsonl"))
    let out = try await place.output(arguments.map { $0.replacing("OUT", with: place.url.path) })
    #expect(!out.isEmpty)
    #expect(place.hub.requests("/model.safetensors", method: .GET).isEmpty == arguments.contains("--tokenizer"))
  }

  @Test func chatTakesNames() async throws {
    let place = try await Place()
    let arguments = ["chat", "--model", "org/tiny", "--max-tokens", "4"]
    let environment = place.hub.variables(cache: place.cache)
    let outcome = try await EpicCommand.run(arguments, input: Data("Hello\n".utf8), environment: environment)
    #expect(outcome.code == 0 && outcome.err == "" && !outcome.out.isEmpty, "\(outcome.err)")
  }

  /// LLaVA's own layout has the tower in a repository of its own.
  @Test func theTowerIsReadFromTheCache() async throws {
    let place = try await Place()
    let original = place.url.appending(path: "original")
    _ = try await place.output(["convert", place.model, original.path, "--layout", "original"])
    let prompt = ["--prompt", "What is it?", "--image", place.url.appending(path: "house.png").path, "--max-tokens", "8"]
    let expected = try await place.output(["generate", "--model", original.path] + prompt)

    let weights = try SafetensorsFile(original.appending(path: "model.safetensors"))
    let (tower, rest) = (place.url.appending(path: "tower"), place.url.appending(path: "rest"))
    try FileManager.default.copyItem(at: original.appending(path: "vision_tower"), to: tower)
    try FileManager.default.copyItem(at: original, to: rest)
    try FileManager.default.removeItem(at: rest.appending(path: "vision_tower"))
    for (folder, isTower) in [(tower, true), (rest, false)] {
      let items = try weights.entries.keys.sorted().filter { $0.contains("vision_tower") == isTower }
        .map { SafetensorsItem($0, try weights.tensor($0)) }
      #expect(!items.isEmpty)
      try SafetensorsWriter.write(items, to: folder.appending(path: "model.safetensors"))
    }
    try BadInput.edit(rest.appending(path: "config.json"), "mm_vision_tower", "clip/tower")
    let hub = try await FakeHub([
      "org/original": FakeHub.Model(Place.files(rest)), "clip/tower": FakeHub.Model(Place.files(tower)),
      "org/whole": FakeHub.Model(Place.files(original)),
    ])
    for name in ["org/original", "org/whole"] {
      let outcome = try await EpicCommand.run(
        ["generate", "--model", name] + prompt, environment: hub.variables(cache: place.cache))
      #expect(outcome.out == expected && outcome.err == "", "\(outcome.err)")
    }
    // A folder of one's own finds it there as well.
    let outcome = try await EpicCommand.run(
      ["generate", "--model", rest.path] + prompt, environment: hub.variables(cache: place.cache, ["HF_HUB_OFFLINE": "1"]))
    #expect(outcome.out == expected && outcome.err == "", "\(outcome.err)")
  }

  @Test func twoProcessesFetchEachFileOnce() async throws {
    let place = try await Place { request, _, reply in if request.uri.contains("signature") { reply.delay = .milliseconds(300) } }
    async let one = place.output(["pull", "org/tiny"])
    async let other = place.output(["pull", "org/tiny"])
    let (first, second) = try await (one, other)
    #expect(first == second)
    let fetched = place.hub.requests(method: .GET).filter { $0.uri.contains("signature") }.map(\.uri)
    #expect(Set(fetched).count == fetched.count && !fetched.isEmpty)
  }

  /// What a killed process left is gone on with by the next.
  @Test func aKilledPullIsGoneOnWith() async throws {
    let isKilled = Mutex(false)
    let place = try await Place { request, _, reply in
      guard request.uri.contains("model.safetensors?signature"), !isKilled.withLock({ $0 }) else { return }
      // Half of it, and then nothing more comes until the process is killed.
      reply.stallAfter = reply.body.count / 2
    }
    let variables = place.hub.variables(cache: place.cache)
    let blobs = place.cache.appending(path: "models--org--tiny/blobs").path
    let outcome = try await EpicCommand.run(["pull", "org/tiny"], environment: variables) { running in
      try await running.send(SIGKILL) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: blobs)) ?? []
        // The weights are the only large file.
        return names.contains { name in
          let attributes = try? FileManager.default.attributesOfItem(atPath: "\(blobs)/\(name)")
          return name.hasSuffix(".epic-partial") && attributes?[.size] as? Int ?? 0 > 100_000
        }
      }
    }
    #expect(outcome.code == nil)
    isKilled.withLock { $0 = true }
    let folder = try await place.output(["pull", "org/tiny"]).trimmingCharacters(in: .newlines)
    #expect(
      try Data(contentsOf: URL(filePath: folder + "/model.safetensors"))
        == Data(contentsOf: URL(filePath: place.model + "/model.safetensors")))
    #expect(place.hub.storage.requests.contains { $0["Range"] != nil })
  }

  @Test func failuresAreOneLineThatSaysWhatWasTried() async throws {
    let place = try await Place()
    let missing = try await place.failure(["inspect", "models/llava"])
    #expect(missing.contains("no such folder") && missing.contains("has no such model") && missing.contains("HF_TOKEN"))
    let evaluation = ["eval", "--model", "models/llava", "--benchmark", "pope", "--data", place.url.path]
    #expect(try await place.failure(evaluation).contains("has no such model"))
    let offline = try await place.failure(["inspect", "models/llava"], ["HF_HUB_OFFLINE": "1"])
    #expect(offline.contains("no such folder") && offline.contains("HF_HUB_OFFLINE"))
    #expect(try await place.failure(["inspect", "models/my llava"]).contains("no such folder"))
    for path in ["./models/llava", "models/a/b", "/models/llava", "llava"] {
      #expect(try await place.failure(["inspect", path]).contains("no such folder"))
    }
    #expect(try await place.failure(["inspect", "org/tiny@v9"]).contains("v9"))
    #expect(try await place.failure(["pull", "org/tiny@v9"]).contains("v9"))
    #expect(try await place.failure(["pull", "org"], code: 2).contains("org/name"))
    #expect(try await place.failure(["pull", "org/tiny"], ["HF_ENDPOINT": "http://127.0.0.1:1"]).contains("cannot be reached"))
    #expect(try await place.failure(["pull", "org/tiny"], ["HF_TOKEN": "a b"]).contains("HF_TOKEN"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: place.url.path).sorted() == ["house.png", "model"])
  }

  @Test func aFolderThatIsThereWins() async throws {
    let place = try await Place()
    let here = place.url.appending(path: "org/tiny")
    try FileManager.default.createDirectory(at: here.deletingLastPathComponent(), withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: place.model, toPath: here.path)
    let outcome = try await EpicCommand.run(
      ["-c", "cd \"$1\" && exec \"$0\" inspect org/tiny", EpicCommand.program.path, place.url.path],
      environment: place.hub.variables(cache: place.cache), program: URL(filePath: "/bin/bash"))
    #expect(outcome.code == 0 && outcome.err == "", "\(outcome.err)")
    #expect(place.hub.requests().isEmpty)
  }
}
