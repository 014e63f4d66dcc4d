import Distillation
import Torch

/// What the micro-batches of a step add up to.
struct StepSums: Codable {
  /// The sums of one branch.
  private struct Budget: Codable {
    let role: BranchRole
    var pictures = 0
    var tokens = 0.0, layers = 0.0, crossEntropy = 0.0
    var divergence: Double?

    mutating func add(_ other: Budget) {
      pictures += other.pictures
      tokens += other.tokens
      layers += other.layers
      crossEntropy += other.crossEntropy
      if let more = other.divergence { divergence = (divergence ?? 0) + more }
    }
  }

  private(set) var loss = 0.0
  private var tokens = 0, positions = 0
  private var samples = 0, rows = 0
  private var layer: Int?
  private var studentRatio = 0.0, teacherRatio: Double?
  private struct Squares: Codable { var crossEntropy, divergence: Double }
  private var squares: Squares?
  private var budgets: [Budget] = []
  private var flops = 0.0
  /// How far branches were from their first targets, where all samples of a batch saw the same.
  private(set) var observed: [ObservedBranch] = []

  /// - Parameters:
  ///   - drawn: what the branches saw.
  ///   - visual: visual tokens of a picture.
  ///   - weight: λ of the run.
  ///   - flops: what the micro-batch took.
  ///   - share: what the micro-batch's loss is multiplied by.
  mutating func add(
    _ found: DistillationLoss, _ drawn: DrawnStep, _ batch: SampleBatch, visual: Int, weight: Double, flops: Double, share: Double
  ) throws {
    try found.validate()
    loss += try found.total.detached().item() * share
    tokens += found.supervisedTokens
    positions += found.divergencePositions
    samples += batch.samples.count
    rows += batch.rows
    self.flops += flops
    if budgets.isEmpty { budgets = drawn.plan.branches.map { Budget(role: $0.role) } }
    for (place, terms) in found.students.enumerated() {
      try add(terms, found, drawn.students[place], place, batch.samples.count)
    }
    layer = (drawn.students.joined().map(\.layer) + [layer].compactMap(\.self)).min()
    let isCompared = found.students.contains { !$0.divergenceSums.isEmpty }
    let hasTeacher = isCompared && !drawn.teacher.isEmpty && drawn.plan.asksTeacher(weight: weight)
    for index in batch.samples.indices {
      func ratio(_ sights: [DrawnSight]) -> Double { sights[sights.count == 1 ? 0 : index].ratio(of: visual) }
      studentRatio += drawn.students.reduce(0) { $0 + ratio($1) } / Double(drawn.students.count)
      if hasTeacher { teacherRatio = (teacherRatio ?? 0) + ratio(drawn.teacher) }
    }
    if let norms = found.gradientNorms {
      let (a, b) = (try norms.crossEntropy.item() * share, try norms.divergence.item() * share)
      squares = Squares(crossEntropy: (squares?.crossEntropy ?? 0) + a * a, divergence: (squares?.divergence ?? 0) + b * b)
    }
  }

  private mutating func add(
    _ terms: DistillationLoss.Terms, _ found: DistillationLoss, _ sights: [DrawnSight], _ place: Int, _ count: Int
  ) throws {
    budgets[place].crossEntropy += try terms.crossEntropySum.item()
    let divergence = try terms.divergenceSums.first?.item()
    if let divergence { budgets[place].divergence = (budgets[place].divergence ?? 0) + divergence }
    budgets[place].layers += sights.reduce(0) { $0 + Double($1.layer) } * Double(count) / Double(sights.count)
    let kept = found.shape.samples.flatMap { $0.ways.filter { $0.view == place }.flatMap(\.kept) }
    budgets[place].pictures += kept.count
    budgets[place].tokens += Double(kept.reduce(0, +))
    if sights.count == 1, case .keep(let tokens)? = sights[0].amount, let divergence, !kept.isEmpty {
      observed.append(
        ObservedBranch(
          layer: sights[0].layer, tokens: tokens, divergence: divergence / Double(max(1, found.divergencePositions))))
    }
  }

  /// Adds what other micro-batches came to.
  mutating func add(_ other: StepSums) {
    if other.samples == 0 { return }
    loss += other.loss
    tokens += other.tokens
    positions += other.positions
    samples += other.samples
    rows += other.rows
    flops += other.flops
    layer = [layer, other.layer].compactMap(\.self).min()
    studentRatio += other.studentRatio
    if let ratio = other.teacherRatio { teacherRatio = (teacherRatio ?? 0) + ratio }
    if let more = other.squares {
      squares = Squares(
        crossEntropy: (squares?.crossEntropy ?? 0) + more.crossEntropy, divergence: (squares?.divergence ?? 0) + more.divergence)
    }
    if budgets.isEmpty {
      budgets = other.budgets
    } else {
      for (place, budget) in other.budgets.enumerated() where budgets.indices.contains(place) { budgets[place].add(budget) }
    }
    observed += other.observed
  }

  func record(
    step: Int, epoch: Double, gradientNorm: Double, learningRate: Double, curriculum: CurriculumState?, seconds: Double,
    dataSeconds: Double
  ) -> StepRecord {
    let count = Double(max(1, samples))
    let records = budgets.map { budget in
      BudgetRecord(
        role: budget.role, tokens: budget.pictures > 0 ? budget.tokens / Double(budget.pictures) : nil,
        layer: budget.layers / count, crossEntropy: budget.crossEntropy / Double(max(1, tokens)),
        divergence: budget.divergence.map { $0 / Double(max(1, positions)) })
    }
    func mean(_ values: [Double]) -> Double { values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count) }
    return StepRecord(
      step: step, epoch: epoch, loss: loss, crossEntropy: mean(records.map(\.crossEntropy)),
      divergence: mean(records.compactMap(\.divergence)), gradientNorm: gradientNorm,
      crossEntropyGradientNorm: squares?.crossEntropy.squareRoot(), divergenceGradientNorm: squares?.divergence.squareRoot(),
      learningRate: learningRate, layer: layer ?? 0, studentRatio: studentRatio / count,
      teacherRatio: teacherRatio.map { $0 / count },
      budgets: records, curriculum: curriculum, flops: flops, samples: samples, rows: rows, supervisedTokens: tokens,
      seconds: seconds, dataSeconds: dataSeconds)
  }
}

extension DrawnSight {
  /// The share of a picture's tokens that goes, before a compressor's formula rounds it.
  fileprivate func ratio(of visual: Int) -> Double {
    switch amount {
    case nil: 0
    case .ratio(let ratio): ratio
    case .share(let share): 1 - share
    case .keep(let keep): 1 - Double(keep) / Double(max(1, visual))
    case .each(let counts):
      1 - Double(counts.reduce(0, +)) / Double(max(1, visual * counts.count))
    }
  }
}
