/// What stops a benchmark from being read, scored or written as a whole.
///
/// A single bad line of a file is a ``RecordFault``.
public enum EvaluationError: Error, Sendable, Equatable, CustomStringConvertible {
  /// No benchmark has this name.
  case unknownBenchmark(String, known: [String])
  /// The benchmark has no such split, prompt or scorer.
  case unknownChoice(benchmark: String, kind: String, name: String, known: [String])
  /// A file or folder of a benchmark is not there.
  case missingFile(benchmark: String, expected: [String], origin: String)
  /// A file or folder is there and cannot be read.
  case unreadable(path: String, reason: String)
  /// A file is not of the format that the benchmark has.
  case malformed(path: String, reason: String)
  /// Not one question could be read.
  case noQuestions(benchmark: String, first: RecordFault?)
  /// Questions have no answer.
  case missingAnswers(benchmark: String, count: Int, first: String, reason: String)
  /// Answers belong to no question.
  case extraAnswers(benchmark: String, count: Int, first: String)
  /// The references of the split are not public.
  case scoredByServer(benchmark: String, split: String, server: String)
  /// Two scores cannot be compared.
  case incomparable(String)
  /// Benchmarks that an average needs have no score.
  case incompleteAverage(missing: [String])
  /// An image inside a file cannot be decoded.
  case image(String, reason: String)
  /// A file cannot be written.
  case unwritable(path: String, reason: String)

  /// One sentence for people.
  public var description: String {
    switch self {
    case .unknownBenchmark(let name, let known):
      "no benchmark is called \"\(name)\"; use one of \(known.joined(separator: ", "))"
    case .unknownChoice(let benchmark, let kind, let name, let known):
      "\(benchmark) has no \(kind) \"\(name)\"; use \(known.joined(separator: " or "))"
    case .missingFile(let benchmark, let expected, let origin):
      "\(benchmark): missing \(expected.joined(separator: " or ")); get it from \(origin)"
    case .unreadable(let path, let reason): "\(path): cannot be read (\(reason)); check the path and its permissions"
    case .malformed(let path, let reason): "\(path): \(reason); fetch the file again"
    case .noQuestions(let benchmark, let first):
      "\(benchmark): no question could be read\(first.map { ", the first because of this: \($0)" } ?? ""); fetch its files again"
    case .missingAnswers(let benchmark, let count, let first, let reason):
      "\(benchmark): \(count) questions have no answer, the first is \(first); \(reason)"
    case .extraAnswers(let benchmark, let count, let first):
      "\(benchmark): \(count) answers belong to no question, the first is \(first); use the answers of this benchmark and split"
    case .scoredByServer(let benchmark, let split, let server):
      "\(benchmark): the references of \(split) are not public; write the upload file and hand it in at \(server)"
    case .incomparable(let reason): "the scores cannot be compared: \(reason)"
    case .incompleteAverage(let missing):
      "the average needs all ten benchmarks; run \(missing.joined(separator: ", ")) as well"
    case .image(let name, let reason): "\(name): \(reason); fetch the file again"
    case .unwritable(let path, let reason): "\(path): cannot be written (\(reason)); check the folder and its permissions"
    }
  }
}
