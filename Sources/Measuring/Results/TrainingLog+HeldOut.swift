import Basics
import Foundation
import Report

extension TrainingLog.Step {
  /// The loss on samples that are not trained on, at one budget.
  public struct HeldOut: Sendable, Equatable, Codable {
    /// What was dropped; `all` for nothing.
    public var reduce: String
    /// Nats per supervised token.
    public var crossEntropy: Double

    /// A loss.
    public init(reduce: String, crossEntropy: Double) { (self.reduce, self.crossEntropy) = (reduce, crossEntropy) }
  }
}

extension TrainingLog {
  /// The budgets at which some run was measured, in their order.
  private static func budgets(_ logs: [TrainingLog]) -> [String] {
    var names: [String] = []
    for name in logs.flatMap(\.steps).flatMap({ $0.validation ?? [] }).map(\.reduce) where !names.contains(name) {
      names.append(name)
    }
    return names
  }

  /// Its loss at a budget, at the steps where it was measured.
  private func heldOut(_ budget: String) -> [(step: Int, crossEntropy: Double)] {
    steps.compactMap { step in
      step.validation?.first { $0.reduce == budget }.map { (step.step, $0.crossEntropy) }
    }
  }

  /// Held-out losses of runs over their steps; nil where none was measured.
  static func heldOutChart(_ logs: [TrainingLog]) -> Chart? {
    var series: [Chart.Series] = []
    for log in logs {
      for budget in budgets(logs) {
        let points = log.heldOut(budget).map { Chart.Point(Double($0.step), $0.crossEntropy) }
        if points.isEmpty { continue }
        series.append(Chart.Series(logs.count > 1 ? "\(log.name): \(budget)" : budget, .line(points), color: series.count))
      }
    }
    let last = logs.compactMap { $0.steps.last?.step }.max() ?? 1
    return series.isEmpty
      ? nil
      : Chart(
        title: "Held-out loss, nats per token", x: .init("optimizer step", format: .integer, range: 0...Double(max(1, last))),
        y: .init(format: .number), series: series)
  }

  /// Runs side by side: steps, the mean loss of the last tenth of them, what they took, and the lowest held-out loss at each budget with its
  /// step.
  public static func table(_ logs: [TrainingLog]) -> TextTable {
    let budgets = budgets(logs)
    let headings = ["run", "steps", "loss", "TFLOP", "time"] + budgets.map { "held out \($0)" }
    let rows = logs.map { log -> [String] in
      let ending = log.steps.suffix(max(1, log.steps.count / 10))
      let loss = ending.isEmpty ? "" : String(format: "%.4f", ending.reduce(0) { $0 + $1.loss } / Double(ending.count))
      let flops = log.steps.compactMap(\.flops)
      let work = flops.isEmpty || flops.count < log.steps.count ? "" : String(format: "%.2f", flops.reduce(0, +) / 1e12)
      let lowest = budgets.map { budget in
        log.heldOut(budget).min { $0.crossEntropy < $1.crossEntropy }.map {
          String(format: "%.4f at %d", $0.crossEntropy, $0.step)
        } ?? ""
      }
      let seconds = log.steps.reduce(0) { $0 + $1.seconds }
      return [log.name, formatCount(log.steps.last?.step ?? 0), loss, work, formatDuration(seconds)] + lowest
    }
    return TextTable(headings: headings, rows: rows)
  }
}
