/// The average column of the paper: the plain mean of ten numbers after MME / 28 and OCRBench / 10.
///
/// Other benchmarks play no part. It reproduces all averaged rows of Tables 1, 3, 4 and 5 of arXiv 2510.00515 to the printed digit; MME there is perception and
/// cognition together.
public enum PaperAverage {
  /// The mean of ten scores by benchmark name, each as the benchmark defines it, in 0...100 and not rounded.
  ///
  /// - Throws: `EvaluationError.incompleteAverage` where one of the ten is missing.
  public static func value(of scores: [String: Double]) throws -> Double {
    let missing = BenchmarkRegistry.paperNames.filter { scores[$0] == nil }
    if !missing.isEmpty { throw EvaluationError.incompleteAverage(missing: missing) }
    return BenchmarkRegistry.paper.reduce(0) { $0 + 100 * (scores[$1.name] ?? 0) / $1.fullScore }
      / Double(BenchmarkRegistry.paper.count)
  }

  /// The mean of ten scores; those of MME and OCRBench over a part of the questions count as their share.
  ///
  /// - Throws: `EvaluationError.incompleteAverage` where one of the ten is missing.
  public static func value(of scores: [BenchmarkScore]) throws -> Double {
    let full = Dictionary(BenchmarkRegistry.paper.map { ($0.name, $0.fullScore) }) { first, _ in first }
    let pairs = scores.map { ($0.benchmark, $0.percentage / 100 * (full[$0.benchmark] ?? 100)) }
    return try value(of: Dictionary(pairs) { first, _ in first })
  }

  /// An average as the paper prints it: rounded once, to one decimal.
  public static func rounded(_ value: Double) -> Double { (value * 10).rounded() / 10 }
}
