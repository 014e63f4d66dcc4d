import Evaluation
import EvaluationLayouts
import Foundation
import Results
import TestModels
import TestSupport
import Testing

@testable import Answering

/// `epic eval` and `epic report` as they are used, and as they are interrupted.
@Suite struct EvaluationCommandTests {
  /// Each number of bits is as if it were asked for alone, and has rows of its own.
  @Test func bitsStandSideBySide() async throws {
    let place = try Place()
    let ask = ["--compressor", "dart", "--keep", "4", "--timed", "0", "--json"]
    func results(_ bits: String, _ output: String) async throws -> [ModelResults] {
      let outcome = try await place.eval("pope", ask + ["--bits", bits], output: output)
      #expect(outcome.code == 0 && outcome.err == "", "\(outcome.err)")
      return try JSONDecoder().decode(EvaluationResults.self, from: Data(outcome.out.utf8)).models
    }
    let together = try await results("16,8,4", "together")
    #expect(together.map { $0.name.split(separator: ", ").last } == ["as stored", "8 bits", "4 bits"])
    #expect(Set(together.map(\.fingerprint)).count == 3)
    for (bits, found) in zip(["16", "8", "4"], together) {
      let alone = try #require(try await results(bits, "alone-\(bits)").first)
      #expect(alone.rows == found.rows && alone.fingerprint == found.fingerprint && !alone.name.contains(","))
    }
    for (bits, says) in [("8,8", "twice"), ("5", "--bits is 5"), ("8,x", "--bits")] {
      let refused = try await place.eval("pope", ask + ["--bits", bits])
      #expect(refused.code == 2 && refused.err.contains(says), "\(refused.err)")
    }
  }

  /// All ten, from files to table: every figure is computed again from the journal.
  @Test func tenLayoutsGoThroughTheWholeCommand() async throws {
    let place = try Place()
    let outcome = try await place.eval(
      "all", ["--compressor", "dart,uniform,downsample", "--keep", "16,4", "--timed", "1", "--json"])
    #expect(outcome.code == 0 && outcome.err == "", "\(outcome.err)")
    let results = try JSONDecoder().decode(EvaluationResults.self, from: Data(outcome.out.utf8))
    #expect(try EvaluationResults(from: place.output) == results)
    let model = try #require(results.models.first)
    #expect(model.name == "model1" && model.rows.map(\.plan) == ["full", "dart-4-after-2", "uniform-4-after-2", "downsample-4"])
    for name in BenchmarkRegistry.paperNames {
      let benchmark = try BenchmarkRegistry.load(name, from: place.data.url)
      let entries = try place.journal(name)
      #expect(entries.count == 4 * benchmark.questions.count)
      #expect(Set(entries.map { $0.plan + $0.id }).count == entries.count)
      let folder = try #require(try place.folder(name))
      var full: BenchmarkScore?
      for row in model.rows {
        let answers = Dictionary(uniqueKeysWithValues: entries.filter { $0.plan == row.plan }.map { ($0.id, $0.text ?? "") })
        let score = try benchmark.score(answers)
        full = full ?? score
        let cell = try #require(row.scores[name])
        #expect(cell.estimate == score.estimate() && cell.percentage == score.percentage && cell.figures == score.figures)
        #expect(try cell.difference == (row.plan == "full" ? nil : score.difference(to: #require(full))))
        #expect(try AnswerFile.read(folder.appending(path: "answers/\(row.plan).jsonl"), for: benchmark).answers == answers)
        for file in try benchmark.exportedFiles(answers) {
          #expect(try Data(contentsOf: folder.appending(path: "upload/\(row.plan)/\(file.name)")) == file.contents)
        }
      }
    }
    for row in model.rows {
      let scores = row.scores.mapValues(\.percentage)
      let mean = scores.values.reduce(0, +) / 10
      #expect(try abs(#require(row.average) - mean) < 1e-9)
      #expect(try #require(row.timing).samples == 1 && #require(row.timing).total > 0)
    }
    // Of 4 layers 2 see all 16 tokens.
    #expect(model.rows.map(\.averageVisualTokens) == [16, 10, 10, 4])
    #expect(model.rows[3].cost.prefillTFLOPs < model.rows[1].cost.prefillTFLOPs)
    // Without the model the same report.
    let html = try Data(contentsOf: place.output.appending(path: ResultsPage.fileName))
    try FileManager.default.removeItem(at: place.scratch.url.appending(path: "model1"))
    let again = try await EpicCommand.run([
      "report", place.output.path, "--output", place.scratch.url.appending(path: "again").path,
    ])
    #expect(again.code == 0 && again.out.contains("dart") && again.out.contains("results in"), "\(again.err)")
    #expect(try Data(contentsOf: place.scratch.url.appending(path: "again/report.html")) == html)
  }

