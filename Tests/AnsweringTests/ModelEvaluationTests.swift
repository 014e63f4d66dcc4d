import Evaluation
import EvaluationLayouts
import Compression
import Foundation
import LLaVA
import TestModels
import TestSupport
import Testing

@testable import Answering

/// What a model's evaluation says of answers that do not belong together.
@Suite struct ModelEvaluationTests {
  /// A model, GQA, and the plans full and dart; every question answered but the first under full, whose picture was broken then.
  private func evaluation(
    _ scratch: Scratch, _ body: (ModelEvaluation, BenchmarkRun) throws -> Void
  ) throws {
    let data = try DataFolder()
    let right = try data.make("gqa")
    let benchmark = try BenchmarkRegistry.load("gqa", from: data.url)
    let folder = scratch.url.appending(path: "model")
    try TestModel.write(TestModel.tiny(seed: 1), to: folder)
    let pipeline = try LLaVAPipeline.load(from: folder)
    let plans = try [
      AnswerPlan(fullOf: pipeline.model.configuration),
      AnswerPlan(CompressionPlan("dart:4@1"), for: pipeline.model.configuration),
    ]
    var settings = EvaluationSettings()
    settings.maximumNewTokens = 2
    let evaluation = try ModelEvaluation(
      pipeline, name: "tiny", checkpoint: folder, plans: plans, output: scratch.url.appending(path: "out"), settings)
    let run = try evaluation.run(of: benchmark, limit: nil)
    try run.journal.append(
      plans.flatMap { plan in
        benchmark.questions.enumerated().map { index, question in
          let isBroken = index == 0 && plan.compression == nil
          return AnswerJournal.Entry(
            plan: plan.id, id: question.id, text: isBroken ? nil : right[question.id], textTokens: 9, newTokens: 1,
            fault: isBroken ? "no such file" : nil)
        }
      })
    try evaluation.finish(run, scorer: nil)
    try body(evaluation, run)
  }

  @Test func aDifferenceThatIsRefusedIsSaid() throws {
    try evaluation(Scratch()) { evaluation, _ in
      let results = try evaluation.results()
      #expect(results.rows.map { $0.scores["gqa"]?.estimate.value } == [100, 100])
      #expect(results.rows.allSatisfy { $0.scores["gqa"]?.difference == nil && $0.average == nil })
      let notes = results.benchmarks[0].notes.filter { $0.contains("dart") }
      #expect(notes.count == 1 && notes[0].contains("different questions"))
    }
  }

  /// Only questions that were answered are timed, and those not twice; times that cannot be read are not thrown away.
  @Test func timesAreOfAnsweredQuestions() throws {
    let scratch = try Scratch()
    try evaluation(scratch) { evaluation, run in
      var count = 0
      try evaluation.time(questions: 1000) { _ in count += 1 }
      let answered = run.benchmark.questions.count - 1
      #expect(count > 0)
      #expect(try evaluation.results().rows.allSatisfy { $0.timing?.samples == answered })
      count = 0
      try evaluation.time(questions: 1000) { _ in count += 1 }
      #expect(count == 0)
      let file = evaluation.folder.appending(path: "timings.json")
      try Data("{".utf8).write(to: file)
      #expect { try evaluation.time(questions: 1) } throws: { "\($0)".contains("timings.json: cannot be read") }
      #expect(try Data(contentsOf: file) == Data("{".utf8))
    }
  }
}
