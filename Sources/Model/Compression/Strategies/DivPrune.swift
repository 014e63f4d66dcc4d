import Torch

/// Keeps tokens that lie far from each other (DivPrune, arXiv 2503.02175): the max-min diversity problem, solved greedily.
///
/// Distances are 1 - cosine of the rows as they are, in float32; behind the projector unless told otherwise. The first token is the one
/// whose nearest other token is farthest, then always the one whose nearest chosen token is farthest. O(count · tokens) behind one matrix
/// of cosines.
///
/// | | corrected | reference |
/// | --- | --- | --- |
/// | positions before the decoder | those that the tokens had | numbered anew |
///
/// Unlike the released code, in both: no token is taken twice where tokens are copies of each other, a row of zeros lies at distance 1 from
/// all others, the picture is found where it is and not at row 35, every picture of a batch is chosen for by itself, and labels go along.
public struct DivPrune: TokenReducer {
  /// Whether positions are numbered anew.
  public let semantics: CompressionSemantics

  /// A strategy that keeps positions, unless told otherwise.
  public init(semantics: CompressionSemantics = .corrected) { self.semantics = semantics }

  /// Behind the projector, or anywhere else from the tower on.
  public var sites: [Site.Kind] { [.features, .tower, .decoder] }

  /// False: no text has a say.
  public var readsPrompt: Bool { false }

  /// As the semantics say.
  public var keepsPositions: Bool { semantics == .corrected }

  /// The released formula for the share that stays: to the nearest number, halves to the even one.
  public func count(ratio: Double, of total: Int) -> Int { Self.count(keeping: 1 - ratio, of: total) }

  static func count(keeping share: Double, of total: Int) -> Int {
    Int((share * Double(total)).rounded(.toNearestOrEven))
  }

  /// What is chosen for one image.
  public func reduce(_ choice: TokenChoice) throws -> Reduction { try reduce([choice])[0] }

  /// Images of one shape together.
  public func reduce(_ choices: [TokenChoice]) throws -> [Reduction] {
    try choices.keeping { count, members in try Self.order(stack(members.map { try $0.tokens.hidden() }), count) }
  }

  /// Indices of rows [images, tokens, width] in the order in which they are taken: [images, count].
  static func order(_ rows: Tensor, _ count: Int) throws -> Tensor {
    let (images, tokens) = (rows.size(0), rows.size(1))
    let units = try rows.unitRows()
    let distances = try units.matmul(units.transposed(1, 2)) * -1 + 1
    let gone = try Tensor.full([images, 1], -.infinity, on: rows.device)
    // The smallest distance is that to the token itself.
    var pick = try distances.top(2, 1, largest: false).values.selected(1, 1).argmax(-1)
    var nearest: Tensor?
    var found = [pick]
    while found.count < count {
      let own = try distances.gathered(1, pick.reshaped([images, 1, 1]).expanded([images, 1, tokens])).squeezed(1)
      let least = try (nearest?.minimum(own) ?? own).scattered(1, pick.unsqueezed(1), gone)
      pick = try least.argmax(-1)
      nearest = least
      found.append(pick)
    }
    return try stack(found, 1)
  }
}
