import Torch

/// Keeps tokens that the tower attends to and, of the others, those that are least like each other (VisPruner, arXiv 2412.01818).
///
/// 1. A share of the tokens to keep, a half in the authors' scripts, are those that the class token pays most attention to.
/// 2. The others are a list in falling order of attention. In each round every second one of the list, from the first on, is compared
///    with those between them; the eight that are most like any of these go. The ones that stay, in falling order of their greatest cosine,
///    come first in the next round's list. This ends when as many are left as there is room for.
///
/// | | corrected | reference |
/// | --- | --- | --- |
/// | positions | those that the tokens had | numbered anew |
/// | a list of odd length | its last token is compared, and can go, as the first one can | refused, as the released code fails |
///
/// Works at the tower's end, on the features and the attention there; the released code drops the same tokens behind the projector.
public struct VisPruner: TokenReducer {
  /// Tokens that go in a round.
  static let removedInARound = 8

  /// Share of the tokens kept that are chosen by attention.
  public let importantShare: Double
  /// Whether positions are numbered anew.
  public let semantics: CompressionSemantics

  /// VisPruner with the authors' share, unless told otherwise.
  public init(importantShare: Double = 0.5, semantics: CompressionSemantics = .corrected) {
    self.importantShare = importantShare
    self.semantics = semantics
  }

  /// The tower's end.
  public var sites: [Site.Kind] { [.tower] }

  /// Attention of the tower's last layer.
  public var needs: ReducerNeeds { ReducerNeeds(towerLayers: [-1]) }

  /// False: no text has a say.
  public var readsPrompt: Bool { false }

  /// As the semantics say.
  public var keepsPositions: Bool { semantics == .corrected }

  /// What is chosen for one image.
  public func reduce(_ choice: TokenChoice) throws -> Reduction { try reduce([choice])[0] }

  /// Images of one shape together.
  public func reduce(_ choices: [TokenChoice]) throws -> [Reduction] {
    try choices.keeping { count, members in
      try order(
        attention: stack(members.map { try $0.tokens.towerRanking() }), stack(members.map { try $0.tokens.hidden() }), count)
    }
  }

  /// Indices of features [images, tokens, width]: the important ones by falling attention [images, tokens], then the diverse ones;
  /// [images, count].
  func order(attention: Tensor, _ features: Tensor, _ count: Int) throws -> Tensor {
    let (images, tokens) = (features.size(0), features.size(1))
    let important = min(count, Int(Double(count) * importantShare))
    let order = try attention.sorted(descending: true).indices
    let first = try order.narrow(1, from: 0, length: important)
    if important == count { return first }
    let cosines = try Cosines(features)
    let others = try order.narrow(1, from: important, length: tokens - important).array(Int.self)
    let diverse = try (0..<images).flatMap { image in
      let list = others[image * (tokens - important)..<(image + 1) * (tokens - important)]
      return try self.diverse(list, count - important) { token, others in
        cosines.withRow(token, of: image) { Self.greatest($0, others) }
      }
    }
    return try concatenate([first, Tensor(diverse, [images, count - important], on: first.device)], 1)
  }

  /// Those of a list that stay, `count` of them; `greatest` is a token's greatest cosine with some others.
  private func diverse(
    _ list: some Sequence<Int>, _ count: Int, _ greatest: (_ token: Int, _ others: [Int]) -> Float
  ) throws -> [Int] {
    var rest = Array(list)
    while rest.count > count {
      if semantics == .reference, rest.count % 2 == 1 {
        throw CompressionError.unavailable(
          "a list of \(rest.count) tokens to be divided in two", hint: "the released code has no answer; use semantics=corrected")
      }
      let asked = stride(from: 0, to: rest.count, by: 2).map { rest[$0] }
      let others = stride(from: 1, to: rest.count, by: 2).map { rest[$0] }
      let nearest = asked.map { greatest($0, others) }
      let gone = min(Self.removedInARound, rest.count - count, asked.count)
      let falling = asked.indices.sorted { (nearest[$0], $1) > (nearest[$1], $0) }
      rest = falling.dropFirst(gone).map { asked[$0] } + others
    }
    return rest
  }

  /// The greatest of a row's numbers at some places.
  private static func greatest(_ row: UnsafeBufferPointer<Float>, _ places: [Int]) -> Float {
    // Four side by side, as each comparison waits for the one before it.
    var four = SIMD4<Float>(repeating: -.infinity)
    let even = places.count - places.count % 4
    for first in stride(from: 0, to: even, by: 4) {
      let found = SIMD4(row[places[first]], row[places[first + 1]], row[places[first + 2]], row[places[first + 3]])
      four = four.replacing(with: found, where: four .< found)
    }
    return places[even...].reduce(four.max()) { max($0, row[$1]) }
  }
}
