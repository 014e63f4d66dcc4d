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

  /// A compressor that keeps positions, unless told otherwise.
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
    let cosines = try Cosines(rows)
    let found = (0..<cosines.images).flatMap { image -> [Int] in
      var walk = FarthestFirst(cosines, image: image)
      var order = [walk.pick]
      while order.count < count {
        walk.step()
        order.append(walk.pick)
      }
      return order
    }
    return try Tensor(found, [cosines.images, count], on: rows.device)
  }
}

/// Tokens of an image one after the other, always the one whose nearest before it is farthest; distances are 1 - cosine.
struct FarthestFirst {
  private let cosines: Cosines
  private let image: Int
  /// How far each token is from its nearest before; -∞ for those that are taken.
  private var nearest: [Float]
  /// The last token that was taken.
  private(set) var pick: Int

  /// Begins with the token whose nearest other one is farthest.
  init(_ cosines: Cosines, image: Int) {
    (self.cosines, self.image) = (cosines, image)
    nearest = Array(repeating: .infinity, count: cosines.tokens)
    // The greatest cosine is that with the token itself.
    let second = (0..<cosines.tokens).map { token in
      cosines.withRow(token, of: image) { row in
        var (first, second) = (-Float.infinity, -Float.infinity)
        for cosine in row {
          second = max(second, min(first, cosine))
          first = max(first, cosine)
        }
        return 1 - second
      }
    }
    pick = Self.greatest(second)
  }

  /// Takes the next token; there must be one.
  ///
  /// - Returns: how far it is from its nearest before.
  @discardableResult
  mutating func step() -> Float {
    cosines.withRow(pick, of: image) { row in
      for token in row.indices { nearest[token] = min(nearest[token], 1 - row[token]) }
    }
    nearest[pick] = -.infinity
    pick = Self.greatest(nearest)
    return nearest[pick]
  }

  /// The first place of the greatest number; 0 where none is a number.
  private static func greatest(_ numbers: [Float]) -> Int {
    var found = 0
    for index in numbers.indices where numbers[index] > numbers[found] { found = index }
    return found
  }

  /// How far each token of an image lies from its nearest before it, falling: [tokens], the first one's being the second's.
  ///
  /// - Parameters:
  ///   - rows: [tokens, width].
  ///   - end: no token is looked at behind the first that lies no farther.
  static func distances(_ rows: Tensor, until end: Double? = nil) throws -> [Double] {
    let tokens = rows.size(0)
    if tokens < 2 { return Array(repeating: 0, count: tokens) }
    var walk = FarthestFirst(try Cosines(rows.unsqueezed(0)), image: 0)
    var found: [Double] = []
    while found.count < tokens - 1 {
      found.append(Double(walk.step()))
      if let end, let last = found.last, last <= end { break }
    }
    return found.prefix(1) + found
  }
}
