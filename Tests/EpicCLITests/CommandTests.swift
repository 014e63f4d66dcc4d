import Foundation
import Imaging
import LLaVA
import TestModels
import TestSupport
import Testing
import Torch

/// The commands as they are meant to be used.
@Suite struct CommandTests {
  private struct Report: Decodable, Equatable {
    struct Timings: Decodable, Equatable { let vision, prefill, decode: Double }
    let text: String
    let tokens: [Int]
    let promptTokens, visualTokens: Int
    let timings: Timings
    let tokensPerSecond: Double
    let peakMemoryBytes: Int
  }

  private func report(_ arguments: [String]) async throws -> Report {
    let outcome = try await EpicCommand.run(arguments)
    #expect(outcome.code == 0 && outcome.err == "", "\(outcome.err)")
    #expect(outcome.out.split(separator: "\n").count == 1)
    return try JSONDecoder().decode(Report.self, from: Data(outcome.out.utf8))
  }

  private func generate(_ place: Scratch, _ arguments: [String], model: String = "model") async throws -> Report {
    try await report(["generate", "--model", place.url.appending(path: model).path, "--max-tokens", "8", "--json"] + arguments)
  }

  /// These tests link what `epic` links, so they too were started again, unless the environment had said how threads wait.
  @Test func threadsSleepSoonAfterTheyWorked() {
    let variables = ProcessInfo.processInfo.environment
    #expect(variables["GOMP_SPINCOUNT"] != nil || variables["OMP_WAIT_POLICY"] != nil)
  }

  @Test func generateGivesOneObject() async throws {
    let place = try EpicCommand.workplace()
    let house = place.url.appending(path: "house.png").path
    let one = try await generate(place, ["--prompt", "What is it?", "--image", house])
    #expect(one.visualTokens == 16 && one.promptTokens > 180 && one.tokens.count <= 8)
    #expect(one.timings.vision > 0 && one.timings.prefill > 0 && one.timings.decode > 0 && one.tokensPerSecond > 0)
    #expect(one.peakMemoryBytes > 10_000_000)
    let two = try await generate(place, ["--prompt", "Compare <image> with <image>.", "--image", house, house])
    #expect(two.visualTokens == 32)
    let none = try await generate(place, ["--prompt", "Hello", "--threads", "1"])
    #expect(none.visualTokens == 0 && none.timings.vision < 0.01)
    let more = try await generate(place, ["--prompt", "Hello", "--threads", "2"])
    #expect(more.tokens == none.tokens)
  }

  @Test func whatIsShownIsWhatIsReported() async throws {
    let place = try EpicCommand.workplace()
    let arguments = ["generate", "--model", place.url.appending(path: "model").path, "--prompt", "Hello", "--max-tokens", "20"]
    let shown = try await EpicCommand.run(arguments)
    let reported = try await report(arguments + ["--json"])
    #expect(shown.code == 0)
    #expect(shown.out.trimmingCharacters(in: .whitespacesAndNewlines) == reported.text)
    let input = try await EpicCommand.run(arguments.map { $0 == "Hello" ? "-" : $0 } + ["--json"], input: Data("Hello\n".utf8))
    #expect(try JSONDecoder().decode(Report.self, from: Data(input.out.utf8)).tokens == reported.tokens)
  }

  @Test func drawsFollowTheSeed() async throws {
    let place = try EpicCommand.workplace()
    let draw = ["--prompt", "Hello", "--temperature", "1.5", "--top-p", "0.95", "--top-k", "100", "--repetition-penalty", "1.1"]
    let first = try await generate(place, draw + ["--seed", "3"])
    #expect(try await generate(place, draw + ["--seed", "3"]).tokens == first.tokens)
    #expect(try await generate(place, draw + ["--seed", "4"]).tokens != first.tokens)
  }

  @Test(arguments: ["f32", "bf16", "f16"]) func everyPrecisionRuns(_ dtype: String) async throws {
    let place = try EpicCommand.workplace()
    let house = place.url.appending(path: "house.png").path
    let found = try await generate(place, ["--prompt", "Hello", "--image", house, "--dtype", dtype])
    #expect(!found.tokens.isEmpty)
  }

  @Test func stopStringsEndTheAnswerAndStayOut() async throws {
    let place = try EpicCommand.workplace()
    let whole = try await generate(place, ["--prompt", "Hello"])
    let last = try #require(whole.text.last)
    let cut = try await generate(place, ["--prompt", "Hello", "--stop", String(last)])
    #expect(!cut.text.contains(last) && cut.tokens.count <= whole.tokens.count)
  }

