import Torch

/// Keeps tokens drawn without replacement; the baseline that looks at nothing (Random of EPIC, arXiv 2510.00515).
public struct RandomChoice: TokenCompressor {
  /// A strategy that draws.
  public init() {}

  /// False: no text has a say.
  public var readsPrompt: Bool { false }

  /// The first `count` of a random order.
  public func keep(_ count: Int, of tokens: VisualTokens, generator: Generator) throws -> Tensor {
    try Tensor.permutation(tokens.count, generator: generator).narrow(0, from: 0, length: count)
  }
}
