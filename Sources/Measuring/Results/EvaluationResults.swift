import Basics
import Evaluation
import Foundation

/// What an evaluation found: models, each with a row for every way in which it was asked.
///
/// It is all that tables and reports need, and what `results.json` holds.
public struct EvaluationResults: Sendable, Equatable, Codable {
  /// The models, in the order in which they were given.
  public var models: [ModelResults]

  /// Results of models.
  public init(models: [ModelResults]) { self.models = models }

  /// The file's name inside an output folder.
  public static let fileName = "results.json"

  /// Reads what `write(into:)` has written.
  ///
  /// - Throws: `ResultsError`.
  public init(from folder: URL) throws {
    let url = folder.appending(path: Self.fileName)
    guard FileManager.default.fileExists(atPath: url.path) else { throw ResultsError.missing(path: url.relativePath) }
    do {
      self = try JSONDecoder().decode(Self.self, from: Data(contentsOf: url))
    } catch {
      throw ResultsError.malformed(path: url.relativePath, reason: ResultsError.reason(error))
    }
  }

  /// Several results as one; of equal models the last counts.
  public init(merging parts: [EvaluationResults]) {
    models = []
    for model in parts.flatMap(\.models) {
      if let place = models.firstIndex(where: { $0.name == model.name && $0.fingerprint == model.fingerprint }) {
        models[place] = model
      } else {
        models.append(model)
      }
    }
  }

  /// Names of all benchmarks, in the order of the paper's tables.
  public var benchmarks: [String] {
    let found = Set(models.flatMap { $0.benchmarks.map(\.name) })
    return BenchmarkRegistry.names.filter(found.contains)
  }
}

/// A model, and how it did.
public struct ModelResults: Sendable, Equatable, Codable {
  /// What people call it.
  public var name: String
  /// Changes with weights, configuration, prompts and precision.
  public var fingerprint: String
  /// Precision of the weights.
  public var dtype: String
  /// Where it ran.
  public var device: String
  /// Visual tokens of a picture.
  public var visualTokens: Int
  /// Decoder layers.
  public var layers: Int
  /// Text tokens of a prompt, the mean over all questions.
  public var textTokens: Double
  /// What was asked.
  public var benchmarks: [BenchmarkSummary]
  /// One for each way of asking, the uncompressed one first where it is there.
  public var rows: [ResultRow]

  /// A model's results.
  public init(
    name: String, fingerprint: String, dtype: String, device: String, visualTokens: Int, layers: Int, textTokens: Double,
    benchmarks: [BenchmarkSummary], rows: [ResultRow]
  ) {
    self.name = name
    self.fingerprint = fingerprint
    self.dtype = dtype
    self.device = device
    self.visualTokens = visualTokens
    self.layers = layers
    self.textTokens = textTokens
    self.benchmarks = benchmarks
    self.rows = rows
  }
}

/// What of a benchmark was asked, and how it was scored.
public struct BenchmarkSummary: Sendable, Equatable, Codable {
  /// The name in flags.
  public var name: String
  /// The name in tables.
  public var title: String
  /// The part of the data.
  public var split: String
  /// The way of asking.
  public var prompt: String
  /// The scorer, which also says how answers are normalised.
  public var scorer: String
  /// Questions that were asked.
  public var questions: Int
  /// The most that a model can reach on these questions.
  public var maximum: Double
  /// Records of the files that are no questions, by place and reason.
  public var faults: [String]
  /// Questions that could not be asked, by id and reason.
  public var broken: [String]
  /// What should be said beside the score.
  public var notes: [String]

  /// A benchmark of results.
  public init(
    name: String, title: String, split: String, prompt: String, scorer: String, questions: Int, maximum: Double,
    faults: [String], broken: [String], notes: [String]
  ) {
    self.name = name
    self.title = title
    self.split = split
    self.prompt = prompt
    self.scorer = scorer
    self.questions = questions
    self.maximum = maximum
    self.faults = faults
    self.broken = broken
    self.notes = notes
  }

  private enum CodingKeys: String, CodingKey {
    case name, title, split, prompt, scorer, questions
    case maximum = "maxScore"
    case faults, broken, notes
  }

  /// Reads a summary; one of an earlier version has its largest score under `maximum`.
  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      name: try fields.decode(String.self, forKey: .name), title: try fields.decode(String.self, forKey: .title),
      split: try fields.decode(String.self, forKey: .split), prompt: try fields.decode(String.self, forKey: .prompt),
      scorer: try fields.decode(String.self, forKey: .scorer), questions: try fields.decode(Int.self, forKey: .questions),
      maximum: try decoder.value(CodingKeys.maximum, formerly: "maximum"),
      faults: try fields.decode([String].self, forKey: .faults), broken: try fields.decode([String].self, forKey: .broken),
      notes: try fields.decode([String].self, forKey: .notes))
  }

  /// Why its scores cannot stand beside another model's; nil where they can.
  func mismatch(with other: BenchmarkSummary) -> EvaluationError? {
    let parts = [
      ("splits", split, other.split), ("prompts", prompt, other.prompt), ("scorers", scorer, other.scorer),
      ("numbers of questions", "\(questions)", "\(other.questions)"),
    ]
    return parts.first { $0.1 != $0.2 }.map { .incomparable("their \($0.0) are \($0.1) and \($0.2); evaluate both alike") }
  }
}

