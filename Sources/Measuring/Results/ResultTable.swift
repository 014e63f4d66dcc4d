import Basics
import Evaluation
import Foundation

/// Results as rows of cells, from which all forms of the table are made.
public struct ResultTable: Sendable, Equatable {
  /// A column's heading, and what is in it.
  public struct Column: Sendable, Equatable {
    /// The heading.
    public let title: String
    /// Words stand on the left, numbers on the right.
    public let isText: Bool
  }

  /// The columns; those that no row fills are left out.
  public let columns: [Column]
  /// A row for each model and plan.
  public let rows: [[String]]
  /// What has to be said about the numbers.
  public let notes: [String]
  /// The first columns, which say what the row is.
  private let nameColumns: Int

  init(columns: [Column], rows: [[String]], notes: [String], nameColumns: Int) {
    self.columns = columns
    self.rows = rows
    self.notes = notes
    self.nameColumns = nameColumns
  }

  /// The table of results.
  ///
  /// A score is followed by its 95 % interval, and in the next column by the paired difference to the row without compression.
  public init(_ results: EvaluationResults) {
    var columns: [(column: Column, cells: [String])] = []
    let rows = results.models.flatMap { model in model.rows.map { (model, $0) } }
    func add(_ title: String, isText: Bool = false, _ cell: (ModelResults, ResultRow) -> String?) {
      let cells = rows.map { cell($0.0, $0.1) ?? "" }
      if cells.contains(where: { !$0.isEmpty }) { columns.append((Column(title: title, isText: isText), cells)) }
    }
    if results.models.count > 1 { add("model", isText: true) { model, _ in model.name } }
    add("compressor", isText: true) { _, row in row.compressor }
    add("keep") { _, row in row.share.map { "\(Self.significant(100 * $0)) %" } ?? String(row.keep) }
    if Set(rows.compactMap(\.1.layer)).count > 1 { add("after layer") { _, row in row.layer.map(String.init) } }
    nameColumns = columns.count
    add("tokens/layer") { _, row in Self.fixed(row.averageVisualTokens, 1) }
    for name in results.benchmarks {
      let title = BenchmarkRegistry.all.first { $0.name == name }?.title ?? name
      add(title) { _, row in row.scores[name].map { Self.score($0.estimate) } }
      add("Δ") { _, row in row.scores[name]?.difference.map(Self.difference) }
      add("hard") { _, row in row.scores[name]?.groups.flatMap { Self.group($0.hard) } }
      add("easy") { _, row in row.scores[name]?.groups.flatMap { Self.group($0.easy) } }
    }
    add("Avg.") { _, row in row.average.map { Self.fixed(PaperAverage.rounded($0), 1) } }
    add("TFLOPs") { _, row in Self.significant(row.cost.prefillTFLOPs) }
    add("KV MB") { _, row in Self.significant(row.cost.kvCacheMB) }
    add("TFLOPs (paper)") { _, row in Self.significant(row.cost.paperPrefillTFLOPs) }
    add("KV MB (paper)") { _, row in Self.significant(row.cost.paperKVCacheMB) }
    add("vision ms") { _, row in row.timing.map { Self.significant($0.vision * 1e3) } }
    add("prefill ms") { _, row in row.timing.map { Self.significant($0.prefill * 1e3) } }
    add("decode ms") { _, row in row.timing.map { Self.significant($0.decode * 1e3) } }
    self.columns = columns.map(\.column)
    self.rows = rows.indices.map { row in columns.map { $0.cells[row] } }
    notes = Self.notes(results)
  }

  /// A score with its interval: "61.9 (61.1–62.7)".
  static func score(_ estimate: Estimate) -> String {
    "\(fixed(estimate.value, 1)) (\(fixed(estimate.lower, 1))–\(fixed(estimate.upper, 1)))"
  }

  /// A group's accuracy with its number of questions: "41.3 of 208".
  private static func group(_ group: DifficultyScore.Group) -> String? {
    group.percentage.map { "\(fixed($0, 1)) of \(group.questions)" }
  }

  /// A difference with half its interval: "−1.2 ± 0.4".
  static func difference(_ estimate: Estimate) -> String {
    let text = fixed(abs(estimate.value), 1)
    let sign = text == "0.0" ? "" : estimate.value < 0 ? "−" : "+"
    return "\(sign)\(text) ± \(fixed((estimate.upper - estimate.lower) / 2, 1))"
  }

  static func fixed(_ value: Double, _ decimals: Int) -> String { String(format: "%.\(decimals)f", value) }

  /// Three digits that count.
  static func significant(_ value: Double) -> String {
    value == 0 ? "0" : fixed(value, max(0, min(9, 2 - Int(log10(abs(value)).rounded(.down)))))
  }

