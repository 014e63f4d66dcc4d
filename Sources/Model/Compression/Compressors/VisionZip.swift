import Torch

/// Keeps the tokens that the tower attends to, and merges the others into a few (VisionZip, arXiv 2412.04467).
///
/// 1. Dominant tokens are those that the class token pays most attention to in the tower's last layer.
/// 2. Of the others, in raster order, every so-manieth is a target; each remaining one joins the target whose keys in that layer (mean
///    over heads) are most like its own.
/// 3. A contextual token is its target plus the mean of those that joined it. That is a sum, about twice as long as a token, as in the
///    released code, with which the published figures were found.
///
/// Ten of 64 tokens are contextual, as in the authors' settings: 54 + 10, 108 + 20, 162 + 30.
///
/// | | corrected | reference |
/// | --- | --- | --- |
/// | dominant tokens | patches alone, as LLaVA's projector knows no class token | the class token is the first of them |
/// | order | that of the picture | dominant ones, then contextual ones |
/// | positions | those of the tokens kept and of the targets | numbered anew |
///
/// The released code keeps whole attention maps of all layers; here one row of one layer is computed. Gradients go through all that is
/// merged, where the released tower records none. A tower without a class token is asked what all of its tokens pay.
public struct VisionZip: TokenReducer {
  /// Share of the tokens kept that are merged.
  public let contextualShare: Double
  /// Whether the class token is among the tokens, and positions are numbered anew.
  public let semantics: CompressionSemantics

  /// VisionZip with the authors' share, unless told otherwise.
  public init(contextualShare: Double = 10 / 64, semantics: CompressionSemantics = .corrected) {
    self.contextualShare = contextualShare
    self.semantics = semantics
  }

  /// The tower's end.
  public var sites: [Site.Kind] { [.tower] }

  /// Attention and keys of the tower's last layer.
  public var needs: ReducerNeeds { ReducerNeeds(towerLayers: [-1]) }

  /// False: no text has a say.
  public var readsPrompt: Bool { false }

  /// As the semantics say.
  public var keepsPositions: Bool { semantics == .corrected }

  /// As the semantics say.
  public var keepsOrder: Bool { semantics == .corrected }

  /// The dominant and the contextual tokens.
  ///
  /// - Throws: `CompressionError.unavailable` under `reference` where the class token is not at hand.
  public func reduce(_ choice: TokenChoice) throws -> Reduction {
    let tokens = choice.tokens
    let contextual = min(choice.count, Int((Double(choice.count) * contextualShare).rounded()))
    let keys = try tokens.trace(ofTowerLayer: -1).tokenKeys()
    if semantics == .reference, tokens.classRow == nil {
      throw CompressionError.unavailable("the tower's class token", hint: "it is dropped already; use semantics=corrected")
    }
    return try Self.reduction(
      attention: tokens.towerRanking(), keys: keys, dominant: choice.count - contextual, contextual: contextual, semantics)
  }

  /// - Parameters:
  ///   - attention: [tokens].
  ///   - keys: [tokens, width].
  ///   - dominant: the class token included under `reference`.
  static func reduction(
    attention: Tensor, keys: Tensor, dominant: Int, contextual: Int, _ semantics: CompressionSemantics
  ) throws -> Reduction {
    let (total, device) = (attention.count, attention.device)
    let withClass = semantics == .reference && dominant > 0
    let important = try attention.top(dominant - (withClass ? 1 : 0)).indices.sorted().values
    let rest = try important.complement(of: total)
    var (kept, weights) = (important, try important.oneHot(total))
    if contextual > 0 {
      let (targets, mixes) = try merged(rest, keys, contextual)
      kept = try concatenate([kept, targets])
      weights = try concatenate([weights, mixes])
    }
    if semantics == .corrected {
      let order = try kept.sorted()
      return .merge(kept: order.values, weights: try weights.rows(order.indices))
    }
    weights = try concatenate([Tensor.zeros([weights.size(0), 1], on: device), weights], 1)
    guard withClass else { return .merge(kept: kept, weights: weights) }
    // The class token is none of the picture's tokens; it stands for one that is not left.
    let place = try kept.complement(of: total).narrow(0, from: 0, length: 1)
    let own = try Tensor([0], on: device).oneHot(total + 1)
    return .merge(kept: try concatenate([place, kept]), weights: try concatenate([own, weights]))
  }

  /// The contextual tokens of what is left, ascending `rest` [n]: their targets, [contextual], and their mixes, [contextual, tokens].
  private static func merged(_ rest: Tensor, _ keys: Tensor, _ contextual: Int) throws -> (targets: Tensor, mixes: Tensor) {
    let (count, total, device) = (rest.count, keys.size(0), rest.device)
    let step = max(1, count / contextual)
    let places = (0..<contextual).map { $0 * step }
    let targets = try rest.rows(Tensor(places, on: device))
    let taken = Set(places)
    let joining = (0..<count).filter { !taken.contains($0) }
    let own = try targets.oneHot(total)
    if joining.isEmpty { return (targets, own) }
    let others = try rest.rows(Tensor(joining, on: device))
    let units = try keys.unitRows()
    let target = try units.rows(others).matmul(units.rows(targets).transposed(0, 1)).argmax(-1)
    let members = try target.oneHot(contextual).transposed(0, 1)
    let shares = try members / members.sum(1, keepingDimension: true).clamped(1)
    let columns = try others.unsqueezed(0).expanded([contextual, joining.count])
    return (targets, try own + Tensor.zeros([contextual, total], on: device).scattered(1, columns, shares))
  }
}
