import Basics
import Foundation
import TestSupport
import Testing

/// Processes of `epic train` that are killed.
@Suite(.serialized) struct LostProcessTests {
  /// Where one is killed the others end with a line, and the run goes on from its newest checkpoint.
  @Test(arguments: ["none", "full"]) func aKilledProcessEndsAllAndLosesNothing(_ shard: String) async throws {
    let place = try TrainingPlace()
    let keys = ["checkpoints.every=1", "distributed.shard=\(shard)"]
    try await place.alone("alone", accumulation: 2, keys)
    let arguments = place.arguments("together", accumulation: 1, keys)
    let logged = place.scratch.url.appending(path: "together/metrics.jsonl")
    let outcomes = try await place.together([arguments, arguments]) { rank, program in
      if rank == 1 {
        try await program.send(SIGKILL) {
          guard FileManager.default.fileExists(atPath: logged.path) else { return false }
          return try Data(contentsOf: logged).contains(UInt8(ascii: "\n"))
        }
      }
    }
    #expect(outcomes[1].code == nil)
    if let code = outcomes[0].code, code != 0 {
      #expect(code == 1 && outcomes[0].err.contains("late or gone"), "\(outcomes[0].err)")
      #expect(outcomes[0].err.split(separator: "\n").count { $0.hasPrefix("epic: ") } == 1, "\(outcomes[0].err)")
    }
    let again = arguments + ["--resume"]
    for outcome in try await place.together([again, again]) { #expect(outcome.code == 0, "\(outcome.err)") }
    let same = try place.result("alone") == place.result("together")
    #expect(same)
  }

  /// One process alone meets what is not finite: it says so and saves its batch, the other says who failed, and no step is taken.
  @Test(arguments: ["none", "optimizer", "full"]) func whatIsNotFiniteAnywhereStopsAll(_ shard: String) async throws {
    let place = try TrainingPlace()
    try place.letPicturesOverflow()
    let keys = ["distributed.shard=\(shard)", "checkpoints.every=1", "seed=3"]
    let arguments = place.arguments("together", accumulation: 1, keys)
    let outcomes = try await place.together([arguments, arguments])
    #expect(outcomes.allSatisfy { $0.code == 1 }, "\(outcomes)")
    let lines = outcomes.map { $0.err.split(separator: "\n").filter { $0.hasPrefix("epic: ") }.map(String.init) }
    #expect(lines.allSatisfy { $0.count == 1 }, "\(lines)")
    let rank = try #require(lines.firstIndex { $0.first?.contains("not finite") ?? false }, "\(lines)")
    #expect(lines[1 - rank][0].contains("rank \(rank) failed, and says why itself"), "\(lines)")
    let names = try FileManager.default.contentsOfDirectory(atPath: place.path("together"))
    let saved = try #require(names.first { $0.hasPrefix("failed-step-") }, "\(names)")
    #expect(saved.hasSuffix("-rank-\(rank).json") && lines[rank][0].contains(saved), "\(names)")
    let text = try String(contentsOfFile: place.path("together/\(saved)"), encoding: .utf8)
    #expect(text.contains("\"s2\""), "\(text)")
    let taken = (try? place.lines("together").count) ?? 0
    #expect(taken < 6 && !names.contains("checkpoint-000006"))
  }

  /// Any of them, at any moment: while they meet, in a step, while a checkpoint is written.
  ///
  /// `EPIC_KILLS` says how often, 3 times unless given.
  @Test(arguments: ["optimizer", "full"]) func killedAtAnyMomentNothingIsLost(_ shard: String) async throws {
    let kills = Int(ProcessInfo.processInfo.environment["EPIC_KILLS"] ?? "") ?? 3
    let (count, steps) = (3, kills * 8)
    let place = try TrainingPlace()
    let keys = ["checkpoints.every=1", "checkpoints.keep=2", "steps=\(steps)"]
    try await place.alone("alone", accumulation: count, keys)
    func arguments(_ timeout: Int) -> [String] {
      place.arguments("together", accumulation: 1, keys + ["distributed.shard=\(shard)", "distributed.timeout=\(timeout)"]) + [
        "--resume"
      ]
    }
    let output = place.scratch.url.appending(path: "together")
    @Sendable func names() throws -> [String] {
      guard FileManager.default.fileExists(atPath: output.path) else { return [] }
      return try FileManager.default.contentsOfDirectory(atPath: output.path)
    }
    @Sendable func logged() throws -> Int {
      let url = output.appending(path: "metrics.jsonl")
      guard FileManager.default.fileExists(atPath: url.path) else { return 0 }
      return try Data(contentsOf: url).count { $0 == UInt8(ascii: "\n") }
    }
    let seed = UInt64.random(in: 0..<1_000_000)
    var random = SplitMix(seed: seed)
    var (killed, whileWritten) = (0, 0)
    for number in 0..<kills {
      let (victim, delay) = (Int.random(in: 0..<count, using: &random), Int.random(in: 0..<200, using: &random))
      let before = try logged()
      let outcomes = try await place.together(Array(repeating: arguments(5), count: count)) { rank, program in
        guard rank == victim else { return }
        switch number % 3 {
        case 0: try await program.send(SIGKILL, after: 2 * delay)
        case 1: try await program.send(SIGKILL) { try names().contains { $0.hasPrefix(".epic-partial-") } }
        default:
          try await program.send(SIGKILL) {
            guard try logged() > before else { return false }
            usleep(UInt32(delay) * 1000)
            return true
          }
        }
      }
      if outcomes[victim].code == nil { killed += 1 }
      if try names().contains(where: { $0.hasPrefix(".epic-partial-") }) { whileWritten += 1 }
      for outcome in outcomes where outcome.code.map({ $0 != 0 }) ?? false {
        // Where the first was killed before all had met, the others cannot say that one is lost.
        #expect(outcome.code == 1, "seed \(seed), \(number): \(outcome)")
        let lines = outcome.err.split(separator: "\n").filter { $0.hasPrefix("epic: ") }
        #expect(
          lines.count == 1 && (lines[0].contains("late or gone") || lines[0].contains("not all processes met")),
          "seed \(seed): \(outcome.err)")
      }
    }
    for outcome in try await place.together(Array(repeating: arguments(60), count: count)) {
      #expect(outcome.code == 0, "\(outcome.err)")
    }
    let same = try place.result("alone", step: steps) == place.result("together", step: steps)
    #expect(same, "seed \(seed)")
    #expect(killed > kills / 2, "seed \(seed)")
    print("\(shard): \(killed) of \(kills) killed, \(whileWritten) while a checkpoint was written; seed \(seed)")
  }
}
