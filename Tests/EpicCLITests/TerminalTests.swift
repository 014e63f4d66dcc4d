import Foundation
import TestSupport
import Testing

/// What commands write to a terminal, which `script` plays, and to a file.
@Suite struct TerminalTests {
  /// Evaluates a tiny model; what it wrote to the terminal, or to standard output and standard error.
  private func evaluate(terminal: String?, _ environment: [String: String] = [:]) async throws -> EpicCommand.Outcome {
    let place = try EvaluationCommandTests.Place(["gqa"])
    func path(_ name: String) -> String { place.scratch.url.appending(path: name).path }
    let arguments = [
      "eval", "--model", path("model1"), "--benchmark", "gqa", "--data", place.data.url.path, "--output", path("out"), "--limit",
      "4",
      "--keep", "4", "--layer", "1", "--max-tokens", "2", "--threads", "1", "--timed", "0",
    ]
    guard let terminal else { return try await EpicCommand.run(arguments, environment: environment) }
    let command = "exec " + ([EpicCommand.program.path] + arguments).map { "'\($0)'" }.joined(separator: " ")
    return try await EpicCommand.run(
      ["-qec", command, "/dev/null"], environment: environment.merging(["TERM": terminal]) { $1 },
      program: URL(filePath: "/usr/bin/script"))
  }

  /// A terminal sees a line of progress and no colours, with NO_COLOR and without.
  @Test(arguments: [[:], ["NO_COLOR": "1"]]) func nothingIsColored(_ environment: [String: String]) async throws {
    let outcome = try await evaluate(terminal: "xterm-256color", environment)
    #expect(outcome.code == 0 && outcome.out.contains("\u{1b}[K"), "\(outcome)")
    #expect(outcome.out.firstMatch(of: /\u{1b}\[[0-9;]*m/) == nil)
  }

  /// A terminal that understands no control sequences gets none.
  @Test func aDumbTerminalGetsPlainText() async throws {
    let outcome = try await evaluate(terminal: "dumb")
    #expect(outcome.code == 0 && outcome.out.contains("results in") && !outcome.out.contains("\u{1b}"), "\(outcome)")
  }

  /// What takes longer than two seconds and cannot say how far it is says how long it has been at work.
  @Test func longWorkIsAnnounced() async throws {
    let work = ["bench", "train", "--preset", "tiny", "--batch", "1", "--steps", "1000000", "--threads", "1"]
    let command = "exec " + ([EpicCommand.program.path] + work).map { "'\($0)'" }.joined(separator: " ")
    let outcome = try await EpicCommand.run(
      ["-qec", command, "/dev/null"], environment: ["TERM": "xterm"], program: URL(filePath: "/usr/bin/script")
    ) { program in
      try await program.send(SIGTERM) { try program.printed().contains(/measuring, [0-9]+ s/) }
    }
    #expect(outcome.out.contains(/measuring, [0-9]+ s/), "\(outcome)")
  }

  /// A pipe gets the results alone.
  @Test func aPipeGetsResultsAlone() async throws {
    let outcome = try await evaluate(terminal: nil)
    #expect(outcome.code == 0 && outcome.out.contains("results in") && !outcome.out.contains("\u{1b}"))
    #expect(outcome.err.isEmpty, "\(outcome.err)")
  }
}
