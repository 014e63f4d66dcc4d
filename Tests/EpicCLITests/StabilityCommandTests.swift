import EvaluationLayouts
import Foundation
import Results
import TestSupport
import Testing

/// `epic stability`, and `epic eval --difficulty`.
@Suite struct StabilityCommandTests {
  @Test func conditionsStandBesideTheCleanScore() async throws {
    let place = try EvaluationCommandTests.Place(["gqa"])
    func path(_ name: String) -> String { place.scratch.url.appending(path: name).path }
    let fixed = [
      "--benchmark", "gqa", "--data", place.data.url.path, "--max-tokens", "2", "--threads", "1", "--limit", "12", "--keep", "4",
      "--layer", "1",
    ]
    func run(_ arguments: [String], code: Int32 = 0) async throws -> EpicCommand.Outcome {
      let outcome = try await EpicCommand.run(arguments)
      #expect(outcome.code == code, "\(outcome.err)")
      return outcome
    }
    let stability = ["stability", "--model", path("model1"), "--output", path("out")] + fixed
    let found = try await run(
      stability + ["--conditions", "noise=0.2,turns=2", "--after", path("model2")])
    for words in ["clean", "noise=0.2", "turns=2", "after model2", "left, %"] { #expect(found.out.contains(words)) }
    let stored = try JSONDecoder().decode(
      StabilityResults.self, from: Data(contentsOf: place.scratch.url.appending(path: "out/stability.json")))
    #expect(stored.rows.count == 8 && Set(stored.rows.map(\.condition)).count == 4)
    for (arguments, words) in [
      (["--conditions", "fog=1"], "--conditions"), (["--conditions", "turns=1"], "--conditions"), (["--no-full"], "--no-full"),
    ] {
      let refused = try await run(stability + arguments, code: 2)
      #expect(refused.err.contains(words) && refused.err.split(separator: "\n").count == 1, "\(refused.err)")
    }

    let eval = ["eval", "--model", path("model1"), "--output", path("groups"), "--timed", "0"] + fixed
    _ = try await run(eval + ["--difficulty", "downsample"])
    let results = try EvaluationResults(from: place.scratch.url.appending(path: "groups"))
    let rows = try #require(results.models.first?.rows)
    #expect(rows.map(\.compressor) == ["full", "dart", "downsample"])
    #expect(rows[1].scores["gqa"]?.groups != nil && rows[0].scores["gqa"]?.groups == nil)
    let refused = try await run(eval + ["--difficulty", "downsample", "--no-full"], code: 2)
    #expect(refused.err.contains("--difficulty"))
    let odd = try await run(eval + ["--difficulty", "downsample", "--keep", "13"], code: 2)
    #expect(odd.err.contains("--difficulty") && odd.err.split(separator: "\n").count == 1, "\(odd.err)")
  }
}
