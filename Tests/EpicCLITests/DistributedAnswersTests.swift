import EvaluationLayouts
import Foundation
import Results
import TestSupport
import Testing

/// Questions that several processes answer, while they train and after it.
@Suite(.serialized) struct DistributedAnswersTests {
  /// Benchmarks are asked of divided weights too: scores and pictures are those of one process, and training is not disturbed.
  @Test func dividedWeightsAnswerBenchmarks() async throws {
    struct Line: Decodable {
      struct Score: Decodable, Equatable {
        let benchmark, reduce: String
        let score: Double
      }
      let benchmarks: [Score]?
    }
    let place = try TrainingPlace()
    let data = try DataFolder()
    for name in ["pope", "gqa"] { try data.make(name) }
    let keys = [
      "validation.benchmarks=[pope, gqa]", "validation.benchmark-data=\(data.url.path)", "validation.every=3",
      "validation.questions=9",
      "validation.reduce=['dart:4@1', 'cdpruner:5@features', 'fastv:6@2']", "data.max-length=400",
    ]
    func scores(_ output: String) throws -> [[Line.Score]] {
      try Data(contentsOf: place.scratch.url.appending(path: "\(output)/metrics.jsonl")).split(separator: UInt8(ascii: "\n"))
        .compactMap { try JSONDecoder().decode(Line.self, from: $0).benchmarks }
    }
    try await place.alone("alone", accumulation: 3, keys)
    let arguments = place.arguments("together", accumulation: 1, keys + ["distributed.shard=full"])
    for outcome in try await place.together([arguments, arguments, arguments]) { #expect(outcome.code == 0, "\(outcome.err)") }
    let (one, many) = (try scores("alone"), try scores("together"))
    #expect(many.count == 2 && many.allSatisfy { $0.count == 8 } && one == many)
    let same = try place.result("alone") == place.result("together")
    #expect(same)
    let galleries = try ["alone", "together"].map {
      try PictureGallery(from: place.scratch.url.appending(path: "\($0)/benchmarks/step-6"))
    }
    #expect(galleries[0].items.count == 4 && galleries[0] == galleries[1])
  }

  /// Processes share the questions; answers and scores are those of one, and what was answered is not asked again by others.
  @Test func processesShareQuestions() async throws {
    let place = try TrainingPlace()
    let data = try DataFolder()
    try data.make("gqa")
    func arguments(_ output: String, _ more: [String] = []) -> [String] {
      [
        "eval", "--model", place.path("model"), "--benchmark", "gqa", "--data", data.url.path, "--output", place.path(output),
        "--compressor", "dart", "--keep", "5", "--layer", "1", "--max-tokens", "3", "--threads", "1", "--timed", "0", "--dtype",
        "f32",
      ] + more
    }
    func results(_ output: String) throws -> EvaluationResults {
      try EvaluationResults(from: place.scratch.url.appending(path: output))
    }
    let alone = try await EpicCommand.run(arguments("alone"))
    #expect(alone.code == 0, "\(alone.err)")
    for outcome in try await place.together([arguments("shared", ["--limit", "6"]), arguments("shared", ["--limit", "6"])]) {
      #expect(outcome.code == 0, "\(outcome.err)")
    }
    let outcomes = try await place.together((0..<3).map { _ in arguments("shared") })
    for outcome in outcomes { #expect(outcome.code == 0, "\(outcome.err)") }
    #expect(outcomes[0].out.contains("dart") && outcomes[1].out.isEmpty && outcomes[2].out.isEmpty)
    #expect(try results("alone") == results("shared"))
    let folder = try #require(
      try FileManager.default.subpathsOfDirectory(atPath: place.path("shared")).first { $0.hasSuffix("answers-2.jsonl") })
    #expect(!folder.isEmpty)
    // All is there, so one process asks nothing.
    let again = try await EpicCommand.run(arguments("shared"))
    #expect(again.code == 0 && again.out.contains("0 questions to ask"), "\(again.out)")
  }
}
