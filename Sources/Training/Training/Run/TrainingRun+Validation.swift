import Distillation
import Torch

/// The loss on samples that are not trained on.
extension TrainingRun {
  /// What a micro-batch of them came to.
  private struct Sums: Codable {
    var samples = 0, supervisedTokens = 0
    /// For each budget.
    var crossEntropy: [Double], kept: [Double], pictures: [Int]

    init(budgets: Int) {
      crossEntropy = Array(repeating: 0, count: budgets)
      kept = crossEntropy
      pictures = Array(repeating: 0, count: budgets)
    }

    init(_ found: DistillationLoss, samples: Int) throws {
      self.samples = samples
      supervisedTokens = found.supervisedTokens
      crossEntropy = try found.students.map { try $0.crossEntropySum.item() }
      let counts = found.students.indices.map { place in
        found.shape.samples.flatMap { $0.ways.filter { $0.view == place }.flatMap(\.kept) }
      }
      kept = counts.map { Double($0.reduce(0, +)) }
      pictures = counts.map(\.count)
    }

    mutating func add(_ other: Sums) {
      samples += other.samples
      supervisedTokens += other.supervisedTokens
      for place in crossEntropy.indices where other.crossEntropy.indices.contains(place) {
        crossEntropy[place] += other.crossEntropy[place]
        kept[place] += other.kept[place]
        pictures[place] += other.pictures[place]
      }
    }
  }

  /// Whether the configuration has loss and scores measured after so many steps.
  func isMeasured(after step: Int) -> Bool {
    step == steps || configuration.validation.every.map { step % $0 == 0 } ?? false
  }

  /// Remembers the step where it is the best so far; true where it is.
  func noteBest(_ record: StepRecord) -> Bool {
    guard let name = configuration.checkpoints.best, let found = BestStep(record, name: name) else { return false }
    if let best, best.name == name, !found.beats(best) {
      self.best?.measurementsSince = (best.measurementsSince ?? 0) + 1
      return false
    }
    best = found
    return true
  }

  /// Whether loss or score have not improved for as many measurements as the configuration allows.
  var isExhausted: Bool {
    guard let patience = configuration.checkpoints.patience, let best, best.name == configuration.checkpoints.best else {
      return false
    }
    return best.measurementsSince ?? 0 >= patience
  }

  /// Does work that the model is asked in, such as writing answers.
  ///
  /// Where weights are divided among processes, all of them call this at the same time, each with as much work as it has; none of the work
  /// may wait for another process.
  /// - Throws: what the work throws; `CommunicatorError.lost`.
  public func asking<Result>(_ work: () throws -> Result) throws -> Result { try shards?.inRounds(work) ?? work() }

  /// Measures the loss at all budgets, from one trunk and without gradients; nothing of the run changes.
  ///
  /// Processes share the samples out, and all have the same numbers.
  /// - Throws: `DatasetError` where no sample can be used; `SampleFault` in a strict run; `CommunicatorError`.
  func validate() throws -> [ValidationRecord]? {
    guard let validation else { return nil }
    let names = ["all"] + configuration.validation.reduce
    let students = try [nil] + configuration.validationPlans().map(Optional.some)
    var options = distill.options
    options.measuresGradients = false
    let loss = try DistillationStep(model, distill.reducer, options)
    var own: [Sums] = []
    let faults = SkipLog()
    var fault: (any Error)?
    // As many for all processes, where some weights are with each.
    let slots = (validation.dataset.count + configuration.batch.samples - 1) / configuration.batch.samples
    var passes = shards == nil ? 0 : (slots + world.count - 1) / world.count
    do {
      let plan = BatchPlan(order: SampleOrder(.sequential), batch: .samples(configuration.batch.samples))
      let loader = try DataLoader(
        validation, plan: plan, epochs: 1, workers: configuration.data.workers, ahead: configuration.data.ahead, skipLog: faults,
        strict: configuration.data.isStrict, share: DataShare(rank: world.rank, count: world.count))
      while let batch = try loader.next() {
        if batch.samples.isEmpty {
          own.append(Sums(budgets: names.count))
          continue
        }
        let found = try withoutGradient {
          try loss(
            batch.samples.map { try trainingSample($0, epoch: 0) },
            students: students.map { Student(plans: [$0], crossEntropyWeight: 1) })
        }
        try found.validate()
        own.append(try Sums(found, samples: batch.samples.count))
        try shards?.finishPass()
        passes -= 1
      }
    } catch {
      fault = error
    }
    for _ in 0..<max(0, passes) { try shards?.finishPass() }
    if let fault, world.count == 1 { throw fault }
    try requireAll(fault)

    // In the order of micro-batches, so that the number of processes does not change the bits.
    let all = try world.gathered(own)
    var sums = Sums(budgets: names.count)
    for index in 0..<(all.map(\.count).max() ?? 0) {
      for part in all where part.indices.contains(index) { sums.add(part[index]) }
    }
    guard sums.supervisedTokens > 0 else {
      throw DatasetError.nothingUsable(
        samples: validation.dataset.count, first: faults.takeNew().first?.description ?? "it teaches nothing")
    }
    return names.indices.map { place in
      ValidationRecord(
        reduce: names[place], tokens: sums.pictures[place] > 0 ? sums.kept[place] / Double(sums.pictures[place]) : nil,
        crossEntropy: sums.crossEntropy[place] / Double(sums.supervisedTokens), samples: sums.samples,
        supervisedTokens: sums.supervisedTokens)
    }
  }
}
