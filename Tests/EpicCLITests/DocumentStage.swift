import EvaluationLayouts
import Foundation
import LLaVA
import MadeVideos
import TestModels
import TestSupport

/// A folder that has what the documents' commands name, in miniature: models, pictures, data, and what earlier commands have left.
struct DocumentStage: Sendable {
  private let scratch: Scratch
  private var url: URL { scratch.url }

  /// The one that all tests share.
  static let shared = Task { try await DocumentStage() }

  /// A LLaVA with 576 visual tokens and 18 layers, whose answers are short: many tokens end them, those that stand for nothing among them.
  private static func miniature(seed: UInt64) throws -> LLaVAModel {
    var configuration = try LLaVAConfiguration.preset("tiny")
    ByteTokenizer.adopt(into: &configuration)
    configuration.vision.imageSize = 24 * configuration.vision.patchSize
    configuration.text.layers = 18
    configuration.eosTokenIDs.formUnion(180..<ByteTokenizer.imageTokenID)
    configuration.eosTokenIDs.formUnion(ByteTokenizer.vocabularySize..<configuration.text.vocabularySize)
    return try LLaVAModel.random(configuration, seed: seed)
  }

  private init() async throws {
    scratch = try Scratch()
    for (name, seed) in [("llava-hf/llava-1.5-7b-hf", 3), ("trained-further", 4)] {
      try TestModel.write(Self.miniature(seed: UInt64(seed)), to: url.appending(path: name))
    }
    try TestModel.write(Self.miniature(seed: 3), to: url.appending(path: "llava-v1.5-7b"), layout: .original)
    for (name, preset) in [
      ("tiny", "tiny"), ("Qwen/Qwen2.5-VL-3B-Instruct", "tiny-qwen2.5-vl"), ("Qwen/Qwen2-Audio-7B-Instruct", "tiny-qwen2-audio"),
      ("llava-hf/llava-onevision-qwen2-0.5b-ov-hf", "tiny-onevision"),
    ] {
      var configuration = try LLaVAConfiguration.preset(preset)
      ByteTokenizer.adopt(into: &configuration)
      configuration.eosTokenIDs.formUnion(100..<259)
      try TestModel.write(LLaVAModel.random(configuration, seed: 1), to: url.appending(path: name))
    }
    for name in ["llava-1.5-7b-hf", "trained", "model", "my-checkpoint"] { try link(name, to: "llava-hf/llava-1.5-7b-hf") }
    for (name, golden) in [("ggml-model-q4_k.gguf", "llama.gguf"), ("mmproj-model-f16.gguf", "mmproj.gguf")] {
      try FileManager.default.copyItem(at: Fixtures.bundled("gguf/" + golden), to: url.appending(path: name))
    }
    for name in ["cat.jpg", "photo.jpg"] { try TestModel.drawing().writePNG(to: url.appending(path: name)) }
    try MadeVideo(frames: 8, fps: 2).write(to: url.appending(path: "cat.mp4"))
    try MadeSound.wav(16_000).write(to: url.appending(path: "door.wav"))
    try await draw()
    try await train()
    try await ask()
  }

  /// Runs a command that the others stand on.
  private func prepare(_ line: String) async throws {
    let outcome = try await run(line, in: url)
    if outcome.code != 0 { throw Unprepared(line: line, error: outcome.err) }
  }

  private struct Unprepared: Error { let line, error: String }

  private func link(_ name: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(
      atPath: url.appending(path: name).path, withDestinationPath: url.appending(path: target).path)
  }

