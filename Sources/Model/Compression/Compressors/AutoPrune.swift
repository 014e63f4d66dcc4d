import Torch

/// Keeps the tokens that the question attends to, by a curve over the layers that is the flatter the more picture and question have to do
/// with each other (AutoPrune, arXiv 2509.23931).
///
/// 1. After the first layer the tokens of the highest scores stay: what the tower's class token pays to a token, and what the words pay to
///    it in this layer, times 0.3 and their mutual information.
/// 2. After the second layer the mutual information of words and picture says how steep the curve is (`LayerCurve`): many tokens in early
///    layers and few in late ones where they have little to do with each other. The plan's sum over the layers stays.
/// 3. After this layer and each one behind it, tokens that the words pay most stay, attention probability, mean over heads and words; some
///    of the others are merged (`Recycling`).
///
/// `autoprune:64` is the authors' schedule of 31 cuts for 32 layers, 64 tokens behind a layer on average and 81 in a layer of LLaVA-1.5,
/// since the first layer sees all; `autoprune:16:layers=8` is the same for a decoder of 8. With a place it is one cut.
///
/// | | corrected | reference |
/// | --- | --- | --- |
/// | words | of the prompt, as in inference | in training those of answers too |
/// | mutual information | of the words' attention to the picture, brought to sum 1; mean over heads | of what is no distribution; the sum of all heads, so that with 32 of them the curve is flat; after the first layer divided by the number of words |
/// | order | a mix stands where its centre did | mixes behind all tokens that stayed |
/// | equal densities | stay equal | are told apart by random numbers |
///
/// Unlike the released code, in both: positions are kept; any batch; no layer's attention map is kept, the words' scores alone are computed;
/// nothing is dropped behind the last layer, where nothing depends on it; the sum is searched for even where the bare curve is near it.
public struct AutoPrune: TokenReducer {
  /// Whether words are the prompt's, and what is called mutual information.
  public let semantics: CompressionSemantics
  let curve: LayerCurve

  /// The authors' curve for a decoder of so many layers.
  ///
  /// - Throws: `CompressionError.option` for less than 3 layers.
  public init(layers: Int = 32, semantics: CompressionSemantics = .corrected) throws {
    // The longest decoders have some hundred layers; a number from a file may be as large as it likes.
    if !(3...1000).contains(layers) { throw CompressionError.option(name: "layers", value: layers, expected: "3...1000") }
    self.init(LayerCurve(midpoint: 14.9 * Double(layers) / 32), semantics)
  }

  init(_ curve: LayerCurve, _ semantics: CompressionSemantics) { (self.curve, self.semantics) = (curve, semantics) }

  /// The decoder alone.
  public var sites: [Site.Kind] { [.decoder] }

  /// Queries and keys of the layer before the cut; after the first layer the tower's attention.
  public var needs: ReducerNeeds { ReducerNeeds(queries: true, keys: true, towerLayers: [-1]) }

  /// As the semantics say.
  public var keepsOrder: Bool { semantics == .corrected }

  /// Under `reference`.
  public var drawsAtRandom: Bool { semantics == .reference }

  /// After the second layer, where other cuts follow.
  public var decidesBudgets: Bool { true }

  /// The authors' cuts, after each layer but the last, for words and picture that have nothing to do with each other.
  static func schedule(_ amount: CompressionPlan.Amount, layers: Int) -> [(site: Site, amount: CompressionPlan.Amount)] {
    guard case .keep(let keep) = amount, keep > 0, keep <= Int.max / 5000, (3...1000).contains(layers) else { return [] }
    let (first, curve) = (keep * 5 / 2, LayerCurve(midpoint: 14.9 * Double(layers) / 32))
    let counts = curve.counts(1...layers - 1, steepness: curve.steepness, from: first, sum: keep * layers - first)
    return ([first] + counts.dropLast()).enumerated().map { (.decoder(layer: $0 + 1), .keep($1)) }
  }

  /// After the second layer the curve, for this cut and those behind it.
  public func budget(_ choice: TokenChoice, later: [PlannedCount]) throws -> [Int: Int] {
    guard choice.tokens.site.decoderLayer == 2, !later.isEmpty else { return [:] }
    let words = try choice.tokens.attention(of: choice.tokens.ratingRows(semantics))
    let information = try information(words, dividesByWords: false)
    let sites = [2] + later.map(\.layer)
    let counts = curve.counts(
      sites.map { $0 - 1 }, steepness: curve.steepness(information: information), from: choice.tokens.count,
      sum: later.reduce(choice.count) { $0 + $1.count })
    return Dictionary(uniqueKeysWithValues: zip(sites, counts))
  }

  /// Tokens of the highest scores, and mixes of some others.
  public func reduce(_ choice: TokenChoice) throws -> Reduction {
    let tokens = choice.tokens
    let words = try tokens.attention(of: tokens.ratingRows(semantics))
    if tokens.site == .decoder(layer: 1) {
      let scores = try Self.scores(words, tower: tokens.towerRanking(), information(words, dividesByWords: true))
      return .keep(try scores.top(choice.count).indices)
    }
    let parts = Recycling(leaving: choice.count, of: tokens.count)
    let noise = semantics == .corrected ? nil : try Tensor.rand([parts.recycled], generator: choice.generator).to(tokens.device)
    return try parts.reduction(words.mean(0).mean(0), tokens.hidden(), noise: noise, keepsOrder: keepsOrder)
  }

  /// Scores behind the first layer, [tokens]: what the tower pays, and what words [heads, words, tokens] pay.
  static func scores(_ words: Tensor, tower: Tensor, _ information: Double) throws -> Tensor {
    try tower + words.mean(0).mean(0) * (0.3 * information)
  }

  /// What words and picture have in common by attention [heads, words, tokens], in bits.
  func information(_ words: Tensor, dividesByWords: Bool) throws -> Double {
    guard semantics == .reference else { return try Self.information(Self.joint(words)).mean().item() }
    let sum = try Self.released(words).sum().item()
    return dividesByWords ? sum / Double(words.size(1)) : sum
  }

  /// Attention [heads, words, tokens] as a distribution over words and tokens, for each head.
  static func joint(_ words: Tensor) throws -> Tensor {
    let sums = try words.sum(2, keepingDimension: true).sum(1, keepingDimension: true)
    return try words / sums.clamped(1e-12)
  }

  /// The mutual information of a distribution [heads, words, tokens] for each head, in bits: [heads].
  static func information(_ joint: Tensor) throws -> Tensor {
    let alone = try joint.sum(2, keepingDimension: true) * joint.sum(1, keepingDimension: true)
    let bits = try (joint.clamped(1e-30) / alone.clamped(1e-30)).log() * (1 / 0.6931471805599453)
    return try (joint * bits).sum(2).sum(1)
  }

  /// What the released code computes of attention [heads, words, tokens] for each head: [heads].
  static func released(_ words: Tensor) throws -> Tensor {
    let count = Double(words.size(1))
    let joint = try words * (1 / count)
    let alone = try joint.sum(1, keepingDimension: true) * (1 / count) + 1e-6
    let bits = try (joint / alone).clamped(1e-6).log() * (1 / 0.6931471805599453)
    return try (joint * bits).sum(2).sum(1)
  }
}
