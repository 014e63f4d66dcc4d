import Torch

/// Keeps the tokens that the prompt's last row attends to most in the layer before the cut (FastV, arXiv 2403.06764).
///
/// The score is the attention probability, averaged over heads. Where the authors switch the layer to unfused attention to read the
/// whole map, one row of it is computed here from the layer's own queries and keys.
public struct FastV: TokenReducer {
  /// Which row is asked: the prompt's last one, or the sample's last one.
  public let semantics: CompressionSemantics

  /// A compressor that asks the prompt's last row, unless told otherwise.
  public init(semantics: CompressionSemantics = .corrected) { self.semantics = semantics }

  /// Queries and keys of the layer before the cut.
  public var needs: ReducerNeeds { ReducerNeeds(queries: true, keys: true) }

  /// The highest scores.
  public func reduce(_ choice: TokenChoice) throws -> Reduction {
    .keep(try choice.tokens.attention(semantics).top(choice.count).indices)
  }
}
