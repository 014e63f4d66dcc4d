import Torch

/// Keeps tokens drawn without replacement; the baseline that looks at nothing (Random of EPIC, arXiv 2510.00515).
public struct RandomChoice: TokenReducer {
  /// A compressor that draws.
  public init() {}

  /// False: no text has a say.
  public var readsPrompt: Bool { false }

  /// True.
  public var drawsAtRandom: Bool { true }

  /// The first of a random order.
  public func reduce(_ choice: TokenChoice) throws -> Reduction {
    let order = try Tensor.permutation(choice.tokens.count, generator: choice.generator)
    return .keep(try order.narrow(0, from: 0, length: choice.count))
  }
}
