/// Shape of the language model: a LLaMA-style decoder.
public struct TextConfiguration: Sendable, Equatable, Encodable {
  /// The families whose checkpoints are read; they differ in biases and defaults only.
  public enum Family: String, Sendable, CaseIterable, Encodable {
    /// LLaMA, Vicuna and relatives: no biases.
    case llama
    /// Qwen2 and 2.5: biases on the query, key and value projections.
    case qwen2
    /// Mistral: as LLaMA, with attention over a window in some models, whose contexts are no longer than it here.
    case mistral
  }

  /// Which family the checkpoint is of.
  public var family = Family.llama
  /// Rows of the embedding table and of the output layer.
  public var vocabularySize: Int
  /// Width of the decoder.
  public var hiddenSize: Int
  /// Decoder layers.
  public var layers: Int
  /// Query heads.
  public var heads: Int
  /// Key and value heads; each serves `heads / keyValueHeads` query heads.
  public var keyValueHeads: Int
  /// Width inside the MLP.
  public var intermediateSize: Int
  /// Width of a head.
  public var headDimension: Int
  /// Added to the mean square in RMS normalisation.
  public var rmsNormEpsilon = 1e-5
  /// Base of the rotary embedding's frequencies.
  public var ropeTheta = 10_000.0
  /// How the rotary embedding is stretched beyond the trained context.
  public var ropeScaling = RotaryScaling.none
  /// Frequencies of the rotary embedding that turn by time, row and column of a token, in this order; nil where all turn by its place.
  public var ropeSections: [Int]?
  /// Longest context, in tokens.
  public var maximumPositions = 4096
  /// Biases on the query, key and value projections.
  public var attentionBias = false
  /// A bias on the attention's output projection.
  public var attentionOutputBias = false
  /// Biases in the MLP.
  public var mlpBias = false
  /// True where the output layer is the embedding table.
  public var tiesEmbeddings = false

  /// A decoder with LLaMA-2's constants.
  public init(hiddenSize: Int, layers: Int, heads: Int, keyValueHeads: Int, intermediateSize: Int, vocabularySize: Int) {
    self.hiddenSize = hiddenSize
    self.layers = layers
    self.heads = heads
    self.keyValueHeads = keyValueHeads
    self.intermediateSize = intermediateSize
    self.vocabularySize = vocabularySize
    headDimension = hiddenSize / max(1, heads)
  }

  /// Axes of a token's position.
  public var positionAxes: Int { ropeSections?.count ?? 1 }

  /// Throws unless the numbers fit each other.
  ///
  /// - Throws: `ConfigurationError` naming the field.
  func validate(_ file: String, _ prefix: String) throws {
    try requirePositive(
      [
        "hidden_size": hiddenSize, "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": keyValueHeads,
        "intermediate_size": intermediateSize, "vocab_size": vocabularySize, "head_dim": headDimension,
      ], file, prefix)
    try requirePositive(["max_position_embeddings": maximumPositions], file, prefix, limit: 1 << 30)
    guard heads % keyValueHeads == 0 else {
      throw ConfigurationError.invalid(
        file: file, field: prefix + "num_attention_heads",
        reason: "\(heads) is not a multiple of num_key_value_heads \(keyValueHeads)")
    }
    guard headDimension % 2 == 0 else {
      throw ConfigurationError.invalid(file: file, field: prefix + "head_dim", reason: "\(headDimension) is odd")
    }
    try requireNumber(
      rmsNormEpsilon, in: .leastNormalMagnitude...1, file, prefix + "rms_norm_eps", expected: "above 0 and at most 1")
    try requireNumber(ropeTheta, in: 1...1e18, file, prefix + "rope_theta")
    let scaling = prefix + "rope_scaling."
    switch ropeScaling {
    case .none: break
    case .linear(let factor), .dynamic(let factor): try requireNumber(factor, in: 1...1e9, file, scaling + "factor")
    case .llama3(let factor, let low, let high, let original):
      try requireNumber(factor, in: 1...1e9, file, scaling + "factor")
      try requireNumber(low, in: 1e-9...1e9, file, scaling + "low_freq_factor")
      try requireNumber(high, in: 1e-9...1e9, file, scaling + "high_freq_factor")
      try requirePositive(["original_max_position_embeddings": original], file, scaling, limit: 1 << 30)
    }
  }
}

/// How a rotary embedding is stretched beyond the context that the model was trained with.
public enum RotaryScaling: Sendable, Equatable, Encodable {
  /// Not at all.
  case none
  /// Positions divided by `factor`.
  case linear(factor: Double)
  /// The base raised once a sequence is longer than `maximumPositions` ("dynamic NTK").
  case dynamic(factor: Double)
  /// Llama 3.1: low frequencies divided by `factor`, high ones kept, those between blended.
  case llama3(factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalPositions: Int)
}

/// Above the sizes of every model there is, and so low that products of three cannot overflow.
let maximumSize = 1 << 20

/// Throws for the first field, by name, that is not above zero or above the limit.
func requirePositive(_ fields: [String: Int], _ file: String, _ prefix: String, limit: Int = maximumSize) throws {
  for (name, value) in fields.sorted(by: { $0.key < $1.key }) where value <= 0 || value > limit {
    throw ConfigurationError.invalid(file: file, field: prefix + name, reason: "\(value) is not in 1...\(limit)")
  }
}

/// Throws where a number is outside of what a computation in single precision bears; NaN is outside.
func requireNumber(
  _ value: Double, in range: ClosedRange<Double>, _ file: String, _ field: String, expected: String? = nil
) throws {
  guard range.contains(value) else {
    throw ConfigurationError.invalid(file: file, field: field, reason: "\(value) is not \(expected ?? "in \(range)")")
  }
}
