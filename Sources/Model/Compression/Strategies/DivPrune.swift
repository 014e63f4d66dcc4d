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
    var walk = try FarthestFirst(rows)
    var found = [walk.pick]
    while found.count < count {
      try walk.step()
      found.append(walk.pick)
    }
    return try stack(found, 1)
  }
}

/// Tokens of images one after the other, always the one whose nearest before it is farthest; distances are 1 - cosine.
struct FarthestFirst {
  private let distances: Tensor
  private let gone: Tensor
  private var nearest: Tensor?
  /// The last token of each image, [images] int64.
  private(set) var pick: Tensor

  /// Begins with the token whose nearest other one is farthest.
  ///
  /// - Parameter rows: [images, tokens, width], two tokens at least.
  init(_ rows: Tensor) throws {
    let units = try rows.unitRows()
    distances = try units.matmul(units.transposed(1, 2)) * -1 + 1
    gone = try Tensor.full([rows.size(0), 1], -.infinity, on: rows.device)
    // The smallest distance is that to the token itself.
    pick = try distances.top(2, 1, largest: false).values.selected(1, 1).argmax(-1)
  }

  /// The next token of each image; there must be one.
  ///
  /// - Returns: how far each token was from its nearest before one was taken, [images, tokens]; -∞ for those that are taken.
  @discardableResult
  mutating func step() throws -> Tensor {
    let (images, tokens) = (distances.size(0), distances.size(1))
    let own = try distances.gathered(1, pick.reshaped([images, 1, 1]).expanded([images, 1, tokens])).squeezed(1)
    let least = try (nearest?.minimum(own) ?? own).scattered(1, pick.unsqueezed(1), gone)
    pick = try least.argmax(-1)
    nearest = least
    return least
  }

  /// How far each token of an image lies from its nearest before it, falling: [tokens], the first one's being the second's.
  ///
  /// - Parameters:
  ///   - rows: [tokens, width].
  ///   - end: no more than some tokens are looked at behind the first that lies no farther.
  static func distances(_ rows: Tensor, until end: Double? = nil) throws -> [Double] {
    let tokens = rows.size(0)
    if tokens < 2 { return Array(repeating: 0, count: tokens) }
    var walk = try FarthestFirst(rows.unsqueezed(0))
    var (found, open) = ([Double](), [Tensor]())
    for step in 1..<tokens {
      open.append(try walk.step().top(1).values.reshaped([1]))
      // On a GPU asking for a number takes longer than many steps.
      if open.count < 32, step < tokens - 1 { continue }
      found += try concatenate(open).array(Float.self).map { Double($0) }
      open = []
      if let end, let last = found.last, last <= end { break }
    }
    return found.prefix(1) + found
  }
}
