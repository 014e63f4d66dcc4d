import Compression
import Evaluation
import EvaluationLayouts
import Foundation
import LLaVA
import Results
import TestModels
import TestSupport
import Testing
import Video

@testable import Answering

/// `epic eval` on questions about videos.
@Suite struct VideoEvaluationTests {
  private static let names = ["mvbench", "mlvu", "videomme"]

  /// All three, two questions each: answers are those that the model gives alone to the frames that were asked for.
  @Test func videosGoThroughTheWholeCommand() async throws {
    let place = try EvaluationCommandTests.Place(Self.names)
    let folder = place.scratch.url.appending(path: "model3")
    var configuration = try LLaVAConfiguration.preset("tiny-onevision")
    ByteTokenizer.adopt(into: &configuration)
    try TestModel.write(LLaVAModel.random(configuration, seed: 3), to: folder)
    let outcome = try await place.eval(
      Self.names.joined(separator: ","),
      ["--limit", "2", "--keep", "3", "--timed", "1", "--fps", "4", "--max-frames", "3", "--json"], models: [3])
    #expect(outcome.code == 0 && outcome.err == "", "\(outcome.err)")
    let results = try JSONDecoder().decode(EvaluationResults.self, from: Data(outcome.out.utf8))
    let model = try #require(results.models.first)
    #expect(results.benchmarks == Self.names && model.rows.map(\.plan) == ["full", "dart-3-after-2"])
    #expect(model.rows.allSatisfy { $0.average == nil && $0.timing?.samples == 1 })
    for benchmark in model.benchmarks {
      #expect(benchmark.questions == 2 && benchmark.broken == [])
      #expect(benchmark.notes.contains { $0.hasPrefix("4 frames a second, at most 3;") })
    }

    let pipeline = try LLaVAPipeline.load(from: folder)
    let reader = QuestionReader(
      pipeline: pipeline, maximumNewTokens: 4, seed: 0, sampling: FrameSampling(fps: 4, maximumFrames: 3))
    // Of half a second 2 frames, of a second 3 where 4 would be 4 a second.
    let frames = ["mvbench": [2, 3], "mlvu": [3, 3], "videomme": [3, 3]]
    for name in Self.names {
      let benchmark = try BenchmarkRegistry.load(name, from: place.data.url).limited(to: 2)
      let entries = try place.journal(name)
      #expect(entries.count == 4)
      for (question, count) in zip(benchmark.questions, try #require(frames[name])) {
        let picture = try reader.picture(#require(question.image))
        #expect(try picture.pixels.views.size(0) == count)
        let request = try reader.request(question, picture)
        let text = try pipeline.tokenizer.decode(request.ids.filter { $0 >= 0 }, skipSpecialTokens: false)
        #expect(text.hasSuffix(question.answerPrefix))
        for (plan, compression) in [("full", nil), ("dart-3-after-2", "dart:3@2")] as [(String, String?)] {
          var options = GenerationOptions()
          options.maximumNewTokens = 4
          options.compression = try compression.map { try CompressionPlan($0) }
          options.seed = picture.seed
          let alone = try pipeline.answer(GenerationRequest(ids: request.ids, pictures: [picture.pixels]), options)
          let entry = try #require(entries.first { $0.plan == plan && $0.id == question.id })
          #expect(entry.text == alone.text)
        }
      }
    }
  }

  /// A model that takes pictures alone is refused before anything is read, and `all` is what it can be asked.
  @Test func modelsWithoutVideosAreRefused() async throws {
    let place = try EvaluationCommandTests.Place([])
    let refused = try await place.eval("gqa,mvbench")
    #expect(refused.code == 2 && refused.out == "", "\(refused.err)")
    #expect(refused.err.contains("--benchmark mvbench") && refused.err.contains("take no videos"), "\(refused.err)")
  }
}