  /// The table is made of what the journal says: answers put in its place by hand are scored.
  @Test func figuresComeFromTheJournal() async throws {
    let place = try Place(["gqa", "mme"])
    #expect(try await place.eval("gqa,mme", ["--keep", "4", "--timed", "0"]).code == 0)
    let right = try DataFolder().make("gqa")
    let folder = try #require(try place.folder("gqa"))
    let encoder = JSONEncoder()
    let lines = try place.journal("gqa").map { entry -> Data in
      var entry = entry
      // All right without compression, and 20 of 23 with it.
      entry.text =
        entry.plan == "full" || Int(entry.id.suffix(2)) ?? 0 > 3 && entry.id.count > 5 || entry.id.last != "1"
        ? right[entry.id] : "nothing"
      return try encoder.encode(entry) + [UInt8(ascii: "\n")]
    }
    try Data(lines.joined()).write(to: folder.appending(path: AnswerJournal.fileName))
    let outcome = try await place.eval("gqa,mme", ["--keep", "4", "--timed", "0"])
    #expect(outcome.code == 0 && outcome.out.contains("; 0 questions to ask"), "\(outcome.out)\(outcome.err)")
    let rows = try EvaluationResults(from: place.output).models[0].rows
    let answers = Dictionary(uniqueKeysWithValues: try place.journal("gqa").filter { $0.plan != "full" }.map { ($0.id, $0.text) })
    let count = answers.count { $0.value == right[$0.key] }
    #expect(count < 23 && count > 15)
    #expect(rows[0].scores["gqa"]?.estimate.value == 100)
    #expect(try abs(#require(rows[1].scores["gqa"]).estimate.value - 100 * Double(count) / 23) < 1e-9)
    #expect(try abs(#require(rows[1].scores["gqa"]?.difference).value - (100 * Double(count) / 23 - 100)) < 1e-9)
    #expect(outcome.out.contains("100.0 ("))
  }

  /// What is new is asked, what is there is not; other settings have a folder of their own.
  @Test func onlyWhatIsNewIsAsked() async throws {
    let place = try Place(["pope", "vizwiz"])
    let first = try await place.eval("pope", ["--keep", "4", "--limit", "10", "--timed", "0"])
    #expect(first.code == 0 && first.out.contains("10 questions"), "\(first.out)\(first.err)")
    let part = try place.journal("pope")
    #expect(part.count == 20)
    let more = try await place.eval("pope,vizwiz", ["--compressor", "dart,random", "--keep", "4,2", "--timed", "0"])
    #expect(more.code == 0 && more.out.contains("46 questions to ask"), "\(more.out)")
    let whole = try place.journal("pope")
    #expect(Array(whole.prefix(20)) == part && whole.count == 34 * 5)
    #expect(Set(whole.map { $0.plan + " " + $0.id }).count == whole.count)
    let same = try await place.eval("pope,vizwiz", ["--compressor", "dart,random", "--keep", "4,2", "--timed", "0"])
    #expect(same.out.contains("; 0 questions to ask") && same.out.contains("34 of them answered before"), "\(same.out)")
    // Answers of a part are the same when all is asked at once.
    #expect(
      try await place.eval("pope", ["--compressor", "dart,random", "--keep", "4,2", "--timed", "0"], output: "other").code == 0)
    func sorted(_ entries: [AnswerJournal.Entry]) -> [AnswerJournal.Entry] {
      entries.sorted { ($0.plan, $0.id) < ($1.plan, $1.id) }
    }
    #expect(try sorted(place.journal("pope", "other")) == sorted(whole))

