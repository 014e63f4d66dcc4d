import Demo
import Foundation
import LLaVA
import Results
import TestModels
import TestSupport
import Testing

/// `epic demo` in miniature: all steps, killed and resumed, with random models in place of those that come along.
@Suite struct DemoCommandTests {
  private struct Place {
    let scratch: Scratch

    init() throws {
      scratch = try Scratch()
      for (name, seed) in [("start", 1), ("finished", 2)] {
        try TestModel.write(TestModel.tiny(seed: UInt64(seed)), to: scratch.url.appending(path: name))
      }
    }

    func folder(_ name: String) -> URL { scratch.url.appending(path: name) }

    func demo(
      _ output: String, _ more: [String] = [], during: EpicCommand.During? = nil
    ) async throws -> EpicCommand.Outcome {
      try await EpicCommand.run(
        ["demo", "--output", folder(output).path, "--start", folder("start").path, "--finished", folder("finished").path]
          + ["--train", "4", "--test", "1", "--steps", "3", "--keep", "8,4", "--threads", "1"] + more, during: during)
    }

    /// All that was found, without times.
    func results(_ output: String) throws -> [[[String: ResultScore]]] {
      try EvaluationResults(from: folder(output)).models.map { $0.rows.map(\.scores) }
    }
  }

  /// The table that is printed last.
  private static func table(_ out: String) -> [Substring] {
    let lines = out.split(separator: "\n")
    return Array(lines[(lines.lastIndex { $0.hasPrefix("compressor  keep  start") } ?? lines.endIndex)...].prefix(6))
  }

  @Test func killedAndResumedItEndsTheSame() async throws {
    let place = try Place()
    let whole = try await place.demo("whole")
    #expect(whole.code == 0 && whole.err == "", "\(whole.err)")
    #expect(Self.table(whole.out).count == 6 && whole.out.contains("in all"), "\(whole.out)")
    // What the documents show of it.
    let shown = try #require(
      try Document("Documentation/Epic.docc/Demo.md").blocks.first { $0.lines.first?.hasPrefix("compressor  keep") ?? false }
    ).lines
    #expect(shown[0].replacing(#/ +/#, with: " ") == Self.table(whole.out)[0].replacing(#/ +/#, with: " "))
    let sentence = try #require(shown.first { $0.hasPrefix("start: ") })
    let printed = whole.out.split(separator: "\n").map { Output.form(String($0)) }
    #expect(printed.contains(Output.form(sentence)), "\(whole.out)")
    let readme = try Document("README.md").blocks.map { $0.lines.joined(separator: " ") }
    #expect(readme.contains(sentence))
    // Each step is a command that is shown.
    for command in ["data make shapes", "generate", "eval", "train --config", "report"] {
      #expect(whole.out.contains("$ epic \(command)"), "\(command)")
    }
    let html = try String(contentsOf: place.folder("whole").appending(path: "report.html"), encoding: .utf8)
    for part in ["Training", "Accuracy over time", "data:image/jpeg", "the first of its kind"] { #expect(html.contains(part)) }

    let killed = try await place.demo("killed") { program in
      try await program.send(SIGKILL, oncePrinted: "step 1: saved")
    }
    #expect(killed.code == nil && !killed.out.contains("in all"))
    let resumed = try await place.demo("killed")
    #expect(resumed.code == 0 && resumed.out.contains("done before") && resumed.out.contains("--resume"), "\(resumed.err)")
    #expect(Self.table(resumed.out) == Self.table(whole.out))
    #expect(try place.results("killed") == place.results("whole"))

    // All is there: nothing but the report is made again.
    let again = try await place.demo("killed")
    #expect(again.code == 0 && !again.out.contains("$ epic train") && Self.table(again.out) == Self.table(whole.out))
    let other = try await place.demo("killed", ["--seed", "3"])
    #expect(other.code == 1 && other.err.contains("--seed 100") && other.err.split(separator: "\n").count == 1, "\(other.err)")
  }

  @Test func askedToStopItSaysHowItGoesOn() async throws {
    let place = try Place()
    let stopped = try await place.demo("out") { program in
      try await program.send(SIGTERM, oncePrinted: "$ epic generate")
    }
    #expect(stopped.code == 0 && stopped.out.contains("the same command goes on"), "\(stopped.out)\(stopped.err)")
  }

  /// Each interruption saves a checkpoint; none of them takes the place of the one that the half trained model is made from.
  @Test func interruptedOftenTheBaseKeepsItsHalfTrainedModel() async throws {
    let scratch = try Scratch()
    func base(stoppedAt step: Int? = nil) async throws -> EpicCommand.Outcome {
      try await EpicCommand.run(
        ["base", "--output", scratch.url.appending(path: "base").path, "--train", "6", "--align-steps", "1", "--steps", "6"]
          + ["--start-steps", "2", "--threads", "1"]
      ) { program in
        if let step { try await program.send(SIGTERM, oncePrinted: "step \(step) of 6") }
      }
    }
    for step in [2, 3, 4] {
      let stopped = try await base(stoppedAt: step)
      #expect(stopped.code == 0, "\(stopped.err)")
    }
    let made = try await base()
    #expect(made.code == 0 && made.err == "", "\(made.err)")
    for name in ["start", "finished"] {
      #expect(try CheckpointReader(scratch.url.appending(path: "base/\(name)")).configuration == Course.shapes.configuration)
    }
  }

  /// The model made from nothing first, by `epic base`.
  @Test func fromScratch() async throws {
    let scratch = try Scratch()
    let folder = scratch.url.appending(path: "demo")
    let made = try await EpicCommand.run(
      ["demo", "--output", folder.path, "--from-scratch", "--train", "4", "--test", "1", "--steps", "2", "--keep", "9"]
        + ["--threads", "1", "--base-options=--train 6 --align-steps 1 --steps 3 --start-steps 2"])
    #expect(made.code == 0 && made.err == "", "\(made.err)")
    for command in ["base", "data make shapes", "align", "train --config", "eval", "report"] {
      #expect(made.out.contains("$ epic \(command)"), "\(command)")
    }
    let results = try EvaluationResults(from: folder)
    #expect(results.models.map(\.name) == ["start", "trained"])
    #expect(results.models.allSatisfy { $0.rows.count == 4 && $0.visualTokens == 144 })
  }
}
