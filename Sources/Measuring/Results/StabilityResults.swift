import Basics
import Evaluation
import Foundation

/// How a model does on one benchmark, asked in one way under one condition.
public struct StabilityRow: Sendable, Equatable, Codable {
  /// What was changed: "clean" for nothing.
  public var condition: String
  /// The benchmark's name.
  public var benchmark: String
  /// The compressor, or "full".
  public var compressor: String
  /// Visual tokens that are left of a picture.
  public var keep: Int
  /// The plan's name in files.
  public var plan: String
  /// Questions that were scored.
  public var questions: Int
  /// The score.
  public var estimate: Estimate
  /// The same in percent of what these questions could give.
  public var percentage: Double
  /// The score of the same questions when nothing is changed, in percent; nil on the row of that.
  public var cleanPercentage: Double?
  /// The paired difference to it.
  public var difference: Estimate?

  /// A row of its parts.
  public init(
    condition: String, benchmark: String, compressor: String, keep: Int, plan: String, questions: Int, estimate: Estimate,
    percentage: Double, cleanPercentage: Double?, difference: Estimate?
  ) {
    (self.condition, self.benchmark, self.compressor, self.keep, self.plan) = (condition, benchmark, compressor, keep, plan)
    (self.questions, self.estimate, self.percentage) = (questions, estimate, percentage)
    (self.cleanPercentage, self.difference) = (cleanPercentage, difference)
  }

  /// How much of the clean score is left, in percent; nil without one.
  public var retention: Double? { cleanPercentage.flatMap { $0 > 0 ? 100 * percentage / $0 : nil } }
}

/// What `epic stability` found of one model.
public struct StabilityResults: Sendable, Equatable, Codable {
  /// What people call the model.
  public var model: String
  /// A row for each condition, benchmark and way of asking.
  public var rows: [StabilityRow]

  /// Results of their rows.
  public init(model: String, rows: [StabilityRow]) { (self.model, self.rows) = (model, rows) }

  /// The table: a row for each condition and way of asking, benchmarks side by side, and what is left of the clean scores on average.
  public var table: ResultTable {
    typealias Column = ResultTable.Column
    let benchmarks = unique(rows.map(\.benchmark))
    var columns = [
      Column(title: "condition", isText: true), Column(title: "compressor", isText: true), Column(title: "keep", isText: false),
    ]
    for name in benchmarks {
      columns += [Column(title: Measure.title(name), isText: false), Column(title: "Δ", isText: false)]
    }
    columns.append(Column(title: "left, %", isText: false))
    let cells = unique(rows.map(\.condition)).flatMap { condition -> [[String]] in
      let own = rows.filter { $0.condition == condition }
      return unique(own.map(\.plan)).map { plan in
        let found = own.filter { $0.plan == plan }
        var line = [condition, found[0].compressor, "\(found[0].keep)"]
        for name in benchmarks {
          let row = found.first { $0.benchmark == name }
          line += [row.map { ResultTable.score($0.estimate) } ?? "", row?.difference.map(ResultTable.difference) ?? ""]
        }
        let left = found.compactMap(\.retention)
        return line + [left.isEmpty ? "" : ResultTable.fixed(left.reduce(0, +) / Double(left.count), 1)]
      }
    }
    return ResultTable(columns: columns, rows: cells, notes: notes, nameColumns: 3)
  }

  private var notes: [String] {
    let all = unique(rows.map(\.benchmark)).map { name -> String in
      let own = rows.filter { $0.benchmark == name }
      let counts = unique(own.map(\.condition)).map { condition in
        "\(condition) \(own.first { $0.condition == condition }?.questions ?? 0)"
      }
      return "\(Measure.title(name)), questions: \(counts.joined(separator: ", "))"
    }
    return all + [
      "Scores with 95 % intervals; Δ is the paired difference to the clean score of the same way of asking and the same questions, ± half "
        + "its 95 % interval; left is the mean over benchmarks of score / clean score.",
      "turns=n: each question is the last of n about its picture, asked in one conversation; the first chooses the visual tokens, and earlier "
        + "answers are those with all tokens.",
    ]
  }

  private func unique(_ names: [String]) -> [String] {
    names.enumerated().filter { names.firstIndex(of: $0.element) == $0.offset }.map(\.element)
  }

  /// The file's name inside an output folder.
  public static let fileName = "stability.json"

  /// Writes `stability.json` and `stability.md` into a folder, each whole or not at all.
  ///
  /// - Throws: `FileError.failed`.
  public func write(into folder: URL) throws {
    try WholeFile.write(json: self, to: folder.appending(path: Self.fileName), pretty: true)
    try writeFile(Data(table.markdown.utf8), to: folder.appending(path: "stability.md"))
  }
}
