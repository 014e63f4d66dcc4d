import Compression

/// How a prompt is read and answers are drawn from a model's scores.
public struct GenerationOptions: Sendable {
  /// Longest answer, in tokens.
  public var maximumNewTokens = 128
  /// 0 takes the most likely token always; above it scores are divided by it before a token is drawn.
  public var temperature = 0.0
  /// Tokens are drawn from the smallest set whose probabilities add up to at least this.
  public var topP = 1.0
  /// Tokens are drawn from the this many most likely ones; 0 for all.
  public var topK = 0
  /// Scores of tokens that occurred already are divided (or multiplied, if negative) by this; 1 changes nothing.
  public var repetitionPenalty = 1.0
  /// Which visual tokens are dropped while the prompt is read; nil for none.
  public var compression: CompressionPlan?
  /// Where random numbers start; sample i of a batch uses `seed + i`, so that it does not depend on what else is in the batch.
  public var seed: UInt64 = 0
  /// False goes on after an end-of-answer token, for comparisons and benchmarks.
  public var stopsAtEnd = true

  /// Greedy answers of up to 128 tokens.
  public init() {}

  /// Throws for the first value that makes no sense.
  ///
  /// - Throws: `GenerationError.invalidOption`.
  public func validate() throws {
    func require(_ condition: Bool, _ option: String, _ value: Any, _ expected: String) throws {
      if !condition { throw GenerationError.invalidOption("\(option) is \(value), expected \(expected)") }
    }
    try require(maximumNewTokens >= 1, "max-tokens", maximumNewTokens, "1 or more")
    try require(temperature >= 0 && temperature.isFinite, "temperature", temperature, "0 or more")
    try require(topP > 0 && topP <= 1, "top-p", topP, "a number above 0 and up to 1")
    try require(topK >= 0, "top-k", topK, "0 or more")
    try require(repetitionPenalty > 0 && repetitionPenalty.isFinite, "repetition-penalty", repetitionPenalty, "a number above 0")
  }
}

/// Why an answer could not be generated.
public enum GenerationError: Error, Equatable, CustomStringConvertible {
  /// An option's value makes no sense.
  case invalidOption(String)
  /// The model's scores are NaN or infinite.
  case notFinite(step: Int)
  /// There must be one cache for each sample.
  case cacheCount(caches: Int, samples: Int)
  /// Every sample has a branch at least, and every branch a sample.
  case branchSamples([Int], samples: Int)

  /// One sentence for people.
  public var description: String {
    switch self {
    case .invalidOption(let text): text
    case .cacheCount(let caches, let samples): "\(caches) caches were given for \(samples) samples; there must be one for each"
    case .branchSamples(let found, let samples):
      "branches start from samples \(found.map(String.init).joined(separator: ", ")), expected each of 0..<\(samples) at least once"
    case .notFinite(let step):
      "the model's scores are not finite at new token \(step); use --dtype f32 or check the checkpoint with `epic inspect`"
    }
  }
}
