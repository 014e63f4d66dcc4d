import Evaluation

/// Models beside the first of them, for each way of asking that they share: accuracy and differences.
public struct Comparison: Sendable, Equatable {
  /// How much higher a score is than the first model's.
  public struct Difference: Sendable, Equatable {
    /// The difference, in points.
    public var value: Double
    /// Half its 95 % interval.
    public var half: Double
  }

  /// A way of asking.
  public struct Row: Sendable, Equatable {
    /// The compressor, or "full".
    public var compressor: String
    /// Visual tokens that are left of a picture.
    public var keep: Int
    /// For each model its accuracy in percent; nil where it was not asked.
    public var values: [Double?]
    /// For each model but the first, how much higher.
    public var differences: [Difference?]
    /// The same for each benchmark by its name.
    public var parts: [String: [Difference?]]
  }

  /// The models' names.
  public let models: [String]
  /// The ways of asking, in the order of the first model's.
  public let rows: [Row]
  /// What accuracy is here: "Mean of 4 benchmarks, %".
  public let title: String
  /// Whether all differences are between answers to the same questions, pair by pair.
  public let isPaired: Bool
  /// Which scores have no difference because they measure other things, and why; sentences for people.
  public let refusals: [String]
  private let hasAnswers: Bool
  private let benchmarks: [String]
  private let visualTokens: Int

  /// Compares models.
  ///
  /// - Parameters:
  ///   - results: nil comes of less than two models, or of models that share no way of asking.
  ///   - answers: question by question, so that differences are paired; without them variances of both sides add up.
  ///
  /// Scores of other splits, prompts, scorers or questions are not compared; `refusals` says which.
  public init?(_ results: EvaluationResults, _ answers: ScoredAnswers? = nil) {
    guard results.models.count > 1 else { return nil }
    let first = results.models[0]
    let measure = Measure.overall(results)
    let names = results.benchmarks
    var (allPaired, refusals) = (true, [String]())
    func difference(_ name: String, _ model: ModelResults, _ row: ResultRow, _ reference: ResultRow) -> (Difference, Double)? {
      guard let mine = row.scores[name], let other = reference.scores[name] else { return nil }
      func refused(_ reason: any Error) -> (Difference, Double)? {
        let text = "\(Measure.title(name)), \(model.name) and \(first.name): \(reason)."
        if !refusals.contains(text) { refusals.append(text) }
        return nil
      }
      func summary(_ model: ModelResults) -> BenchmarkSummary? { model.benchmarks.first { $0.name == name } }
      if let one = summary(model), let two = summary(first), let reason = one.mismatch(with: two) { return refused(reason) }
      let scale = mine.estimate.value == 0 ? 1 : mine.percentage / mine.estimate.value
      if let one = answers?.score(of: model, on: name, under: row.plan),
        let two = answers?.score(of: first, on: name, under: row.plan)
      {
        do {
          let found = try one.difference(to: two)
          return (Difference(value: found.value, half: (found.upper - found.lower) / 2), scale)
        } catch {
          return refused(error)
        }
      }
      allPaired = false
      let halves = [mine, other].map { ($0.estimate.upper - $0.estimate.lower) / 2 }
      let half = (halves[0] * halves[0] + halves[1] * halves[1]).squareRoot()
      return (Difference(value: mine.estimate.value - other.estimate.value, half: half), scale)
    }
    let rows = first.rows.compactMap { reference -> Row? in
      let found = results.models.map { model in model.rows.first { $0.plan == reference.plan } }
      guard found.dropFirst().contains(where: { $0 != nil }) else { return nil }
      let values = found.map { $0.flatMap { measure.value($0)?.value } }
      var (differences, parts): ([Difference?], [String: [Difference?]]) = ([], [:])
      for (index, row) in found.enumerated().dropFirst() {
        let cells = names.map { name in row.flatMap { difference(name, results.models[index], $0, reference) } }
        for (name, cell) in zip(names, cells) { parts[name, default: []].append(cell?.0) }
        let isWhole = zip(names, cells).allSatisfy { name, cell in cell != nil || row?.scores[name] == nil }
        guard let mine = values[index], let other = values[0], isWhole else {
          differences.append(nil)
          continue
        }
        let halves = cells.map { $0.map { names.count == 1 ? $0.0.half : $0.0.half * $0.1 } ?? 0 }
        let half = halves.reduce(0) { $0 + $1 * $1 }.squareRoot() / Double(max(1, names.count))
        differences.append(Difference(value: mine - other, half: half))
      }
      return Row(
        compressor: reference.compressor, keep: reference.keep, values: values, differences: differences, parts: parts)
    }
    if rows.isEmpty { return nil }
    models = results.models.map(\.name)
    self.rows = rows
    title = measure.title
    isPaired = allPaired
    hasAnswers = answers != nil
    self.refusals = refusals
    benchmarks = names
    visualTokens = first.visualTokens
  }
}

