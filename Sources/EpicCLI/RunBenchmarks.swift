import Answering
import Basics
import Compression
import Distributed
import Evaluation
import Foundation
import LLaVA
import Training

/// The benchmarks that a training run asks beside its held-out loss.
struct RunBenchmarks {
  private let benchmarks: [(whole: Benchmark, asked: Benchmark)]
  private let pictures: RunPictures

  /// Reads the benchmarks that a configuration names; nil where it names none.
  ///
  /// - Throws: `ConfigurationProblem` for a benchmark that cannot be scored here; `EvaluationError`.
  init?(_ configuration: TrainingConfiguration) throws {
    let wanted = configuration.validation
    guard let data = wanted.benchmarkData, !wanted.benchmarks.isEmpty else { return nil }
    benchmarks = try wanted.benchmarks.map { name in
      let whole = try BenchmarkRegistry.load(name, from: URL(fileURLWithPath: data))
      do {
        // One answer tells whether it is scored here at all.
        if let first = whole.questions.first { _ = try whole.score([first.id: ""], missing: .leaveOut) }
      } catch EvaluationError.scoredByServer(let benchmark, let split, let server) {
        let reason = EvaluationError.scoredByServer(benchmark: benchmark, split: split, server: server)
        throw ConfigurationProblem.keys(["validation.benchmarks: \(reason)"])
      }
      return (whole, wanted.questions.map(whole.limited) ?? whole)
    }
    pictures = RunPictures(benchmarks.map(\.whole))
  }

  /// Asks all of them of a run's model as it is now.
  ///
  /// Answers lie in the run's folder under the step, with some pictures to look at; a step that is made again asks anew. Processes share
  /// the questions, and all have the same scores.
  ///
  /// - Throws: `AnsweringError`; `FileError`; `EvaluationError`; `CompressionError`; `CommunicatorError`.
  func scores(of run: TrainingRun, _ world: Communicator) throws -> [BenchmarkRecord] {
    let configuration = run.model.configuration
    let names = ["all"] + run.configuration.validation.reduce
    let plans =
      try [AnswerPlan(fullOf: configuration)]
      + run.configuration.validation.reduce.map { try AnswerPlan(CompressionPlan($0), for: configuration) }
    let folder = run.folder.url.appending(path: "benchmarks/step-\(run.step)", directoryHint: .isDirectory)
    if world.isFirst, FileManager.default.fileExists(atPath: folder.path) { try WholeFolder.remove(folder) }
    try world.barrier()
    var settings = EvaluationSettings()
    settings.share = (world.rank, world.count)
    settings.seed = UInt64(run.configuration.seed)
    settings.sampling.fps = run.configuration.data.fps
    settings.sampling.maximumFrames = run.configuration.data.maximumFrames
    let found = try benchmarks.flatMap { whole, asked in
      let work = try BenchmarkRun(asked, of: whole, run.pipeline, plans: plans, in: folder, settings)
      _ = try run.asking { try work.run() }
      try world.barrier()
      try work.journal.readOthers()
      let scores = try work.scores()
      return zip(names, plans).compactMap { name, plan in
        scores[plan.id].map { score in
          BenchmarkRecord(
            benchmark: whole.definition.name, reduce: name, score: score.percentage, questions: asked.questions.count)
        }
      }
    }
    try run.asking { if world.isFirst { try pictures.write(run, into: folder) } }
    return found
  }
}
