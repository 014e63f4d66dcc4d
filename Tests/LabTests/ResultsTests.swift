import Foundation
import TestSupport
import Testing

@testable import Lab

@Suite struct ResultsTests {
  private static func result(_ cell: String, _ base: String, _ seed: Int?, full: Double, dart: Double) -> LabResult {
    LabResult(
      LabRun(cell: cell, base: base, seed: seed), split: "tune", fingerprint: "f", trainingSeconds: seed.map { _ in 10 },
      rows: [
        .init(compressor: "full", keep: 144, scores: ["pope": full + 1, "gqa": full - 1]),
        .init(compressor: "dart", keep: 16, scores: ["pope": dart, "gqa": dart]),
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

  /// A bed has tables of its own, and its own data and settings for all cells.
  @Test func bedsAreApart() throws {
    let text = GridTests.text.replacing(
      "a: {model: base-a, seeds: [0, 1, 2]}",
      with: "a: {bed: few, file: answers.json, model: base-a, seeds: [0, 1], train: {data.limit: 300, steps: 30}}")
    let grid = try LabGrid(yaml: text, name: "g")
    #expect(grid.beds == ["few", nil] && grid.on("few").bases.map(\.file) == ["answers.json"])
    func setting(_ cell: String, _ base: String, _ key: String) throws -> String? {
      try #require(grid.settings(of: LabRun(cell: cell, base: base, seed: 0))).first { $0.key == key }?.value
    }
    #expect(try setting("tcd", "a", "data.limit") == "300" && setting("tcd", "b", "data.limit") == nil)
    // A cell's own keys are above its bed's, and those above the grid's.
    #expect(
      try setting("tcd", "a", "steps") == "30" && setting("long", "a", "steps") == "40" && setting("tcd", "b", "steps") == "20")
    var other = Self.result("tcd", "b", 3, full: 50, dart: 10)
    (other.trainingSteps, other.trainingFLOPs) = (20, 2.5e12)
    let beds = LabTable.beds(grid, Self.results.filter { $0.base == "a" } + [other], split: "tune")
    #expect(beds.map(\.name) == ["few", nil])
    #expect(beds[1].table.means.rows == [["tcd", "1", "50.0", "10.0", "10.0", "30.0", "20", "2.5", "10"]])
    #expect(LabTable.markdown(beds).contains("## few"))
    let error = #expect(throws: LabError.self) {
      try LabGrid(yaml: text.replacing("data.limit: 300", with: "data.file: x"), name: "g")
    }
    #expect(error?.description.contains("bases.a.train.data.file is given by the laboratory itself") == true)
  }

  @Test func aBudgetIsTheMeanOfItsCompressors() throws {
    let rows = [("full", 144, 80.0), ("dart", 16, 60), ("random", 16, 40), ("dart", 9, 20)].map { compressor, keep, score in
      LabResult.Row(compressor: compressor, keep: keep, scores: ["pope": score])
    }
    let result = LabResult(
      LabRun(cell: "tcd", base: "a", seed: 0), split: "tune", fingerprint: "f", trainingSeconds: 1, rows: rows)
    let table = LabTable(try LabGrid(yaml: GridTests.text, name: "g"), [result], split: "tune")
    #expect(table.budgetMean(result) == 50)
    #expect(table.compressedMean(result) == 40)
  }

  /// What costs more and is no better is not on the frontier; each cell is drawn.
  @Test func theFrontierIsWhatPays() throws {
    let grid = try LabGrid(yaml: GridTests.text, name: "g")
    func trained(_ cell: String, _ seed: Int, _ score: Double, work: Double) -> LabResult {
      var result = Self.result(cell, "a", seed, full: score, dart: score)
      result.trainingFLOPs = work
      return result
    }
    let results = [
      Self.result("base", "a", nil, full: 90, dart: 90), trained("tcd", 0, 60, work: 3e12), trained("tcd", 1, 62, work: 3e12),
      trained("long", 0, 61, work: 4e12),
    ]
    let table = LabTable(grid, results, split: "tune")
    #expect(table.places.map(\.cell) == ["tcd", "long"] && table.places.map(\.accuracy) == [61, 61])
    #expect(abs(table.places[0].deviation - 2.squareRoot()) < 1e-9 && table.frontier.map(\.cell) == ["tcd"])
    #expect(table.frontierText?.contains("tcd (3.0 TFLOP: 61.0).") == true)
    let better = LabTable(grid, results + [trained("long", 1, 63, work: 4e12)], split: "tune")
    #expect(better.frontier.map(\.cell) == ["tcd", "long"])
    let drawing = try #require(LabTable.figure([(name: "few", table: better)]))
    #expect(drawing.charts.map(\.title) == ["few"] && drawing.charts[0].series.map(\.label) == ["frontier", "tcd", "long"])
    #expect(LabTable.figure([(name: nil, table: LabTable(grid, Array(results.prefix(2)), split: "tune"))]) == nil)
  }

  @Test func meansAndDifferencesAreThoseOfTheRuns() throws {
    let grid = try LabGrid(yaml: GridTests.text.replacing("[[tcd, base]]", with: "[[tcd, base], [tcd, long]]"), name: "g")
    let table = LabTable(grid, Self.results, split: "tune")
    #expect(
      table.means.headings == ["cell", "runs", "full", "dart 16", "compressed", "all budgets", "steps", "TFLOPs", "train s"])
    #expect(
      table.means.rows == [
        ["base", "1", "70.0", "40.0", "40.0", "55.0", "", "", ""],
        ["tcd", "2", "81.0 ± 1.4", "62.0 ± 2.8", "62.0 ± 2.8", "71.5 ± 2.1", "", "", "10"],
        ["long", "2", "80.0 ± 1.4", "62.0 ± 1.4", "62.0 ± 1.4", "71.0 ± 0.0", "", "", "10"],
      ])
    #expect(table.comparisons.rows[0].prefix(4) == ["tcd − base", "2", "+11.0 ± 1.4", "+22.0 ± 2.8"])
    // −1 and +1: nothing.
    #expect(
      table.comparisons.rows[1] == [
        "tcd − long", "2", "+1.0 ± 2.8", "+0.0 ± 1.4", "+0.0 ± 1.4", "1.000", "+1 −1", "+0.5 ± 2.1", "0.795",
      ])
    let chart = try #require(table.chart)
    #expect(chart.bars.map(\.name) == ["base", "tcd", "long"] && chart.bars.map(\.value) == [55, 71.5, 71])
    #expect(table.text(width: 80).hasSuffix(chart.text(width: 80)) && !table.text(width: nil).contains("█"))
    #expect(table.winner == "tcd")
    #expect(table.markdown.contains("| tcd | 2 | 81.0 ± 1.4 |"))
    for width in [20, 40, 200] {
      let lines = table.text(width: width).split(separator: "\n")
      #expect(lines.contains { $0.hasPrefix("tcd") })
      if width > 30 { #expect(lines.filter { $0.hasPrefix("tcd ") || $0.hasPrefix("cell") }.allSatisfy { $0.count <= width }) }
    }
  }
}
