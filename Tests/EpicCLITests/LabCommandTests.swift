import Demo
import Foundation
import LLaVA
import Lab
import TestSupport
import Testing

/// `epic base` and `epic lab` in miniature, one after the other: a model from nothing, then a grid that starts from it.
@Suite struct LabCommandTests {
  private static func path(_ scratch: Scratch, _ name: String) -> String { scratch.url.appending(path: name).path }

  private static func base(_ scratch: Scratch, _ output: String, _ more: [String] = []) async throws -> EpicCommand.Outcome {
    try await EpicCommand.run(
      ["base", "--output", path(scratch, output), "--train", "6", "--align-steps", "1", "--steps", "3", "--start-steps", "2"]
        + ["--threads", "1"] + more)
  }

  private static func writeGrid(_ scratch: Scratch, steps: Int = 2) throws -> String {
    let grid = """
      data: \(path(scratch, "data"))
      bases:
        a: {model: \(path(scratch, "base/start")), seeds: [0, 1]}
      train: {dtype: float32, steps: \(steps), batch.samples: 2, curriculum.layer: 1, data.max-length: 512, log.tensorboard: false}
      evaluate: {benchmarks: [textvqa, vqav2], compressors: [random], keep: [9], layer: 1}
      cells:
        base: {train: false}
        direct: {curriculum.name: fixed}
        tcd: {curriculum.name: token}
        back: {of: tcd, interpolate: 0.5}
      compare: [[tcd, direct]]
      """
    let url = scratch.url.appending(path: "grid.yaml")
    try Data(grid.utf8).write(to: url)
    return url.path
  }

  /// All that was found, without times and dates.
  private static func found(_ folder: URL) throws -> [String: [LabResult.Row]] {
    Dictionary(try LabJournal(in: folder).results.map { ($0.run.name, $0.rows) }) { _, last in last }
  }

  @Test func fromNothingToATable() async throws {
    let scratch = try Scratch()
    let made = try await Self.base(scratch, "base")
    #expect(made.code == 0, "\(made.err)")
    for command in ["data make shapes", "align", "train --config", "convert"] { #expect(made.out.contains("$ epic \(command)")) }
    for name in ["start", "finished"] {
      let reader = try CheckpointReader(scratch.url.appending(path: "base/\(name)"))
      #expect(reader.configuration == Course.shapes.configuration)
      #expect(try reader.weights.allSatisfy { $0.dtype == .bfloat16 })
    }
    let again = try await Self.base(scratch, "base")
    #expect(again.code == 0 && !again.out.contains("$ epic"), "\(again.out)")
    let other = try await Self.base(scratch, "base", ["--seed", "1"])
    #expect(other.code == 1 && other.err.contains("--output") && other.err.split(separator: "\n").count == 1, "\(other.err)")

    let data = try await EpicCommand.run(
      ["data", "make", "shapes", "--output", Self.path(scratch, "data"), "--train", "8", "--tune", "1", "--test", "1"])
    #expect(data.code == 0, "\(data.err)")
    let grid = try Self.writeGrid(scratch)
    let whole = scratch.url.appending(path: "whole")
    let lab = ["lab", grid, "--threads", "1"]
    let undisturbed = try await EpicCommand.run(lab + ["--output", whole.path, "--jobs", "2"])
    #expect(undisturbed.code == 0, "\(undisturbed.err)\(undisturbed.out)")
    #expect(undisturbed.out.contains("tcd − direct") && undisturbed.out.contains("7 runs, 0 of them done before"))
    let results = try Self.found(whole)
    #expect(Set(results.keys) == ["base-a", "direct-a-0", "direct-a-1", "tcd-a-0", "tcd-a-1", "back-a-0", "back-a-1"])
    // What lies between is not trained again, and is neither of both.
    let folders = try FileManager.default.contentsOfDirectory(atPath: whole.path)
    for name in folders where name.hasPrefix("back") {
      let log = try String(contentsOf: whole.appending(path: "\(name)/tune.log"), encoding: .utf8)
      #expect(log.contains("--interpolate") && log.contains("--weight 0.5"))
      #expect(!FileManager.default.fileExists(atPath: whole.appending(path: "\(name)/run").path))
    }
    #expect(results.values.allSatisfy { $0.map(\.compressor) == ["full", "random"] && $0.allSatisfy { $0.scores.count == 2 } })

    // Killed while it works, and gone on: the same numbers; finished runs are not run again.
    let parts = scratch.url.appending(path: "parts")
    func stop() async throws -> EpicCommand.Outcome {
      try await EpicCommand.run(lab + ["--output", parts.path]) { program in
        try await program.send(SIGTERM, oncePrinted: "direct-a-0: done")
      }
    }
    var killed = try await stop()
    // One that was faster than the signal begins anew.
    for _ in 0..<20 where !killed.out.contains("the same command goes on") {
      try FileManager.default.removeItem(at: parts)
      killed = try await stop()
    }
    #expect(killed.code == 0 && killed.out.contains("the same command goes on"), "\(killed.out)\(killed.err)")
    let before = try Self.found(parts)
    #expect(before.count >= 2 && before.count < 7)
    let rest = try await EpicCommand.run(lab + ["--output", parts.path, "--jobs", "2"])
    #expect(rest.code == 0 && rest.out.contains("\(before.count) of them done before"), "\(rest.out)")
    #expect(try Self.found(parts) == results)

    // The other split asks the same models; a changed cell is another run.
    let test = try await EpicCommand.run(
      lab + ["--output", whole.path, "--split", "test", "--only", "tcd", "--seeds", "1"])
    #expect(test.code == 0 && test.out.contains("Split test"), "\(test.err)")
    let log = try String(contentsOf: whole.appending(path: "results.jsonl"), encoding: .utf8)
    #expect(log.contains(#""split":"test""#) && log.split(separator: "\n").count == 8)
    _ = try Self.writeGrid(scratch, steps: 3)
    let changed = try await EpicCommand.run(lab + ["--output", whole.path, "--table"])
    #expect(changed.code == 0 && !changed.out.contains("tcd"), "\(changed.out)")
  }

  @Test func aRunThatFailsIsNamedAndTheOthersGoOn() async throws {
    let scratch = try Scratch()
    #expect(try await Self.base(scratch, "base").code == 0)
    _ = try await EpicCommand.run(
      ["data", "make", "shapes", "--output", Self.path(scratch, "data"), "--train", "4", "--tune", "1", "--test", "0"])
    let grid = try Self.writeGrid(scratch)
    let text = try String(contentsOfFile: grid, encoding: .utf8)
    try Data(text.replacing("{curriculum.name: fixed}", with: "{curriculum.name: none, lora.alpha: 3}").utf8).write(
      to: URL(filePath: grid))
    let lab = try await EpicCommand.run(
      ["lab", grid, "--output", Self.path(scratch, "lab"), "--seeds", "0", "--threads", "1"])
    #expect(lab.code == 1 && lab.err.contains("direct-a-0") && lab.err.contains("lora"), "\(lab.err)")
    #expect(Set(try Self.found(scratch.url.appending(path: "lab")).keys) == ["base-a", "tcd-a-0", "back-a-0"])
  }
}
