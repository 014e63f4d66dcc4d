import Torch

/// Causal attention of one sample by matrix products and a softmax; shapes are those of `attend`.
///
/// On processors with bfloat16 arithmetic products use it and libtorch's fused kernel does not: plain products were measured twice as
/// fast there. Blocks of rows that see only the columns up to their own halve the work and bound the memory of the scores. The backward
/// pass computes each block's weights again, so that none are kept, and adds to the gradients of keys and values in their place
/// (`BENCHMARKS.md`).
func attendByProducts(_ queries: Tensor, _ keys: Tensor, _ values: Tensor, blockRows: Int = 128) throws -> Tensor {
  let (rows, heads, width) = (queries.size(0), queries.size(1), queries.size(2))
  let attention = try withoutGradient {
    BlockAttention(
      queries: try (queries * (1 / Double(width).squareRoot())).transposed(0, 1)
        .reshaped([keys.size(0), heads / keys.size(0), rows, width]),
      keys: try keys.isRowContiguous ? keys.detached() : keys.contiguous().detached(),
      values: try values.isRowContiguous ? values.detached() : values.contiguous().detached(),
      blockRows: blockRows)
  }
  let mixed = try withoutGradient { try attention.mixed().reshaped([heads, rows, width]).transposed(0, 1).contiguous() }
  return try withGradient(of: [mixed], for: [queries, keys, values]) { seeds in
    guard let seed = seeds[0] else { return [nil, nil, nil] }
    let gradient = try seed.transposed(0, 1).reshaped(attention.queries.shape)
    let (q, k, v) = try attention.gradients(gradient)
    let own = try q.reshaped([heads, rows, width]).transposed(0, 1) * (1 / Double(width).squareRoot())
    return [own, k, v]
  }[0].reshaped([rows, heads * width])
}

/// The rows of one sample, in the layout of the products.
private struct BlockAttention: Sendable {
  /// [groups, shared, rows, width], scaled: the query heads that share a key-value head one after the other.
  let queries: Tensor
  /// [groups, columns, width] each.
  let keys, values: Tensor
  let blockRows: Int

  /// A run of rows and the columns that its last row sees.
  private struct Block {
    let first, count, seen: Int
  }

  private var blocks: [Block] {
    let (rows, columns) = (queries.size(2), keys.size(1))
    return stride(from: 0, to: rows, by: blockRows).map { first in
      let count = min(blockRows, rows - first)
      return Block(first: first, count: count, seen: columns - rows + first + count)
    }
  }

  /// Rows of a block, [groups, shared · count, width].
  private func rows(_ t: Tensor, _ block: Block) throws -> Tensor {
    try t.narrow(2, from: block.first, length: block.count).reshaped([t.size(0), t.size(1) * block.count, t.size(3)])
  }

  /// What a block's rows attend with, [groups, shared · count, seen].
  private func weights(_ rows: Tensor, _ block: Block) throws -> Tensor {
    let (groups, shared) = (queries.size(0), queries.size(1))
    let scores = try rows.matmul(keys.narrow(1, from: 0, length: block.seen).transposed(1, 2))
      .reshaped([groups, shared, block.count, block.seen])
    // Row i of the block sees the columns up to (seen - count) + i, so only the last `count` of them need a mask.
    let future = try Tensor.ones([block.count, block.count], .bool, on: queries.device).upperTriangle(1)
    try scores.narrow(-1, from: block.seen - block.count, length: block.count).fillInPlace(where: future, with: -.infinity)
    return try scores.softmax(-1).reshaped([groups, shared * block.count, block.seen])
  }

  /// The result of all rows, [groups, shared, rows, width].
  func mixed() throws -> Tensor {
    let (groups, shared, width) = (queries.size(0), queries.size(1), queries.size(3))
    return try concatenate(
      blocks.map { block in
        try weights(rows(queries, block), block).matmul(values.narrow(1, from: 0, length: block.seen))
          .reshaped([groups, shared, block.count, width])
      }, 2)
  }

  /// Gradients of queries (scaled), keys and values from that of the result, all in the layout of the products.
  func gradients(_ seed: Tensor) throws -> (queries: Tensor, keys: Tensor, values: Tensor) {
    let (groups, shared, width) = (queries.size(0), queries.size(1), queries.size(3))
    let ofKeys = try Tensor.zeros(keys.shape, keys.dtype, on: keys.device)
    let ofValues = try Tensor.zeros(values.shape, values.dtype, on: values.device)
    let ofQueries = try blocks.map { block in
      func seen(_ t: Tensor) throws -> Tensor { try t.narrow(1, from: 0, length: block.seen) }
      let (own, gradient) = (try rows(queries, block), try rows(seed, block))
      let weights = try weights(own, block)
      try seen(ofValues).addInPlace(weights.transposed(1, 2).matmul(gradient))
      let ofScores = try gradient.matmul(seen(values).transposed(1, 2)).throughSoftmax(weights)
      try seen(ofKeys).addInPlace(ofScores.transposed(1, 2).matmul(own))
      return try ofScores.matmul(seen(keys)).reshaped([groups, shared, block.count, width])
    }
    return (try concatenate(ofQueries, 2), ofKeys, ofValues)
  }
}
