import Evaluation
import Foundation
import FoundationXML
import TestSupport
import Testing

@testable import Results

/// Tables and the report out of results that are made here.
@Suite struct ResultsTests {
  /// Two models on two benchmarks under five plans, with numbers that follow from model, plan and benchmark.
  static func results(models: [String] = ["base", "trained <&>"], timed: Bool = true, names: [String] = ["gqa", "pope"]) throws
    -> EvaluationResults
  {
    EvaluationResults(
      models: try models.enumerated().map { index, name in
        let rows = try [("full", 16, nil), ("dart", 8, 2), ("dart", 4, 2), ("pool", 8, nil), ("pool", 4, nil)].map {
          (compressor: String, keep: Int, layer: Int?) in
          let value = 50 + Double(keep) + Double(index)
          let score = ResultScore(
            estimate: try estimate(value, value - 2.5, value + 3.5), percentage: value,
            difference: compressor == "full" ? nil : try estimate(value - 66, value - 67, value - 65), figures: [])
          return ResultRow(
            plan: "\(compressor)-\(keep)", compressor: compressor, keep: keep, layer: layer,
            averageVisualTokens: Double(keep) + 0.25,
            scores: Dictionary(uniqueKeysWithValues: names.map { ($0, score) }), average: names.count == 10 ? 61.445 : nil,
            cost: ResultCost(prefillTFLOPs: 1.25, kvCacheMB: 80, paperPrefillTFLOPs: 1.5, paperKVCacheMB: 41),
            timing: timed ? ResultTiming(samples: 5, vision: 0.01, prefill: Double(keep) / 1000, decode: 0.03) : nil)
        }
        return ModelResults(
          name: name, fingerprint: "\(index)", dtype: "float32", device: "cpu", visualTokens: 16, layers: 4, textTokens: 60.5,
          benchmarks: names.map {
            BenchmarkSummary(
              name: $0, title: $0.uppercased(), split: "s", prompt: "llava", scorer: "m4c", questions: 20, maximum: 100,
              faults: [],
              broken: index == 1 ? ["q7: no <picture>"] : [], notes: ["a note"])
          }, rows: rows)
      })
  }

