import Foundation
import TestSupport
import Testing

/// Every curriculum with adapters and without, divided in every way, on 2 and 4 processes.
///
/// It takes some 10 minutes, so it runs only where `EPIC_PROCESSES` is `all`. `DistributedCommandTests` have some of them.
@Suite(.serialized, .enabled(if: ProcessInfo.processInfo.environment["EPIC_PROCESSES"] == "all")) struct EveryRunTogetherTests {
  struct Run: CustomTestStringConvertible, Sendable {
    let curriculum: String
    let rank: Int?
    let count: Int
    var testDescription: String { "\(curriculum), \(count) processes, \(rank.map { "adapters of rank \($0)" } ?? "all weights")" }
  }

  private static let runs = ["none", "fixed", "token", "layer", "integrated", "nested", "auto"].flatMap { curriculum in
    [nil, 2].flatMap { rank in [2, 4].map { Run(curriculum: curriculum, rank: rank, count: $0) } }
  }

  /// 20 steps give the same bits, in weights, moments and losses, as one process that takes as many micro-batches a step.
  ///
  /// `EPIC_TORCHRUN` names the torchrun that starts the processes; without it they are given the variables that it sets.
  @Test(arguments: runs) func itIsTheRunOfOneProcess(_ run: Run) async throws {
    let place = try TrainingPlace()
    let keys = ["steps=20", "curriculum.name=\(run.curriculum)"] + (run.rank.map { ["lora.rank=\($0)"] } ?? [])
    try await place.alone("alone", accumulation: run.count, keys)
    let one = try place.result("alone", step: 20)
    #expect(one.losses.count == 20)
    for shard in ["none", "optimizer", "full"] {
      let arguments = place.arguments(shard, accumulation: 1, keys + ["distributed.shard=\(shard)"])
      if let torchrun = ProcessInfo.processInfo.environment["EPIC_TORCHRUN"] {
        let start = [
          "--nproc-per-node", "\(run.count)", "--master-port", "\(try freePort())", "--no-python", EpicCommand.program.path,
        ]
        let outcome = try await Program.run(URL(filePath: torchrun), start + arguments)
        #expect(outcome.code == 0, "\(outcome.err)")
      } else {
        for outcome in try await place.together(Array(repeating: arguments, count: run.count)) {
          #expect(outcome.code == 0, "\(outcome.err)")
        }
      }
      let many = try place.result(shard, step: 20)
      let parts = [
        one.model == many.model, one.optimizer == many.optimizer, one.losses == many.losses, one.skipped == many.skipped,
      ]
      #expect(parts == [true, true, true, true], "\(shard)")
    }
  }
}