  private static func notes(_ results: EvaluationResults) -> [String] {
    var notes: [String] = []
    for name in results.benchmarks {
      let parts = results.models.compactMap { model in model.benchmarks.first { $0.name == name } }
      // Models are asked alike as a rule, so it is said once.
      var said: [String] = []
      for part in parts {
        var text = "\(part.title): \(part.split), \(part.questions) questions, prompt \(part.prompt), scorer \(part.scorer)"
        if part.maximum != 100 { text += ", of at most \(fixed(part.maximum, 0))" }
        text += part.notes.map { "; \($0)" }.joined()
        if !part.broken.isEmpty { text += "; \(part.broken.count) could not be asked, the first is \(part.broken[0])" }
        if !part.faults.isEmpty {
          text += "; \(part.faults.count) records of its files are no questions, the first is \(part.faults[0])"
        }
        if !said.contains(text) { said.append(text) }
      }
      notes += said
    }
    notes.append(
      "Scores with 95 % intervals; Δ is the paired difference to the row without compression, ± half its 95 % interval.")
    if results.models.contains(where: { $0.rows.contains { $0.scores.values.contains { $0.groups != nil } } }) {
      notes.append(
        "hard: percent right of the questions that are right with all tokens and wrong when as many tokens show a smaller picture; "
          + "easy: of those that are right both ways.")
    }
    if results.models.contains(where: { $0.rows.contains { $0.average != nil } }) {
      notes.append("Avg. is the paper's: the mean of the ten, MME / 28 and OCRBench / 10.")
    }
    notes.append(
      "tokens/layer: visual tokens that a decoder layer sees on average. TFLOPs and KV MB of one prompt: all that is computed, "
        + "and as the paper counts (the decoder alone, text shrunk with the picture, 124.4 text tokens).")
    for model in results.models {
      let samples = model.rows.compactMap { $0.timing?.samples }.max() ?? 0
      let timed =
        switch samples {
        case 0: ""
        case 1: "; times are of one question, answered alone"
        default: "; times are medians of \(samples) questions, each answered alone"
        }
      notes.append(
        "\(model.name): \(model.dtype) on \(model.device), \(model.visualTokens) visual tokens, \(model.layers) decoder layers, "
          + "\(fixed(model.textTokens, 1)) text tokens on average\(timed).")
    }
    return notes
  }
}

// MARK: - Forms

extension ResultTable {
  /// Lines for a terminal, columns aligned, notes beneath.
  ///
  /// - Parameter width: where the table is wider, its columns stand in several parts, each with the columns that name the row.
  public func text(width: Int? = nil) -> String { ([plain.text(width: width), ""] + notes).joined(separator: "\n") }

  /// A Markdown table, notes beneath.
  public var markdown: String { ([plain.markdown, ""] + notes.map { "* \($0)" }).joined(separator: "\n") + "\n" }

  private var plain: TextTable {
    TextTable(headings: columns.map(\.title), rows: rows, isText: columns.map(\.isText), names: nameColumns)
  }
}

extension EvaluationResults {
  /// Comma-separated values, one row for each model and plan, every number in a column of its own and not rounded.
  public var csv: String {
    func quoted(_ text: String) -> String {
      text.contains { "\",\n\r".contains($0) } ? "\"" + text.replacingOccurrences(of: "\"", with: "\"\"") + "\"" : text
    }
    func number(_ value: Double?) -> String { value.map { "\($0)" } ?? "" }
    var header = ["model", "fingerprint", "compressor", "keep", "layer", "average_visual_tokens"]
    for name in benchmarks {
      header += [
        "", "_lower", "_upper", "_difference", "_difference_lower", "_difference_upper", "_hard", "_hard_questions", "_easy",
        "_easy_questions",
      ].map { name + $0 }
    }
    header += [
      "average", "prefill_tflops", "kv_cache_mb", "paper_prefill_tflops", "paper_kv_cache_mb", "vision_s", "prefill_s",
      "decode_s",
    ]
    let rows = models.flatMap { model in
      model.rows.map { row -> [String] in
        var cells = [
          model.name, model.fingerprint, row.compressor, String(row.keep), row.layer.map(String.init) ?? "",
          number(row.averageVisualTokens),
        ]
        for name in benchmarks {
          let score = row.scores[name]
          cells += [score?.estimate, score?.difference].flatMap { [number($0?.value), number($0?.lower), number($0?.upper)] }
          cells += [score?.groups?.hard, score?.groups?.easy].flatMap {
            [number($0?.percentage), $0.map { "\($0.questions)" } ?? ""]
          }
        }
        return cells + [
          number(row.average), number(row.cost.prefillTFLOPs), number(row.cost.kvCacheMB), number(row.cost.paperPrefillTFLOPs),
          number(row.cost.paperKVCacheMB), number(row.timing?.vision), number(row.timing?.prefill), number(row.timing?.decode),
        ]
      }
    }
    return ([header] + rows).map { $0.map(quoted).joined(separator: ",") + "\n" }.joined()
  }

  /// The whole of it as JSON; keys sorted, so that equal results are equal bytes.
  ///
  /// - Throws: an encoder's error, for numbers that are not finite.
  public func json() throws -> Data { try jsonData() }

  /// Writes `results.json`, `table.md`, `table.csv` and `report.html` into a folder, each whole or not at all.
  ///
  /// - Throws: `FileError.failed`.
  public func write(into folder: URL) throws { try ReportContents(self).write(into: folder) }
}