  /// An estimate of any ends, as only a decoder makes one outside its own module.
  static func estimate(_ value: Double, _ lower: Double, _ upper: Double) throws -> Estimate {
    try JSONDecoder().decode(Estimate.self, from: Data(#"{"value":\#(value),"lower":\#(lower),"upper":\#(upper)}"#.utf8))
  }

  /// Results of earlier versions, in which two fields had other names, are read as they were written.
  @Test func formerNamesAreRead() throws {
    let results = try Self.results()
    let text = String(decoding: try JSONEncoder().encode(results), as: UTF8.self)
    let former = text.replacing("\"compressor\":", with: "\"strategy\":").replacing("\"maxScore\":", with: "\"maximum\":")
    #expect(text.contains("\"compressor\":") && text.contains("\"maxScore\":") && former != text)
    for file in [text, former] {
      #expect(try JSONDecoder().decode(EvaluationResults.self, from: Data(file.utf8)) == results)
    }
    let without = text.replacing("\"compressor\":", with: "\"plot\":")
    #expect { try JSONDecoder().decode(EvaluationResults.self, from: Data(without.utf8)) } throws: {
      "\($0)".contains("compressor")
    }
  }

  @Test func theChartHasTheMeansOfCompleteRows() throws {
    var results = try Self.results(models: ["base"])
    results.models[0].rows[1].scores["gqa"] = nil
    results.models[0].rows[2].scores["pope"]?.percentage = 10
    let chart = try #require(results.chart)
    #expect(chart.title.hasSuffix("mean over gqa, pope"))
    #expect(chart.bars.map(\.name) == ["full 16", "dart 4 after 2", "pool 8", "pool 4"])
    #expect(chart.bars.map(\.value) == [66, 32, 58, 54] && chart.bars[1].text == "32.0")
    #expect(try Self.results(names: ["gqa"]).chart?.bars.first?.name == "base full 16")
    results.models[0].rows = [results.models[0].rows[0]]
    #expect(results.chart == nil)
  }

  @Test func cellsAreTheNumbersRoundedOnce() throws {
    let table = ResultTable(try Self.results())
    let header = table.columns.map(\.title)
    #expect(
      header == [
        "model", "compressor", "keep", "tokens/layer", "GQA", "Δ", "POPE", "Δ", "TFLOPs", "KV MB", "TFLOPs (paper)",
        "KV MB (paper)",
        "vision ms", "prefill ms", "decode ms",
      ])
    #expect(
      table.rows[2] == [
        "base", "dart", "4", "4.2", "54.0 (51.5–57.5)", "−12.0 ± 1.0", "54.0 (51.5–57.5)", "−12.0 ± 1.0", "1.25", "80.0", "1.50",
        "41.0",
        "10.0", "4.00", "30.0",
      ])
    #expect(table.rows[0][5] == "" && table.rows.count == 10)
    // One model needs no column, nor does what is nowhere there.
    let small = ResultTable(try Self.results(models: ["base"], timed: false))
    #expect(!small.columns.contains { ["model", "vision ms", "Avg."].contains($0.title) })
    let ten = ResultTable(try Self.results(names: BenchmarkRegistry.paperNames))
    let average = try #require(ten.columns.firstIndex { $0.title == "Avg." })
    #expect(ten.rows.allSatisfy { $0[average] == "61.4" })
  }

  @Test(arguments: [nil, 200, 80, 40, 1]) func textIsAlignedAndNoWiderThanAsked(_ width: Int?) throws {
    let table = ResultTable(try Self.results())
    let parts = table.text(width: width).components(separatedBy: "\n\n").dropLast()
    for part in parts {
      let lines = part.split(separator: "\n")
      #expect(lines.count == 11)
      #expect(lines.allSatisfy { $0.contains("compressor") || $0.contains("full") || $0.contains("dart") || $0.contains("pool") })
      if let width, width >= 60 { #expect(lines.allSatisfy { $0.count <= width }) }
    }
    // Every column stands in one part.
    let headings = parts.flatMap { $0.split(separator: "\n")[0].components(separatedBy: "  ") }
      .map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty && !["model", "compressor", "keep"].contains($0) }
    #expect(headings == Array(table.columns.map(\.title).dropFirst(3)))
  }

  @Test func filesHoldEveryNumberAndComeBack() throws {
    let scratch = try Scratch()
    let results = try Self.results()
    try results.write(into: scratch.url)
    #expect(try EvaluationResults(from: scratch.url) == results)
    let csv = try String(contentsOf: scratch.url.appending(path: "table.csv"), encoding: .utf8).split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
    #expect(csv.count == 11 && csv.allSatisfy { $0.count == csv[0].count })
    let column = try #require(csv[0].firstIndex(of: "pope_difference_lower"))
    #expect(csv[3][column] == "-13.0" && csv[1][column] == "")
    let markdown = try String(contentsOf: scratch.url.appending(path: "table.md"), encoding: .utf8).split(separator: "\n")
    #expect(markdown.prefix(12).allSatisfy { $0.filter { $0 == "|" }.count == 16 })
  }

  @Test func resultsAreMergedAndTheLastOfAModelCounts() throws {
    let (one, two) = (try Self.results(models: ["a", "b"]), try Self.results(models: ["c"]))
    var newer = one
    newer.models[1].rows = []
    let merged = EvaluationResults(merging: [one, newer, two])
    #expect(merged.models.map(\.name) == ["a", "b", "c"] && merged.models[1].rows.isEmpty && !merged.models[0].rows.isEmpty)
  }

  @Test func whatIsNoResultsFileIsNamed() throws {
    let scratch = try Scratch()
    #expect { try EvaluationResults(from: scratch.url) } throws: { "\($0)".contains("results.json: no such file") }
    for (text, reason) in [("{}", "models"), ("[", "not JSON"), (#"{"models":[{"name":1}]}"#, "name")] {
      try Data(text.utf8).write(to: scratch.url.appending(path: "results.json"))
      #expect { try EvaluationResults(from: scratch.url) } throws: {
        "\($0)".contains(reason) && "\($0)".contains("results.json")
      }
    }
  }

  @Test func thePageIsOneDocumentWithEverythingInIt() throws {
    for results in [try Self.results(), try Self.results(models: ["one"], timed: false, names: ["mme"])] {
      let html = ResultsPage(results).html
      for foreign in ["<script", "src=", "href=", "url(", "@import", "http:", "https:"] {
        let found = html.replacingOccurrences(of: "http://www.w3.org/2000/svg", with: "")
        #expect(!found.contains(foreign), "\(foreign)")
      }
      #expect(html.contains("width=device-width") && html.contains("prefers-color-scheme:dark"))
      // Its drawings are XML; so is the rest once void elements are closed.
      let closed = html.replacingOccurrences(of: "<!DOCTYPE html>", with: "")
        .replacing(try Regex("<meta [^>]*>")) { $0.0.dropLast() + "/>" }
      let parser = XMLParser(data: Data(closed.utf8))
      #expect(parser.parse(), "\(String(describing: parser.parserError)) at line \(parser.lineNumber)")
      let table = ResultTable(results)
      for cell in table.rows.joined() where !cell.isEmpty && !cell.contains("<") { #expect(html.contains(cell)) }
    }
    let html = ResultsPage(try Self.results()).html
    #expect(html.contains("trained &lt;&amp;&gt;") && html.contains("q7: no &lt;picture&gt;"))
    #expect(
      html.contains("Accuracy over visual tokens") && html.contains("Accuracy over time") && html.contains("Models side by side"))
  }

  @Test func curvesEndAtTheUncompressedModelAndBarsStandAtEqualBudgets() throws {
    let figures = ResultsPage(try Self.results()).figures
    let overall = figures[0].charts[0]
    #expect(overall.series.map(\.label) == ["base: dart", "base: pool", "trained <&>: dart", "trained <&>: pool"])
    guard case .intervals(let points) = overall.series[0].shape else { return #expect(Bool(false)) }
    // Half-widths 3 of two benchmarks: √(9 + 9) / 2 for their mean.
    #expect(points.map(\.point.x) == [4, 8, 16] && points.map(\.point.y) == [54, 58, 66])
    #expect(points.allSatisfy { abs($0.high - $0.point.y - 18.0.squareRoot() / 2) < 1e-9 })
    // What the layers see is not what one cut leaves them, so it has a figure of its own.
    guard case .intervals(let seen) = figures[1].charts[0].series[0].shape else { return #expect(Bool(false)) }
    #expect(seen.map(\.point.x) == [4.25, 8.25, 16.25])
    guard case .intervals(let times) = figures[2].charts[0].series[0].shape else { return #expect(Bool(false)) }
    #expect(zip(times.map(\.point.x), [44, 48, 56]).allSatisfy { abs($0 - $1) < 1e-9 })
    #expect(
      figures[3].charts.map(\.title) == ["8 visual tokens: Mean of 2 benchmarks, %", "4 visual tokens: Mean of 2 benchmarks, %"])
    #expect(
      figures[3].charts[0].x.categories == ["dart", "pool"]
        && figures[3].charts[0].series.map(\.label) == ["base", "trained <&>"])
    #expect(ResultsPage(try Self.results(models: ["one"], timed: false)).figures.count == 2)
  }
}
