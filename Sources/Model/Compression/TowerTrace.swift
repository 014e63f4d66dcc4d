import Torch

/// Queries and keys of one tower layer for one image, for those who choose tokens by them.
public struct TowerTrace: Sendable {
  /// Queries of all rows, a class token's first where the tower has one: [heads, rows, headDimension]; nil where what they pay has been
  /// worked out.
  public let queries: Tensor?
  /// Keys likewise.
  public let keys: Tensor
  /// What was worked out: what the tower pays to each visual token, [tokens] float32 of the sum 1.
  public let paid: Tensor?
  /// True where the first row is a class token's.
  public let hasClassToken: Bool
  /// The first row that is a visual token's: 1 where a class token stands before them, 0 where it is one of them or there is none.
  public let firstToken: Int

  /// A trace of its parts.
  public init(queries: Tensor, keys: Tensor, hasClassToken: Bool, firstToken: Int) {
    self.queries = queries
    self.keys = keys
    self.hasClassToken = hasClassToken
    self.firstToken = firstToken
    paid = nil
  }

  /// A trace of a tower whose rows are not the visual tokens, because it sees a picture in several views or several rows become one token.
  ///
  /// - Parameters:
  ///   - paid: what the tower pays to each visual token, [tokens] float32.
  ///   - keys: [heads, tokens, headDimension].
  public init(paid: Tensor, keys: Tensor) {
    (self.paid, self.keys) = (paid, keys)
    (queries, hasClassToken, firstToken) = (nil, false, 0)
  }

  /// What the class token pays to each visual token: softmax over all rows, mean over heads; [tokens] float32.
  ///
  /// - Throws: `CompressionError.unavailable` where the tower has no class token, or it is gone.
  public func classAttention() throws -> Tensor {
    guard hasClassToken else { throw CompressionError.unavailable("a class token's attention", hint: "this tower has none") }
    return try received(from: asked().narrow(1, from: 0, length: 1))
  }

  /// What all visual tokens together pay to each: the mean of their attention, over heads too; [tokens] float32.
  public func meanAttention() throws -> Tensor {
    if let paid { return paid }
    let queries = try asked()
    return try received(from: queries.narrow(1, from: firstToken, length: queries.size(1) - firstToken))
  }

  /// Keys of the visual tokens, mean over heads: [tokens, headDimension] float32.
  public func tokenKeys() throws -> Tensor {
    try keys.narrow(1, from: firstToken, length: keys.size(1) - firstToken).to(.float32).mean(0)
  }

  /// Keys of the visual tokens, heads end to end: [tokens, heads · headDimension] float32.
  public func wholeKeys() throws -> Tensor {
    try whole(keys.narrow(1, from: firstToken, length: keys.size(1) - firstToken))
  }

  /// What the class token would pay to each visual token if the heads were one: softmax over all rows; [tokens] float32.
  ///
  /// - Throws: `CompressionError.unavailable` where the tower has no class token, or it is gone.
  public func undividedClassAttention() throws -> Tensor {
    guard hasClassToken else { throw CompressionError.unavailable("a class token's attention", hint: "this tower has none") }
    let (query, keys) = (try whole(asked().narrow(1, from: 0, length: 1)), try whole(keys))
    let scale = 1 / Double(query.size(1)).squareRoot()
    let all = try (query.matmul(keys.transposed(0, 1)) * scale).softmax(-1).selected(0, 0)
    return try all.narrow(0, from: firstToken, length: all.count - firstToken)
  }

  private func whole(_ t: Tensor) throws -> Tensor {
    try t.to(.float32).transposed(0, 1).reshaped([t.size(1), t.size(0) * t.size(2)])
  }

  /// That of some of the visual tokens, by int64 index.
  public func keeping(_ tokens: Tensor) throws -> TowerTrace {
    let rows =
      firstToken == 0
      ? tokens : try concatenate([Tensor([0], on: tokens.device), tokens + Tensor([1], on: tokens.device)])
    guard let queries else { return TowerTrace(paid: try meanAttention().rows(tokens), keys: try keys.rows(tokens, 1)) }
    return TowerTrace(
      queries: try queries.rows(rows, 1), keys: try keys.rows(rows, 1), hasClassToken: hasClassToken && firstToken == 1,
      firstToken: firstToken)
  }

  private func asked() throws -> Tensor {
    guard let queries else {
      throw CompressionError.unavailable("queries of single rows of this tower", hint: "ask what the tower pays to each token")
    }
    return queries
  }

  /// A map of scores has at most about so many entries at once.
  private static let scoresAtOnce = 1 << 24

  private func received(from queries: Tensor) throws -> Tensor {
    let scale = 1 / Double(queries.size(2)).squareRoot()
    let columns = try keys.to(.float32).transposed(1, 2)
    let rows = queries.size(1)
    let most = max(1, Self.scoresAtOnce / max(1, columns.size(0) * columns.size(2)))
    let sums = try stride(from: 0, to: rows, by: most).map { first in
      let part = try queries.narrow(1, from: first, length: min(most, rows - first)).to(.float32)
      return try (part * scale).matmul(columns).softmax(-1).sum(1)
    }
    let all = try (sums.count == 1 ? sums[0] : stack(sums).sum(0)) / Double(rows)
    return try all.mean(0).narrow(0, from: firstToken, length: columns.size(2) - firstToken)
  }
}
