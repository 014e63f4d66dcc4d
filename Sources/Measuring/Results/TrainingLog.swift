import Foundation
import Report

/// What a training run logged of its steps.
public struct TrainingLog: Sendable, Equatable {
  /// A step, as far as it is drawn; a line of `metrics.jsonl`.
  public struct Step: Sendable, Equatable, Codable {
    /// Completed optimizer steps, this one included.
    public var step: Int
    /// The loss; both terms' means over supervised tokens, unweighted, in nats.
    public var loss, crossEntropy, divergence: Double
    /// Decoder layers before the cut.
    public var layer: Int
    /// Share of visual tokens that students did without.
    public var studentRatio: Double
    /// The same of a teacher; nil where there was none.
    public var teacherRatio: Double?
    /// Rate of the decoder.
    public var learningRate: Double
    /// What the step took.
    public var seconds: Double
    /// Each branch; nil in logs of versions that did not say.
    public var budgets: [Budget]?
    /// Floating-point operations; nil likewise.
    public var flops: Double?
    /// The loss on samples that are not trained on; nil where it was not measured.
    public var validation: [HeldOut]?

    /// What a branch of a step came to.
    public struct Budget: Sendable, Equatable, Codable {
      /// What it is for: `full`, `between`, `smallest`, `student` and others.
      public var role: String
      /// Visual tokens of a picture that it kept, a mean; nil without pictures.
      public var tokens: Double?
      /// Both terms, in nats per token; the divergence is nil where nothing pulled it.
      public var crossEntropy: Double, divergence: Double?

      /// A branch.
      public init(role: String, tokens: Double?, crossEntropy: Double, divergence: Double?) {
        (self.role, self.tokens, self.crossEntropy, self.divergence) = (role, tokens, crossEntropy, divergence)
      }
    }

    /// A step.
    public init(
      step: Int, loss: Double, crossEntropy: Double, divergence: Double, layer: Int, studentRatio: Double,
      teacherRatio: Double?, learningRate: Double, seconds: Double, budgets: [Budget]? = nil, flops: Double? = nil,
      validation: [HeldOut]? = nil
    ) {
      self.step = step
      self.loss = loss
      self.crossEntropy = crossEntropy
      self.divergence = divergence
      self.layer = layer
      self.studentRatio = studentRatio
      self.teacherRatio = teacherRatio
      self.learningRate = learningRate
      self.seconds = seconds
      self.budgets = budgets
      self.flops = flops
      self.validation = validation
    }
  }

  /// What people call the run.
  public var name: String
  /// Its steps.
  public var steps: [Step]

  /// A run of steps.
  public init(name: String, steps: [Step]) {
    self.name = name
    self.steps = steps
  }

  /// The file's name inside a run's folder.
  public static let fileName = "metrics.jsonl"

  /// Reads a run's folder; half a line at the end, which a running or killed run leaves, is no error.
  ///
  /// - Throws: `ResultsError`.
  public init(from folder: URL) throws {
    let url = folder.appending(path: Self.fileName)
    let data = try readFile(url)
    let lines = data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    let decoder = JSONDecoder()
    steps = try lines.dropLast().enumerated().map { index, line in
      do {
        return try decoder.decode(Step.self, from: line)
      } catch {
        throw ResultsError.badLine(path: url.relativePath, line: index + 1, reason: ResultsError.reason(error))
      }
    }
    name = folder.standardizedFileURL.lastPathComponent
  }
}

