import Audio
import Compression
import Foundation
import Language
import TestModels
import TestSupport
import Testing
import Torch

@testable import LLaVA

/// Sound from a clip to an answer.
@Suite struct AudioPipelineTests {
  private static func pipeline() throws -> LLaVAPipeline {
    let scratch = try Scratch()
    var configuration = try LLaVAConfiguration.preset("tiny-qwen2-audio")
    ByteTokenizer.adopt(into: &configuration)
    let folder = scratch.url.appending(path: "model")
    try TestModel.write(LLaVAModel.random(configuration, seed: 5), to: folder)
    return try LLaVAPipeline.load(from: folder)
  }

  private static func clip(_ samples: Int) -> AudioClip {
    AudioClip(samples: (0..<samples).map { Float(sin(Double($0 * $0) / 9000)) / 2 }, rate: 16_000)
  }

  /// Tokens follow from the samples, as transformers counts them: ((⌈n / 160⌉ - 1) / 2 + 1 - 2) / 2 + 1.
  @Test func tokensFollowFromTheSamples() throws {
    let pipeline = try Self.pipeline()
    for samples in [640, 700, 1000, 4001, 8000, 15_999, 16_000, 40_000] {
      let pixels = try pipeline.audio(Self.clip(samples))
      let frames = (min(samples, 16_000) + 159) / 160
      let expected = ((frames - 1) / 2 + 1 - 2) / 2 + 1
      let rows = try pipeline.model.encode([PictureRequest(ids: [], pictures: [pixels])])[0][0].rows
      #expect(pipeline.model.configuration.layout(of: pixels.shape).count == expected && rows.shape == [expected, 64])
    }
  }

  /// What comes behind the sound is not heard, and budgets are those of tokens.
  @Test func answersUnderBudgets() throws {
    let pipeline = try Self.pipeline()
    var options = GenerationOptions()
    (options.maximumNewTokens, options.stopsAtEnd) = (6, false)
    func answer(_ clips: [AudioClip], _ plan: String?) throws -> GenerationResult {
      options.compression = try plan.map { try CompressionPlan($0) }
      let turns = [Turn(.user, LLaVAPipeline.withImageTags("What?", images: clips.count)), Turn(.assistant, "")]
      return try pipeline.answer(pipeline.request(turns, pictures: clips.map { try pipeline.audio($0) }), options).result
    }
    let whole = try answer([Self.clip(9000)], nil)
    #expect(whole.visualTokens == 14 && whole.keptVisualTokens == 14)
    for plan in ["dart:4@2", "fastv:4@2", "uniform:4@1", "random:4@1", "divprune:4@features", "dart:8@1,uniform:4@3"] {
      #expect(try answer([Self.clip(9000)], plan).keptVisualTokens == 4, "\(plan)")
    }
    #expect(try answer([Self.clip(9000)], "uniform:14@2").tokens == whole.tokens)
    let two = try answer([Self.clip(9000), Self.clip(3000)], "dart:4@2")
    #expect(two.imageTokens == [14, 5] && two.keptVisualTokens == 8)
  }

  @Test func otherMediaAreRefused() throws {
    let pipeline = try Self.pipeline()
    #expect(throws: PromptError.noPictures(type: "qwen2_audio")) { _ = try pipeline.pictures([TestModel.drawing()]) }
    let other = LLaVAPipeline(
      model: try TestModel.tiny(), tokenizer: pipeline.tokenizer, preprocessor: pipeline.preprocessor, template: pipeline.template
    )
    #expect(throws: PromptError.noAudio(type: "llava")) { _ = try other.audio(Self.clip(3000)) }
  }

  /// A folder without settings of the feature extractor, and one whose settings do not fit.
  @Test func settingsFitTheEncoder() throws {
    let scratch = try Scratch()
    var configuration = try LLaVAConfiguration.preset("tiny-qwen2-audio")
    ByteTokenizer.adopt(into: &configuration)
    let folder = scratch.url.appending(path: "model")
    try TestModel.write(LLaVAModel.random(configuration, seed: 5), to: folder)
    #expect(try CheckpointReader(folder).configuration == configuration)
    let settings = folder.appending(path: "preprocessor_config.json")
    let text = try String(contentsOf: settings, encoding: .utf8)
    for (old, new, field) in [
      (#""feature_size" : 16"#, #""feature_size" : 17"#, "feature_size"),
      (#""hop_length" : 160"#, #""hop_length" : 0"#, "hop_length"),
      (#""chunk_length" : 1"#, #""chunk_length" : 2"#, "max_source_positions"),
    ] {
      #expect(text.contains(old), "\(text)")
      try Data(text.replacing(old, with: new).utf8).write(to: settings)
      let error = #expect(throws: ConfigurationError.self) { _ = try CheckpointReader(folder) }
      #expect("\(error as Any)".contains(field))
    }
    try FileManager.default.removeItem(at: settings)
    #expect(try CheckpointReader(folder).configuration.audio == configuration.audio)
  }
}
