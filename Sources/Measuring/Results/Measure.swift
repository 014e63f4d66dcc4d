import Evaluation

/// A row's accuracy in percent with its 95 % range: the paper's average, the mean over the benchmarks, or one benchmark's.
struct Measure {
  /// A number with its 95 % range.
  typealias Value = (value: Double, low: Double, high: Double)

  let title: String
  let value: (ResultRow) -> Value?

  /// The paper's average where all ten are there, else the mean over the benchmarks.
  static func overall(_ results: EvaluationResults) -> Measure {
    let names = results.benchmarks
    if names.count == 1 { return of(names[0], results) }
    if results.models.contains(where: { $0.rows.contains { $0.average != nil } }) {
      return Measure(title: "Average of the ten, %") { row in row.average.map { ($0, $0, $0) } }
    }
    // The benchmarks' questions differ, so variances of their means add up.
    return Measure(title: "Mean of \(names.count) benchmarks, %") { row in
      let scores = names.compactMap { row.scores[$0] }
      guard scores.count == names.count, !scores.isEmpty else { return nil }
      let count = Double(scores.count)
      let mean = scores.reduce(0) { $0 + $1.percentage } / count
      let halves = scores.map { score in
        score.estimate.value == 0
          ? 0 : (score.estimate.upper - score.estimate.lower) / 2 * score.percentage / score.estimate.value
      }
      let half = halves.reduce(0) { $0 + $1 * $1 }.squareRoot() / count
      return (mean, max(0, mean - half), min(100, mean + half))
    }
  }

  /// One benchmark's score.
  static func of(_ name: String, _ results: EvaluationResults) -> Measure {
    let maximum = results.models.lazy.compactMap { model in model.benchmarks.first { $0.name == name }?.maximum }.first ?? 100
    let title = title(name)
    return Measure(title: maximum == 100 ? "\(title), %" : "\(title), of \(ResultTable.fixed(maximum, 0))") { row in
      row.scores[name].map { ($0.estimate.value, $0.estimate.lower, $0.estimate.upper) }
    }
  }

  /// A benchmark's name in tables.
  static func title(_ name: String) -> String { BenchmarkRegistry.all.first { $0.name == name }?.title ?? name }
}
