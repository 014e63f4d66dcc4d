/// At which positions student and teacher are compared.
public enum DivergencePositions: String, Sendable, CaseIterable {
  /// At those that predict a supervised token: the positions of the cross entropy.
  case predicting
  /// At those that hold one. The released code applies its mask without the shift, so it never compares the predictions of an answer's
  /// first token and does compare what follows its last one.
  case holding
}

/// What the random choices of student and teacher have to do with each other, for compressors that draw.
public enum TokenDraws: String, Sendable, CaseIterable {
  /// Nothing, as in the released code.
  case independent
  /// Both take from the beginning of the same random order, so that the student's tokens are among the teacher's.
  case nested
}

/// How many tokens a ratio leaves.
public enum RatioCounts: String, Sendable, CaseIterable {
  /// What the compressor's authors' formula gives: with DART 12 of 144 tokens for ratio 0.889, as it counts in groups of its pivots.
  case formula
  /// (1 − ratio) · tokens to the nearest number, whatever the compressor: 16 of 144 for ratio 0.889.
  case exact
}

/// The loss of a training step and how it is computed.
///
/// With one student and one teacher, loss = (1 − λ) · CE + λ · KL(teacher ‖ student), equation 8 of the paper.
public struct DistillationOptions: Sendable, Equatable {
  /// λ: the share of the divergence in the loss.
  ///
  /// With 0 the teacher is never computed.
  public var divergenceWeight: Double
  /// τ: logits of both sides are divided by it in the divergence.
  public var temperature = 1.0
  /// Multiplies the divergence by τ², which keeps its gradients' size when τ changes; in the released code, not in the paper.
  public var scalesByTemperature: Bool
  /// Where the divergence is taken; its mean is over these positions.
  public var divergencePositions: DivergencePositions
  /// How far a student is from its target.
  public var divergence = Divergence.forward
  /// Which positions count in it, and how much; its mean is over all of them all the same.
  public var guidance = DivergenceGuidance.all
  /// How many tokens a curriculum's ratio leaves.
  public var counts = RatioCounts.formula
  /// How random compressors draw for both sides.
  public var draws = TokenDraws.independent
  /// Rows of a student and a teacher whose logits exist at one time; with more students as many logits, of fewer rows.
  public var chunkRows = 256
  /// Keeps each decoder layer's input alone for the backward pass and computes the rest again; the same gradients for less memory.
  public var recomputesActivations = false
  /// Measures the gradients of both terms, at the price of one more product with the output layer; see `DistillationLoss.gradientNorms`.
  public var measuresGradients = false

  /// The constants of a preset under a semantics.
  ///
  /// - Parameters:
  ///   - preset: λ = 0.7 without τ² in the paper; 0.5 with τ² in the released scripts (0.4 in the one for random choice). Both τ = 1: the
  ///     paper names none, the scripts pass it. 0.5 without τ² for nested curricula.
  ///   - corrected: false for the released code's unshifted positions. Which text a compressor looks at is the compressor's own option.
  public init(_ preset: CurriculumPreset = .paper, corrected: Bool = true) {
    divergenceWeight = preset == .paper ? 0.7 : 0.5
    scalesByTemperature = preset == .code
    divergencePositions = corrected ? .predicting : .holding
  }

  /// Throws for the first value that makes no sense.
  ///
  /// - Throws: `DistillationError.option`.
  public func validate() throws {
    func require(_ holds: Bool, _ name: String, _ value: Any, _ expected: String) throws {
      if !holds { throw DistillationError.option(name: name, value: "\(value)", expected: expected) }
    }
    try require((0...1).contains(divergenceWeight), "divergence-weight", divergenceWeight, "a share within 0...1")
    try require(temperature > 0 && temperature.isFinite, "temperature", temperature, "a number above 0")
    try require(chunkRows > 0, "chunk-rows", chunkRows, "1 or more")
  }
}
