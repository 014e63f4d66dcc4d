import EvaluationLayouts
import Foundation
import Results
import TestModels
import TestSupport
import Testing

/// Benchmarks that `epic train` asks on its way.
@Suite struct TrainingBenchmarkTests {
  private struct Line: Decodable {
    struct Score: Decodable {
      let benchmark, reduce: String
      let score: Double
      let questions: Int
    }
    let step: Int
    let benchmarks: [Score]?
  }

  private let keys = ["validation.benchmarks=[pope, gqa]", "validation.every=2", "validation.reduce=['dart:4@1']"]

  private func train(_ place: Scratch, _ data: URL, _ changes: [String]) async throws -> EpicCommand.Outcome {
    let records = (0..<6).map { index in
      #"{"id": "s\#(index)", "image": "house.png", "conversations": [{"from": "human", "value": "<image>\nWhat?"}, "#
        + #"{"from": "gpt", "value": "yes"}]}"#
    }
    try Data(records.joined(separator: "\n").utf8).write(to: place.url.appending(path: "data.jsonl"))
    let all = [
      "model=\(place.url.path)/model", "output=\(place.url.path)/run", "data.file=\(place.url.path)/data.jsonl", "steps=4",
      "threads=1", "dtype=f32", "batch.samples=2", "optimizer.learning-rate=1e-3", "checkpoints.every=2",
      "data.max-length=400", "validation.benchmark-data=\(data.path)",
    ]
    return try await EpicCommand.run(["train"] + (all + changes).flatMap { ["--set", $0] })
  }

  /// Scores on the way are those of `epic eval` on the checkpoint of the same step.
  @Test func scoresAreThoseOfTheCheckpoint() async throws {
    let (place, data) = (try EpicCommand.workplace(), try DataFolder())
    for name in ["pope", "gqa"] { try data.make(name) }
    let outcome = try await train(place, data.url, keys)
    #expect(outcome.code == 0 && outcome.err == "", "\(outcome.err)")
    let lines = try Data(contentsOf: place.url.appending(path: "run/metrics.jsonl")).split(separator: UInt8(ascii: "\n"))
      .map { try JSONDecoder().decode(Line.self, from: $0) }
    #expect(lines.map { $0.benchmarks != nil } == [false, true, false, true])
    for step in [2, 4] {
      let eval = try await EpicCommand.run([
        "eval", "--model", place.url.appending(path: "run/checkpoint-00000\(step)").path, "--benchmark", "pope,gqa", "--data",
        data.url.path, "--output", place.url.appending(path: "out-\(step)").path, "--reduce", "dart:4@1", "--dtype", "f32",
        "--timed", "0", "--threads", "1", "--json",
      ])
      #expect(eval.code == 0, "\(eval.err)")
      let rows = try JSONDecoder().decode(EvaluationResults.self, from: Data(eval.out.utf8)).models[0].rows
      let found = try #require(lines[step - 1].benchmarks)
      #expect(
        found.map(\.benchmark) == ["pope", "pope", "gqa", "gqa"] && found.map(\.reduce) == ["all", "dart:4@1", "all", "dart:4@1"])
      for (score, row) in zip(found, rows + rows) {
        #expect(score.score == row.scores[score.benchmark]?.percentage, "step \(step): \(score)")
        #expect(outcome.out.contains("step \(step): \(score.benchmark)  percent of \(score.questions) questions"))
      }
      // Answers of a model that says anything at all are not all wrong in POPE, where what is not no is yes.
      #expect(found[0].score > 0)
    }
  }

  /// Pictures to look at: each about another one, with the answers that `epic generate` gives, and in the run's report.
  @Test func picturesShowWhatTheModelSays() async throws {
    struct Said: Decodable { let text: String }
    let (place, data) = (try EpicCommand.workplace(), try DataFolder())
    for name in ["pope", "gqa"] { try data.make(name) }
    let outcome = try await train(place, data.url, keys)
    #expect(outcome.code == 0, "\(outcome.err)")
    let run = place.url.appending(path: "run")
    let (old, gallery) = (
      try PictureGallery(from: run.appending(path: "benchmarks/step-2")), try #require(try PictureGallery(newestOf: run))
    )
    #expect(try gallery == PictureGallery(from: run.appending(path: "benchmarks/step-4")))
    #expect(gallery.notes == ["Asked after step 4. Dark patches are what the decoder did without."])
    #expect(old.items.map(\.question) == gallery.items.map(\.question) && gallery.items.count == 4)
    #expect(gallery.items.map(\.note) == ["POPE", "GQA", "POPE", "GQA"])
    #expect(gallery.items.allSatisfy { $0.views.map(\.title) == ["all tokens", "dart:4@1"] })

    let question = gallery.items[0].question
    let number = try #require(question.split(separator: " ").compactMap { Int($0) }.first)
    let pictures = data.url.appending(path: "pope/val2014")
    let image = try FileManager.default.contentsOfDirectory(atPath: pictures.path).sorted()[number / 6]
    for (view, option) in zip(gallery.items[0].views, [[], ["--reduce", "dart:4@1"]]) {
      let said = try await EpicCommand.run(
        [
          "generate", "--model", run.appending(path: "checkpoint-000004").path, "--image",
          pictures.appending(path: image).path, "--prompt", question + "\nAnswer the question using a single word or phrase.",
          "--max-tokens", "32", "--dtype", "f32", "--threads", "1", "--json",
        ] + option)
      #expect(said.code == 0, "\(said.err)")
      #expect(try JSONDecoder().decode(Said.self, from: Data(said.out.utf8)).text == view.answers[0].text)
    }
    let report = try await EpicCommand.run(["report", run.path, "--output", place.url.appending(path: "page").path])
    #expect(report.code == 0, "\(report.err)")
    let page = try String(contentsOf: place.url.appending(path: "page/report.html"), encoding: .utf8)
    #expect(page.contains("Asked after step 4.") && page.contains("data:image/jpeg;base64,") && page.contains(question))
    #expect(!page.contains("right answer:"))
  }

  @Test func whatCannotBeAskedIsNamedBeforeTraining() async throws {
    let (place, data) = (try EpicCommand.workplace(), try DataFolder())
    try data.make("vqav2")
    for (changes, fragment) in [
      (["validation.benchmarks=[nonesuch]"], "nonesuch"), (["validation.benchmarks=[pope]"], "pope"),
      (["validation.benchmark-data=null", "validation.benchmarks=[pope]"], "validation.benchmark-data is missing"),
      (["validation.questions=5"], "validation.benchmarks is missing"),
      (["validation.benchmarks=[vqav2]", "stage=pretrain"], "pretrained"),
    ] {
      let outcome = try await train(place, data.url, changes)
      #expect(outcome.code != 0 && outcome.err.contains(fragment), "\(changes): \(outcome.err)")
      #expect(outcome.err.split(separator: "\n").count == 1, "\(outcome.err)")
      #expect(!FileManager.default.fileExists(atPath: place.url.appending(path: "run").path))
    }
  }
}
