import Torch

/// Keeps the tokens that the question's telling words attend to, distance and weak heads left out (SparseVLM+, the second version of arXiv
/// 2410.04417).
///
/// 1. Raters are words behind the picture, chosen as in `SparseVLM`.
/// 2. What raters pay to a token in the layer before the cut is divided by what distance alone would have them pay (section 4.2): the score
///    of queries and keys of ones after the rotary embedding (`VisualTokens.distanceScores`).
/// 3. The heads of which raters pay most to the picture are averaged, then the raters (section 4.3). Nothing is merged.
///
/// The authors cut after 3, 7 and 16 of 32 layers, by lists for 576 tokens: `sparsevlm+:64` is `sparsevlm+:66@3,sparsevlm+:34@7,sparsevlm+:20@16`.
///
/// | | corrected | reference |
/// | --- | --- | --- |
/// | words | of the prompt, as in inference | in training those of answers too |
/// | heads | 14 of 32, the same share of other numbers | 14, or all where there are fewer |
/// | what distance does | no less than a sixteenth of what it does to the nearest token, so that it neither vanishes nor turns a score around | as it comes: far away it can be negative |
///
/// Unlike the released code, in both: any layers, any number of tokens, any batch; where no word is above the mean all of them rate. One
/// layer's scores of the words' rows are computed, attention stays fused.
public struct SparseVLMPlus: TokenReducer {
  /// Which words and heads rate.
  public let semantics: CompressionSemantics

  /// A compressor whose raters are the prompt's, unless told otherwise.
  public init(semantics: CompressionSemantics = .corrected) { self.semantics = semantics }

  /// The decoder alone.
  public var sites: [Site.Kind] { [.decoder] }

  /// Queries and keys of the layer before the cut, and the decoder's input.
  public var needs: ReducerNeeds { ReducerNeeds(queries: true, keys: true, input: true) }

  /// The authors' three cuts for the four numbers that they have lists for.
  static func schedule(_ amount: CompressionPlan.Amount) -> [(site: Site, amount: CompressionPlan.Amount)] {
    guard case .keep(let keep) = amount, let list = lists[keep] else { return [] }
    return zip([3, 7, 16], list).map { (.decoder(layer: $0), .keep($1)) }
  }

  /// Tokens that stay, of 576.
  static let lists = [192: [300, 200, 118], 128: [238, 108, 60], 96: [246, 54, 28], 64: [66, 34, 20]]

  /// The tokens of the highest scores.
  public func reduce(_ choice: TokenChoice) throws -> Reduction {
    .keep(try scores(choice.tokens).top(choice.count).indices.sorted().values)
  }

  /// What the raters pay to each token, [tokens].
  func scores(_ tokens: VisualTokens) throws -> Tensor {
    let words = tokens.ratingRows(semantics)
    let raters = try SparseVLM.raters(among: words, of: tokens)
    var distance = try tokens.distanceScores(of: words)
    if semantics == .corrected { distance = try distance.clamped(distance.max().item() / 16) }
    let paid = try tokens.attention(of: raters.map { words[$0] }) / distance.rows(Tensor(raters, on: tokens.device))
    return try SparseVLM.scores(paid.rows(heads(paid)))
  }

  /// The heads whose raters pay most, most first: of raters' attention [heads, raters, tokens].
  func heads(_ attention: Tensor) throws -> Tensor {
    let count = attention.size(0)
    let chosen = semantics == .reference ? min(14, count) : max(1, Int((Double(count) * 14 / 32).rounded()))
    return try attention.sum(2).sum(1).top(chosen).indices
  }
}
