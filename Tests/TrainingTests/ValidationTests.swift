import Compression
import Foundation
import LLaVA
import TestModels
import TestSupport
import Testing
import Torch

@testable import Training

/// The loss on samples that are not trained on.
@Suite struct ValidationTests {
  private let reduce = ["dart:2@1", "random:50%@1"]

  private func configuration(_ place: RunPlace, _ output: String, _ changes: String...) throws -> TrainingConfiguration {
    var configuration = try place.configuration(
      output, steps: 4, "validation.file=\(place.url.path)/held.json", "validation.every=2",
      "validation.reduce=['\(reduce.joined(separator: "', '"))']")
    for change in changes { try configuration.set(change) }
    return configuration
  }

  private func place() throws -> RunPlace {
    let place = try RunPlace()
    let records = [
      dataRecord("h0", image: "p1.png", "<image>\nwhich", "the first one", "sure", "no"),
      dataRecord("h1", "a question", "an answer"),
      dataRecord("broken", image: "absent.png", "<image>\nwhich", "none"),
      dataRecord("h2", image: "p2.png", "<image>\nhow many", "seven"), dataRecord("h3", "more", "text"),
      dataRecord("h4", image: "p3.png", "<image>\nwhich", "the last"),
    ]
    try place.data.write(JSONSerialization.data(withJSONObject: records), "held.json")
    return place
  }

  /// A run that goes on may be told to measure.
  @Test func aRunThatGoesOnMayMeasure() throws {
    let place = try place()
    let plain = try place.configuration("run", steps: 4)
    let half = try place.run(plain, stopAfter: 2)
    let rest = try place.run(configuration(place, "run"), resume: true)
    let whole = try place.run(configuration(place, "whole"))
    #expect(half.records.allSatisfy { $0.validation == nil })
    #expect(rest.records.map(\.validation) == whole.records.suffix(2).map(\.validation))
    #expect(rest.distance(whole) == 0)
  }

