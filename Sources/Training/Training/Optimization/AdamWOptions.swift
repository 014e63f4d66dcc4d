import LLaVA

/// The constants of AdamW; the defaults are those of LLaVA's instruction tuning.
public struct AdamWOptions: Sendable, Equatable {
  /// Learning rate of each part of the model; a part without one is frozen.
  public var learningRates: [ParameterGroup: Double] = [.projector: 2e-5, .decoder: 2e-5]
  /// Learning rate of the table of token embeddings, where it differs from the decoder's; no meaning where the decoder is frozen.
  public var embeddingLearningRate: Double?
  /// How slowly the mean of gradients forgets.
  public var beta1 = 0.9
  /// How slowly the mean of squared gradients forgets.
  public var beta2 = 0.999
  /// What is added to the root of the squares' mean.
  public var epsilon = 1e-8
  /// Fraction of a weight that a step takes off, times the learning rate; not for biases and norms.
  public var weightDecay = 0.0
  /// Gradients of a larger global 2-norm are scaled down to it; none by default, as DeepSpeed does without an entry for it.
  public var maximumGradientNorm: Double?

  /// Projector and decoder at 2e-5, the tower frozen, no decay, no clipping.
  public init() {}

  /// Throws where values make no sense, naming all that do not.
  ///
  /// - Throws: `OptimizationError.invalidOptions`.
  public func validate() throws {
    var problems: [OptimizationError.Problem] = []
    func require(_ condition: Bool, _ option: String, _ value: Double, _ expected: String) {
      if !condition { problems.append(.init(option, "is \(value), expected \(expected)")) }
    }
    for (group, rate) in learningRates.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
      require(rate >= 0 && rate.isFinite, "learning-rate of \(group.rawValue)", rate, "0 or more")
    }
    if let embeddingLearningRate {
      let isGood = embeddingLearningRate >= 0 && embeddingLearningRate.isFinite
      require(isGood, "embedding-learning-rate", embeddingLearningRate, "0 or more")
    }
    require(beta1 >= 0 && beta1 < 1, "beta1", beta1, "a number from 0 to below 1")
    require(beta2 >= 0 && beta2 < 1, "beta2", beta2, "a number from 0 to below 1")
    require(epsilon > 0 && epsilon.isFinite, "epsilon", epsilon, "a number above 0")
    require(weightDecay >= 0 && weightDecay.isFinite, "weight-decay", weightDecay, "0 or more")
    if let maximumGradientNorm {
      require(maximumGradientNorm > 0 && maximumGradientNorm.isFinite, "max-grad-norm", maximumGradientNorm, "a number above 0")
    }
    if !problems.isEmpty { throw OptimizationError.invalidOptions(problems) }
  }
}
