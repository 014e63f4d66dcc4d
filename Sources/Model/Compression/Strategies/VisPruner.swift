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
    let diverse = count - important
    let order = try attention.sorted(descending: true).indices
    let first = try order.narrow(1, from: 0, length: important)
    if diverse == 0 { return first }
    let units = try features.unitRows()
    let cosines = try units.matmul(units.transposed(1, 2))
    var rest = try order.narrow(1, from: important, length: tokens - important)
    while rest.size(1) > diverse {
      let length = rest.size(1)
      if semantics == .reference, length % 2 == 1 {
        throw CompressionError.unavailable(
          "a list of \(length) tokens to be divided in two", hint: "the released code has no answer; use semantics=corrected")
      }
      let asked = try rest.rows(Tensor(Array(stride(from: 0, to: length, by: 2)), on: rest.device), 1)
      let others = try rest.rows(Tensor(Array(stride(from: 1, to: length, by: 2)), on: rest.device), 1)
      let (rows, columns) = (asked.size(1), others.size(1))
      let nearest = try cosines.gathered(1, asked.unsqueezed(2).expanded([images, rows, tokens]))
        .gathered(2, others.unsqueezed(1).expanded([images, rows, columns])).top(1, 2).values.squeezed(2)
      let gone = min(Self.removedInARound, length - diverse, rows)
      let left = try nearest.sorted(descending: true).indices.narrow(1, from: gone, length: rows - gone)
      rest = try concatenate([asked.gathered(1, left), others], 1)
    }
    return try concatenate([first, rest], 1)
  }
}
