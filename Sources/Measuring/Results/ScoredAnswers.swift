import Evaluation
import Foundation

/// The answers that an evaluation kept, scored question by question with the benchmarks' own files.
///
/// `results.json` holds sums alone, so what needs single questions (differences paired by question, examples) reads them here.
public struct ScoredAnswers: Sendable {
  private struct Place: Hashable {
    let model: String
    let benchmark: String
    let plan: String
  }

  /// The benchmarks, as they were asked.
  public private(set) var benchmarks: [Benchmark] = []
  private var scores: [Place: BenchmarkScore] = [:]
  private var texts: [Place: [String: String]] = [:]

  /// Reads the answers of a folder that `epic eval` wrote.
  ///
  /// Only answers whose score is that of the results count, as a folder may hold answers to other prompts or seeds too.
  ///
  /// - Parameter data: the folder of the benchmarks.
  /// - Throws: `EvaluationError` for benchmarks that cannot be read or scored; `ResultsError` for folders that cannot be read.
  public init(of results: EvaluationResults, in folder: URL, data: URL) throws {
    for name in results.benchmarks {
      for model in results.models {
        guard let summary = model.benchmarks.first(where: { $0.name == name }) else { continue }
        let options = BenchmarkOptions(split: summary.split, prompt: summary.prompt)
        let known = benchmarks.first { $0.definition.name == name && $0.split == summary.split && $0.prompt == summary.prompt }
        let benchmark = try known ?? BenchmarkRegistry.load(name, from: data, options)
        if known == nil { benchmarks.append(benchmark) }
        for row in model.rows {
          guard let recorded = row.scores[name] else { continue }
          for file in try Self.answerFiles(folder, model, name, row.plan) {
            let answers = try AnswerFile.read(file, for: benchmark).answers
            // A file without an answer to these questions is another evaluation's.
            guard benchmark.questions.contains(where: { answers[$0.id] != nil }) else { continue }
            let score = try benchmark.score(answers, scorer: summary.scorer, missing: .leaveOut)
            guard abs(score.value - recorded.estimate.value) < 1e-9 else { continue }
            let place = Place(model: Self.key(model), benchmark: name, plan: row.plan)
            scores[place] = score
            texts[place] = answers
          }
        }
      }
    }
  }

  /// Takes over what another folder holds.
  public mutating func merge(_ other: ScoredAnswers) {
    scores.merge(other.scores) { $1 }
    texts.merge(other.texts) { $1 }
    for benchmark in other.benchmarks
    where !benchmarks.contains(where: { $0.definition.name == benchmark.definition.name && $0.split == benchmark.split }) {
      benchmarks.append(benchmark)
    }
  }

  /// Every question's score; nil where the answers are not there.
  public func score(of model: ModelResults, on benchmark: String, under plan: String) -> BenchmarkScore? {
    scores[Place(model: Self.key(model), benchmark: benchmark, plan: plan)]
  }

  /// Answers by question id.
  public func answers(of model: ModelResults, on benchmark: String, under plan: String) -> [String: String] {
    texts[Place(model: Self.key(model), benchmark: benchmark, plan: plan)] ?? [:]
  }

  private static func key(_ model: ModelResults) -> String { "\(model.name) \(model.fingerprint)" }

  private static func answerFiles(
    _ folder: URL, _ model: ModelResults, _ benchmark: String, _ plan: String
  ) throws -> [URL] {
    func folders(_ url: URL, _ isWanted: (String) -> Bool) throws -> [URL] {
      do {
        let names = try FileManager.default.contentsOfDirectory(atPath: url.path)
        return names.filter(isWanted).sorted().map { url.appending(path: $0) }
      } catch {
        throw ResultsError.malformed(path: url.relativePath, reason: ResultsError.reason(error))
      }
    }
    // Folders end in eight digits of a fingerprint.
    return try folders(folder) { $0.hasSuffix("-\(model.fingerprint.prefix(8))") }
      .flatMap { try folders($0) { $0.dropLast(9) == benchmark && $0.hasPrefix("\(benchmark)-") } }
      .map { $0.appending(path: "answers/\(plan).jsonl") }
      .filter { FileManager.default.fileExists(atPath: $0.path) }
  }
}
