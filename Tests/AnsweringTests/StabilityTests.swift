import Compression
import Evaluation
import EvaluationLayouts
import Foundation
import Imaging
import LLaVA
import Language
import Results
import TestModels
import TestSupport
import Testing
import Torch

@testable import Answering

/// What changes when pictures or conversations do, and what a smaller picture tells.
@Suite struct StabilityTests {
  private func place() throws -> (Scratch, LLaVAPipeline, Benchmark, URL, DataFolder) {
    let scratch = try Scratch()
    let folder = scratch.url.appending(path: "model")
    try TestModel.write(TestModel.tiny(seed: 4), to: folder)
    let data = try DataFolder()
    try data.make("gqa")
    let benchmark = try BenchmarkRegistry.load("gqa", from: data.url, BenchmarkOptions())
    return (scratch, try LLaVAPipeline.load(from: folder), benchmark.limited(to: 12), folder, data)
  }

  private func settings() -> EvaluationSettings {
    var settings = EvaluationSettings()
    settings.maximumNewTokens = 3
    return settings
  }

  private func plans(_ pipeline: LLaVAPipeline) throws -> [AnswerPlan] {
    try AnswerPlan.all(["fastv", "random"], keep: [5], layer: 1, for: pipeline.model.configuration)
  }

  /// A question behind others is a conversation as `LLaVAModel.generate` continues it, tokens chosen by its first question.
  @Test func laterQuestionsAreAskedInConversations() throws {
    let (scratch, pipeline, benchmark, folder, data) = try place()
    defer { withExtendedLifetime(data) {} }
    let plans = try plans(pipeline)
    let evaluation = StabilityEvaluation(
      pipeline, name: "m", checkpoint: folder, plans: plans, output: scratch.url, settings(), [(benchmark, nil)])
    #expect(try evaluation.run(.clean) && evaluation.run(.turns(3)))
    var late = settings()
    late.turns = 3
    let clean = try ModelEvaluation(
      pipeline, name: "m", checkpoint: folder, plans: plans, output: scratch.url, settings()
    ).run(of: benchmark, limit: nil)
    let after = try ModelEvaluation(pipeline, name: "m", checkpoint: folder, plans: plans, output: scratch.url, late)
      .run(of: benchmark, limit: nil)
    #expect(clean.folder != after.folder && clean.missing == 0)
    let group = try #require(benchmark.questionsByImage.first { $0.count >= 3 })
    let known = clean.journal.answers(under: "full")
    let image = try #require(group[0].image)
    let reader = QuestionReader(pipeline: pipeline, maximumNewTokens: 3, seed: 0, sampling: .init())
    let picture = try reader.picture(image)
    for (index, question) in group.enumerated() {
      let earlier = [2, 1].map { group[(index + group.count - $0) % group.count] }
      var turns = [Turn(.user, "\(imageTag)\n\(earlier[0].prompt)")]
      let first = try pipeline.request(turns, pictures: [picture.pixels]).ids.count
      turns += [
        Turn(.assistant, try #require(known[earlier[0].id])), Turn(.user, earlier[1].prompt),
        Turn(.assistant, try #require(known[earlier[1].id])), Turn(.user, question.prompt),
      ]
      var request = try pipeline.request(turns, pictures: [picture.pixels])
      request.promptLength = first
      for plan in plans {
        var options = GenerationOptions()
        (options.maximumNewTokens, options.compression, options.seed) = (3, plan.compression, picture.seed)
        let expected = try pipeline.answer(request, options).text
        #expect(after.journal.answers(under: plan.id)[question.id] == expected, "\(plan.id), \(question.id)")
      }
    }
    let rows = evaluation.rows.filter { $0.condition == "turns=3" }
    #expect(rows.count == plans.count && rows.allSatisfy { $0.cleanPercentage != nil })
  }

  /// Changed pictures are asked about in a folder of their own, and the scores stand beside those of the pictures as they are.
  @Test func changedPicturesHaveScoresOfTheirOwn() throws {
    let (scratch, pipeline, benchmark, folder, data) = try place()
    defer { withExtendedLifetime(data) {} }
    let evaluation = StabilityEvaluation(
      pipeline, name: "m", checkpoint: folder, plans: try plans(pipeline), output: scratch.url, settings(), [(benchmark, nil)])
    let conditions = ["noise=0.5", "rotation=0", "jpeg=5"].compactMap { StabilityCondition($0) }
    for condition in [.clean] + conditions { #expect(try evaluation.run(condition)) }
    let other = StabilityEvaluation(
      pipeline, name: "m", checkpoint: folder, plans: try plans(pipeline), output: scratch.url, settings(), [(benchmark, nil)])
    // Everything has been answered.
    var asked = 0
    for condition in [.clean] + conditions {
      #expect(try other.run(condition, progress: { _, _, missing in asked += missing }))
    }
    #expect(asked == 0 && other.rows == evaluation.rows)
    let turned = evaluation.rows.filter { $0.condition == "rotation=0" }
    #expect(turned.allSatisfy { $0.difference?.value == 0 && $0.percentage == $0.cleanPercentage })
    let reader = { (change: Perturbation?) in
      QuestionReader(pipeline: pipeline, maximumNewTokens: 3, seed: 0, sampling: .init(), perturbation: change)
    }
    let image = try #require(benchmark.questions[0].image)
    let (plain, noisy) = (try reader(nil).picture(image).pixels.views, try reader(.noise(0.5)).picture(image).pixels.views)
    let (again, same) = (
      try reader(.noise(0.5)).picture(image).pixels.views, try reader(.rotation(0)).picture(image).pixels.views
    )
    #expect(try (plain - noisy).abs().max().item() > 0.1 && (noisy - again).abs().max().item() == 0)
    #expect(try (plain - same).abs().max().item() == 0)
    let table = StabilityResults(model: "m", rows: evaluation.rows).table
    #expect(table.rows.count == 12 && table.columns.last?.title == "left, %")
  }

  /// A plan with each budget's smaller picture beside it, once.
  @Test func eachBudgetHasItsSmallerPicture() throws {
    let (_, pipeline, _, _, _) = try place()
    let configuration = pipeline.model.configuration
    let plans = try AnswerPlan.all(["dart", "fastv", "downsample"], keep: [9, 4], layer: 1, for: configuration)
    let found = try Difficulty.downsample.completing(plans, for: configuration)
    #expect(found.map(\.id) == plans.map(\.id))
    let pooled = try Difficulty.pool.completing(plans, for: configuration)
    #expect(pooled.count == plans.count + 2 && pooled.suffix(2).map(\.compressor) == ["pool", "pool"])
    #expect(throws: CompressionError.self) {
      try Difficulty.downsample.completing(
        AnswerPlan.all(["dart"], keep: [13], layer: 1, for: configuration), for: configuration)
    }
  }
}
