import Foundation
import TestSupport
import Testing

/// `epic convert` of GGUF files.
@Suite struct GGUFCommandTests {
  private static func golden(_ name: String) -> String { Fixtures.bundled("gguf/" + name).path }

  @Test func twoFilesBecomeAModel() async throws {
    let scratch = try Scratch()
    let made = scratch.url.appending(path: "made").path
    let outcome = try await EpicCommand.run([
      "convert", Self.golden("llama.gguf"), "--projector", Self.golden("mmproj.gguf"), made, "--dtype", "f32",
    ])
    #expect(outcome.code == 0 && outcome.err == "" && outcome.out == "\(made): hf, float32\n", "\(outcome.err)")
    let report = try await EpicCommand.run(["inspect", made])
    #expect(report.code == 0 && report.out.contains("llava"), "\(report.err)")
  }

  @Test func oneFileBecomesALanguageModel() async throws {
    let scratch = try Scratch()
    let made = scratch.url.appending(path: "made").path
    let outcome = try await EpicCommand.run(["convert", Self.golden("llama.gguf"), made])
    #expect(outcome.code == 0 && outcome.out == "\(made): hf, float16\n")
    #expect(outcome.err.contains("note: a language model alone (LlamaForCausalLM)"), "\(outcome.err)")
    let report = try await EpicCommand.run(["inspect", made])
    #expect(report.code == 1 && report.err.contains("sees no pictures"), "\(report.err)")
  }

  /// A file stands for the folder that `epic convert` makes of it and the projector beside it, and is converted once.
  @Test func aFileIsAModel() async throws {
    let place = try EpicCommand.workplace()
    let files = place.url.appending(path: "files")
    try FileManager.default.createDirectory(at: files, withIntermediateDirectories: true)
    for name in ["llama.gguf", "mmproj.gguf"] {
      try FileManager.default.copyItem(atPath: Self.golden(name), toPath: files.appending(path: name).path)
    }
    let (model, made, cache) = (
      files.appending(path: "llama.gguf").path, place.url.appending(path: "made").path, place.url.appending(path: "cache")
    )
    func answer(_ model: String) async throws -> EpicCommand.Outcome {
      try await EpicCommand.run(
        [
          "generate", "--model", model, "--image", place.url.appending(path: "house.png").path, "--prompt", "What is it?",
          "--max-tokens", "6", "--dtype", "f32",
        ], environment: ["EPIC_CACHE": cache.path])
    }
    let converted = try await EpicCommand.run(["convert", model, "--projector", files.appending(path: "mmproj.gguf").path, made])
    #expect(converted.code == 0, "\(converted.err)")
    let expected = try await answer(made)
    let first = try await answer(model)
    #expect(first.code == 0 && first.out == expected.out && !first.out.isEmpty, "\(first.err)")
    #expect(first.err.contains("note: llama.gguf and mmproj.gguf were converted, once, into \(cache.path)"), "\(first.err)")
    for name in [model, files.path] {
      let again = try await answer(name)
      #expect(again.out == expected.out && again.err == "", "\(again.err)")
    }
    let folders = { try FileManager.default.contentsOfDirectory(atPath: cache.appending(path: "gguf").path).count }
    #expect(try folders() == 1)
    // Another file under the same name is another model.
    try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSince1970: 1e9)], ofItemAtPath: model)
    #expect(try await answer(model).err.contains("were converted") && folders() == 2)

    let second = files.appending(path: "mmproj-f16.gguf").path
    try FileManager.default.copyItem(atPath: Self.golden("mmproj.gguf"), toPath: second)
    let torn = try await answer(model)
    #expect(torn.code == 1 && torn.err.contains("several projectors") && torn.err.contains("mmproj-f16.gguf"), "\(torn.err)")
    for name in [second, files.appending(path: "mmproj.gguf").path] { try FileManager.default.removeItem(atPath: name) }
    let alone = try await answer(model)
    #expect(alone.code == 1 && alone.err.contains("epic convert") && alone.err.split(separator: "\n").count == 1, "\(alone.err)")
  }

  /// Wrong usage, each with what the line says.
  private static let faults: [(says: String, arguments: [String])] = [
    ("--bits or --interpolate", [golden("llama.gguf"), "OUT", "--bits", "4"]),
    ("--bits or --interpolate", [golden("llama.gguf"), "OUT", "--layout", "original"]),
    (
      "--bits or --interpolate",
      [golden("llama.gguf"), "OUT", "--interpolate", Fixtures.bundled("model/hf5").path, "--weight", "0.5"]
    ),
    ("is no GGUF file", [Fixtures.bundled("model/hf5").path, "OUT", "--projector", golden("mmproj.gguf")]),
    ("behind --projector", [golden("mmproj.gguf"), "OUT"]),
    ("absent.gguf", [golden("llama.gguf"), "OUT", "--projector", "/absent.gguf"]),
    ("general.architecture", [golden("types.gguf"), "OUT"]),
  ]

  @Test(arguments: faults.indices) func faultsAreNamed(_ index: Int) async throws {
    let (says, arguments) = Self.faults[index]
    let scratch = try Scratch()
    let made = scratch.url.appending(path: "made").path
    let outcome = try await EpicCommand.run(["convert"] + arguments.map { $0 == "OUT" ? made : $0 })
    #expect(outcome.code == 1 && outcome.err.contains(says), "\(outcome.err)")
    #expect(outcome.err.split(separator: "\n").count == 1 && !FileManager.default.fileExists(atPath: made))
  }
}
