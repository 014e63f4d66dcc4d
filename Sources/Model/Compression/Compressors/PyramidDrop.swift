import Torch

/// Keeps the tokens that the prompt's last row attends to most in the layer *behind* the cut (PyramidDrop, arXiv 2410.17247).
///
/// Rows go through that layer's normalisation and its projections of queries and keys ahead of time; of the queries those of the asking
/// rows alone. The score is the attention probability over all that the row sees, averaged over heads and asking rows. O(tokens · width²) for
/// the keys, which the layer computes again for the tokens that are left.
///
/// The authors drop half of the tokens after 8, 16 and 24 of 32 layers: `pyramiddrop:288@8,pyramiddrop:144@16,pyramiddrop:72@24`, or as a
/// preset `pyramiddrop:72`, 270 tokens in a layer on average.
///
/// | | corrected | reference |
/// | --- | --- | --- |
/// | who asks in training | the prompt's last row, as in inference | each row before an answer, all answers of a sample |
///
/// Unlike the released code, in both: positions are kept, where the released code numbers anew behind each cut and lowers the position
/// when it writes; all pictures of a sample are ranked, and those of samples without an answer too; grouped queries work; no value is projected.
public struct PyramidDrop: TokenReducer {
  /// Which rows ask.
  public let semantics: CompressionSemantics

  /// A compressor that asks the prompt's last row, unless told otherwise.
  public init(semantics: CompressionSemantics = .corrected) { self.semantics = semantics }

  /// The decoder alone.
  public var sites: [Site.Kind] { [.decoder] }

  /// The authors' three cuts, of which the last leaves `amount`.
  static func schedule(_ amount: CompressionPlan.Amount) -> [(site: Site, amount: CompressionPlan.Amount)] {
    let amounts: [CompressionPlan.Amount] =
      switch amount {
      case .keep(let keep) where keep <= Int.max / 4: [.keep(4 * keep), .keep(2 * keep), amount]
      case .share(let share): [.share(min(1, 4 * share)), .share(min(1, 2 * share)), amount]
      case .ratio(let ratio): [.ratio(max(0, 4 * ratio - 3)), .ratio(max(0, 2 * ratio - 1)), amount]
      default: []
      }
    return zip([8, 16, 24], amounts).map { (.decoder(layer: $0), $1) }
  }

  /// The highest scores; behind the last layer, where nothing depends on it, the first tokens.
  public func reduce(_ choice: TokenChoice) throws -> Reduction {
    let tokens = choice.tokens
    guard tokens.rows.hasNextLayer else { return .keep(try Tensor.arange(0, choice.count, on: tokens.device)) }
    return .keep(try Self.scores(tokens, semantics).top(choice.count).indices)
  }

  /// The asking rows' mean attention to each token, [count].
  static func scores(_ tokens: VisualTokens, _ semantics: CompressionSemantics) throws -> Tensor {
    try stack(tokens.askingRows(semantics).map { try tokens.nextAttention(of: $0) }).mean(0)
  }
}
