import Torch

/// Merges pairs of tokens that are alike inside the tower (ToMe, arXiv 2210.09461).
///
/// 1. Tokens are divided in two by turns, the class token counted among the first. Each of the first looks for the one of the second
///    whose keys, mean over the heads of the layer before the site, are most like its own.
/// 2. As many of the most alike pairs as tokens are to go become one token each: the mean, every token weighted by how many it is made of.
/// 3. In the layers behind, a token is attended to as if it were as many (`weighsBySize`).
///
/// At most half of the tokens can go at once. Where more are to go, as in a plan with one stage, this is done again with what is left; the
/// authors merge a few in every block: `tome:554@tower.1,tome:532@tower.2,…`, which spares the tower most of its work.
///
/// | | corrected | reference |
/// | --- | --- | --- |
/// | order | that of the picture | the first ones that are left, then the second ones |
/// | positions | a merged token has that of its second one | numbered anew |
///
/// Unlike the released code, in both: pairs are merged behind a block and not between its attention and its MLP, since stages of plans
/// stand between blocks; and no dense map of sources is kept.
public struct ToMe: TokenReducer {
  /// Whether order and positions stay.
  public let semantics: CompressionSemantics

  /// A compressor that keeps order and positions, unless told otherwise.
  public init(semantics: CompressionSemantics = .corrected) { self.semantics = semantics }

  /// The tower.
  public var sites: [Site.Kind] { [.tower] }

  /// Keys of the layer before the site.
  public var needs: ReducerNeeds { ReducerNeeds(towerLayers: [ReducerNeeds.layerBeforeSite]) }

  /// False: no text has a say.
  public var readsPrompt: Bool { false }

  /// As the semantics say.
  public var keepsPositions: Bool { semantics == .corrected }

  /// As the semantics say.
  public var keepsOrder: Bool { semantics == .corrected }

  /// True.
  public var weighsBySize: Bool { true }

  /// Tokens and their mixes.
  public func reduce(_ choice: TokenChoice) throws -> Reduction {
    let tokens = choice.tokens
    let trace = try tokens.trace(ofTowerLayer: ReducerNeeds.layerBeforeSite)
    var metric = try trace.tokenKeys()
    var sizes = try tokens.sizes ?? .ones([tokens.count], on: tokens.device)
    var kept = try Tensor.arange(0, tokens.count, on: tokens.device)
    var weights: Tensor?
    while kept.count > choice.count {
      let classToken: ClassToken = tokens.beginsWithClassToken ? .first : trace.hasClassToken ? .beside : .none
      let step = try round(metric, sizes, merging: kept.count - choice.count, classToken)
      (metric, sizes, kept) = (try step.weights.matmul(metric), step.sizes, try kept.rows(step.kept))
      weights = try weights.map { try step.weights.matmul($0) } ?? step.weights
    }
    return .merge(kept: kept, weights: try weights ?? kept.oneHot(tokens.count))
  }

  /// Where the class token is, which neither merges nor is merged into.
  enum ClassToken {
    /// The tower has none.
    case none
    /// The first of the tokens.
    case first
    /// Before the tokens, and none of them.
    case beside
  }

  /// What one division in two leaves.
  struct Round {
    /// For each token that is left the one that it stands for, [n].
    let kept: Tensor
    /// [n, tokens].
    let weights: Tensor
    /// Of how many each is made, [n].
    let sizes: Tensor
  }

  /// Merges `count` pairs, or as many as there are.
  func round(_ metric: Tensor, _ sizes: Tensor, merging count: Int, _ classToken: ClassToken) throws -> Round {
    let (total, device) = (metric.size(0), metric.device)
    let isOdd = classToken == .beside ? 1 : 0
    let first = try Tensor(Array(stride(from: isOdd, to: total, by: 2)), on: device)
    let second = try Tensor(Array(stride(from: 1 - isOdd, to: total, by: 2)), on: device)
    let pairs = min(count, classToken == .first ? (total - 1) / 2 : total / 2)
    let units = try metric.unitRows()
    let best = try units.rows(first).matmul(units.rows(second).transposed(0, 1)).top(1, 1)
    var values = try best.values.squeezed(1)
    if classToken == .first {
      values = try values.scattered(0, Tensor([0], on: device), .full([1], -.infinity, on: device))
    }
    let order = try values.sorted(descending: true).indices
    let merged = try order.narrow(0, from: 0, length: pairs)
    var rest = try order.narrow(0, from: pairs, length: first.count - pairs)
    // Without a class token the released code leaves them in falling order.
    if classToken != .none || semantics == .corrected { rest = try rest.sorted().values }
    rest = try first.rows(rest)
    let targets = try best.indices.squeezed(1).rows(merged)
    let places = try targets * Tensor([total], on: device) + first.rows(merged)
    let joined = try Tensor.zeros([second.count * total], on: device)
      .scattered(0, places, .ones([pairs], on: device)).reshaped([second.count, total])
    var sources = try concatenate([rest.oneHot(total), second.oneHot(total) + joined])
    var kept = try concatenate([rest, second])
    if semantics == .corrected {
      let ascending = try kept.sorted()
      (kept, sources) = (ascending.values, try sources.rows(ascending.indices))
    }
    let shares = try sources * sizes.unsqueezed(0)
    let sums = try shares.sum(1, keepingDimension: true)
    return Round(kept: kept, weights: try shares / sums, sizes: try sums.squeezed(1))
  }
}
