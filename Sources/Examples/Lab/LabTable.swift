import Basics
import Foundation

/// What a laboratory found: means of cells and paired differences between them, on one split.
public struct LabTable: Sendable {
  /// A way of asking.
  struct Column: Hashable {
    let compressor: String
    let keep: Int
    var title: String { compressor == "full" ? "full" : "\(compressor) \(keep)" }
  }

  let grid: LabGrid
  private let results: [LabResult]
  private let split: String

  /// A table of the results of a grid's own runs, which are all of one split.
  public init(_ grid: LabGrid, _ results: [LabResult], split: String) {
    (self.grid, self.split) = (grid, split)
    self.results = results.filter { result in grid.bases.contains { $0.name == result.base } }
  }

  /// One table for each test bed of a grid that has results, with the bed's name.
  public static func beds(_ grid: LabGrid, _ results: [LabResult], split: String) -> [(name: String?, table: LabTable)] {
    grid.beds.map { ($0, LabTable(grid.on($0), results, split: split)) }.filter { !$0.1.means.rows.isEmpty }
  }

  /// Ways of asking in the order of the grid.
  var columns: [Column] {
    var found: [Column] = []
    for row in results.flatMap(\.rows) {
      let column = Column(compressor: row.compressor, keep: row.keep)
      if !found.contains(column) { found.append(column) }
    }
    return found
  }

  private func value(_ result: LabResult, _ column: Column) -> Double? {
    result.rows.first { $0.compressor == column.compressor && $0.keep == column.keep }?.average
  }

  func results(of cell: String) -> [LabResult] { results.filter { $0.cell == cell } }

  private static func mean(_ values: [Double]) -> Double? { values.isEmpty ? nil : values.reduce(0, +) / Double(values.count) }

  /// The mean over all compressed ways of asking.
  func compressedMean(_ result: LabResult) -> Double? { Self.mean(result.rows.filter { $0.compressor != "full" }.map(\.average)) }

  /// The mean over all budgets, that of all tokens among them, by which a winner is chosen; a budget is the mean of its compressors.
  func budgetMean(_ result: LabResult) -> Double? {
    let budgets = Dictionary(grouping: result.rows) { $0.compressor == "full" ? nil : $0.keep }
    return Self.mean(budgets.values.compactMap { Self.mean($0.map(\.average)) })
  }

  /// Differences of two cells, paired by base and seed; a base as it is goes with every seed trained from it.
  func differences(_ pair: LabGrid.Pair, _ value: (LabResult) -> Double?) -> [Double] {
    let others = results(of: pair.second)
    return results(of: pair.first).compactMap { a in
      guard let b = others.first(where: { $0.base == a.base && ($0.seed == a.seed || $0.seed == nil || a.seed == nil) }),
        let x = value(a), let y = value(b)
      else { return nil }
      return x - y
    }
  }

  // MARK: - Rows

  static func number(_ value: Double) -> String { String(format: "%.1f", value) }

  private static func meanText(_ values: [Double], signed: Bool = false) -> String {
    if values.isEmpty { return "" }
    let test = PairedTest(values)
    let mean = String(format: signed ? "%+.1f" : "%.1f", test.mean).replacingOccurrences(of: "-", with: "−")
    return values.count < 2 ? mean : "\(mean) ± \(String(format: "%.1f", test.deviation))"
  }

  /// Headings and rows of the table of means: cell, runs, one column for each way of asking, the means over compressed ones and over
  /// budgets, and what training took: steps, floating-point operations, seconds.
  public var means: TextTable {
    let headings = ["cell", "runs"] + columns.map(\.title) + ["compressed", "all budgets", "steps", "TFLOPs", "train s"]
    func mean(_ values: [Double], _ format: String) -> String { Self.mean(values).map { String(format: format, $0) } ?? "" }
    let rows = grid.cells.compactMap { cell -> [String]? in
      let own = results(of: cell.name)
      if own.isEmpty { return nil }
      var row = [cell.name, "\(own.count)"]
      row += columns.map { column in Self.meanText(own.compactMap { value($0, column) }) }
      row += [Self.meanText(own.compactMap(compressedMean)), Self.meanText(own.compactMap(budgetMean))]
      row.append(mean(own.compactMap { $0.trainingSteps.map(Double.init) }, "%.0f"))
      row.append(mean(own.compactMap { $0.trainingFLOPs.map { $0 / 1e12 } }, "%.1f"))
      row.append(mean(own.compactMap(\.trainingSeconds), "%.0f"))
      return row
    }
    return TextTable(headings: headings, rows: rows)
  }

