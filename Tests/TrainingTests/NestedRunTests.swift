import Distillation
import Foundation
import TestSupport
import Testing
import Torch

@testable import Training

/// Runs with several budgets in a step.
@Suite struct NestedRunTests {
  private let keys = ["curriculum.name=nested", "curriculum.smallest=2"]

  private func configuration(_ place: RunPlace, _ output: String, steps: Int = 4, _ changes: [String]) throws
    -> TrainingConfiguration
  {
    try (keys + changes).reduce(place.configuration(output, steps: steps)) { try $0.changed($1) }
  }

  @Test(arguments: [
    [], ["curriculum.teacher=chain", "curriculum.between=2", "curriculum.full-every=2", "curriculum.progression=tokens"],
    ["curriculum.teacher=frozen", "distillation.divergence=reverse", "distillation.where=right"],
    ["curriculum.teacher=frozen", "distillation.divergence-weight=1", "lora.rank=2", "compression.compressor=fastv"],
    [
      "curriculum.teacher=mutual", "distillation.divergence=jensen-shannon", "distillation.temperature=2",
      "curriculum.ladder=[8, 4]",
    ],
    ["curriculum.teacher=mean", "curriculum.progression=layers", "curriculum.stages=2", "compression.compressor=random"],
    ["curriculum.mix=true", "batch.samples=2", "batch.accumulation=2", "compression.compressor=uniform"],
    ["curriculum.mix=true", "curriculum.teacher=none", "distillation.where=confidence"],
    ["curriculum.shares=[1, 2, 3]", "curriculum.divergence-weights=[0, 0.5, 0.9]", "distillation.divergence=hidden"],
    ["curriculum.name=auto", "curriculum.stages=2"],
    ["curriculum.full-every=2", "compression.compressor=dart,fastv,pool"],
    ["curriculum.teacher=frozen", "distillation.divergence-weight=1", "data.augment=[rotate90, channel-shuffle]"],
  ]) func everyOptionTrainsAndGoesOnToTheSameBits(_ changes: [String]) throws {
    let place = try RunPlace()
    let whole = try place.run(configuration(place, "whole", changes))
    #expect(whole.records.allSatisfy { $0.loss.isFinite && ($0.flops ?? 0) > 0 })
    let first = try place.run(configuration(place, "cut", changes), stopAfter: 2)
    let rest = try place.run(configuration(place, "cut", changes), resume: true)
    #expect(first.losses + rest.losses == whole.losses && rest.weights == whole.weights)
    #expect((first.records + rest.records).map(\.budgets) == whole.records.map(\.budgets))
    #expect((first.records + rest.records).map(\.curriculum) == whole.records.map(\.curriculum))
    #expect((first.records + rest.records).map(\.compressor) == whole.records.map(\.compressor))
    // What is logged can be read again.
    let lines = try String(contentsOf: whole.folder.metrics, encoding: .utf8).split(separator: "\n")
    let read = try lines.map { try JSONDecoder().decode(StepRecord.self, from: Data($0.utf8)) }
    #expect(read == whole.records)
  }

  /// Each step is one of the compressor whose turn it is; all have turns, and other seeds have others.
  @Test func compressorsTakeTurns() throws {
    let place = try RunPlace()
    let names = ["random", "fastv", "uniform"]
    var turns = Set<[String?]>()
    for seed in 1...4 {
      func run(_ compressor: String, _ output: String, steps: Int) throws -> [StepRecord] {
        let changes = ["compression.compressor=\(compressor)", "seed=\(seed)", "curriculum.teacher=none"]
        return try place.run(configuration(place, "\(output)-\(seed)", steps: steps, changes)).records
      }
      let mixed = try run(names.joined(separator: ", "), "mixed", steps: 8)
      let first = try #require(mixed[0].compressor)
      let alone = try run(first, "alone", steps: 8)
      #expect(alone[0].loss == mixed[0].loss && alone[0].compressor == nil, "\(first)")
      #expect(alone.map(\.loss) != mixed.map(\.loss))
      turns.insert(mixed.map(\.compressor))
    }
    #expect(turns.count > 2 && Set(turns.joined()) == Set(names.map(Optional.init)))
    // A name that is unknown is refused, wherever it stands; so is none.
    for bad in ["dart,nobody", "'dart,'", "','"] {
      let configuration = try configuration(place, "bad", ["compression.compressor=\(bad)"])
      #expect(throws: ConfigurationProblem.self, "\(bad)") { try TrainingRun(configuration) }
    }
  }

