import Torch

/// Keeps the tokens that the tower's class token attends to, adds to each what is like it, and gathers the others in one (PruMerge and
/// PruMerge+, arXiv 2403.15388).
///
/// 1. With n tokens to be left, n - 1 are kept: those with the most attention; of PruMerge+ half of them so, and the others at even distances.
/// 2. To each is added Σ attention · token over the 32 others whose keys are most like its own. Weights are not normalised, and tokens are
///    taken as they were, as in the released code.
/// 3. The last token is Σ attention · token over those that were not kept.
///
/// | | corrected | reference |
/// | --- | --- | --- |
/// | attention and keys | of the tower's last layer that is computed, the mean over its heads; as in the paper | of the layer behind it, as if its heads were one |
/// | even distances | among what is left of the picture, of any size | every so-manieth of all, so that some are kept twice, count twice, and others are forgotten; the last patch is never one |
/// | order | that of the picture | by falling attention, then the grid, then the gathered one |
/// | positions | those that the tokens had; the gathered one has that of its strongest token | numbered anew |
///
/// How many tokens are left is what the plan says. The authors' share of outliers, which differs from picture to picture, is not
/// offered; their fixed share of 1/8 is `prumerge:73` and `prumerge+:145` of 576. In the released code PruMerge+ with a fixed share knows pictures of 576
/// patches alone.
public struct PruMerge: TokenReducer {
  /// Tokens that are added to one that is kept.
  static let neighbours = 32

  /// True for PruMerge+.
  public let samplesGrid: Bool
  /// Which layer is asked, and whether order and positions stay.
  public let semantics: CompressionSemantics

  /// PruMerge, or PruMerge+.
  public init(samplesGrid: Bool = false, semantics: CompressionSemantics = .corrected) {
    self.samplesGrid = samplesGrid
    self.semantics = semantics
  }

  /// The tower's end.
  public var sites: [Site.Kind] { [.tower] }

  /// Attention and keys of a layer of the tower.
  public var needs: ReducerNeeds {
    ReducerNeeds(towerLayers: [semantics == .corrected ? -1 : ReducerNeeds.layerBehindTower])
  }

  /// False: no text has a say.
  public var readsPrompt: Bool { false }

  /// As the semantics say.
  public var keepsPositions: Bool { semantics == .corrected }

  /// As the semantics say.
  public var keepsOrder: Bool { semantics == .corrected }

  /// What is kept and the gathered token.
  ///
  /// - Throws: `CompressionError.option` under `reference` where the grid does not have as many points as attention chooses tokens;
  ///   `.unavailable` where the layer is not at hand.
  public func reduce(_ choice: TokenChoice) throws -> Reduction {
    let tokens = choice.tokens
    let trace = try tokens.trace(ofTowerLayer: needs.towerLayers.first ?? -1)
    let keys = try trace.wholeKeys()
    let attention = try semantics == .corrected ? tokens.towerAttention() : trace.undividedClassAttention()
    let (kept, dropped) = try split(choice.count - 1, ranking: tokens.ranking(by: attention))
    return try reduction(kept, dropped, attention: attention, keys: keys)
  }

  /// Indices that are kept, in order, and those that are gathered, ascending.
  func split(_ count: Int, ranking: Tensor) throws -> (kept: Tensor, dropped: Tensor) {
    let total = ranking.count
    let byAttention = samplesGrid ? (count + 1) / 2 : count
    let best = try ranking.top(byAttention).indices
    let rest = try best.complement(of: total)
    if !samplesGrid || count < 2 { return (best, rest) }
    let wanted = count - byAttention
    if semantics == .corrected {
      // The middle of each of as many equal stretches.
      let places = (0..<wanted).map { (2 * $0 + 1) * rest.count / (2 * wanted) }
      let kept = try concatenate([best, rest.rows(Tensor(places, on: rest.device))])
      return (kept, try kept.complement(of: total))
    }
    let step = total / max(1, byAttention)
    let grid = Array(stride(from: step / 2, to: total - 1, by: max(1, step)))
    guard grid.count == wanted, count % 2 == 0 else {
      throw CompressionError.option(
        name: "keep", value: count + 1,
        expected: "twice a divisor of \(total) and one more under reference semantics, such as \(2 * (total / 8) + 1)")
    }
    let kept = try best.array(Int.self) + grid
    let left = Set(0..<total).subtracting(kept).sorted()
    // As many of the first ones are forgotten as are kept twice.
    let gathered = Array(left.dropFirst(left.count - (total - kept.count)))
    return (try Tensor(kept, on: ranking.device), try Tensor(gathered, on: ranking.device))
  }

  /// What becomes of tokens that are kept [k] and gathered [n], by attention [tokens] and keys [tokens, width].
  func reduction(_ kept: Tensor, _ dropped: Tensor, attention: Tensor, keys: Tensor) throws -> Reduction {
    let (count, total, device) = (kept.count, attention.count, kept.device)
    let gathered = try Tensor.zeros([1, total], on: device).scattered(
      1, dropped.unsqueezed(0), attention.rows(dropped).unsqueezed(0))
    let strongest = try dropped.rows(attention.rows(dropped).argmax(-1).reshaped([1]))
    if count == 0 { return .merge(kept: strongest, weights: gathered) }
    // A token that is kept twice is a neighbour of itself.
    let others = try concatenate([kept, dropped])
    let units = try keys.unitRows()
    let itself = try Tensor.arange(0, count, on: device).unsqueezed(1)
    let cosines = try units.rows(kept).matmul(units.rows(others).transposed(0, 1)).scattered(
      1, itself, .full([count, 1], -.infinity, on: device))
    let near = try cosines.top(min(Self.neighbours, others.count - 1)).indices
    let places = try others.unsqueezed(0).expanded([count, others.count]).gathered(1, near)
    let shares = try attention.unsqueezed(0).expanded([count, total]).gathered(1, places)
    let weights = try concatenate([kept.oneHot(total).scatterAddInPlace(1, places, shares), gathered])
    if semantics == .corrected {
      let order = try concatenate([kept, strongest]).sorted()
      return .merge(kept: order.values, weights: try weights.rows(order.indices))
    }
    return .merge(
      kept: try Self.distinct(kept.array(Int.self), strongest.array(Int.self)[0], total, on: device), weights: weights)
  }

  /// A token of the picture for each row: those that are kept, where twice then once one that is not left.
  private static func distinct(_ kept: [Int], _ last: Int, _ total: Int, on device: Device) throws -> Tensor {
    var spare = Set(0..<total).subtracting(kept).subtracting([last]).sorted()[...]
    var seen: Set<Int> = []
    let places = kept.map { seen.insert($0).inserted ? $0 : spare.removeFirst() }
    return try Tensor(places + [last], on: device)
  }
}