  /// Pictures with questions: training data, and benchmarks of a picture or two.
  private func draw() async throws {
    try await prepare("epic data make shapes --output mine --train 8 --tune 1 --test 1")
    let layouts = try DataFolder()
    try layouts.make("refcoco")
    try FileManager.default.copyItem(at: layouts.url.appending(path: "refcoco"), to: url.appending(path: "mine/test/refcoco"))
    // The tutorial's picture, without questions of its own: each question costs all commands that ask benchmarks.
    let signs = url.appending(path: "mine/test/textvqa/train_images")
    try FileManager.default.copyItem(at: signs.appending(path: "0.jpg"), to: signs.appending(path: "2.jpg"))
    for name in ["eval", "benchmarks"] { try link(name, to: "mine/test") }
    try link("tune", to: "mine/tune")
    try link("pictures", to: "mine/images")
    let text = try String(contentsOf: url.appending(path: "mine/train.json"), encoding: .utf8)
    try Data(text.replacing("images/", with: "").utf8).write(to: url.appending(path: "train.json"))
    // The line that the page about them shows, and more of its kind.
    let shown = try Document("Documentation/Epic.docc/Adapt.md").blocks.filter { $0.language == "json" }.flatMap(\.lines)
    let questions = shown + (0..<3).map { #"{"image": "00000\#($0).jpg", "question": "What is it?"}"# }
    try Data(questions.joined(separator: "\n").utf8).write(to: url.appending(path: "questions.jsonl"))
    try FileManager.default.copyItem(at: url.appending(path: "cat.jpg"), to: url.appending(path: "mine/images/cat.jpg"))
  }

  /// Configurations of the documents, with few steps of a tiny model, and runs of them.
  private func train() async throws {
    for (name, data) in [("run", "{file: train.json, images: pictures}"), ("mine-run", "{file: mine/train.json, images: mine}")] {
      let yaml = """
        model: tiny
        output: \(name)
        steps: 2
        data: \(data)
        batch: {samples: 2}
        """
      try Data(yaml.utf8).write(to: url.appending(path: name == "run" ? "run.yaml" : "mine.yaml"))
    }
    for name in ["run", "run-a", "run-b"] { try await prepare("epic train --config run.yaml --set output=\(name)") }
    try await prepare("epic train --config mine.yaml")
    // Checkpoints that the documents name.
    try link("run/checkpoint-000200", to: "llava-hf/llava-1.5-7b-hf")
    let finished = Document.root.appending(path: "Sources/Examples/Demo/Checkpoints/finished")
    try FileManager.default.createDirectory(at: url.appending(path: "demo"), withIntermediateDirectories: true)
    for name in ["mine-run/checkpoint-000150", "demo/finished"] {
      try FileManager.default.createSymbolicLink(at: url.appending(path: name), withDestinationURL: finished)
    }
    try await prepare("epic data make shapes --output demo/data --train 1 --tune 1 --test 3")
  }

  private func ask() async throws {
    try await prepare("epic convert llava-1.5-7b-hf llava-1.5-7b-4bit --bits 4")
    try await prepare("epic fit --model trained --benchmark gqa --data tune")
    try await prepare("epic eval --model tiny --benchmark pope,gqa --data eval --keep 8 --max-tokens 2 --output evaluation")
    for name in ["evaluation-before", "evaluation-after", "before", "after", "budgets"] { try link(name, to: "evaluation") }
  }

  private func run(_ line: String, in folder: URL, input: Data = Data(), during: EpicCommand.During? = nil) async throws
    -> EpicCommand.Outcome
  {
    let (arguments, variables) = shell("exec \(line)", in: folder, programs: [])
    return try await EpicCommand.run(
      arguments, input: input, environment: variables, program: URL(filePath: "/bin/bash"), during: during)
  }

  /// What bash is started with: arguments and variables.
  private func shell(_ script: String, in folder: URL, programs: [URL]) -> ([String], [String: String]) {
    let places = (programs + [EpicCommand.program.deletingLastPathComponent()]).map { "'\($0.path)':" }.joined()
    return (
      ["-c", "set -euo pipefail; cd '\(folder.path)'; PATH=\(places)$PATH\n\(script)"],
      ["EPIC_CACHE": url.appending(path: "cache").path, "HOME": folder.path, "HF_HUB_OFFLINE": "1"]
    )
  }

  /// A folder of its own that has all but what will be made there.
  private func place(for line: String, made: [String]) throws -> Scratch {
    let own = try Scratch()
    let manager = FileManager.default
    for name in try manager.contentsOfDirectory(atPath: url.path) where !made.contains(name) && name != "cache" {
      let (source, place) = (url.appending(path: name), own.url.appending(path: name))
      // A run is written to where it goes on.
      if name == "run" {
        try manager.copyItem(at: source, to: place)
        if line.contains("--resume") { try manager.removeItem(at: place.appending(path: "checkpoint-000200")) }
      } else {
        try manager.createSymbolicLink(at: place, withDestinationURL: source)
      }
    }
    return own
  }

  /// Types a command line of a document in a folder of its own, where what it makes is not there yet.
  ///
  /// - Parameter made: names that it makes.
  func type(_ line: String, made: [String], input: Data = Data(), during: EpicCommand.During? = nil) async throws
    -> EpicCommand.Outcome
  {
    let own = try place(for: line, made: made)
    let outcome = try await run(line, in: own.url, input: input, during: during)
    return withExtendedLifetime(own) { outcome }
  }

  /// Types a block of a document, with other programs than `epic` in it, at once even where other programs wait for their turn.
  ///
  /// - Parameters:
  ///   - made: names that it makes.
  ///   - programs: folders in which programs are looked for first.
  ///   - prepare: adds files to the folder where the block is typed.
  ///   - check: looks at what it left there.
  func type(
    block: String, made: [String] = [], variables: [String: String] = [:], programs: [URL] = [],
    prepare: (URL) throws -> Void = { _ in }, during: EpicCommand.During? = nil, check: (URL) throws -> Void = { _ in }
  ) async throws -> EpicCommand.Outcome {
    let own = try place(for: block, made: made)
    try prepare(own.url)
    let (arguments, common) = shell(block, in: own.url, programs: programs)
    let outcome = try await Program.run(
      URL(filePath: "/bin/bash"), arguments, environment: common.merging(variables) { $1 }, during: during)
    try check(own.url)
    return withExtendedLifetime(own) { outcome }
  }
}
