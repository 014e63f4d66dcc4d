import Demo
import Foundation
import LLaVA
import Results
import TestSupport
import Testing

/// The commands about shapes that move, in miniature, one after the other: a model from nothing, its demonstration, a long video.
@Suite struct MovingShapesCommandTests {
  @Test func fromNothingToALongVideo() async throws {
    let scratch = try Scratch()
    func path(_ name: String) -> String { scratch.url.appending(path: name).path }
    func epic(_ arguments: [String], code: Int32 = 0) async throws -> EpicCommand.Outcome {
      let outcome = try await EpicCommand.run(arguments)
      #expect(outcome.code == code, "\(arguments): \(outcome.err)")
      return outcome
    }
    let made = try await epic([
      "base", "--course", "moving-shapes", "--output", path("base"), "--train", "4", "--align-steps", "1", "--steps", "1",
      "--few-steps", "1", "--threads", "1",
    ])
    for command in ["data make moving-shapes", "align --course moving-shapes", "train --config", "convert"] {
      #expect(made.out.contains("$ epic \(command)"), "\(command)")
    }
    for name in ["base", "finished"] {
      #expect(
        try CheckpointReader(scratch.url.appending(path: "base/\(name)")).configuration == Course.movingShapes.configuration)
    }

    let demo = try await epic([
      "demo", "--video", "--output", path("demo"), "--finished", path("base/finished"), "--test", "2", "--keep", "25",
      "--threads", "1",
    ])
    for command in ["data make moving-shapes", "generate", "eval", "report"] {
      #expect(demo.out.contains("$ epic \(command)"), "\(command)")
    }
    let results = try EvaluationResults(from: scratch.url.appending(path: "demo"))
    #expect(results.benchmarks == ["clevrer"] && results.models.allSatisfy { $0.rows.count == 4 })
    let html = try String(contentsOf: scratch.url.appending(path: "demo/report.html"), encoding: .utf8)
    for part in ["data:image/png", "dtd, 64 of 256", "all 256"] { #expect(html.contains(part), "\(part)") }

    let stream = try await epic(["data", "make", "moving-shapes", "--output", path("long"), "--minutes", "1.1"])
    #expect(stream.out.contains("66 frames"), "\(stream.out)")
    let watched = try await epic([
      "watch", "--model", path("base/finished"), "--video", path("long/video.avi"), "--questions", path("long/questions.jsonl"),
      "--fps", "1", "--window", "9s", "--positions", "moved", "--pace", "free", "--max-tokens", "4", "--threads", "1",
    ])
    for part in [" of 6 answers", "frames      66", "memory ", "after 1 min"] {
      #expect(watched.out.contains(part), "\(watched.out)")
    }
    // A second one in the same place is refused; nothing is lost.
    let again = try await epic(["data", "make", "moving-shapes", "--output", path("long"), "--minutes", "1"], code: 1)
    #expect(again.err.contains("choose another folder"))
    try Data("{}\n".utf8).write(to: scratch.url.appending(path: "bad.jsonl"))
    let bad = try await epic(
      ["watch", "--model", path("base/finished"), "--video", path("long/video.avi"), "--questions", path("bad.jsonl")], code: 1)
    #expect(bad.err.contains("bad.jsonl, line 1"), "\(bad.err)")
  }
}