/// How a model did under one plan.
public struct ResultRow: Sendable, Equatable, Codable {
  /// The plan's name in files.
  public var plan: String
  /// The compressor, or "full".
  public var compressor: String
  /// Visual tokens that are left of a picture.
  public var keep: Int
  /// Decoder layers before the cut; nil where there is none.
  public var layer: Int?
  /// Visual tokens that a decoder layer sees, the mean over the layers.
  public var averageVisualTokens: Double
  /// Scores by benchmark name; one that only a server can score has none.
  public var scores: [String: ResultScore]
  /// The paper's average; nil unless all ten are there.
  public var average: Double?
  /// What reading a prompt costs.
  public var cost: ResultCost
  /// What it takes here; nil where it was not measured.
  public var timing: ResultTiming?
  /// The share of a picture's or video's tokens that was asked for; nil where a number was.
  public var share: Double?

  /// A row.
  public init(
    plan: String, compressor: String, keep: Int, layer: Int?, averageVisualTokens: Double, scores: [String: ResultScore],
    average: Double?, cost: ResultCost, timing: ResultTiming?
  ) {
    self.plan = plan
    self.compressor = compressor
    self.keep = keep
    self.layer = layer
    self.averageVisualTokens = averageVisualTokens
    self.scores = scores
    self.average = average
    self.cost = cost
    self.timing = timing
  }

  private enum CodingKeys: String, CodingKey {
    case plan, compressor, keep, layer, averageVisualTokens, scores, average, cost, timing, share
  }

  /// Reads a row; one of an earlier version has its compressor under `strategy`.
  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      plan: try fields.decode(String.self, forKey: .plan),
      compressor: try decoder.value(CodingKeys.compressor, formerly: "strategy"),
      keep: try fields.decode(Int.self, forKey: .keep),
      layer: try fields.decodeIfPresent(Int.self, forKey: .layer),
      averageVisualTokens: try fields.decode(Double.self, forKey: .averageVisualTokens),
      scores: try fields.decode([String: ResultScore].self, forKey: .scores),
      average: try fields.decodeIfPresent(Double.self, forKey: .average),
      cost: try fields.decode(ResultCost.self, forKey: .cost),
      timing: try fields.decodeIfPresent(ResultTiming.self, forKey: .timing))
    share = try fields.decodeIfPresent(Double.self, forKey: .share)
  }
}

/// A score with its 95 % interval, and how far it is from the uncompressed model's.
public struct ResultScore: Sendable, Equatable, Codable {
  /// The score as the benchmark defines it.
  public var estimate: Estimate
  /// The same in percent of what these questions could give.
  public var percentage: Double
  /// The paired difference to the row without compression; nil on that row, and where there is none.
  public var difference: Estimate?
  /// Further numbers of the benchmark.
  public var figures: [BenchmarkScore.Figure]
  /// On the questions that need many tokens and on the others, for the row's budget; nil where nobody asked, and without a budget.
  public var groups: DifficultyScore?

  /// A score.
  public init(
    estimate: Estimate, percentage: Double, difference: Estimate?, figures: [BenchmarkScore.Figure],
    groups: DifficultyScore? = nil
  ) {
    self.estimate = estimate
    self.percentage = percentage
    self.difference = difference
    self.figures = figures
    self.groups = groups
  }
}

/// What reading a prompt costs by two accountings; the mean over the questions.
public struct ResultCost: Sendable, Equatable, Codable {
  /// 10¹² FLOPs of tower, projector, decoder and head.
  public var prefillTFLOPs: Double
  /// 10⁶ bytes of keys and values.
  public var kvCacheMB: Double
  /// 10¹² FLOPs as the paper counts: the decoder alone, text shrunk with the picture, 124.4 text tokens.
  public var paperPrefillTFLOPs: Double
  /// 10⁶ bytes as the paper counts.
  public var paperKVCacheMB: Double

  /// A cost.
  public init(prefillTFLOPs: Double, kvCacheMB: Double, paperPrefillTFLOPs: Double, paperKVCacheMB: Double) {
    self.prefillTFLOPs = prefillTFLOPs
    self.kvCacheMB = kvCacheMB
    self.paperPrefillTFLOPs = paperPrefillTFLOPs
    self.paperKVCacheMB = paperKVCacheMB
  }
}

/// Seconds that one question takes when it is answered alone: medians.
public struct ResultTiming: Sendable, Equatable, Codable {
  /// Questions that were timed.
  public var samples: Int
  /// Tower and projector.
  public var vision: Double
  /// The decoder over the prompt, up to the first new token.
  public var prefill: Double
  /// All further tokens.
  public var decode: Double

  /// All of it.
  public var total: Double { vision + prefill + decode }

  /// Seconds.
  public init(samples: Int, vision: Double, prefill: Double, decode: Double) {
    self.samples = samples
    self.vision = vision
    self.prefill = prefill
    self.decode = decode
  }
}
