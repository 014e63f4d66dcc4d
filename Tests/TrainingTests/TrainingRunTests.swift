import Foundation
import LLaVA
import Language
import TestSupport
import Testing
import Torch

@testable import Training

/// Whole runs on real files, undisturbed and disturbed.
@Suite struct TrainingRunTests {
  /// One sequence of twenty steps, whatever memory is saved on the way and however it is cut into pieces.
  @Test func twentyStepsAreTheSameHoweverTheyAreMade() throws {
    let place = try RunPlace()
    let whole = try place.run(place.configuration("whole", steps: 20))
    #expect(whole.ending == .complete && whole.records.map(\.step) == Array(1...20))
    #expect(whole.losses.suffix(3).reduce(0, +) < whole.losses.prefix(3).reduce(0, +))

    let recomputed = try place.run(place.configuration("recomputed", steps: 20, "distillation.recompute=true"))
    #expect(recomputed.losses == whole.losses && recomputed.weights == whole.weights)

    let chunked = try place.run(place.configuration("chunked", steps: 20, "distillation.chunk-rows=3"))
    #expect(zip(chunked.losses, whole.losses).allSatisfy { abs($0 - $1) < 1e-4 } && chunked.distance(whole) < 1e-3)

    let first = try place.run(place.configuration("cut", steps: 20, "checkpoints.every=6"), stopAfter: 8)
    #expect(first.ending == .stopped && first.folder.checkpoints.map(\.step) == [6, 8])
    let rest = try place.run(place.configuration("cut", steps: 20, "checkpoints.every=6"), resume: true)
    #expect(first.losses + rest.losses == whole.losses && rest.weights == whole.weights)
    let lines = try String(contentsOf: rest.folder.metrics, encoding: .utf8).split(separator: "\n")
    #expect(lines.count == 20)
  }

  /// Without random ratios a step is the sum of its micro-batches.
  @Test func accumulationIsOneLargeBatch() throws {
    let place = try RunPlace(samples: 16)
    let ratios = ["curriculum.name=fixed", "curriculum.student-min=0.5", "curriculum.student-max=0.5", "curriculum.gap=0.25"]
    func run(_ name: String, _ changes: [String]) throws -> RunPlace.Outcome {
      var configuration = try place.configuration(name, steps: 6)
      for change in ratios + changes { configuration = try configuration.changed(change) }
      return try place.run(configuration)
    }
    let (whole, pieces) = (try run("whole", []), try run("pieces", ["batch.samples=1", "batch.accumulation=4"]))
    #expect(zip(whole.losses, pieces.losses).allSatisfy { abs($0 - $1) < 1e-4 } && whole.distance(pieces) < 1e-3)
    // Batches of equal weight, as the released code has them, are something else.
    let equal = try run("equal", ["batch.samples=1", "batch.accumulation=4", "optimizer.weighting=batches"])
    #expect(!zip(whole.losses, equal.losses).allSatisfy { abs($0 - $1) < 1e-4 })
  }

  @Test(arguments: ["token", "layer", "integrated", "fixed"], ["dart", "fastv", "random"])
  func everyCurriculumTrainsWithEveryCompressor(_ curriculum: String, _ compressor: String) throws {
    let place = try RunPlace()
    let found = try place.run(
      place.configuration(
        "run", steps: 6, "curriculum.name=\(curriculum)", "compression.compressor=\(compressor)", "curriculum.draws=sample",
        "dtype=bf16", "distillation.gradient-norms=true"))
    #expect(found.records.allSatisfy { $0.loss.isFinite && $0.divergence >= -1e-6 && $0.teacherRatio ?? 1 <= $0.studentRatio })
    #expect(found.records.allSatisfy { $0.crossEntropyGradientNorm.map { $0 > 0 } ?? false })
    let layers = found.records.map(\.layer)
    #expect(layers == layers.sorted(by: >))
    #expect(["layer", "integrated"].contains(curriculum) ? layers[0] > layers[5] : Set(layers) == [1])
    let saved = try #require(found.folder.checkpoints.last)
    // What is saved is what was trained.
    let again = try LLaVAModel.load(from: saved.url).parameters.parameters.map { try $0.tensor.to(.float32).array(Float.self) }
    #expect(zip(again, found.weights).allSatisfy { $0.starts(with: $1) })
  }

  @Test func pretrainingChangesTheProjectorAlone() throws {
    let place = try RunPlace()
    _ = try place.data.dataset(
      (0..<8).map { dataRecord("c\($0)", image: "p\($0 % 4).png", "<image>\nDescribe it.", "caption \($0)") })
    let before = try LLaVAModel.load(from: place.url.appending(path: "start"))
    let run = try TrainingRun(place.configuration("run", steps: 3, "stage=pretrain"))
    #expect(run.configuration.data.template == "plain" && run.configuration.curriculum.name == "none")
    _ = try run.run()
    for (old, new) in zip(before.parameters.parameters, run.model.parameters.parameters) {
      let isSame = try old.tensor.array(Float.self) == new.tensor.detached().array(Float.self)
      #expect(isSame == (new.group != .projector), "\(new.name)")
    }
    let epic = try place.run(place.configuration("epic", steps: 3, "stage=pretrain", "curriculum.name=token"))
    #expect(epic.records.allSatisfy { $0.layer == 1 })
  }

  @Test func whatIsNotFiniteEndsTheRunAndNamesTheBatch() throws {
    let place = try RunPlace()
    let configuration = try place.configuration("run", steps: 9, "optimizer.learning-rate=1e30", "optimizer.schedule=constant")
    let error = #expect(throws: RunError.self) { try place.run(configuration) }
    #expect(error.map { "\($0)".contains("not finite at step") } ?? false)
    let names = try FileManager.default.contentsOfDirectory(atPath: place.url.appending(path: "run").path)
    let listed = try #require(names.first { $0.hasPrefix("failed-step-") })
    let ids = try String(contentsOf: place.url.appending(path: "run/\(listed)"), encoding: .utf8)
    #expect(ids.contains("\"id\":\""))
  }

  @Test func aRunIsNotOverwrittenAndNotMixed() throws {
    let place = try RunPlace()
    try place.run(place.configuration("run"))
    #expect(throws: RunError.self) { try place.run(place.configuration("run")) }
    let error = #expect(throws: RunError.self) {
      try place.run(place.configuration("run", "optimizer.learning-rate=2e-3", "seed=5"), resume: true)
    }
    #expect(error.map { "\($0)".contains("seed, optimizer.learning-rate") } ?? false)
    // What only says how, not what, may change.
    #expect(
      try place.run(place.configuration("run", "data.workers=1", "distillation.recompute=true"), resume: true).records.isEmpty)
    #expect(throws: DatasetError.self) {
      _ = try place.data.dataset([dataRecord("other", "a", "b")])
      try place.run(place.configuration("run"), resume: true)
    }
  }

  @Test func oldCheckpointsGo() throws {
    let place = try RunPlace()
    let found = try place.run(place.configuration("run", steps: 7, "checkpoints.every=2", "checkpoints.keep=3"))
    #expect(found.folder.checkpoints.map(\.step) == [4, 6, 7])
    let names = try FileManager.default.contentsOfDirectory(atPath: found.folder.url.path)
    #expect(!names.contains { $0.hasPrefix(".") })
  }
}

extension TrainingConfiguration {
  /// A copy with one key changed.
  func changed(_ change: String) throws -> TrainingConfiguration {
    var copy = self
    try copy.set(change)
    return copy
  }
}
