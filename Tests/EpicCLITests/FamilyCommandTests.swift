import EvaluationLayouts
import Foundation
import Imaging
import LLaVA
import TestModels
import TestSupport
import Testing

/// The commands on models whose pictures have tokens by their sizes.
@Suite struct FamilyCommandTests {
  private struct Report: Decodable {
    let text: String
    let visualTokens, keptVisualTokens: Int
    let keptIndices: [[Int]]?
  }

  private struct Place {
    let scratch: Scratch
    let configuration: LLaVAConfiguration
    func path(_ name: String) -> String { scratch.url.appending(path: name).path }

    init(_ preset: String) throws {
      scratch = try Scratch()
      var configuration = try LLaVAConfiguration.preset(preset)
      ByteTokenizer.adopt(into: &configuration)
      self.configuration = configuration
      try TestModel.write(LLaVAModel.random(configuration, seed: 3), to: scratch.url.appending(path: "model"))
      try TestModel.drawing().writePNG(to: scratch.url.appending(path: "house.png"))
      let levels = (0..<3 * 50 * 170).map { UInt8(truncatingIfNeeded: $0 * 7) }
      try RGBImage(width: 170, height: 50, pixels: levels).writePNG(to: scratch.url.appending(path: "wide.png"))
    }

    func run(_ arguments: [String], code: Int32 = 0) async throws -> EpicCommand.Outcome {
      let outcome = try await EpicCommand.run(arguments)
      #expect(outcome.code == code, "\(arguments): \(outcome.err)")
      return outcome
    }

    func generate(_ arguments: [String]) async throws -> Report {
      let fixed = ["generate", "--model", path("model"), "--max-tokens", "3", "--prompt", "What?", "--json", "--threads", "1"]
      return try JSONDecoder().decode(Report.self, from: Data(try await run(fixed + arguments).out.utf8))
    }
  }

  @Test(arguments: ["tiny-next", "tiny-next-video", "tiny-onevision", "tiny-qwen2.5-vl"]) func theCommandsRun(_ preset: String)
    async throws
  {
    let place = try Place(preset)
    let c = place.configuration
    func layout(_ height: Int, _ width: Int, isAlone: Bool = true) -> Int {
      c.layout(of: c.shape(height: height, width: width, isAlone: isAlone)).count
    }
    let (house, wide) = (place.path("house.png"), place.path("wide.png"))
    #expect(try await place.generate(["--image", house]).visualTokens == layout(180, 240))
    let two = try await place.generate(["--image", house, wide, "--keep", "5"])
    #expect(two.visualTokens == layout(180, 240, isAlone: false) + layout(50, 170, isAlone: false))
    let kept = try #require(two.keptIndices)
    #expect(kept.count == 2 && kept.allSatisfy { (6...10).contains($0.count) || $0.count == 5 })
    #expect(two.keptVisualTokens == kept.reduce(0) { $0 + $1.count })
    // A share, merged before the decoder, and a picture of fewer tokens than are to be kept.
    let pooled = try await place.generate(["--image", wide, "--reduce", "pool:25%@features", "--overlay", place.path("seen.png")])
    #expect(pooled.keptVisualTokens < layout(50, 170) / 2)
    #expect(
      try await place.generate(["--image", wide, "--keep", "40", "--overlay", place.path("kept.png")]).keptVisualTokens
        >= min(40, layout(50, 170)))
    let refused = try await place.run(
      ["generate", "--model", place.path("model"), "--image", wide, "--prompt", "?", "--reduce", "divprune:9@tower.1"],
      code: 1)
    #expect(refused.err.contains("@features") && refused.err.split(separator: "\n").count == 1)

    let inspected = try await place.run(["inspect", place.path("model"), "--verify"])
    #expect(
      inspected.out.contains(c.family.type) && inspected.out.contains(c.tiling == nil ? "own proportions" : "whole and in tiles"))
    _ = try await place.run(["convert", place.path("model"), place.path("half"), "--dtype", "bf16"])
    #expect(try await place.run(["inspect", place.path("half")]).out.contains("bfloat16"))
    #expect(
      try await place.run(["profile", "--preset", preset, "--keep", "8"]).out.contains("\(c.pictureLayout.count) visual tokens"))

    let records = ["house", "wide", "house"].enumerated().map { index, name in
      #"{"id": "s\#(index)", "image": "\#(name).png", "conversations": [{"from": "human", "value": "<image>\nWhat?"}, "#
        + #"{"from": "gpt", "value": "House number \#(index)."}]}"#
    }
    try Data(records.joined(separator: "\n").utf8).write(to: place.scratch.url.appending(path: "data.jsonl"))
    let data = ["--set", "data.file=\(place.path("data.jsonl"))", "--set", "data.max-length=600"]
    let run = ["--set", "model=\(place.path("model"))", "--set", "output=\(place.path("run"))", "--set", "threads=1"]
    let short = ["--set", "steps=2", "--set", "batch.samples=2", "--set", "lora.rank=2", "--set", "curriculum.name=token"]
    _ = try await place.run(["train"] + data + run + short)
    let trained = try FileManager.default.contentsOfDirectory(atPath: place.path("run")).first {
      $0.hasPrefix("checkpoint") || $0 == "final"
    }
    let checkpoint = place.path("run/\(try #require(trained))")
    #expect(try await place.run(["inspect", checkpoint]).out.contains(c.family.type))
    let checked = try await place.run(["data", "check", "--file", place.path("data.jsonl"), "--model", place.path("model")])
    #expect(checked.out.contains("3"))

    let benchmark = try DataFolder()
    try benchmark.make("pope")
    let evaluated = try await place.run(
      ["eval", "--benchmark", "pope", "--data", benchmark.url.path, "--output", place.path("out"), "--max-tokens", "2"]
        + ["--threads", "1", "--model", place.path("model"), "--keep", "6,20%", "--compressor", "fastv"])
    #expect(evaluated.out.contains("fastv") && evaluated.out.contains("20.0 %"))
  }
}
