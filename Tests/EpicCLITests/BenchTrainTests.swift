import Foundation
import TestModels
import TestSupport
import Testing

/// `epic bench train` takes real steps.
@Suite struct BenchTrainTests {
  struct Report: Decodable {
    let secondsPerStep, samplesPerSecond, loss: Double
    let peakMemoryBytes: Int
    let losses: [Double]
    let flopsPerStep: Double
  }

  private func report(_ arguments: [String]) async throws -> Report {
    let outcome = try await EpicCommand.run(["bench", "train", "--batch", "2", "--text-tokens", "9", "--json"] + arguments)
    try #require(outcome.code == 0, "\(outcome.err)")
    return try JSONDecoder().decode(Report.self, from: Data(outcome.out.utf8))
  }

  @Test func stepsTrainTheModel() async throws {
    let found = try await report(["--preset", "tiny", "--dtype", "f32", "--learning-rate", "1e-2", "--steps", "6"])
    // The first step is not timed, but its loss tells where training began.
    #expect(found.losses.count == 7 && found.loss == found.losses.last)
    #expect(found.losses[6] < found.losses[0] - 0.5, "the same batch every time: \(found.losses)")
    #expect(abs(found.samplesPerSecond * found.secondsPerStep - 2) < 1e-6 && found.peakMemoryBytes > 1 << 20)
  }

  @Test func recomputingChangesNoLoss() async throws {
    let arguments = ["--preset", "tiny", "--dtype", "f32", "--learning-rate", "1e-3", "--steps", "2", "--layer", "3"]
    let (kept, recomputed) = (try await report(arguments), try await report(arguments + ["--recompute"]))
    for (one, other) in zip(kept.losses, recomputed.losses) { #expect(abs(one - other) < 1e-4, "\(one), \(other)") }
  }

  /// Budgets in one step learn what they learn apart, for less work; all tokens in every other step take less again.
  @Test func budgetsTogetherAreThoseApart() async throws {
    let arguments = ["--preset", "tiny", "--dtype", "f32", "--learning-rate", "1e-3", "--steps", "2", "--budgets"]
    let (plain, together) = (try await report(arguments + ["none"]), try await report(arguments + ["9,5"]))
    let apart = try await report(arguments + ["5,9", "--separate"])
    for (one, other) in zip(together.losses, apart.losses) { #expect(abs(one - other) < 1e-4, "\(one), \(other)") }
    #expect(plain.flopsPerStep < together.flopsPerStep && together.flopsPerStep < apart.flopsPerStep)
    let less = try await report(arguments + ["9,5", "--full-every", "2"])
    #expect(less.losses.count == 5 && less.flopsPerStep < together.flopsPerStep)
  }

  @Test func aCheckpointIsTrainedInMemoryAlone() async throws {
    let place = try EpicCommand.workplace()
    let file = place.url.appending(path: "model/model.safetensors")
    let before = try Data(contentsOf: file)
    let found = try await report(["--model", place.url.appending(path: "model").path, "--dtype", "f32", "--steps", "1"])
    #expect(found.losses.allSatisfy { $0.isFinite && $0 > 0 })
    #expect(try Data(contentsOf: file) == before)
  }

  @Test func forPeopleItIsOneLine() async throws {
    let outcome = try await EpicCommand.run(["bench", "train", "--preset", "tiny", "--steps", "1", "--batch", "1"])
    #expect(
      outcome.code == 0 && outcome.out.contains("s per step") && outcome.out.split(separator: "\n").count == 1, "\(outcome.err)")
  }

  @Test(arguments: [
    (["--teacher-ratio", "0.8"], "--teacher-ratio is 0.8, expected at most --student-ratio"),
    (["--student-ratio", "1.2"], "--student-ratio is 1.2"), (["--layer", "9"], "--layer is 9, expected 1...4"),
    (["--supervised", "8"], "--supervised is 8, expected 1...7"), (["--batch", "0"], "--batch is 0"),
    (["--budgets", "9,x"], "--budgets is 9,x"), (["--separate"], "--separate has no meaning without --budgets"),
    (["--compressor", "drat"], "there is no compressor drat"), (["--learning-rate", "nan"], "--learning-rate is nan"),
  ]) func wrongUsageIsOneLine(_ more: [String], _ says: String) async throws {
    let outcome = try await EpicCommand.run(["bench", "train", "--preset", "tiny", "--text-tokens", "9"] + more)
    #expect(outcome.code == 2 && outcome.err.contains(says) && outcome.out.isEmpty, "\(outcome.err)")
  }
}
