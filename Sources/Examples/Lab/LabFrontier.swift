import Report

/// Accuracy against the work of training: which cells are worth their work.
extension LabTable {
  /// A trained cell's place.
  struct Place: Equatable {
    let cell: String
    /// 10¹² floating-point operations of a run, a mean.
    let work: Double
    /// Percent over all budgets: the mean of all runs, and their standard deviation.
    let accuracy, deviation: Double
  }

  /// Trained cells whose work is known, the least first.
  var places: [Place] {
    grid.cells.compactMap { cell in
      let own = results(of: cell.name)
      let (work, values) = (own.compactMap(\.trainingFLOPs), own.compactMap(budgetMean))
      guard !work.isEmpty, !values.isEmpty else { return nil }
      let test = PairedTest(values)
      return Place(
        cell: cell.name, work: work.reduce(0, +) / Double(work.count) / 1e12, accuracy: test.mean,
        deviation: values.count > 1 ? test.deviation : 0)
    }.sorted { ($0.work, -$0.accuracy) < ($1.work, -$1.accuracy) }
  }

  /// Those that no cell with as much work or less beats.
  var frontier: [Place] {
    places.reduce(into: []) { found, place in
      if found.last.map({ place.accuracy > $0.accuracy }) ?? true { found.append(place) }
    }
  }

  /// The frontier in one line; nil for less than two trained cells whose work is known.
  var frontierText: String? {
    guard places.count > 1 else { return nil }
    let cells = frontier.map { "\($0.cell) (\(Self.number($0.work)) TFLOP: \(Self.number($0.accuracy)))" }
    return "Best for their work over all budgets: \(cells.joined(separator: ", "))."
  }

  /// A plot of each bed that has two trained cells or more; nil where none has.
  public static func figure(_ beds: [(name: String?, table: LabTable)]) -> Figure? {
    let charts = beds.filter { $0.table.places.count > 1 }.map { $0.table.chart(title: $0.name ?? "all") }
    return charts.isEmpty
      ? nil
      : Figure(
        title: "Accuracy over the work of training",
        subtitle: "Percent over all budgets; whiskers are standard deviations over runs. "
          + "The broken line joins what no cell with less work beats.",
        charts: charts)
  }

  private func chart(title: String) -> Chart {
    let places = places
    let (low, high) = (places.map { $0.accuracy - $0.deviation }.min() ?? 0, places.map { $0.accuracy + $0.deviation }.max() ?? 1)
    var series = [
      Chart.Series("frontier", .steps(frontier.map { Chart.Point($0.work, $0.accuracy) }), color: 0, dashed: true)
    ]
    series += places.enumerated().map { index, place in
      let point = Chart.Point(place.work, place.accuracy)
      let range = (low: place.accuracy - place.deviation, high: place.accuracy + place.deviation)
      return Chart.Series(
        place.cell, .intervals([Chart.Interval(point, low: range.low, high: range.high)]), color: index + 1)
    }
    return Chart(
      title: title, x: .init("TFLOP of training", range: 0...(places.map(\.work).max() ?? 1) * 1.05),
      y: .init(range: low - 1...high + 1), series: series)
  }
}
