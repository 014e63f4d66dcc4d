import Torch

/// One sample at a cut: what the layer before it leaves behind, each thing computed when it is first asked for.
///
/// Shared by the images of a sample, so that what one of them asked for costs the next nothing. Lives as long as the cut.
public final class DecoderRows {
  /// The layer's output, [rows, hiddenSize].
  public let hidden: Tensor
  /// The rows of all samples, where they are at hand, and the first of this one's among them.
  let batch: BatchRows?
  let start: Int
  private let queries: Tensor
  private let allKeys: Tensor
  private let norm: (Tensor) throws -> Tensor
  private var scores: [Int: Tensor] = [:]
  private var norms: Tensor?

  /// A sample's rows.
  ///
  /// - Parameters:
  ///   - hidden: the output of the layer before the cut, [rows, hiddenSize].
  ///   - queries: that layer's queries after rotary embedding, [rows, heads, headDimension].
  ///   - keys: its keys after rotary embedding, [keyValueHeads, columns, headDimension]; the last `rows` columns are the rows' own,
  ///     those before them come from a cache.
  ///   - norm: the model's final normalisation.
  ///   - batch: the rows of all samples, for strategies that choose for many images at once.
  ///   - start: the sample's first row among those.
  public init(
    hidden: Tensor, queries: Tensor, keys: Tensor, norm: @escaping (Tensor) throws -> Tensor, batch: BatchRows? = nil,
    start: Int = 0
  ) {
    self.hidden = hidden
    self.batch = batch
    self.start = start
    self.queries = queries
    allKeys = keys
    self.norm = norm
  }

  /// Rows of the sample.
  public var count: Int { hidden.size(0) }

  /// L1 norms of the rows' keys over all heads: [rows] float32.
  public func keyNorms() throws -> Tensor {
    if let norms { return norms }
    let keys = try allKeys.narrow(1, from: allKeys.size(1) - count, length: count).to(.float32)
    let found = try keys.abs().sum(2).sum(0)
    norms = found
    return found
  }

  /// Some rows after the model's final normalisation, [indices, hiddenSize] float32.
  public func normalized(_ rows: Tensor) throws -> Tensor { try norm(hidden.rows(rows)).to(.float32) }

  /// Consecutive rows after the model's final normalisation, [range, hiddenSize] float32.
  public func normalized(_ range: Range<Int>) throws -> Tensor {
    try norm(hidden.narrow(0, from: range.lowerBound, length: range.count)).to(.float32)
  }

  /// What one row attends to in the layer before the cut: softmax of its scores over all it sees, mean over the heads, for the
  /// sample's own rows; [rows] float32, 0 where the row does not see.
  ///
  /// One row of scores, O(heads · columns · headDimension); the layer's own attention stays fused.
  public func attention(of row: Int) throws -> Tensor {
    if let found = scores[row] { return found }
    let past = allKeys.size(1) - count
    let groups = allKeys.size(0)
    let (heads, width) = (queries.size(1), queries.size(2))
    let query = try queries.selected(0, row).to(.float32).reshaped([groups, heads / groups, width])
    let seen = try allKeys.narrow(1, from: 0, length: past + row + 1).to(.float32)
    let weights = try (query * (1 / Double(width).squareRoot())).matmul(seen.transposed(1, 2)).softmax(-1)
    let mean = try weights.reshaped([heads, past + row + 1]).mean(0).narrow(0, from: past, length: row + 1)
    let unseen = count - row - 1
    let found = unseen == 0 ? mean : try concatenate([mean, .zeros([unseen], on: mean.device)])
    scores[row] = found
    return found
  }
}