  /// The best checkpoint outlives newer ones, and a run that goes on knows which one it was.
  @Test func theBestCheckpointStays() throws {
    let place = try place()
    // A rate that soon does harm, so that the last step is not the best.
    let keys = ["validation.every=1", "optimizer.schedule=constant", "optimizer.learning-rate=0.03", "checkpoints.keep=1"]
    for name in ["all", "mean", reduce[0]] {
      var wanted = try configuration(place, "run-\(name)", "steps=8")
      for change in keys + ["checkpoints.best='\(name)'"] { try wanted.set(change) }
      let half = try place.run(wanted, stopAfter: 5)
      let rest = try place.run(wanted, resume: true)
      let losses = try (half.records + rest.records).map { record -> Double in
        let found = try #require(record.validation)
        if name != "mean" { return try #require(found.first { $0.reduce == name }).crossEntropy }
        return found.map(\.crossEntropy).reduce(0, +) / 3
      }
      let best = try #require(losses.indices.min { losses[$0] < losses[$1] }) + 1
      #expect(rest.folder.checkpoints.map(\.step) == Set([best, 8]).sorted(), "\(name): \(losses)")
      #expect(try RunState.read(#require(rest.folder.checkpoints.last)).best?.step == best)
    }
  }

  /// The same by scores, of which higher ones are better; equal ones are no better.
  @Test func theBestScoreStays() throws {
    let place = try RunPlace()
    let scores: [(gqa: Double, pope: Double)] = [(10, 90), (60, 50), (60, 50), (30, 40), (20, 30), (10, 20)]
    func run(_ best: String, resume: Bool = false, until last: Int = 6) throws -> (steps: [Int], best: BestStep?) {
      var wanted = try place.configuration(best, steps: 6)
      for change in [
        "validation.benchmarks=[gqa, pope]", "validation.benchmark-data=x", "validation.every=1", "checkpoints.keep=1",
        "checkpoints.best=\(best)", "checkpoints.patience=4",
      ] { try wanted.set(change) }
      let run = try TrainingRun(wanted, resume: resume)
      func ask() -> [BenchmarkRecord] {
        let (gqa, pope) = scores[run.step - 1]
        return [("gqa", gqa, "all"), ("gqa", gqa - 2, "dart:2@1"), ("pope", pope, "all")].map {
          BenchmarkRecord(benchmark: $0, reduce: $2, score: $1, questions: 5)
        }
      }
      _ = try run.run(shouldStop: { run.step >= last }, benchmarks: ask) { _ in }
      return (run.folder.checkpoints.map(\.step), run.best)
    }
    for (name, best, end, score) in [("gqa", 2, 6, 59.0), ("pope", 1, 5, 90), ("benchmarks", 2, 6, 168.0 / 3)] {
      _ = try run(name, until: 3)
      let (steps, found) = try run(name, resume: true)
      #expect(steps == [best, end] && found?.step == best && found?.score == score && found?.crossEntropy == nil, "\(name)")
    }
  }

  /// Training ends where the loss has not improved for so many measurements, and it does not matter where it was interrupted.
  @Test func trainingEndsWhereTheLossNoLongerImproves() throws {
    let place = try place()
    let keys = [
      "steps=9", "validation.every=1", "optimizer.schedule=constant", "optimizer.learning-rate=0.03", "validation.reduce=[]",
    ]
    func wanted(_ output: String, _ patience: Int?) throws -> TrainingConfiguration {
      var wanted = try configuration(place, output)
      for change in keys + ["checkpoints.best=all"] { try wanted.set(change) }
      wanted.checkpoints.patience = patience
      return wanted
    }
    let long = try place.run(wanted("long", nil))
    let losses = try long.records.map { try #require($0.validation?.first).crossEntropy }
    #expect(long.ending == .complete && losses.count == 9)
    var ends: [Int] = []
    for patience in 1...3 {
      var (best, since) = (Double.infinity, 0)
      let end = losses.firstIndex { loss in
        since = loss < best ? 0 : since + 1
        best = min(best, loss)
        return since == patience
      }
      ends.append(end.map { $0 + 1 } ?? 9)
      let run = try place.run(wanted("run-\(patience)", patience))
      #expect(run.records.count == ends[patience - 1] && run.losses == Array(long.losses.prefix(run.records.count)), "\(losses)")
      #expect(run.ending == (ends[patience - 1] < 9 ? .stoppedEarly : .complete))
      let first = losses.prefix(ends[patience - 1])
      #expect(try RunState.read(#require(run.folder.checkpoints.last)).best?.crossEntropy == first.min())
    }
    let end = ends[1]
    try #require(end < 9, "the loss has to rise for a test of what then happens: \(losses)")
    let half = try place.run(wanted("cut", 2), stopAfter: end - 1)
    let rest = try place.run(wanted("cut", 2), resume: true)
    #expect(half.ending == .stopped && rest.ending == .stoppedEarly && rest.records.count == 1)
    // It stays ended, until more patience is asked for.
    let again = try place.run(wanted("cut", 2), resume: true)
    #expect(again.ending == .stoppedEarly && again.records.isEmpty)
    let further = try place.run(wanted("cut", nil), resume: true)
    #expect(further.ending == .complete && further.losses == Array(long.losses.dropFirst(end)) && further.distance(long) == 0)
  }

  /// Training goes the same way with and without it, and losses are those of the checkpoint's model, sample by sample.
  @Test func itMeasuresTheModelAndChangesNothing() throws {
    let place = try place()
    let with = try place.run(configuration(place, "with", "checkpoints.every=2", "distillation.gradient-norms=true"))
    let without = try place.run(place.configuration("without", steps: 4, "distillation.gradient-norms=true"))
    #expect(with.losses == without.losses && with.distance(without) == 0)
    #expect(with.records.map { $0.validation != nil } == [false, true, false, true])

    for (record, checkpoint) in zip([with.records[1], with.records[3]], with.folder.checkpoints) {
      let found = try #require(record.validation)
      #expect(found.map(\.reduce) == ["all"] + reduce && found.allSatisfy { $0.samples == 5 })
      let layout = try LLaVAConfiguration.preset("tiny").pictureLayout.count
      #expect(found.map(\.tokens) == [Double(layout), 2, Double(layout) / 2])
      #expect(try abs(found[0].crossEntropy - meanLoss(place, checkpoint.url)) < 2e-4)
      #expect(Set(found.map(\.crossEntropy)).count == 3)
    }
    // What the file of the run says.
    let lines = try String(contentsOf: with.folder.metrics, encoding: .utf8).split(separator: "\n")
    let read = try lines.map { try JSONDecoder().decode(StepRecord.self, from: Data($0.utf8)) }
    #expect(read.map(\.validation) == with.records.map(\.validation))
    #expect(read[3].scalars.contains { $0.name == "validation/dart:2@1/cross-entropy" })
  }

  /// Mean cross entropy of a checkpoint, one sample at a time, by a softmax of its own.
  private func meanLoss(_ place: RunPlace, _ folder: URL) throws -> Double {
    let pipeline = try LLaVAPipeline.load(from: folder, dtype: .float32, device: .cpu, template: "vicuna_v1")
    let dataset = try InstructionDataset(contentsOf: place.url.appending(path: "held.json"))
    let preparer = try SamplePreparer(
      dataset, tokenizer: pipeline.tokenizer, preprocessor: pipeline.preprocessor,
      options: TextOptions(
        template: pipeline.template, semantics: .corrected, visualTokens: pipeline.model.pictureLayout.count,
        maximumLength: 2048))
    var sum = 0.0
    var count = 0
    for index in 0..<dataset.count {
      guard let sample = try? preparer.sample(at: index) else { continue }
      let (rows, labels) = try withoutGradient {
        let segments = try pipeline.model.encode([PictureRequest(ids: sample.ids, pictures: sample.pictures)])
        let batch = try pipeline.model.splice([sample.ids], segments, labels: [sample.labels])
        return (try pipeline.model.logits(batch), try batch.labels?.array(Int.self) ?? [])
      }
      let width = try #require(rows.shape.last)
      let logits = try rows.array(Float.self).map(Double.init)
      for (row, label) in labels.dropFirst().enumerated() where label >= 0 {
        let values = logits[row * width..<(row + 1) * width]
        let top = values.max() ?? 0
        sum += top + log(values.reduce(0) { $0 + exp($1 - top) }) - logits[row * width + label]
        count += 1
      }
    }
    return sum / Double(count)
  }

  @Test(arguments: [
    ("validation.reduce=['dart:2@9']", "validation.reduce"), ("validation.reduce=[nonesuch:2]", "validation.reduce"),
    ("validation.file=null", "validation.file is missing"), ("checkpoints.patience=2", "checkpoints.best is missing"),
    ("checkpoints.best=benchmarks", "validation.benchmarks is missing"),
    ("checkpoints.best=dart:3@1", "expected one of all, mean, dart:2@1"),
  ])
  func badSettingsAreRefused(change: String, fragment: String) throws {
    let place = try place()
    let wrong = try configuration(place, "run", change)
    let error = try #require(throws: ConfigurationProblem.self) { try TrainingRun(wrong) }
    #expect(error.description.contains(fragment), "\(error)")
  }

  @Test func patienceNeedsMeasurements() throws {
    let place = try place()
    var wrong = try configuration(place, "run", "checkpoints.best=all", "checkpoints.patience=2")
    wrong.validation.every = nil
    let error = try #require(throws: ConfigurationProblem.self) { try TrainingRun(wrong) }
    #expect(error.description.contains("validation.every is missing"), "\(error)")
    #expect(throws: ConfigurationProblem.self) { try configuration(place, "run", "checkpoints.patience=0") }
  }

  @Test func nothingToMeasureIsAnErrorWithTheReason() throws {
    let place = try place()
    try place.data.write(Data(#"[{"id": "x", "conversations": []}]"#.utf8), "held.json")
    let bad = try configuration(place, "run")
    let error = try #require(throws: DatasetError.self) { try place.run(bad) }
    #expect(error.description.contains("none of the 1 samples"), "\(error)")
    let other = try self.place()
    let strict = try configuration(other, "run", "data.strict=true")
    #expect(throws: SampleFault.self) { try other.run(strict) }
  }
}
