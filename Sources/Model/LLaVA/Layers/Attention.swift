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
  if rows == 1, let mixed = try attendOneRowEach(queries, [(keys, values)]) { return mixed }
  if rows == 1, queries.device == .cpu {
    // One row: the query heads that share a key-value head are the rows of one product, and no key is copied.
    let scale = 1 / Double(width).squareRoot()
    let grouped = try (queries * scale).reshaped([groups, heads / groups, width])
    let scores = try grouped.matmul(keys.transposed(1, 2)).softmax(-1)
    return try scores.matmul(values).reshaped([1, heads * width])
  }
  if rows > 1, queries.device == .cpu, queries.dtype == .bfloat16, Runtime.hasNativeBFloat16 {
    return try attendByProducts(queries, keys, values)
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

/// Attention of one row of each of several samples, in one call: queries [samples, heads, headDimension], keys and values of each sample
/// as in `attend`; [samples, heads · headDimension].
///
/// - Returns: nil where there is no kernel for it: on a GPU, in other dtypes, and where gradients are recorded.
func attendOneRowEach(_ queries: Tensor, _ seen: [(keys: Tensor, values: Tensor)]) throws -> Tensor? {
  guard queries.device == .cpu, queries.dtype == .bfloat16 || queries.dtype == .float32, !recordsGradients,
    seen.allSatisfy({ $0.keys.isRowContiguous && $0.values.isRowContiguous })
  else { return nil }
  return try queries.contiguous().oneRowAttention(seen.map(\.keys), seen.map(\.values))
    .reshaped([queries.size(0), queries.size(1) * queries.size(2)])
}

/// Attention of all rows to all rows: queries, keys and values [images, heads, rows, headDimension], the result likewise.
///
/// The kernel is chosen as in `attend`. Products go image by image, so that scores stay small.
///
/// - Parameter bias: what is added to the scores of each key, [images, 1, 1, rows].
func attendToAll(_ queries: Tensor, _ keys: Tensor, _ values: Tensor, bias: Tensor? = nil) throws -> Tensor {
  let bias = try bias?.to(queries.dtype)
  guard queries.device == .cpu, queries.dtype == .bfloat16, Runtime.hasNativeBFloat16 else {
    return try queries.attention(keys, values, mask: bias, causal: false)
  }
  let scaled = try queries * (1 / Double(queries.size(-1)).squareRoot())
  return try stack(
    (0..<queries.size(0)).map { image in
      let scores = try scaled.selected(0, image).matmul(keys.selected(0, image).transposed(1, 2))
      let biased = try bias.map { try scores + $0.selected(0, image) } ?? scores
      return try biased.softmax(-1).matmul(values.selected(0, image))
    })
}
