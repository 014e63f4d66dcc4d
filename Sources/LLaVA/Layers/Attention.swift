import Torch

/// Causal attention of the rows of one sample over keys and values, the kernel chosen by what was measured (`BENCHMARKS.md`).
///
/// - Parameters:
///   - queries: [rows, heads, headDimension]
///   - keys: [keyValueHeads, columns, headDimension], columns ≥ rows
///   - values: as `keys`
///
/// The last `rows` columns belong to the rows themselves; a row sees its own column and all before it.
/// - Returns: [rows, heads · headDimension]
func attend(_ queries: Tensor, _ keys: Tensor, _ values: Tensor) throws -> Tensor {
  let rows = queries.size(0)
  let heads = queries.size(1)
  let width = queries.size(2)
  let groups = keys.size(0)
  let columns = keys.size(1)
  if rows == 1, queries.device == .cpu, queries.dtype == .bfloat16, keys.isRowContiguous, !recordsGradients {
    return try queries.squeezed(0).contiguous().oneRowAttention(keys, values).reshaped([1, heads * width])
  }
  if rows == 1, queries.device == .cpu {
    // One row: the query heads that share a key-value head are the rows of one product, and no key is copied.
    let scale = 1 / Double(width).squareRoot()
    let grouped = try (queries * scale).reshaped([groups, heads / groups, width])
    let scores = try grouped.matmul(keys.transposed(1, 2)).softmax(-1)
    return try scores.matmul(values).reshaped([1, heads * width])
  }
  var mask: Tensor?
  if rows > 1, columns > rows {
    // Rows that continue a cache: row i sees the columns up to (columns - rows) + i.
    let device = queries.device
    let last = try Tensor.arange(columns - rows, columns, on: device).unsqueezed(1)
    mask = try last.isAtLeast(Tensor.arange(0, columns, on: device).unsqueezed(0))
  }
  let mixed = try queries.transposed(0, 1).unsqueezed(0).attention(
    keys.unsqueezed(0), values.unsqueezed(0), mask: mask, causal: rows > 1 && columns == rows, grouped: groups != heads)
  return try mixed.squeezed(0).transposed(0, 1).reshaped([rows, heads * width])
}
