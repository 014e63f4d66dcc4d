import Torch

/// Queries and keys of one decoder layer, for those who choose tokens by them.
public struct AttentionTrace: Sendable {
  /// Queries after rotary embedding, [T, heads, headDimension]; nil where nobody looks at them.
  public let queries: Tensor?
  /// The rows' keys after rotary embedding, [T, keyValueHeads, headDimension]; nil where `keys` alone have them.
  public let rowKeys: Tensor?
  /// Each sample's keys after rotary embedding, [keyValueHeads, columns, headDimension]; the last columns are the rows' own, those
  /// before them come from a cache.
  public let keys: [Tensor]

  /// A trace of its parts.
  public init(queries: Tensor?, rowKeys: Tensor?, keys: [Tensor]) {
    self.queries = queries
    self.rowKeys = rowKeys
    self.keys = keys
  }

  /// The same without the record of how it came about.
  public func detached() throws -> AttentionTrace {
    AttentionTrace(
      queries: try queries?.detached(), rowKeys: try rowKeys?.detached(), keys: try keys.map { try $0.detached() })
  }
}

/// Queries and keys of one tower layer for one image, for those who choose tokens by them.
public struct TowerTrace: Sendable {
  /// Queries of all rows, a class token's first where the tower has one: [heads, rows, headDimension].
  public let queries: Tensor
  /// Keys likewise.
  public let keys: Tensor
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
  }

  /// What the class token pays to each visual token: softmax over all rows, mean over heads; [tokens] float32.
  ///
  /// - Throws: `CompressionError.unavailable` where the tower has no class token, or it is gone.
  public func classAttention() throws -> Tensor {
    guard hasClassToken else { throw CompressionError.unavailable("a class token's attention", hint: "this tower has none") }
    return try received(from: queries.narrow(1, from: 0, length: 1))
  }

  /// What all visual tokens together pay to each: the mean of their attention, over heads too; [tokens] float32.
  public func meanAttention() throws -> Tensor {
    try received(from: queries.narrow(1, from: firstToken, length: queries.size(1) - firstToken))
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
    let (query, keys) = (try whole(queries.narrow(1, from: 0, length: 1)), try whole(keys))
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
    return TowerTrace(
      queries: try queries.rows(rows, 1), keys: try keys.rows(rows, 1), hasClassToken: hasClassToken && firstToken == 1,
      firstToken: firstToken)
  }

  private func received(from queries: Tensor) throws -> Tensor {
    let scale = 1 / Double(queries.size(2)).squareRoot()
    let weights = try (queries.to(.float32) * scale).matmul(keys.to(.float32).transposed(1, 2)).softmax(-1)
    let all = try weights.mean(1).mean(0)
    return try all.narrow(0, from: firstToken, length: all.count - firstToken)
  }
}