  /// A turned picture is answered as the same picture saved upright; with --exif ignore as the one saved as it lies.
  @Test func exifOrientationIsHonouredOrIgnored() async throws {
    struct Index: Decodable {
      struct File: Decodable { let exif_orientation: Int? }
      let files: [String: File]
    }
    let index = try JSONDecoder().decode(Index.self, from: Data(contentsOf: Fixtures.url("images/index.json")))
    let name = try #require(index.files.filter { $0.value.exif_orientation ?? 1 > 1 }.keys.sorted().first)
    let turned = Fixtures.url("images/\(name)")
    let place = try EpicCommand.workplace()
    var pictures: [RGBImage] = []
    for (flag, orientation) in [("honour", ExifOrientation.honoured), ("ignore", .ignored)] {
      let upright = place.url.appending(path: "\(flag).png")
      pictures.append(try RGBImage(contentsOf: turned, orientation: orientation))
      try pictures[pictures.count - 1].writePNG(to: upright)
      let arguments = ["--prompt", "What?", "--temperature", "2", "--seed", "5", "--exif", flag, "--image"]
      #expect(try await generate(place, arguments + [turned.path]).tokens == generate(place, arguments + [upright.path]).tokens)
    }
    #expect(pictures[0] != pictures[1])
  }

  @Test func conversionsKeepTheAnswer() async throws {
    let place = try EpicCommand.workplace()
    let house = place.url.appending(path: "house.png").path
    let before = try await generate(place, ["--prompt", "Hello", "--image", house])
    for (source, target, layout) in [("model", "original", "original"), ("original", "back", "hf")] {
      let outcome = try await EpicCommand.run([
        "convert", place.url.appending(path: source).path, place.url.appending(path: target).path, "--layout", layout,
        "--shard-bytes", "300000",
      ])
      #expect(outcome.code == 0, "\(outcome.err)")
      #expect(try await generate(place, ["--prompt", "Hello", "--image", house], model: target).tokens == before.tokens)
    }
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: place.url.path).sorted() == ["back", "house.png", "model", "original"])
  }

  /// A model between a model and itself is that model.
  @Test func modelsLieBetweenTwo() async throws {
    let place = try EpicCommand.workplace()
    let ask = ["--prompt", "Hello", "--image", place.url.appending(path: "house.png").path]
    let model = place.url.appending(path: "model").path
    let arguments = ["convert", model, place.url.appending(path: "same").path, "--interpolate", model, "--weight", "0.25"]
    let outcome = try await EpicCommand.run(arguments)
    #expect(outcome.code == 0 && outcome.out.contains("0.25 of \(model), the rest of \(model)"), "\(outcome.err)")
    #expect(try await generate(place, ask, model: "same").tokens == generate(place, ask).tokens)
    let again = try await EpicCommand.run(arguments)
    #expect(again.code == 1 && again.err.contains("already exists"))
  }

  /// In 8 bits the first tokens are those of the numbers that the bits stand for.
  @Test func fewBitsAreWrittenReadAndTakenBack() async throws {
    let place = try EpicCommand.workplace()
    let ask = ["--prompt", "Hello", "--image", place.url.appending(path: "house.png").path]
    var sizes: [String: Int] = [:]
    for (source, target, option, says) in [
      ("model", "four", ["--bits", "4"], "4 bits"), ("model", "eight", ["--bits", "8"], "8 bits"),
      ("eight", "sixteen", ["--bits", "16"], "bfloat16"), ("eight", "dense", ["--dtype", "f32"], "float32"),
    ] {
      let outcome = try await EpicCommand.run(
        ["convert", place.url.appending(path: source).path, place.url.appending(path: target).path] + option)
      #expect(outcome.code == 0 && outcome.out.contains(says), "\(outcome.err)")
      sizes[target] = try Data(contentsOf: place.url.appending(path: "\(target)/model.safetensors")).count
    }
    #expect((sizes["four"] ?? 0) < (sizes["eight"] ?? 0))
    let inspected = try await EpicCommand.run(["inspect", place.url.appending(path: "four").path, "--verify"])
    #expect(inspected.code == 0 && inspected.out.contains("I4"), "\(inspected.err)")
    let eight = try await generate(place, ask + ["--dtype", "f32"], model: "eight")
    #expect(try await generate(place, ask + ["--dtype", "f32"], model: "dense").tokens.prefix(3) == eight.tokens.prefix(3))
    #expect(try await generate(place, ask + ["--bits", "4"]).tokens.isEmpty == false)
    #expect(try await generate(place, ask + ["--kv-cache-bits", "8"]).tokens.isEmpty == false)
  }

  @Test func inspectCountsWhatTheModelHolds() async throws {
    struct Findings: Decodable {
      struct Part: Decodable { let parameters, bytes: Int }
      let layout: String
      let parameters, bytes: Int
      let groups: [String: Part]
      let verified: [String: String]?
    }
    let place = try EpicCommand.workplace()
    let folder = place.url.appending(path: "model")
    let outcome = try await EpicCommand.run(["inspect", folder.path, "--json", "--verify"])
    let found = try JSONDecoder().decode(Findings.self, from: Data(outcome.out.utf8))
    let model = try LLaVAModel.load(from: folder)
    #expect(found.layout == "hf" && found.parameters == model.parameters.count() && found.bytes == 4 * found.parameters)
    for group in ParameterGroup.allCases {
      #expect((found.groups[group.rawValue]?.parameters ?? 0) == model.parameters.count(of: group))
    }
    #expect(found.verified?.keys.sorted() == ["processor", "template", "tokenizer", "weights"])
    #expect(found.verified?["template"] == "vicuna_v1")
    let text = try await EpicCommand.run(["inspect", folder.path])
    for word in ["Hugging Face", "16 visual tokens", "mlp2x_gelu", "F32"] { #expect(text.out.contains(word), "\(word)") }
  }

  /// A checkpoint's own chat template decides the prompt, unless another is named.
  @Test func aChatTemplateIsFollowed() async throws {
    let place = try EpicCommand.workplace()
    let folder = place.url.appending(path: "model")
    let plain = try await generate(place, ["--prompt", "Hello"])
    let named = try await generate(place, ["--prompt", "Hello", "--template", "chatml", "--system", "Be brief."])
    let source =
      "{% for m in messages %}{% if loop.first and m.role != 'system' %}{{ '<|im_start|>system\\nBe brief.<|im_end|>\\n' }}{% endif %}"
      + "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
      + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    try Data(source.utf8).write(to: folder.appending(path: "chat_template.jinja"))
    let followed = try await generate(place, ["--prompt", "Hello"])
    #expect(followed.tokens == named.tokens && followed.promptTokens == named.promptTokens)
    #expect(followed.promptTokens != plain.promptTokens)
    let other = try await generate(place, ["--prompt", "Hello", "--template", "checkpoint", "--system", "Be long."])
    #expect(other.promptTokens == followed.promptTokens - 1)
    #expect(try await generate(place, ["--prompt", "Hello", "--template", "vicuna_v1"]).tokens == plain.tokens)
    for arguments in [[], ["--verify"]] {
      let text = try await EpicCommand.run(["inspect", folder.path] + arguments)
      #expect(text.code == 0 && text.out.contains("template    checkpoint (chat_template.jinja)"), "\(text.out)")
    }
  }

  @Test func initAndBenchRunAsDocumented() async throws {
    let place = try Scratch()
    let folder = place.url.appending(path: "model").path
    let picture = place.url.appending(path: "picture.png").path
    let made = try await EpicCommand.run(["init", "--preset", "tiny", "--output", folder, "--sample-image", picture])
    #expect(made.code == 0 && FileManager.default.fileExists(atPath: picture))
    let timed = try await report([
      "bench", "generate", "--model", folder, "--new-tokens", "4", "--text-tokens", "5", "--repeats", "2", "--json",
    ])
    #expect(timed.tokens.count == 4 && timed.visualTokens == 16 && timed.promptTokens == 21)
    let batch = try await EpicCommand.run(["bench", "generate", "--preset", "tiny", "--batch", "3", "--repeats", "1"])
    #expect(batch.code == 0 && batch.out.contains("tokens/s"))
  }

  @Test(arguments: [["--help"], ["--version"], ["generate", "--help"], ["help", "chat"]]) func helpIsNoError(
    _ arguments: [String]
  ) async throws {
    let outcome = try await EpicCommand.run(arguments)
    #expect(outcome.code == 0 && !outcome.out.isEmpty && outcome.err == "")
  }
}
