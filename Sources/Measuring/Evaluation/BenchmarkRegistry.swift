import Foundation

/// The benchmarks by the names that flags and reports use; a new one is one file and one line here.
public enum BenchmarkRegistry {
  /// All benchmarks: the paper's, those that ask for a place in the picture, then those of videos.
  public static let all =
    paper + [RefCOCO.definition, MVBench.definition, MLVU.definition, VideoMME.definition, CLEVRER.definition]

  /// The ten of the paper, all about pictures, in the order of its tables.
  public static let paper: [BenchmarkDefinition] = [
    VQAv2.definition,
    GQA.definition,
    VizWiz.definition,
    ScienceQA.definition,
    TextVQA.definition,
    POPE.definition,
    MME.definition,
    MMBench.definition,
    MMBenchCN.definition,
    OCRBench.definition,
  ]

  /// All names, in that order.
  public static var names: [String] { all.map(\.name) }

  /// The names of the paper's ten.
  public static var paperNames: [String] { paper.map(\.name) }

  /// A benchmark's definition by name.
  ///
  /// - Throws: `EvaluationError.unknownBenchmark`, which lists the known ones.
  public static func definition(_ name: String) throws -> BenchmarkDefinition {
    guard let found = all.first(where: { $0.name == name }) else {
      throw EvaluationError.unknownBenchmark(name, known: names)
    }
    return found
  }

  /// Reads a benchmark from a data folder, which has the layout of LLaVA's `playground/data/eval`: one folder for each benchmark.
  ///
  /// - Throws: `EvaluationError`: an unknown name or option, a file that is not there or not of its format, no usable question.
  public static func load(_ name: String, from folder: URL, _ options: BenchmarkOptions = BenchmarkOptions()) throws -> Benchmark
  {
    let definition = try definition(name)
    _ = try definition.choose(options.split, "split", from: definition.splits)
    _ = try definition.choose(options.prompt, "prompt", from: definition.prompts)
    let benchmark = try definition.load(BenchmarkSource(definition: definition, folder: folder, options: options))
    if benchmark.questions.isEmpty { throw EvaluationError.noQuestions(benchmark: name, first: benchmark.faults.first) }
    return benchmark
  }
}
