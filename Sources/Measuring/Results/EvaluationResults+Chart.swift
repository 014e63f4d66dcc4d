import Basics
import Evaluation

extension EvaluationResults {
  /// How good each way of asking is, for a terminal: the mean over all benchmarks, in percent of what their questions could give.
  ///
  /// Benchmarks that only a server scores are left out, and rows that lack one of the others: their means would be of something else. Nil
  /// where fewer than two rows are left.
  public var chart: BarChart? {
    let all = models.flatMap { model in model.rows.map { (model, $0) } }
    let scored = Set(all.flatMap { $0.1.scores.keys })
    let rows = all.filter { Set($0.1.scores.keys) == scored }
    let names = benchmarks.filter(scored.contains)
    guard rows.count > 1, !names.isEmpty else { return nil }
    let bars = rows.map { model, row in
      let mean = row.scores.values.reduce(0) { $0 + $1.percentage } / Double(row.scores.count)
      let keep = row.share.map { "\(ResultTable.significant(100 * $0)) %" } ?? "\(row.keep)"
      let parts = [models.count > 1 ? model.name : nil, row.compressor, keep, row.layer.map { "after \($0)" }]
      return BarChart.Bar(parts.compactMap(\.self).joined(separator: " "), mean, text: ResultTable.fixed(mean, 1))
    }
    let what = (names.count == 1 ? "" : "mean over ") + names.joined(separator: ", ")
    return BarChart(title: "Percent right by visual tokens that stay: \(what)", bars)
  }
}