extension TrainingLog {
  /// Loss, divergence, ratios, layer and rate of runs over their steps; nil where no step was taken.
  static func figure(_ logs: [TrainingLog]) -> Figure? {
    let logs = logs.filter { !$0.steps.isEmpty }
    guard let longest = logs.map(\.steps.count).max() else { return nil }
    let width = window(longest)
    func chart(
      _ title: String, _ values: [(name: String, of: (Step) -> Double)], _ format: Chart.Axis.Format = .number
    ) -> Chart {
      var series: [Chart.Series] = []
      for (run, log) in logs.enumerated() {
        for (place, value) in values.enumerated() {
          let color = run * values.count + place
          let part = log.condensed(by: width, value.of)
          if width > 1 { series.append(Chart.Series("", .band(low: part.low, high: part.high), color: color)) }
          let names = [logs.count > 1 ? log.name : "", value.name].filter { !$0.isEmpty }
          series.append(
            Chart.Series(names.joined(separator: ": "), .line(part.mean), color: color, dashed: place % 2 == 1))
        }
      }
      let last = logs.compactMap { $0.steps.last?.step }.max() ?? 1
      return Chart(
        title: title, x: .init("optimizer step", format: .integer, range: 0...Double(max(1, last))),
        y: .init(format: format), series: series)
    }
    // Without a teacher the divergence is nothing at every step.
    let isTaught = logs.contains { $0.steps.contains { $0.divergence != 0 } }
    var losses: [(name: String, of: (Step) -> Double)] = [(isTaught ? "in all" : "cross-entropy", \.loss)]
    if isTaught { losses.append(("cross-entropy", \.crossEntropy)) }
    var charts = [chart("Loss, nats per token", losses)]
    if isTaught { charts.append(chart("Divergence of student and teacher (KL by default), per token", [("", \.divergence)])) }
    var ratios: [(name: String, of: (Step) -> Double)] = [("student", \.studentRatio)]
    if logs.contains(where: { $0.steps.contains { $0.teacherRatio != nil } }), isTaught {
      ratios.append(("teacher", { $0.teacherRatio ?? 0 }))
    }
    charts += [heldOutChart(logs)].compactMap(\.self) + budgetCharts(logs, width)
    charts += [
      chart("Visual tokens dropped", ratios, .percent),
      chart("Decoder layers before the cut", [("", { Double($0.layer) })], .integer),
      chart("Learning rate, 10⁻³", [("", { $0.learningRate * 1e3 })]),
    ]
    return Figure(
      title: "Training",
      subtitle: width > 1 ? "Lines are means over \(width) steps, areas reach from the smallest to the largest of them." : "",
      charts: charts)
  }

  /// Tokens, cross entropy and divergence of each budget of runs that have several in a step.
  private static func budgetCharts(_ logs: [TrainingLog], _ width: Int) -> [Chart] {
    let several = logs.filter { $0.steps.contains { $0.budgets?.count ?? 0 > 1 } }
    func chart(_ title: String, _ value: @escaping (Step.Budget) -> Double?) -> Chart? {
      var series: [Chart.Series] = []
      for log in several {
        for place in 0..<(log.steps.compactMap(\.budgets?.count).max() ?? 0) {
          // Counted from the smallest one, as steps without all tokens have one fewer.
          func budget(_ step: Step) -> Step.Budget? { step.budgets.flatMap { $0.dropLast(place).last } }
          let own = log.keeping { budget($0).flatMap(value) != nil }
          guard let role = own.steps.first.flatMap(budget)?.role else { continue }
          let points = own.condensed(by: width) { budget($0).flatMap(value) ?? 0 }.mean
          series.append(Chart.Series(several.count > 1 ? "\(log.name): \(role)" : role, .line(points), color: series.count))
        }
      }
      let last = several.compactMap { $0.steps.last?.step }.max() ?? 1
      return series.isEmpty
        ? nil
        : Chart(
          title: title, x: .init("optimizer step", format: .integer, range: 0...Double(max(1, last))), y: .init(format: .number),
          series: series)
    }
    return [
      chart("Budgets in play: visual tokens that stay of a picture", \.tokens),
      chart("Cross entropy of each budget, nats per token", \.crossEntropy),
      chart("Divergence of each budget, nats per token", \.divergence),
    ].compactMap(\.self)
  }

  private func keeping(_ isKept: (Step) -> Bool) -> TrainingLog { TrainingLog(name: name, steps: steps.filter(isKept)) }

  /// So many steps become one point that a plot has at most 80.
  private static func window(_ steps: Int) -> Int { max(1, (steps + 79) / 80) }

  /// Mean, smallest and largest value of each `width` steps, at the last of them.
  private func condensed(
    by width: Int, _ value: (Step) -> Double
  ) -> (mean: [Chart.Point], low: [Chart.Point], high: [Chart.Point]) {
    let parts = stride(from: 0, to: steps.count, by: width).map { steps[$0..<min(steps.count, $0 + width)] }
    func points(_ reduce: ([Double]) -> Double) -> [Chart.Point] {
      parts.map { Chart.Point(Double($0[$0.endIndex - 1].step), reduce($0.map(value))) }
    }
    return (points { $0.reduce(0, +) / Double($0.count) }, points { $0.min() ?? 0 }, points { $0.max() ?? 0 })
  }
}
