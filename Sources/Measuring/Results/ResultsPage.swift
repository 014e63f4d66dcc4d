import Evaluation
import Foundation
import Report

/// The report of an evaluation: the table, accuracy over tokens and over time, and models side by side.
public struct ResultsPage: Sendable {
  /// The file's name inside an output folder.
  public static let fileName = "report.html"

  private let contents: ReportContents
  private var results: EvaluationResults { contents.results }

  /// The page of results.
  public init(_ results: EvaluationResults) { self.init(ReportContents(results)) }

  /// The page of all that there is.
  public init(_ contents: ReportContents) { self.contents = contents }

  /// The complete document.
  public var html: String {
    var blocks: [Page.Block] = []
    let table = ResultTable(results)
    func rows(_ table: ResultTable) -> Page.Block {
      .table(headings: table.columns.map(\.title), isText: table.columns.map(\.isText), rows: table.rows)
    }
    // What people look for first: how much is lost with how few tokens, and then what that looks like.
    if let comparison = contents.comparison {
      if !comparison.numbers.isEmpty { blocks.append(.numbers(comparison.numbers)) }
      if let summary = comparison.summary { blocks.append(.text(summary)) }
    }
    if !results.models.isEmpty { blocks += figures.map(Page.Block.figure) }
    for gallery in contents.galleries where !gallery.items.isEmpty {
      blocks += [.heading("Pictures"), .list(gallery.notes), .cards(gallery.cards)]
    }
    if let comparison = contents.comparison {
      blocks += [.heading("Side by side"), rows(comparison.table), .list(comparison.table.notes)]
    } else if !results.models.isEmpty {
      blocks.append(rows(table))
    }
    if let training = TrainingLog.figure(contents.trainings) { blocks.append(.figure(training)) }
    if contents.comparison != nil { blocks += [.heading("All numbers"), rows(table)] }
    if !results.models.isEmpty { blocks += [.heading("What the numbers mean"), .list(table.notes)] }
    return Page(title: title, subtitle: subtitle, blocks: blocks + broken).html
  }

  private var title: String {
    if !results.models.isEmpty { return "Accuracy with fewer visual tokens" }
    return contents.trainings.isEmpty ? "Pictures and answers" : "Training with fewer visual tokens"
  }

  private var subtitle: String {
    if results.models.isEmpty { return contents.trainings.map(\.name).joined(separator: ", ") }
    return results.models.map(\.name).joined(separator: ", ") + " · "
      + results.benchmarks.map(Measure.title).joined(separator: ", ")
  }

  private var broken: [Page.Block] {
    let lines = results.models.flatMap { model in
      model.benchmarks.flatMap { part in part.broken.map { "\(part.title), \($0)" } + part.faults.map { "\(part.title), \($0)" } }
    }
    var distinct: [String] = []
    for line in lines where !distinct.contains(line) { distinct.append(line) }
    if distinct.isEmpty { return [] }
    let shown = distinct.prefix(50).map(\.self)
    let rest = distinct.count > shown.count ? ["… and \(distinct.count - shown.count) more in results.json"] : []
    return [.heading("Left out"), .list(shown + rest)]
  }
}

// MARK: - Figures

extension ResultsPage {
  var figures: [Figure] {
    let overall = Measure.overall(results)
    var measures = [overall]
    if results.benchmarks.count > 1 { measures += results.benchmarks.map { Measure.of($0, results) } }
    let timed = results.models.contains { $0.rows.contains { $0.timing != nil } }
    var figures = [
      Figure(
        title: "Accuracy over visual tokens", subtitle: "Whiskers are 95 % intervals.",
        charts: measures.map { chart($0, .init("visual tokens kept", format: .integer)) { Double($0.keep) } })
    ]
    if budgetsAreSpread {
      figures.append(
        Figure(
          title: "Accuracy over tokens in a layer",
          subtitle:
            "Visual tokens that a decoder layer sees, the mean over layers and questions: what plans with several cuts, and rules that "
            + "give pictures different numbers, are to be compared by.",
          charts: measures.map { chart($0, .init("visual tokens in a layer")) { $0.averageVisualTokens } }))
    }
    if timed {
      figures.append(
        Figure(
          title: "Accuracy over time",
          subtitle: "Milliseconds that one question takes when it is answered alone: vision, prefill and decode.",
          charts: [chart(overall, .init("ms per question")) { row in row.timing.map { 1e3 * $0.total } }]))
    }
    if let bars { figures.append(bars) }
    return figures
  }