  /// Headings and rows of the table of differences: mean ± deviation of each, and for their means over all compressed ways and over all
  /// budgets the probability of the paired t-test; of the former the signs too.
  public var comparisons: TextTable {
    func probability(_ test: PairedTest) -> String {
      test.probability.map { $0 < 0.001 ? "<0.001" : String(format: "%.3f", $0) } ?? ""
    }
    let headings = ["difference", "pairs"] + columns.map(\.title) + ["compressed", "p", "signs", "all budgets", "p (all)"]
    let rows = grid.pairs.compactMap { pair -> [String]? in
      let overall = PairedTest(differences(pair, compressedMean))
      if overall.count == 0 { return nil }
      let budgets = differences(pair, budgetMean)
      return ["\(pair.first) − \(pair.second)", "\(overall.count)"]
        + columns.map { column in Self.meanText(differences(pair) { value($0, column) }, signed: true) } + [
          Self.meanText(differences(pair, compressedMean), signed: true),
          probability(overall), "+\(overall.above) −\(overall.below)", Self.meanText(budgets, signed: true),
          probability(PairedTest(budgets)),
        ]
    }
    return TextTable(headings: headings, rows: rows)
  }

  /// The mean accuracy of each benchmark at the columns of one compressor and budget, for all cells.
  public func benchmarks(compressor: String, keep: Int) -> TextTable {
    let names = grid.evaluation.benchmarks
    let rows = grid.cells.compactMap { cell -> [String]? in
      let own = results(of: cell.name).compactMap { $0.rows.first { $0.compressor == compressor && $0.keep == keep } }
      if own.isEmpty { return nil }
      return [cell.name] + names.map { name in Self.meanText(own.compactMap { $0.scores[name] }) }
    }
    return TextTable(headings: ["cell"] + names, rows: rows)
  }

  /// The trained cell with the best mean over all budgets; nil without results.
  public var winner: String? {
    let ranked = grid.cells.filter { $0.training != nil }.compactMap { cell in
      Self.mean(results(of: cell.name).compactMap(budgetMean)).map { (cell.name, $0) }
    }
    return ranked.max { $0.1 < $1.1 }?.0
  }

  // MARK: - Documents

  /// The tables of all beds in Markdown, ready to be quoted.
  public static func markdown(_ beds: [(name: String?, table: LabTable)]) -> String {
    beds.map { ($0.name.map { "## \($0)\n\n" } ?? "") + $0.table.markdown }.joined(separator: "\n")
  }

  /// The tables in Markdown.
  public var markdown: String {
    var parts = [
      "Split `\(split)`, mean over \(grid.evaluation.benchmarks.joined(separator: ", ")) in percent, ± standard deviation (n − 1)."
    ]
    for table in [means, comparisons] where !table.rows.isEmpty { parts.append(table.markdown) }
    if let compressor = grid.evaluation.compressors.first,
      let keep = grid.evaluation.keep.dropFirst().last ?? grid.evaluation.keep.first
    {
      let table = benchmarks(compressor: compressor, keep: keep)
      if !table.rows.isEmpty { parts += ["Each benchmark, \(compressor) \(keep):", table.markdown] }
    }
    parts += [winner.map { "Best over all budgets: \($0)." }, frontierText].compactMap(\.self)
    return parts.joined(separator: "\n\n") + "\n"
  }

  /// The tables for a terminal; where it is too narrow, columns go on below.
  ///
  /// - Parameter width: its columns; nil for as many as there are.
  public func text(width: Int?) -> String {
    var parts: [String] = []
    for table in [means, comparisons] where !table.rows.isEmpty { parts.append(table.text(width: width)) }
    parts.append(
      "Split \(split); percent, mean over \(grid.evaluation.benchmarks.joined(separator: ", ")), ± standard deviation.")
    parts += [winner.map { "Best over all budgets: \($0)." }, frontierText].compactMap(\.self)
    if let width, let chart { parts.append(chart.text(width: width)) }
    return parts.joined(separator: "\n\n")
  }

  /// The means of all cells over all budgets; nil where there is one cell alone.
  var chart: BarChart? {
    let bars = grid.cells.compactMap { cell -> BarChart.Bar? in
      let values = results(of: cell.name).compactMap(budgetMean)
      return Self.mean(values).map { BarChart.Bar(cell.name, $0, text: Self.meanText(values)) }
    }
    return bars.count > 1 ? BarChart(title: "Over all budgets, percent", bars) : nil
  }
}
