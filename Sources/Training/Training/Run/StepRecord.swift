import Distillation

/// What one budget of a step came to.
public struct BudgetRecord: Sendable, Equatable, Codable {
  /// What its branch is for.
  public var role: BranchRole
  /// Visual tokens of a picture that it kept, a mean; nil without pictures.
  public var tokens: Double?
  /// Decoder layers before the cut, a mean.
  public var layer: Double
  /// Means over supervised tokens, in nats; the divergence is that from the first target, nil where there is none.
  public var crossEntropy: Double, divergence: Double?
}

/// What samples that are not trained on came to at one budget.
public struct ValidationRecord: Sendable, Equatable, Codable {
  /// What was dropped, as the configuration writes it; `all` for nothing.
  public var reduce: String
  /// Visual tokens of a picture that were kept, a mean; nil without pictures.
  public var tokens: Double?
  /// Mean over supervised tokens, in nats.
  public var crossEntropy: Double
  /// Samples that it is over, and their supervised tokens.
  public var samples: Int, supervisedTokens: Int
}

/// What a benchmark came to at one budget.
public struct BenchmarkRecord: Sendable, Equatable, Codable {
  /// Its name.
  public var benchmark: String
  /// What was dropped, as the configuration writes it; `all` for nothing.
  public var reduce: String
  /// Percent of what can be reached.
  public var score: Double
  /// Questions that it is over.
  public var questions: Int

  /// A score.
  public init(benchmark: String, reduce: String, score: Double, questions: Int) {
    (self.benchmark, self.reduce, self.score, self.questions) = (benchmark, reduce, score, questions)
  }
}

/// What one optimizer step came to; a line of `metrics.jsonl`.
public struct StepRecord: Sendable, Equatable, Codable {
  /// Completed optimizer steps, this one included.
  public var step: Int
  /// Times through the data so far.
  public var epoch: Double
  /// The loss; both terms' means over supervised tokens and branches that have them, unweighted, and without τ².
  public var loss, crossEntropy, divergence: Double
  /// Global 2-norm of the gradients before clipping.
  public var gradientNorm: Double
  /// Norms of the two weighted terms' gradients with respect to the last hidden states; absent unless asked for.
  public var crossEntropyGradientNorm, divergenceGradientNorm: Double?
  /// Rate of the decoder, or else of the first part that is trained.
  public var learningRate: Double
  /// Decoder layers before the cut; the fewest of all branches.
  public var layer: Int
  /// Share of the visual tokens that goes, a mean over the step's samples and students.
  public var studentRatio: Double
  /// The same of the teacher; nil without a teacher's pass.
  public var teacherRatio: Double?
  /// Each branch of the step; nil in logs of versions that had one alone.
  public var budgets: [BudgetRecord]?
  /// Who chose tokens, where compressors take turns; else nil.
  public var compressor: String?
  /// The loss after the step on samples that are not trained on, all tokens first; nil where it was not measured.
  public var validation: [ValidationRecord]?
  /// Scores after the step, benchmark by benchmark, all tokens first; nil where none was asked.
  public var benchmarks: [BenchmarkRecord]?
  /// What a curriculum that tunes itself knows after the step.
  public var curriculum: CurriculumState?
  /// Floating-point operations of the step, as `StepCost` counts them; nil in logs of versions that did not.
  public var flops: Double?
  /// Bytes of gradients and weights that the first of several processes sent to the others; nil for one process.
  public var sentBytes: Int?
  /// Samples, rows with visual tokens, and supervised tokens of the step.
  public var samples, rows, supervisedTokens: Int
  /// What the step took, waiting for data included.
  public var seconds: Double
  /// Seconds of it that were spent waiting for data.
  public var dataSeconds: Double

  /// Samples per second.
  public var samplesPerSecond: Double { seconds > 0 ? Double(samples) / seconds : 0 }

  /// The numbers that are drawn over steps, by name.
  public var scalars: [(name: String, value: Double)] {
    var all = [
      ("loss/total", loss), ("loss/cross-entropy", crossEntropy), ("loss/divergence", divergence),
      ("gradient/norm", gradientNorm), ("schedule/learning-rate", learningRate), ("schedule/layer", Double(layer)),
      ("schedule/student-ratio", studentRatio),
      ("speed/samples-per-second", samplesPerSecond),
    ]
    if let crossEntropyGradientNorm { all.append(("gradient/cross-entropy", crossEntropyGradientNorm)) }
    if let teacherRatio { all.append(("schedule/teacher-ratio", teacherRatio)) }
    if let flops { all.append(("speed/teraflops-of-step", flops / 1e12)) }
    if let sentBytes { all.append(("speed/megabytes-sent", Double(sentBytes) / 1e6)) }
    for (place, budget) in (budgets ?? []).enumerated() where (budgets?.count ?? 0) > 1 {
      let name = "budget-\(place)-\(budget.role.rawValue)"
      if let tokens = budget.tokens { all.append(("\(name)/tokens", tokens)) }
      all.append(("\(name)/cross-entropy", budget.crossEntropy))
      if let divergence = budget.divergence { all.append(("\(name)/divergence", divergence)) }
    }
    for found in validation ?? [] { all.append(("validation/\(found.reduce)/cross-entropy", found.crossEntropy)) }
    for found in benchmarks ?? [] { all.append(("validation/\(found.reduce)/\(found.benchmark)", found.score)) }
    if let divergenceGradientNorm { all.append(("gradient/divergence", divergenceGradientNorm)) }
    return all
  }
}
