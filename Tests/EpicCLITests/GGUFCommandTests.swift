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
