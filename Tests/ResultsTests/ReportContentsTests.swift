import Basics
import Evaluation
import EvaluationLayouts
import Foundation
import FoundationXML
import TestSupport
import Testing

@testable import Results

/// Reports of evaluations, training runs and pictures together.
@Suite struct ReportContentsTests {
  private static let png = Data([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 1, 2, 3])

  private static func gallery() -> PictureGallery {
    func answer(_ model: String, _ text: String, _ isRight: Bool) -> PictureGallery.Answer {
      .init(model: model, text: text, isRight: isRight)
    }
    return PictureGallery(
      notes: ["the first <of> each kind"],
      items: [
        .init(
          question: "is a < b & \"c\"?", reference: "yes & no", note: "GQA",
          views: [
            .init(title: "all 16", image: "a.png", answers: [answer("base", "<b>", true), answer("tuned", "", false)]),
            .init(title: "dart, 4 of 16", image: "b.jpg", answers: [answer("base", String(repeating: "no ", count: 99), false)]),
          ])
      ], files: ["a.png": png, "b.jpg": Data([0xff, 0xd8, 0xff, 0xe0, 9])])
  }

  private static func log(_ count: Int, name: String = "run", divergence: Double = 0.5) -> TrainingLog {
    TrainingLog(
      name: name,
      steps: (1...max(1, count)).prefix(count).map { step in
        .init(
          step: step, loss: 2 / Double(step), crossEntropy: 3 / Double(step), divergence: divergence, layer: 1 + step % 2,
          studentRatio: 0.5, teacherRatio: 0.25, learningRate: 1e-3, seconds: 0.1)
      })
  }

  /// Held-out losses of runs that measured other budgets, at other steps.
  @Test func heldOutLossesStandSideBySide() throws {
    var (first, second) = (Self.log(20, name: "a"), Self.log(10, name: "b", divergence: 0))
    for index in [4, 9, 19] {
      first.steps[index].validation = [
        .init(reduce: "all", crossEntropy: index == 9 ? 0.5 : 1), .init(reduce: "dart:4@2", crossEntropy: 3 - Double(index) / 10),
      ]
    }
    second.steps[9].validation = [.init(reduce: "all", crossEntropy: 0.75)]
    for index in first.steps.indices { first.steps[index].flops = 1e12 }
    let table = TrainingLog.table([first, second])
    #expect(table.headings == ["run", "steps", "loss", "TFLOP", "time", "held out all", "held out dart:4@2"])
    let seconds = [first, second].map { formatDuration($0.steps.reduce(0) { $0 + $1.seconds }) }
    // The last two of twenty steps: (2 / 19 + 2 / 20) / 2.
    #expect(table.rows[0] == ["a", "20", "0.1026", "20.00", seconds[0], "0.5000 at 10", "1.1000 at 20"])
    #expect(table.rows[1] == ["b", "10", "0.2000", "", seconds[1], "0.7500 at 10", ""])
    let figure = try #require(TrainingLog.figure([first, second]))
    let chart = try #require(figure.charts.first { $0.title.hasPrefix("Held-out") })
    #expect(chart.series.map(\.label) == ["a: all", "a: dart:4@2", "b: all"])
    #expect(TrainingLog.heldOutChart([Self.log(3)]) == nil)
  }

  /// Checks that a page is XML once void elements are closed, and asks nothing of the network.
  private static func checkDocument(_ html: String) throws {
    let closed = html.replacingOccurrences(of: "<!DOCTYPE html>", with: "")
      .replacing(try Regex("<meta [^>]*>")) { $0.0.dropLast() + "/>" }
    let parser = XMLParser(data: Data(closed.utf8))
    #expect(parser.parse(), "\(String(describing: parser.parserError)) at line \(parser.lineNumber)")
    let found = html.replacing("http://www.w3.org/2000/svg", with: "").replacing("src=\"data:image/", with: "")
    for foreign in ["<script", "src=", "href=", "url(", "@import", "http:", "https:"] {
      #expect(!found.contains(foreign), "\(foreign)")
    }
  }