// MARK: - Forms

extension Comparison {
  /// A row for each way of asking: the models' accuracies, then the differences, over all and for each benchmark.
  public var table: ResultTable {
    var columns: [(String, Bool)] = [("compressor", true), ("keep", false)] + models.map { ($0, false) }
    let others = models.dropFirst()
    func heading(_ name: String, _ model: String) -> String { others.count > 1 ? "\(name): \(model)" : name }
    columns += others.map { (heading("difference", $0), false) }
    let parts = benchmarks.count > 1 ? benchmarks : []
    for name in parts { columns += others.map { (heading("Δ \(Measure.title(name))", $0), false) } }
    let cells = rows.map { row -> [String] in
      let values = row.values.map { $0.map { ResultTable.fixed($0, 1) } ?? "" }
      let differences = row.differences + parts.flatMap { row.parts[$0] ?? [] }
      return [row.compressor, String(row.keep)] + values + differences.map { $0.map(Self.text) ?? "" }
    }
    let way =
      isPaired
      ? "paired by question"
      : hasAnswers
        ? "not all paired, so wider than need be: answers of some are not there"
        : "not paired, so wider than need be: epic report --data pairs them by question"
    let notes =
      [
        "\(models.joined(separator: ", ")): \(title). Differences to \(models[0]) in points, ± half their 95 % interval, \(way).",
        "Intervals are about the choice of questions; they know nothing of other seeds of training.",
      ] + refusals
    return ResultTable(
      columns: columns.map { ResultTable.Column(title: $0.0, isText: $0.1) }, rows: cells, notes: notes, nameColumns: 2)
  }

  /// "+8.1 ± 2.0".
  private static func text(_ difference: Difference) -> String {
    let number = ResultTable.fixed(abs(difference.value), 1)
    let sign = number == "0.0" ? "" : difference.value < 0 ? "−" : "+"
    return "\(sign)\(number) ± \(ResultTable.fixed(difference.half, 1))"
  }

  /// All tokens, and of the first compressor the budget nearest to a ninth of them, which drops 89 %.
  private var headline: (full: Row, few: Row)? {
    guard models.count == 2, let full = rows.first(where: { $0.compressor == "full" }),
      let compressor = rows.first(where: { $0.compressor != "full" })?.compressor
    else { return nil }
    let wanted = Double(visualTokens) / 9
    func distance(_ row: Row) -> Double { abs(Double(row.keep) - wanted) }
    return rows.filter { $0.compressor == compressor }.min { distance($0) < distance($1) }.map { (full, $0) }
  }

  private var share: Int { headline.map { Int((100 * (1 - Double($0.few.keep) / Double(max(1, visualTokens)))).rounded()) } ?? 0 }

  /// The four numbers that matter, each with what it is.
  var numbers: [(value: String, label: String)] {
    guard let headline else { return [] }
    return [0, 1].flatMap { model in
      [
        (headline.full, "all \(visualTokens) tokens"),
        (headline.few, "\(headline.few.keep) tokens by \(headline.few.compressor)"),
      ]
      .compactMap { row, label in
        row.values[model].map { ("\(ResultTable.fixed($0, 1)) %", "\(models[model]), \(label)") }
      }
    }
  }

  /// What came out, in two sentences; nil where less than two models have all tokens and fewer.
  public var summary: String? {
    guard let headline, let change = headline.few.differences[0], let whole = headline.full.differences[0] else { return nil }
    let values = (headline.full.values + headline.few.values).compactMap { $0.map { ResultTable.fixed($0, 1) } }
    guard values.count == 4 else { return nil }
    let few = "\(headline.few.keep) of \(visualTokens) (\(share) % dropped, chosen by \(headline.few.compressor))"
    return "\(models[0]): \(values[0]) % with all visual tokens, \(values[2]) % with \(few). \(models[1]): \(values[1]) % and "
      + "\(values[3]) %. The difference is \(Self.text(whole)) points with all tokens and \(Self.text(change)) with "
      + "\(headline.few.keep)."
  }
}