  /// True where the number that is kept does not say what the layers see.
  private var budgetsAreSpread: Bool {
    results.models.contains { model in
      model.rows.contains { row in
        guard let layer = row.layer else { return false }
        // What one cut leaves them.
        let sum = layer * model.visualTokens + (model.layers - layer) * row.keep
        return abs(row.averageVisualTokens - Double(sum) / Double(max(1, model.layers))) > 1e-6
      }
    }
  }

  /// A line for each model and compressor, which ends at the model without compression.
  private func chart(_ measure: Measure, _ axis: Chart.Axis, x: (ResultRow) -> Double?) -> Chart {
    var series: [Chart.Series] = []
    for (index, model) in results.models.enumerated() {
      let full = model.rows.filter { $0.compressor == "full" }
      var compressors: [String] = []
      for row in model.rows where row.compressor != "full" && !compressors.contains(row.compressor) {
        compressors.append(row.compressor)
      }
      for name in compressors.isEmpty ? ["full"] : compressors {
        let rows = full + model.rows.filter { $0.compressor == name && name != "full" }
        let points = rows.compactMap { row -> Chart.Interval? in
          guard let x = x(row), let found = measure.value(row) else { return nil }
          return Chart.Interval(Chart.Point(x, found.value), low: found.low, high: found.high)
        }
        if points.isEmpty { continue }
        let label = results.models.count > 1 ? "\(model.name): \(name)" : name
        // A compressor has one colour in all models, and the last model whole lines.
        series.append(
          Chart.Series(
            label, .intervals(points.sorted { $0.point.x < $1.point.x }), color: color(name),
            dashed: (results.models.count - index) % 2 == 0))
      }
    }
    var axis = axis
    let xs = series.flatMap { entry in entry.shape.xs }
    if let first = xs.min(), let last = xs.max() {
      // Times that are much alike would be one heap far from 0.
      axis.range = (first > last / 2 ? first - (last - first) * 0.1 : 0)...max(last * 1.02, 1e-9)
    }
    return Chart(title: measure.title, x: axis, y: .init(range: range(of: series)), series: series)
  }

  private func color(_ compressor: String) -> Int {
    var names: [String] = []
    for row in results.models.flatMap(\.rows) where !names.contains(row.compressor) { names.append(row.compressor) }
    return (names.filter { $0 != "full" }.firstIndex(of: compressor) ?? 0)
  }

  /// What is drawn and a little more, so that differences show; accuracy need not begin at 0.
  private func range(of series: [Chart.Series]) -> ClosedRange<Double>? {
    let values = series.flatMap(\.shape.ys).filter(\.isFinite)
    guard let low = values.min(), let high = values.max() else { return nil }
    let room = max(0.5, (high - low) * 0.08)
    return max(0, low - room)...high + room
  }

  /// Models beside each other for each compressor, one plot for each budget that all of them have.
  private var bars: Figure? {
    guard results.models.count > 1 else { return nil }
    let measure = Measure.overall(results)
    var budgets: [Int] = []
    for keep in results.models[0].rows.filter({ $0.compressor != "full" }).map(\.keep)
    where !budgets.contains(keep) && results.models.allSatisfy({ model in model.rows.contains { $0.keep == keep } }) {
      budgets.append(keep)
    }
    let charts = budgets.compactMap { keep -> Chart? in
      var names: [String] = []
      for row in results.models.flatMap(\.rows) where row.keep == keep && !names.contains(row.compressor) {
        names.append(row.compressor)
      }
      let width = 0.8 / Double(results.models.count)
      let series = results.models.enumerated().map { index, model in
        let bars = names.enumerated().compactMap { place, name -> Chart.Interval? in
          guard let row = model.rows.first(where: { $0.keep == keep && $0.compressor == name }), let found = measure.value(row)
          else {
            return nil
          }
          let x = Double(place) - 0.4 + width * (Double(index) + 0.5)
          return Chart.Interval(Chart.Point(x, found.value), low: found.low, high: found.high)
        }
        return Chart.Series(model.name, .bars(bars, width: width * 0.92), color: index)
      }
      return Chart(
        title: "\(keep) visual tokens: \(measure.title)", x: .init(categories: names), y: .init(), series: series)
    }
    if charts.isEmpty { return nil }
    return Figure(
      title: "Models side by side", subtitle: "Each compressor at the same number of tokens; whiskers are 95 % intervals.",
      charts: charts)
  }
}

extension Chart.Series.Shape {
  fileprivate var intervals: [Chart.Interval] { if case .intervals(let intervals) = self { intervals } else { [] } }
  fileprivate var xs: [Double] { intervals.map(\.point.x) }
  fileprivate var ys: [Double] { intervals.flatMap { [$0.low, $0.high, $0.point.y] } }
}