  @Test func aPageHasAllThatThereIs() throws {
    var contents = ReportContents(try ResultsTests.results())
    contents.trainings = [Self.log(300), Self.log(7, name: "short <run>")]
    contents.galleries = [Self.gallery()]
    let html = ResultsPage(contents).html
    try Self.checkDocument(html)
    for part in [
      "is a &lt; b &amp; &quot;c&quot;?", "right answer: yes &amp; no", "✓ &lt;b&gt;", "✗ (nothing)", "✗ no no", "no no…</dd>",
      "the first &lt;of&gt; each kind",
      "data:image/png;base64,\(Self.png.base64EncodedString())", "data:image/jpeg;base64,/9j/4Ak=", "Training", "optimizer step",
      "short &lt;run&gt;: student", "+1.0 ± ", "Lines are means over 4 steps",
    ] {
      #expect(html.contains(part), "\(part)")
    }
  }

  @Test func runsAndPicturesNeedNoEvaluation() throws {
    let scratch = try Scratch()
    let lines = try Self.log(3).steps.map { try JSONEncoder().encode($0) + [UInt8(ascii: "\n")] }
    // A run that was killed ends in half a line.
    try Data(lines.joined() + Data(#"{"step":4,"lo"#.utf8)).write(to: scratch.url.appending(path: TrainingLog.fileName))
    let pictures = scratch.url.appending(path: "pictures")
    try Self.gallery().write(into: pictures)
    let contents = try ReportContents(from: [scratch.url, pictures])
    #expect(contents.trainings.map(\.steps) == [Self.log(3).steps] && contents.galleries == [Self.gallery()])
    #expect(contents.results.models.isEmpty && contents.comparison == nil)
    let output = scratch.url.appending(path: "out")
    try contents.write(into: output)
    #expect(try FileManager.default.contentsOfDirectory(atPath: output.path) == ["report.html"])
    try Self.checkDocument(try String(contentsOf: output.appending(path: "report.html"), encoding: .utf8))
    try Self.checkDocument(ResultsPage(ReportContents(EvaluationResults(models: []))).html)
  }

  /// Steps with several budgets have three charts more; a step without all tokens has its others where they belong.
  @Test func budgetsAreDrawn() throws {
    var log = Self.log(6)
    for index in log.steps.indices {
      let full = TrainingLog.Step.Budget(role: "full", tokens: 144, crossEntropy: 1, divergence: nil)
      let others = [("between", 40.0), ("smallest", 9)].map {
        TrainingLog.Step.Budget(role: $0.0, tokens: $0.1, crossEntropy: 2, divergence: index % 2 == 0 ? 0.5 : nil)
      }
      log.steps[index].budgets = (index % 2 == 0 ? [full] : []) + others
    }
    let charts = try #require(TrainingLog.figure([log])).charts
    #expect(charts.count == (try #require(TrainingLog.figure([Self.log(6)])).charts.count) + 3)
    let tokens = try #require(charts.first { $0.title.hasPrefix("Budgets in play") })
    #expect(tokens.series.map(\.label) == ["smallest", "between", "full"])
    let divergence = try #require(charts.first { $0.title.hasPrefix("Divergence of each budget") })
    #expect(divergence.series.map(\.label) == ["smallest", "between"])
  }

  @Test(arguments: [1, 2, 80, 81, 1000]) func everyStepIsInALine(_ count: Int) throws {
    let log = Self.log(count)
    let figure = try #require(TrainingLog.figure([log]))
    let width = (count + 79) / 80
    for chart in figure.charts {
      for series in chart.series {
        guard case .line(let points) = series.shape else { continue }
        #expect(points.count == (count + width - 1) / width && points.last?.x == Double(count))
      }
    }
    // The mean of all points, weighed by their steps, is the mean of the steps.
    guard case .line(let points) = try #require(figure.charts[0].series.last).shape else { return #expect(Bool(false)) }
    let sizes = points.indices.map { Double(min(width, count - $0 * width)) }
    let mean = zip(points, sizes).reduce(0) { $0 + $1.0.y * $1.1 } / Double(count)
    #expect(abs(mean - log.steps.reduce(0) { $0 + $1.crossEntropy } / Double(count)) < 1e-9)
    #expect(TrainingLog.figure([Self.log(0)]) == nil)
  }

  @Test func withoutATeacherThereIsNothingOfOne() throws {
    let (taught, alone) = (Self.log(9), Self.log(9, divergence: 0))
    for (logs, hasTeacher) in [([taught], true), ([alone], false), ([taught, alone], true)] {
      let charts = try #require(TrainingLog.figure(logs)).charts
      let names = charts.flatMap { $0.series.map(\.label) }
      #expect(charts.count == (hasTeacher ? 5 : 4))
      #expect(names.contains { $0.hasSuffix("teacher") } == hasTeacher)
      #expect(charts.contains { $0.title.hasPrefix("Divergence") } == hasTeacher)
      #expect(names.contains { $0.hasSuffix("in all") } == hasTeacher)
    }
  }

  @Test func withoutSingleAnswersVariancesAddUp() throws {
    let comparison = try #require(Comparison(try ResultsTests.results()))
    #expect(comparison.rows.map(\.compressor) == ["full", "dart", "dart", "pool", "pool"] && !comparison.isPaired)
    #expect(comparison.rows[0].values == [66, 67])
    // Half-widths 3 on both sides of two benchmarks: √(9 + 9) each, and √(18 + 18) / 2 for their mean.
    let difference = try #require(comparison.rows[0].differences[0])
    #expect(difference.value == 1 && abs(difference.half - 3) < 1e-9)
    let part = try #require(comparison.rows[0].parts["gqa"]?[0])
    #expect(part.value == 1 && abs(part.half - 18.0.squareRoot()) < 1e-9)
    #expect(comparison.table.rows[1] == ["dart", "8", "58.0", "59.0", "+1.0 ± 3.0", "+1.0 ± 4.2", "+1.0 ± 4.2"])
    #expect(try #require(comparison.summary).contains("66.0 % with all visual tokens, 54.0 % with 4 of 16 (75 % dropped"))
    #expect(Comparison(try ResultsTests.results(models: ["one"])) == nil)
    let three = try #require(Comparison(try ResultsTests.results(models: ["a", "b", "c"])))
    #expect(three.rows[0].differences.map { $0?.value } == [1, 2] && three.summary == nil)
  }

  /// A score of another scorer, prompt, split or number of questions has no difference, and the table says so.
  @Test(arguments: [\BenchmarkSummary.scorer, \.prompt, \.split]) func otherScoresAreNotCompared(
    _ part: WritableKeyPath<BenchmarkSummary, String> & Sendable
  ) throws {
    var results = try ResultsTests.results(models: ["a", "b"])
    results.models[1].benchmarks[0][keyPath: part] = "other"
    let comparison = try #require(Comparison(results))
    for row in comparison.rows {
      #expect(row.differences == [nil] && row.parts["gqa"] == [nil] && row.parts["pope"]?[0] != nil)
    }
    let old = try ResultsTests.results().models[0].benchmarks[0][keyPath: part]
    let notes = comparison.table.notes.filter { $0.contains("GQA, b and a") }
    #expect(notes.count == 1 && notes[0].contains("other and \(old)"))
    #expect(comparison.summary == nil && ResultsPage(results).html.contains(notes[0]))
    results.models[1].benchmarks[0][keyPath: part] = old
    #expect(Comparison(results)?.refusals == [])
    results.models[1].benchmarks[1].questions += 1
    #expect(Comparison(results)?.refusals.count == 1)
  }

  @Test func withAnswersDifferencesArePairedByQuestion() throws {
    let (data, scratch) = (try DataFolder(), try Scratch())
    let right = try data.make("gqa")
    let benchmark = try BenchmarkRegistry.load("gqa", from: data.url)
    var scores: [BenchmarkScore] = []
    let models = try ["a", "b"].enumerated().map { index, name in
      var answers = right
      // Each is wrong about some questions, one of them about the other's too.
      for id in right.keys.sorted().dropFirst(index * 2).prefix(3 + index) { answers[id] = "nothing" }
      let score = try benchmark.score(answers)
      scores.append(score)
      let print = "\(index)234567890abcdef"
      let folder = scratch.url.appending(path: "\(name)-\(print.prefix(8))")
      try AnswerFile.write(answers, to: benchmark, model: name, at: folder.appending(path: "gqa-01234567/answers/full-16.jsonl"))
      // Answers to another prompt, say, whose score is not the results'.
      try AnswerFile.write(
        right, to: benchmark, model: name, at: folder.appending(path: "gqa-11234567/answers/full-16.jsonl"))
      var model = try ResultsTests.results(models: [name], names: ["gqa"]).models[0]
      model.fingerprint = print
      model.benchmarks[0].split = benchmark.split
      model.benchmarks[0].scorer = score.scorer
      model.rows = [model.rows[0]]
      model.rows[0].scores["gqa"] = ResultScore(
        estimate: score.estimate(), percentage: score.percentage, difference: nil, figures: [])
      return model
    }
    try EvaluationResults(models: models).write(into: scratch.url)
    let paired = try #require(try ReportContents(from: [scratch.url], data: data.url).comparison)
    let expected = try scores[1].difference(to: scores[0])
    let found = try #require(paired.rows[0].differences[0])
    #expect(paired.isPaired && abs(found.value - expected.value) < 1e-9)
    #expect(abs(found.half - (expected.upper - expected.lower) / 2) < 1e-9)
    let plain = try #require(try ReportContents(from: [scratch.url]).comparison?.rows[0].differences[0])
    #expect(plain.value == found.value && plain.half > found.half)

    // One answer less on one side: other questions.
    var short = EvaluationResults(models: models)
    let file = scratch.url.appending(path: "b-12345678/gqa-01234567/answers/full-16.jsonl")
    var answers = try AnswerFile.read(file, for: benchmark).answers
    answers[right.keys.sorted()[0]] = nil
    try AnswerFile.write(answers, to: benchmark, model: "b", at: file)
    let score = try benchmark.score(answers, missing: .leaveOut)
    short.models[1].rows[0].scores["gqa"] = ResultScore(
      estimate: score.estimate(), percentage: score.percentage, difference: nil, figures: [])
    try short.write(into: scratch.url)
    let refused = try #require(try ReportContents(from: [scratch.url], data: data.url).comparison)
    #expect(refused.rows[0].differences == [nil] && refused.table.notes.contains { $0.contains("different questions") })
    // A scorer that there is none of is an error, not a reason to pair less.
    for index in short.models.indices { short.models[index].benchmarks[0].scorer = "absent" }
    try short.write(into: scratch.url)
    #expect { try ReportContents(from: [scratch.url], data: data.url) } throws: { "\($0)".contains("absent") }
  }

  @Test func whatIsWrongIsNamed() throws {
    let scratch = try Scratch()
    func expect(_ file: String, _ content: Data, _ parts: String...) throws {
      let url = scratch.url.appending(path: file)
      try content.write(to: url)
      #expect { try ReportContents(from: [scratch.url]) } throws: { error in
        parts.allSatisfy { "\(error)".contains($0) } && !"\(error)".contains("\n")
      }
      try FileManager.default.removeItem(at: url)
    }
    #expect { try ReportContents(from: [scratch.url]) } throws: { "\($0)".contains("results.json: no such file") }
    try expect("metrics.jsonl", Data("{}\n".utf8), "metrics.jsonl, line 1", "step")
    try expect("metrics.jsonl", Data("\n".utf8), "metrics.jsonl, line 1", "JSON")
    try expect("pictures.json", Data("[".utf8), "pictures.json", "JSON")
    func pictures(_ image: String) -> Data {
      Data(
        #"{"notes":[],"items":[{"question":"","reference":"","note":"","views":[{"title":"","image":"\#(image)","answers":[]}]}]}"#
          .utf8)
    }
    try expect("pictures.json", pictures("absent.png"), "absent.png", "No such file")
    try expect("pictures.json", pictures("../secret"), "pictures.json", "../secret")
    try expect("pictures.json", pictures("pictures.json"), "pictures.json", "no PNG")
  }
}
