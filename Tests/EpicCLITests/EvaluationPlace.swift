import EvaluationLayouts
import Evaluation
import Foundation
import TestModels
import TestSupport
import Testing

@testable import Answering

extension EvaluationCommandTests {
  /// Two checkpoints and miniatures of benchmarks.
  struct Place {
    let scratch: Scratch
    let data: DataFolder
    var output: URL { scratch.url.appending(path: "out") }

    init(_ names: [String] = BenchmarkRegistry.paperNames) throws {
      scratch = try Scratch()
      data = try DataFolder()
      for seed in [1, 2] {
        try TestModel.write(TestModel.tiny(seed: UInt64(seed)), to: scratch.url.appending(path: "model\(seed)"))
      }
      for name in names { try data.make(name) }
    }

    func eval(
      _ benchmarks: String, _ more: [String] = [], output: String = "out", models: [Int] = [1],
      during: EpicCommand.During? = nil
    ) async throws -> EpicCommand.Outcome {
      try await EpicCommand.run(
        ["eval", "--benchmark", benchmarks, "--data", data.url.path, "--output", scratch.url.appending(path: output).path]
          + ["--max-tokens", "4", "--threads", "1"]
          + models.flatMap { ["--model", scratch.url.appending(path: "model\($0)").path] }
          + more, during: during)
    }

    /// Folders of models, and of their benchmarks.
    func folders(_ output: String = "out") throws -> [String: URL] {
      let url = scratch.url.appending(path: output)
      var found: [String: URL] = [:]
      for model in try FileManager.default.contentsOfDirectory(atPath: url.path) where model.hasPrefix("model") {
        for name in try FileManager.default.contentsOfDirectory(atPath: url.appending(path: model).path)
        where !name.hasSuffix(".json") {
          found["\(model)/\(name)"] = url.appending(path: "\(model)/\(name)")
        }
      }
      return found
    }

    /// The only folder of a benchmark, whose name ends in a fingerprint of eight digits.
    func folder(_ benchmark: String, _ output: String = "out") throws -> URL? {
      try folders(output).first { $0.key.dropLast(9).hasSuffix("/\(benchmark)") }?.value
    }

    /// How many whole lines the journal of a benchmark has so far; 0 before there is one.
    func lines(_ benchmark: String) -> Int {
      guard let folder = try? folder(benchmark), let data = try? Data(contentsOf: folder.appending(path: AnswerJournal.fileName))
      else { return 0 }
      return data.count { $0 == UInt8(ascii: "\n") }
    }

    /// Lines of the only journal of a benchmark.
    func journal(_ benchmark: String, _ output: String = "out") throws -> [AnswerJournal.Entry] {
      let folder = try #require(try folder(benchmark, output))
      return try Data(contentsOf: folder.appending(path: AnswerJournal.fileName)).split(separator: UInt8(ascii: "\n")).map {
        try JSONDecoder().decode(AnswerJournal.Entry.self, from: $0)
      }
    }
  }
}
