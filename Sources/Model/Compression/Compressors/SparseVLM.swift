import Torch

/// Keeps the tokens that the question's telling words attend to, and merges the best of the others into a few (SparseVLM v1.5, arXiv
/// 2410.04417).
///
/// 1. Raters are words behind the picture that the picture calls for at the decoder's input: the softmax over words of the products with a
///    visual token, mean over all tokens of the picture, is above its mean. They are the same in each cut.
/// 2. The score is what raters pay to a token in the layer before the cut: attention probability, mean over heads and raters.
/// 3. Tokens of the highest scores stay, some of the others are merged (`Recycling`).
///
/// The authors cut after 3, 7 and 16 of 32 layers, by lists for 576 tokens to which clusters are added: `sparsevlm:64` is
/// `sparsevlm:82@3,sparsevlm:32@7,sparsevlm:18@16`, 82 tokens in a layer on average; 128 is 145, 192 is 206, 96 is 110.
///
/// | | corrected | reference |
/// | --- | --- | --- |
/// | words | of the prompt, as in inference | in training those of answers too |
/// | order | a mix stands where its centre did | mixes behind all tokens that stayed |
/// | equal densities | stay equal | are told apart by random numbers |
///
/// Unlike the released code, in both: positions are kept, where the released code numbers anew behind each cut; any layers, any number of
/// tokens, any batch, and a picture may keep all that a list asks for; where no word is above the mean all of them rate. One layer's scores
/// of the words' rows are computed, attention stays fused. `SparseVLMPlus` is the authors' second version, which drops without merging.
public struct SparseVLM: TokenReducer {
  /// Which words rate, and in which order tokens stand.
  public let semantics: CompressionSemantics

  /// A compressor whose raters are the prompt's, unless told otherwise.
  public init(semantics: CompressionSemantics = .corrected) { self.semantics = semantics }

  /// The decoder alone.
  public var sites: [Site.Kind] { [.decoder] }

  /// Queries and keys of the layer before the cut, and the decoder's input.
  public var needs: ReducerNeeds { ReducerNeeds(queries: true, keys: true, input: true) }

  /// As the semantics say.
  public var keepsOrder: Bool { semantics == .corrected }

  /// Under `reference`.
  public var drawsAtRandom: Bool { semantics == .reference }

  /// The authors' three cuts for the four numbers that they have lists for.
  static func schedule(_ amount: CompressionPlan.Amount) -> [(site: Site, amount: CompressionPlan.Amount)] {
    guard case .keep(let keep) = amount, let list = lists[keep] else { return [] }
    var left = 576
    return zip([3, 7, 16], list).map { layer, kept in
      left = Recycling(keeping: kept, of: left).count
      return (.decoder(layer: layer), .keep(left))
    }
  }

  /// Tokens that stay as they are, of 576.
  static let lists = [192: [300, 200, 110], 128: [303, 110, 36], 96: [238, 48, 26], 64: [66, 30, 17]]

  /// Tokens of the highest scores, and mixes of some others.
  public func reduce(_ choice: TokenChoice) throws -> Reduction {
    let (tokens, parts) = (choice.tokens, Recycling(leaving: choice.count, of: choice.tokens.count))
    let noise = semantics == .corrected ? nil : try Tensor.rand([parts.recycled], generator: choice.generator).to(tokens.device)
    return try parts.reduction(scores(tokens), tokens.hidden(), noise: noise, keepsOrder: keepsOrder)
  }

  /// What the raters pay to each token, [tokens].
  func scores(_ tokens: VisualTokens) throws -> Tensor {
    let words = tokens.ratingRows(semantics)
    return try Self.scores(tokens.attention(of: Self.raters(among: words, of: tokens).map { words[$0] }))
  }

  /// The mean of raters' attention [heads, raters, tokens] over heads and raters: [tokens].
  static func scores(_ attention: Tensor) throws -> Tensor { try attention.mean(0).mean(0) }

  /// Of rows of words the places of those that rate.
  static func raters(among words: [Int], of tokens: VisualTokens) throws -> [Int] {
    try words.count == 1 ? [0] : raters(of: tokens.inputText(of: words), by: tokens.inputTokens())
  }

  /// Of words [words, width] the places of those that tokens [tokens, width] call for.
  static func raters(of words: Tensor, by tokens: Tensor) throws -> [Int] {
    let called = try tokens.to(.float32).matmul(words.to(.float32).transposed(0, 1)).softmax(-1).mean(0)
    let rates = try called.mean().isLess(than: called).array(Bool.self)
    let found = rates.indices.filter { rates[$0] }
    // Words that are all alike are not above their own mean: then all of them rate.
    return found.isEmpty ? Array(rates.indices) : found
  }
}
