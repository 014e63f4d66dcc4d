/// What is known of a benchmark before its files are read.
public struct BenchmarkDefinition: Sendable {
  /// The name in flags and files.
  public let name: String
  /// The name in tables.
  public let title: String
  /// Parts of the data that can be chosen, the default first.
  public let splits: [String]
  /// Ways to ask, the default first: LLaVA's, unless named otherwise; of benchmarks of videos their authors'.
  public let prompts: [String]
  /// Scorers that can be chosen, the default first.
  public let scorers: [String]
  /// Longest answer that LLaVA's scripts ask for, or the authors'.
  public let maximumNewTokens: Int
  /// The most that can be reached on the whole benchmark: 100, 2800 (MME) or 1000 (OCRBench).
  public let fullScore: Double
  /// Whether its questions are about videos, which not every model takes.
  public let isAboutVideos: Bool
  /// What the original does about questions without an answer.
  let originalMissing: OriginalMissing
  let load: @Sendable (BenchmarkSource) throws -> Benchmark

  enum OriginalMissing: Sendable {
    /// It stops.
    case aborts
    /// It scores the others.
    case leavesOut
    /// The benchmark's file says what.
    case handled
  }

  init(
    name: String, title: String, splits: [String], prompts: [String] = ["llava"], scorers: [String], maximumNewTokens: Int = 128,
    fullScore: Double = 100, isAboutVideos: Bool = false, originalMissing: OriginalMissing,
    load: @escaping @Sendable (BenchmarkSource) throws -> Benchmark
  ) {
    self.name = name
    self.title = title
    self.splits = splits
    self.prompts = prompts
    self.scorers = scorers
    self.maximumNewTokens = maximumNewTokens
    self.fullScore = fullScore
    self.isAboutVideos = isAboutVideos
    self.originalMissing = originalMissing
    self.load = load
  }

  func choose(_ name: String?, _ kind: String, from known: [String]) throws -> String {
    guard let name else { return known[0] }
    guard known.contains(name) else {
      throw EvaluationError.unknownChoice(benchmark: self.name, kind: kind, name: name, known: known)
    }
    return name
  }
}

/// What of a benchmark is read, and how its questions are put.
public struct BenchmarkOptions: Sendable, Equatable {
  /// One of ``BenchmarkDefinition/splits``; the first unless given.
  public var split: String?
  /// One of ``BenchmarkDefinition/prompts``; the first unless given.
  public var prompt: String?
  /// Refuse a benchmark whose folder of pictures is not there; answers can be scored without.
  public var requiresImages: Bool

  /// What the paper uses, as far as it can be scored here.
  public init(split: String? = nil, prompt: String? = nil, requiresImages: Bool = true) {
    self.split = split
    self.prompt = prompt
    self.requiresImages = requiresImages
  }
}
