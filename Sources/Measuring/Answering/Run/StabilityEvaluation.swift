import Evaluation
import Foundation
import Imaging
import LLaVA
import Results

/// A circumstance under which a model is asked.
public enum StabilityCondition: Sendable, Hashable {
  /// Nothing is changed.
  case clean
  /// Pictures are changed before they are seen.
  case perturbed(Perturbation)
  /// Each question is the last one of so many about its picture, in one conversation; the first one chooses the visual tokens.
  case turns(Int)

  /// The condition of a spelling: `noise=0.1`, `blur=2`, `jpeg=10`, `rotation=15`, `turns=2`; nil where it is none.
  public init?(_ text: String) {
    if let perturbation = Perturbation(text) {
      self = .perturbed(perturbation)
    } else if text.hasPrefix("turns="), let turns = Int(text.dropFirst("turns=".count)), (2...64).contains(turns) {
      self = .turns(turns)
    } else {
      return nil
    }
  }

  /// What spellings may be, for people.
  public static let allowed = "\(Perturbation.allowed), turns=2...64"
}

extension StabilityCondition: CustomStringConvertible {
  /// Its spelling.
  public var description: String {
    switch self {
    case .clean: "clean"
    case .perturbed(let perturbation): "\(perturbation)"
    case .turns(let turns): "turns=\(turns)"
    }
  }
}

/// Asks a model benchmarks under several conditions, and says how much of its score it keeps.
///
/// Answers lie where `ModelEvaluation` keeps them, so a run that was stopped goes on.
public final class StabilityEvaluation {
  private let pipeline: LLaVAPipeline
  private let name: String
  private let checkpoint, output: URL
  private let plans: [AnswerPlan]
  private let settings: EvaluationSettings
  private let benchmarks: [(benchmark: Benchmark, scorer: String?)]
  private let limit: Int?
  /// Of the undisturbed model: scores of all questions, and answers with all tokens, by benchmark.
  private var clean: [String: [String: BenchmarkScore]] = [:]
  private var cleanAnswers: [String: [String: [String: String]]] = [:]
  /// What was found.
  public private(set) var rows: [StabilityRow] = []

  /// Prepares a model.
  ///
  /// - Parameters:
  ///   - checkpoint: where its tokenizer lies.
  ///   - plans: the ways to ask, all tokens among them.
  ///   - output: the folder of all answers.
  ///   - limit: about how many questions of each benchmark are asked; nil for all.
  public init(
    _ pipeline: LLaVAPipeline, name: String, checkpoint: URL, plans: [AnswerPlan], output: URL, _ settings: EvaluationSettings,
    _ benchmarks: [(benchmark: Benchmark, scorer: String?)], limit: Int? = nil
  ) {
    (self.pipeline, self.name, self.checkpoint, self.plans) = (pipeline, name, checkpoint, plans)
    (self.output, self.settings, self.limit) = (output, settings, limit)
    self.benchmarks = benchmarks
  }

  /// Asks under a condition; the clean one has to be the first.
  ///
  /// - Returns: false where it was stopped.
  /// - Throws: as `BenchmarkRun.run`, `EvaluationError`.
  public func run(
    _ condition: StabilityCondition, shouldStop: () -> Bool = { false }, progress: (String, Int, Int) -> Void = { _, _, _ in }
  ) throws -> Bool {
    var settings = settings
    switch condition {
    case .clean: break
    case .perturbed(let perturbation): settings.perturbation = perturbation
    case .turns(let turns): settings.turns = turns
    }
    let evaluation = try ModelEvaluation(
      pipeline, name: name, checkpoint: checkpoint, plans: plans, output: output, settings)
    for (benchmark, scorer) in benchmarks {
      guard let part = part(of: benchmark, condition) else { continue }
      let title = benchmark.definition.name
      let run = try evaluation.run(of: part, in: benchmark, history: history(title))
      let missing = run.missing
      if try !run.run(shouldStop: shouldStop, progress: { progress(title, $0, missing) }) { return false }
      try evaluation.finish(run, scorer: scorer)
      let scores = try evaluation.scores(of: title)
      if condition == .clean {
        clean[title] = scores
        for plan in plans { cleanAnswers[title, default: [:]][plan.id] = run.answers(under: plan) }
      }
      try note("\(condition)", part, scorer, scores, answers: { run.answers(under: $0) })
    }
    return true
  }

  /// Asks another model without any change, one that this model became.
  ///
  /// - Returns: false where it was stopped.
  /// - Throws: as `run`.
  public func compare(
    with other: LLaVAPipeline, name: String, checkpoint: URL, shouldStop: () -> Bool = { false },
    progress: (String, Int, Int) -> Void = { _, _, _ in }
  ) throws -> Bool {
    let evaluation = try ModelEvaluation(other, name: name, checkpoint: checkpoint, plans: plans, output: output, settings)
    for (benchmark, scorer) in benchmarks {
      guard let part = part(of: benchmark, .clean) else { continue }
      let run = try evaluation.run(of: part, in: benchmark)
      let missing = run.missing
      if try !run.run(shouldStop: shouldStop, progress: { progress(benchmark.definition.name, $0, missing) }) { return false }
      try evaluation.finish(run, scorer: scorer)
      try note(
        "after \(name)", part, scorer, try evaluation.scores(of: benchmark.definition.name), answers: { run.answers(under: $0) })
    }
    return true
  }

  /// The questions that can be asked under a condition; nil for none.
  private func part(of benchmark: Benchmark, _ condition: StabilityCondition) -> Benchmark? {
    let part = limit.map(benchmark.limited) ?? benchmark
    guard case .turns(let turns) = condition else { return part }
    let groups = part.questionsByImage.filter { $0.count >= turns }
    let ids = Set(groups.flatMap { $0.map(\.id) })
    if ids.isEmpty { return nil }
    return part.restricted(to: ids, note: "\(ids.count) questions about pictures that have \(turns) or more")
  }

  /// Answers with which conversations begin: those with all tokens.
  private func history(_ benchmark: String) -> [String: String] {
    plans.first { $0.compression == nil }.flatMap { cleanAnswers[benchmark]?[$0.id] } ?? [:]
  }

  /// Scores beside the clean ones of the same questions.
  private func note(
    _ condition: String, _ part: Benchmark, _ scorer: String?, _ scores: [String: BenchmarkScore],
    answers: (AnswerPlan) -> [String: String]
  ) throws {
    let title = part.definition.name
    for plan in plans {
      guard let score = scores[plan.id] else { continue }
      let given = Set(answers(plan).keys)
      let same = (cleanAnswers[title]?[plan.id] ?? [:]).filter { given.contains($0.key) }
      var difference: Estimate?
      var before: Double?
      if condition != "\(StabilityCondition.clean)", !same.isEmpty {
        let reference = try part.score(same, scorer: scorer, missing: .leaveOut)
        before = reference.percentage
        // Questions without an answer on one side belong to neither.
        let own = answers(plan).filter { same[$0.key] != nil }
        difference = try part.score(own, scorer: scorer, missing: .leaveOut).difference(to: reference)
      }
      rows.append(
        StabilityRow(
          condition: condition, benchmark: title, compressor: plan.compressor, keep: plan.keep, plan: plan.id,
          questions: score.samples.count, estimate: score.estimate(), percentage: score.percentage, cleanPercentage: before,
          difference: difference))
    }
  }
}
