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
