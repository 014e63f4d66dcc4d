import Foundation
import LLaVA
import MadeVideos
import TestModels
import TestSupport
import Testing

/// The commands on videos.
@Suite struct VideoCommandTests {
  private struct Report: Decodable {
    let visualTokens, keptVisualTokens: Int
  }

  private struct Place {
    let scratch: Scratch
    func path(_ name: String) -> String { scratch.url.appending(path: name).path }

    init(_ preset: String) throws {
      scratch = try Scratch()
      var configuration = try LLaVAConfiguration.preset(preset)
      ByteTokenizer.adopt(into: &configuration)
      try TestModel.write(LLaVAModel.random(configuration, seed: 3), to: scratch.url.appending(path: "model"))
      try TestModel.drawing().writePNG(to: scratch.url.appending(path: "house.png"))
      var made = MadeVideo(frames: 30, fps: 10)
      (made.width, made.height) = (112, 56)
      try made.write(to: scratch.url.appending(path: "film.mp4"))
    }

    func run(_ arguments: [String], code: Int32 = 0) async throws -> EpicCommand.Outcome {
      let outcome = try await EpicCommand.run(arguments)
      #expect(outcome.code == code, "\(arguments): \(outcome.err)")
      return outcome
    }

    func generate(_ arguments: [String], prompt: String = "What?", code: Int32 = 0) async throws -> EpicCommand.Outcome {
      let fixed = ["generate", "--model", path("model"), "--max-tokens", "2", "--prompt", prompt, "--json", "--threads", "1"]
      return try await run(fixed + arguments, code: code)
    }

    func tokens(_ arguments: [String], prompt: String = "What?") async throws -> Report {
      try JSONDecoder().decode(Report.self, from: Data(try await generate(arguments, prompt: prompt).out.utf8))
    }
  }

  // Tokens of a frame: 2 × 2 of OneVision's or LLaVA-NeXT-Video's 4 × 4, and of Qwen's 56 × 112 pixels 2 × 4 for each two frames.
  @Test(arguments: [("tiny-onevision", 4, 1, 1), ("tiny-next-video", 4, 1, 0), ("tiny-qwen2.5-vl", 8, 2, 0)])
  func generateLooksAtVideos(
    _ preset: String, _ perGrid: Int, _ depth: Int, _ ends: Int
  ) async throws {
    let place = try Place(preset)
    let film = place.path("film.mp4")
    // 3 seconds, 2 frames a second unless told otherwise.
    let kept = try await place.tokens(["--video", film, "--keep", "5"])
    #expect(kept.visualTokens == 6 / depth * perGrid + ends && kept.keptVisualTokens == 5 + ends)
    #expect(
      try await place.tokens(["--video", film, "--fps", "4", "--max-frames", "9"]).visualTokens == 9 / depth * perGrid + ends)
    let picture = try await place.tokens(["--image", place.path("house.png")]).visualTokens
    let both = try await place.tokens(
      ["--image", place.path("house.png"), "--video", film], prompt: "First <video> then <image>, what changed?")
    #expect(both.visualTokens == picture + 6 / depth * perGrid + ends)
  }

  @Test func whatIsNoVideoIsRefused() async throws {
    let place = try Place("tiny-onevision")
    let film = place.path("film.mp4")
    let cut = place.scratch.url.appending(path: "cut.mp4")
    try Data(contentsOf: URL(filePath: film)).prefix(900).write(to: cut)
    for (arguments, words) in [
      (["--video", cut.path], "truncated or damaged"), (["--video", place.path("house.png")], "not a video"),
      (["--video", place.path("none.mp4")], "No such file"), (["--video", film, "--fps", "0"], "frames per second"),
      (["--video", film, "--max-frames", "0"], "number of frames"),
      (["--video", film, "--overlay", place.path("a.png")], "--overlay"),
    ] {
      let isUsage = arguments.count > 2
      let refused = try await place.generate(arguments, code: isUsage ? 2 : 1)
      #expect(refused.err.contains(words), "\(refused.err)")
    }
  }

  /// A curriculum over what a compressor that looks at time keeps of videos.
  @Test func trainingLooksAtVideos() async throws {
    let place = try Place("tiny-qwen2.5-vl")
    let records = (0..<2).map { index in
      #"{"id": "s\#(index)", "video": "film.mp4", "conversations": [{"from": "human", "value": "<video>\nWhat?"}, "#
        + #"{"from": "gpt", "value": "A film."}]}"#
    }
    let data = place.path("data.jsonl")
    try Data(records.joined(separator: "\n").utf8).write(to: URL(filePath: data))
    let settings = [
      "model=\(place.path("model"))", "output=\(place.path("run"))", "threads=1", "data.file=\(data)", "data.max-length=600",
      "data.fps=2", "data.max-frames=4", "steps=1", "batch.samples=2", "lora.rank=2", "curriculum.name=token",
      "compression.compressor=evs", "data.strict=true",
    ]
    _ = try await place.run(["train"] + settings.flatMap { ["--set", $0] })
    let checked = try await place.run([
      "data", "check", "--file", data, "--model", place.path("model"), "--max-frames", "4", "--strict",
    ])
    #expect(checked.out.contains("2 with images"))
    let refused = try await place.run(["train"] + settings.flatMap { ["--set", $0] } + ["--set", "data.fps=0"], code: 1)
    #expect(refused.err.contains("data.fps"))
  }

  @Test func modelsWithoutVideosSayWhichHaveThem() async throws {
    let place = try Place("tiny")
    let refused = try await place.generate(["--video", place.path("film.mp4")], code: 1)
    #expect(refused.err.contains("models of the type llava take no videos"))
    for type in ["llava_next_video", "llava_onevision", "qwen2_vl", "qwen2_5_vl"] { #expect(refused.err.contains(type)) }
    #expect(refused.err.split(separator: "\n").count == 1)
  }
}
