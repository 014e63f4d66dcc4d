import Compression
import Torch

/// What the rows of a tower pay each other where several of them become one token, and attend within windows.
///
/// A token is paid what its rows are paid together, by all rows of its window, mean over heads; its keys are the mean of its rows' keys. That
/// is how LightCompress has compressors of CLIP's class token choose among the tokens of Qwen2.5-VL, behind its merger.
enum CellTrace {
  /// A map of scores has at most about so many entries at once.
  private static let scoresAtOnce = 1 << 24

  /// The trace of one layer.
  ///
  /// - Parameters:
  ///   - queries: after rotation, [grids · rows, heads, headDimension], grid after grid, window after window.
  ///   - keys: likewise.
  ///   - windows: of each grid: how many there are in a row of so many rows.
  ///   - rowsPerToken: neighbours that become one token.
  ///   - order: where each token of a grid lies among them, [tokens] int64.
  static func trace(
    queries: Tensor, keys: Tensor, grids: Int, windows: [(count: Int, rows: Int)], rowsPerToken: Int, order: Tensor
  ) throws -> TowerTrace {
    try withoutGradient {
      let (heads, width) = (keys.size(1), keys.size(2))
      let rows = keys.size(0) / max(1, grids)
      var first = 0
      let sums = try windows.map { count, size in
        defer { first += count * size }
        func part(_ t: Tensor) throws -> Tensor {
          try t.detached().to(.float32).reshaped([grids, rows, heads, width]).narrow(1, from: first, length: count * size)
            .reshaped([grids * count, size, heads, width]).transposed(1, 2)
        }
        return try sum(part(queries), part(keys)).reshaped([grids, count * size])
      }
      let paid = try concatenate(sums, 1).reshaped([grids, rows / rowsPerToken, rowsPerToken]).sum(2).rows(order, 1)
      let means = try keys.detached().to(.float32).reshaped([grids, rows / rowsPerToken, rowsPerToken, heads, width]).mean(2)
        .rows(order, 1).reshaped([-1, heads, width])
      return TowerTrace(paid: try paid.reshaped([-1]) / Double(grids * rows), keys: try means.transposed(0, 1).contiguous())
    }
  }

  /// What all rows of each window pay to each: queries and keys [windows, heads, rows, headDimension] to [windows, rows], mean over heads.
  private static func sum(_ queries: Tensor, _ keys: Tensor) throws -> Tensor {
    let (count, heads, size) = (keys.size(0), keys.size(1), keys.size(2))
    let scale = 1 / Double(keys.size(3)).squareRoot()
    let windowsAtOnce = min(count, max(1, scoresAtOnce / max(1, heads * size * size)))
    let rowsAtOnce = min(size, max(1, scoresAtOnce / max(1, heads * size)))
    let parts = try stride(from: 0, to: count, by: windowsAtOnce).map { window in
      let length = min(windowsAtOnce, count - window)
      let columns = try keys.narrow(0, from: window, length: length).transposed(2, 3)
      let asking = try queries.narrow(0, from: window, length: length) * scale
      let sums = try stride(from: 0, to: size, by: rowsAtOnce).map { row in
        try asking.narrow(2, from: row, length: min(rowsAtOnce, size - row)).matmul(columns).softmax(-1).sum(2)
      }
      return try (sums.count == 1 ? sums[0] : stack(sums).sum(0)).mean(1)
    }
    return try concatenate(parts)
  }

  /// One trace of several stretches of the same picture, which did not see each other.
  static func joined(_ traces: [TowerTrace]) throws -> TowerTrace {
    if traces.count == 1 { return traces[0] }
    let tokens = traces.reduce(0) { $0 + $1.keys.size(1) }
    return TowerTrace(
      paid: try concatenate(traces.map { try $0.meanAttention() * (Double($0.keys.size(1)) / Double(tokens)) }),
      keys: try concatenate(traces.map(\.keys), 1))
  }
}
