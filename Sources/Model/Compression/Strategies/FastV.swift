import Torch

/// Keeps the tokens that the prompt's last row attends to most in the layer before the cut (FastV, arXiv 2403.06764).
///
/// The score is the attention probability, averaged over heads. Where the authors switch the layer to unfused attention to read the
/// whole map, one row of it is computed here from the layer's own queries and keys.
public struct FastV: TokenCompressor {
  /// Which row is asked: the prompt's last one, or the sample's last one.
  public let semantics: CompressionSemantics

  /// A strategy that asks the prompt's last row, unless told otherwise.
  public init(semantics: CompressionSemantics = .corrected) { self.semantics = semantics }

  /// The `count` highest scores.
  public func keep(_ count: Int, of tokens: VisualTokens, generator: Generator) throws -> Tensor {
    try tokens.attention(semantics).top(count).indices
  }
}