    let before = try place.folders().count
    for (change, models) in [(["--seed", "1"], [1]), (["--dtype", "bf16"], [1]), ([], [2]), (["--template", "plain"], [1])] {
      let outcome = try await place.eval("pope", ["--keep", "4", "--timed", "0", "--limit", "4"] + change, models: models)
      #expect(outcome.code == 0 && outcome.out.contains("; 4 questions to ask"), "\(change): \(outcome.out)\(outcome.err)")
    }
    #expect(try place.folders().count == before + 4)
  }

  /// A rule fitted to questions leaves an average of them, which the table says, and `generate` what it leaves.
  @Test func aRuleKeepsItsAverage() async throws {
    let place = try Place(["pope"])
    let model = place.scratch.url.appending(path: "model1").path
    let unfitted = try await place.eval("pope", ["--keep", "auto:6", "--timed", "0"])
    #expect(unfitted.code == 2 && unfitted.err.contains("budgets.json") && unfitted.err.contains("epic fit"), "\(unfitted.err)")
    let fit = try await EpicCommand.run([
      "fit", "--model", model, "--benchmark", "pope", "--data", place.data.url.path, "--threads", "1",
    ])
    #expect(fit.code == 0 && fit.out.contains("by-variety") && fit.out.contains("34 questions"), "\(fit.err)\(fit.out)")
    let outcome = try await place.eval(
      "pope", ["--keep", "auto:6,auto:3,6", "--compressor", "divprune", "--timed", "0", "--json"])
    #expect(outcome.code == 0, "\(outcome.err)")
    let rows = try EvaluationResults(from: place.output).models[0].rows
    #expect(rows.map(\.compressor) == ["full", "divprune", "divprune:rule=by-variety", "divprune:rule=by-variety"])
    var isSpread = false
    for row in rows.dropFirst(2) {
      let counts = try place.journal("pope").filter { $0.plan == row.plan }.compactMap(\.visualTokens)
      let mean = Double(counts.reduce(0, +)) / Double(counts.count)
      #expect(counts.count == 34 && abs(mean - Double(row.keep)) < 1, "\(mean) of \(row.keep)")
      // Of 4 layers 2 see all 16 tokens.
      #expect(abs(row.averageVisualTokens - (8 + mean / 2)) < 1e-9)
      isSpread = isSpread || mean != Double(row.keep)
    }
    let report = try String(contentsOf: place.output.appending(path: "report.html"), encoding: .utf8)
    #expect(report.contains("Accuracy over tokens in a layer") == isSpread)
  }

  @Test func brokenPicturesAreCountedAndAskedAgain() async throws {
    let place = try Place(["gqa"])
    let picture = "gqa/data/images/n1.jpg"
    let good = try Data(contentsOf: place.data.url.appending(path: picture))
    try good.prefix(30).write(to: place.data.url.appending(path: picture))
    let strict = try await place.eval("gqa", ["--keep", "4", "--strict", "--timed", "0"])
    #expect(strict.code == 1 && strict.err.contains("gqa, question 20106") && strict.err.contains("n1.jpg"), "\(strict.err)")
    let outcome = try await place.eval("gqa", ["--keep", "4", "--timed", "0"])
    #expect(outcome.code == 0 && outcome.out.contains("6 could not be asked"), "\(outcome.out)\(outcome.err)")
    let summary = try EvaluationResults(from: place.output).models[0].benchmarks[0]
    #expect(summary.broken.count == 6 && summary.broken[0].contains("20106") && summary.broken[0].contains("n1.jpg"))
    #expect(try String(contentsOf: place.output.appending(path: "report.html"), encoding: .utf8).contains("20106: "))
    try good.write(to: place.data.url.appending(path: picture))
    let fixed = try await place.eval("gqa", ["--keep", "4", "--timed", "0"])
    #expect(fixed.code == 0 && fixed.out.contains("; 6 questions to ask") && !fixed.out.contains("could not"), "\(fixed.out)")
  }

  @Test func modelsStandSideBySide() async throws {
    let place = try Place(["pope"])
    let outcome = try await place.eval("pope", ["--keep", "4", "--limit", "6", "--timed", "1"], models: [1, 2])
    #expect(outcome.code == 0 && outcome.out.contains("model2"), "\(outcome.out)\(outcome.err)")
    #expect(try String(contentsOf: place.output.appending(path: "report.html"), encoding: .utf8).contains("Models side by side"))
    let single = try await place.eval("pope", ["--keep", "4", "--limit", "6", "--no-full", "--json", "--timed", "0"])
    #expect(single.code == 0, "\(single.err)")
    #expect(try EvaluationResults(from: place.output).models[0].rows.map(\.plan) == ["dart-4-after-2"])
  }

  /// Killed at ten random moments and asked to stop at one, a run ends with the table of an undisturbed one.
  @Test func killedAnywhereItEndsTheSame() async throws {
    let place = try Place(["pope", "gqa"])
    let arguments = ["--compressor", "dart,random,pool", "--keep", "6,2", "--timed", "0", "--batch", "1"]
    var length = 0
    func timed(_ run: () async throws -> EpicCommand.Outcome) async throws -> EpicCommand.Outcome {
      let start = ContinuousClock.now
      let outcome = try await run()
      // Other tests come and go, so the latest whole run tells best how long one takes.
      if outcome.code != nil { length = Int((ContinuousClock.now - start) / .milliseconds(1)) }
      return outcome
    }
    #expect(try await timed { try await place.eval("pope,gqa", arguments, output: "whole") }.code == 0)
    var random = SplitMix(seed: 10)
    var kills = 0
    // Runs that end before they are killed begin anew, so that ten are killed.
    for _ in 0..<200 where kills < 10 {
      let delay = Int.random(in: 20...max(40, length * 2 / 3), using: &random)
      let outcome = try await timed {
        try await place.eval("pope,gqa", arguments) { program in
          try await program.send(SIGKILL, after: delay)
        }
      }
      if outcome.code == nil { kills += 1 } else { #expect(outcome.code == 0, "\(outcome.err)") }
      if outcome.code == 0 {
        #expect(try EvaluationResults(from: place.output) == EvaluationResults(from: place.scratch.url.appending(path: "whole")))
        try FileManager.default.removeItem(at: place.output)
      }
    }
    #expect(kills == 10)
    let last = try await place.eval("pope,gqa", arguments)
    #expect(last.code == 0, "\(last.err)")
    for file in ["results.json", "table.md", "table.csv", "report.html"] {
      #expect(
        try Data(contentsOf: place.output.appending(path: file))
          == Data(contentsOf: place.scratch.url.appending(path: "whole/\(file)")), "\(file)")
    }
    for (name, questions) in [("pope", 34), ("gqa", 23)] {
      let entries = try place.journal(name)
      #expect(entries.count == questions * 7 && Set(entries.map { $0.plan + " " + $0.id }).count == entries.count)
    }
  }

  @Test(arguments: [[], ["--json"]]) func askedToStopItKeepsWhatItHas(_ more: [String]) async throws {
    let place = try Place(["pope", "gqa"])
    let all = 23 * 3
    let stopped = try await place.eval("gqa,pope", ["--keep", "6,2", "--timed", "0", "--batch", "1"] + more) { program in
      try await program.send(SIGINT) { place.lines("gqa") >= all }
    }
    #expect(stopped.code == 0, "\(stopped.err)")
    #expect(try place.journal("gqa").count == all)
    // What standard output gets with --json is JSON or nothing.
    if more == ["--json"], !stopped.out.isEmpty { _ = try JSONSerialization.jsonObject(with: Data(stopped.out.utf8)) }
  }
}