  /// Pictures that change make another run, and where labels count there is a note.
  @Test func picturesThatChangeAreForTrainingWithoutLabels() throws {
    let place = try RunPlace()
    func run(_ changes: [String], _ output: String) throws -> TrainingRun {
      try TrainingRun(configuration(place, output, changes))
    }
    let augment = "data.augment=[horizontal-flip]"
    let (frozen, alone) = ("curriculum.teacher=frozen", "distillation.divergence-weight=1")
    #expect(try run([frozen, alone, augment], "a").notes.isEmpty)
    #expect(try run([frozen], "b").notes.isEmpty)
    for (index, changes) in [[augment], [frozen, augment], [alone, augment]].enumerated() {
      let notes = try run(changes, "c\(index)").notes
      #expect(notes.count == 1 && notes[0].contains("data.augment") && notes[0].contains("labels"), "\(changes)")
    }
    let plain = try place.run(configuration(place, "plain", [frozen, alone]))
    let changing = try place.run(configuration(place, "changing", [frozen, alone, augment]))
    #expect(plain.losses != changing.losses)
    #expect(throws: ConfigurationProblem.self) { try configuration(place, "bad", ["data.augment=[mirror]"]) }
  }

  @Test func budgetsAreKeptExactlyAndLogged() throws {
    let place = try RunPlace()
    let changes = ["curriculum.ladder=[11, 5]", "curriculum.teacher=chain"]
    let found = try place.run(configuration(place, "run", changes + ["curriculum.full-every=2"]))
    for (index, record) in found.records.enumerated() {
      let budgets = try #require(record.budgets)
      #expect(budgets.map(\.role) == (index % 2 == 0 ? [.full] : []) + [.between, .between, .smallest])
      #expect(budgets.suffix(3).map(\.tokens) == [11, 5, 2])
      #expect(budgets.map { $0.divergence != nil } == (index % 2 == 0 ? [false, true, true, true] : [false, true, true]))
      #expect(budgets.suffix(3).allSatisfy { $0.layer == 1 && $0.crossEntropy > 0 })
    }
    // Work follows what is computed: all tokens in every step take more in the others.
    let every = try place.run(configuration(place, "every", changes))
    for (index, (some, all)) in zip(found.records, every.records).enumerated() {
      let (less, more) = (try #require(some.flops), try #require(all.flops))
      #expect(index % 2 == 0 ? less == more : less < more)
    }
  }

  /// A ratio of 0.889 leaves what DART's formula makes of it, or exactly a ninth.
  @Test func ratiosCountByTheFormulaOrExactly() throws {
    let place = try RunPlace()
    func tokens(_ counts: String) throws -> [Double?] {
      let found = try place.run(
        place.configuration(
          counts, steps: 2, "curriculum.name=fixed", "curriculum.student-min=0.5", "curriculum.student-max=0.5",
          "curriculum.gap=0",
          "distillation.divergence-weight=0", "compression.counts=\(counts)"))
      return found.records.map { $0.budgets?.first?.tokens ?? nil }
    }
    let all = try TrainingRun(place.configuration("all", "curriculum.name=none")).model.pictureLayout.count
    // Four pivots and groups of eight.
    #expect(try tokens("formula") == [4 + 8 * Double(all / 2 / 8), 4 + 8 * Double(all / 2 / 8)])
    #expect(try tokens("exact") == [Double(all) / 2, Double(all) / 2].map { $0.rounded() })
  }

  @Test func curriculaOfTwoSourcesAreNotMixed() throws {
    let place = try RunPlace()
    func refused(_ says: String, _ changes: String...) {
      let error = #expect(throws: ConfigurationProblem.self) {
        try TrainingRun(changes.reduce(place.configuration("run")) { try $0.changed($1) })
      }
      #expect(error.map { "\($0)".contains(says) } ?? false, "\(changes): \(error.map { "\($0)" } ?? "")")
    }
    refused("use preset epic-nested", "curriculum.name=nested", "preset=epic-paper")
    refused("only for nested and auto", "curriculum.name=token", "preset=epic-nested")
    refused("gap has no meaning", "curriculum.name=nested", "curriculum.gap=0.1")
    refused("teacher has no meaning", "curriculum.name=token", "curriculum.teacher=full")
    refused("draws is sample", "curriculum.name=auto", "curriculum.draws=sample")
    refused("smallest is 999", "curriculum.name=nested", "curriculum.smallest=999")
    let run = try TrainingRun(place.configuration("run", "curriculum.name=nested"))
    #expect(run.configuration.preset == .nested && run.configuration.curriculum.draws == .sample)
  }
}
