import Foundation
import TestSupport
import Testing

@testable import Lab

@Suite struct ResultsTests {
  private static func result(_ cell: String, _ base: String, _ seed: Int?, full: Double, dart: Double) -> LabResult {
    LabResult(
      LabRun(cell: cell, base: base, seed: seed), split: "tune", fingerprint: "f", trainingSeconds: seed.map { _ in 10 },
      rows: [
        .init(strategy: "full", keep: 144, scores: ["pope": full + 1, "gqa": full - 1]),
        .init(strategy: "dart", keep: 16, scores: ["pope": dart, "gqa": dart]),
      ])
  }

  private static let results = [
    result("base", "a", nil, full: 70, dart: 40), result("tcd", "a", 0, full: 80, dart: 60),
    result("tcd", "a", 1, full: 82, dart: 64),
    result("long", "a", 0, full: 81, dart: 61), result("long", "a", 1, full: 79, dart: 63),
  ]

  @Test func aJournalKeepsWholeLines() throws {
    let scratch = try Scratch()
    var journal = try LabJournal(in: scratch.url)
    for result in Self.results { try journal.append(result) }
    let url = scratch.url.appending(path: LabJournal.fileName)
    let whole = try Data(contentsOf: url)
    #expect(try LabJournal(in: scratch.url).results == Self.results)
    // Cut anywhere, all lines before the cut count, and what comes next has a line of its own.
    for cut in stride(from: 1, to: whole.count, by: 37) {
      try whole.prefix(cut).write(to: url)
      var journal = try LabJournal(in: scratch.url)
      let lines = whole.prefix(cut).count { $0 == UInt8(ascii: "\n") }
      #expect(journal.results == Array(Self.results.prefix(lines)))
      try journal.append(Self.results[4])
      #expect(try LabJournal(in: scratch.url).results == Array(Self.results.prefix(lines)) + [Self.results[4]])
    }
    let run = LabRun(cell: "tcd", base: "a", seed: 1)
    try whole.write(to: url)
    journal = try LabJournal(in: scratch.url)
    #expect(journal.result(of: run, split: "tune", fingerprint: "f") == Self.results[2])
    #expect(journal.result(of: run, split: "test", fingerprint: "f") == nil)
    #expect(journal.result(of: run, split: "tune", fingerprint: "g") == nil)
  }

  @Test func aBudgetIsTheMeanOfItsStrategies() throws {
    let rows = [("full", 144, 80.0), ("dart", 16, 60), ("random", 16, 40), ("dart", 9, 20)].map { strategy, keep, score in
      LabResult.Row(strategy: strategy, keep: keep, scores: ["pope": score])
    }
    let result = LabResult(
      LabRun(cell: "tcd", base: "a", seed: 0), split: "tune", fingerprint: "f", trainingSeconds: 1, rows: rows)
    let table = LabTable(try LabGrid(yaml: GridTests.text, name: "g"), [result], split: "tune")
    #expect(table.budgetMean(result) == 50)
    #expect(table.compressedMean(result) == 40)
  }

  @Test func meansAndDifferencesAreThoseOfTheRuns() throws {
    let grid = try LabGrid(yaml: GridTests.text.replacing("[[tcd, base]]", with: "[[tcd, base], [tcd, long]]"), name: "g")
    let table = LabTable(grid, Self.results, split: "tune")
    #expect(table.means.headings == ["cell", "runs", "full", "dart 16", "compressed", "all budgets", "train s"])
    #expect(
      table.means.rows == [
        ["base", "1", "70.0", "40.0", "40.0", "55.0", ""],
        ["tcd", "2", "81.0 ± 1.4", "62.0 ± 2.8", "62.0 ± 2.8", "71.5 ± 2.1", "10"],
        ["long", "2", "80.0 ± 1.4", "62.0 ± 1.4", "62.0 ± 1.4", "71.0 ± 0.0", "10"],
      ])
    #expect(table.comparisons.rows[0].prefix(4) == ["tcd − base", "2", "+11.0 ± 1.4", "+22.0 ± 2.8"])
    // −1 and +1: nothing.
    #expect(table.comparisons.rows[1] == ["tcd − long", "2", "+1.0 ± 2.8", "+0.0 ± 1.4", "+0.0 ± 1.4", "1.000", "+1 −1"])
    #expect(table.winner == "tcd")
    #expect(table.markdown.contains("| tcd | 2 | 81.0 ± 1.4 |"))
    for width in [20, 40, 200] {
      let lines = table.text(width: width).split(separator: "\n")
      #expect(lines.contains { $0.hasPrefix("tcd") })
      if width > 30 { #expect(lines.filter { $0.hasPrefix("tcd ") || $0.hasPrefix("cell") }.allSatisfy { $0.count <= width }) }
    }
  }
}
