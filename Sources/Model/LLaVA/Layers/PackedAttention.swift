import Torch

/// Causal attention of all samples of a packed batch in one kernel, where the device has one for it.
///
/// A GPU is done with one sample's attention long before the next kernel can be started, so that sample by sample it is starting kernels
/// that takes the time (`BENCHMARKS.md`). libtorch's flash attention takes sequences that lie end to end, without padding.
struct PackedAttention: Sendable {
  private let layout: Layout
  private let queryStarts, keyStarts: Tensor

  /// Where the rows that attend, and the columns that they see, lie.
  struct Layout: Sendable, Equatable {
    /// First query of each run of rows, and the number of all.
    let queryStarts: [Int32]
    /// First column of each run, and the number of all.
    let keyStarts: [Int32]
    /// What the runs see, put together from pieces of the batch's rows; nil where it is the rows as they lie.
    ///
    /// Rows are cut where a run ends, so that runs of one sample share pieces and the gradient is put together in one pass.
    let columns: Columns?

    struct Columns: Sendable, Equatable {
      /// Rows of each piece; together they are all rows.
      let sizes: [Int]
      /// The pieces that each run sees, run after run.
      let pieces: [Int]
    }

    /// Rows at the end of each sample, which see all its columns; nil for other rows.
    init?(rows: [[Range<Int>]], of lengths: [Int], columns: [Int]) {
      guard zip(rows, lengths).allSatisfy({ $0.count == 1 && $0[0].upperBound == $1 }) else { return nil }
      func starts(_ counts: [Int]) -> [Int32] { counts.reduce(into: [0]) { $0.append(($0.last ?? 0) + Int32($1)) } }
      queryStarts = starts(rows.map { $0[0].count })
      keyStarts = starts(columns)
      self.columns = nil
    }

    /// - Parameters:
    ///   - lengths: rows of each sample, which all have keys.
    ///   - runs: rows of each sample that attend, ascending; a run sees the sample's columns up to its own last one.
    init(lengths: [Int], runs: [[Range<Int>]]) {
      var (queries, keys, sizes, pieces) = ([Int32(0)], [Int32(0)], [Int](), [Int]())
      for (length, runs) in zip(lengths, runs) {
        let (first, ends) = (sizes.count, Set(runs.map(\.upperBound) + [length]).subtracting([0]).sorted())
        sizes += zip(ends, [0] + ends).map { $0 - $1 }
        for run in runs {
          queries.append(queries[queries.count - 1] + Int32(run.count))
          keys.append(keys[keys.count - 1] + Int32(run.upperBound))
          pieces += first..<first + ends.prefix { $0 <= run.upperBound }.count
        }
      }
      (queryStarts, keyStarts) = (queries, keys)
      columns = pieces.elementsEqual(sizes.indices) ? nil : Columns(sizes: sizes, pieces: pieces)
    }
  }

  /// For rows that continue caches, whose keys and values lie apart and are then put end to end; nil where only the way sample by sample
  /// is open.
  ///
  /// - Parameters:
  ///   - rows: those of each sample that attend; one run that ends with the sample's last row.
  ///   - columns: what each sample sees, its own rows included.
  init?(
    rows: [[Range<Int>]], of lengths: [Int], columns: [Int], headDimension: Int, _ dtype: DType, on device: Device
  ) throws {
    guard device != .cpu, dtype == .bfloat16 || dtype == .float16, headDimension % 8 == 0, headDimension <= 256,
      let layout = Layout(rows: rows, of: lengths, columns: columns)
    else { return nil }
    self.layout = layout
    queryStarts = try Tensor(layout.queryStarts, on: device)
    keyStarts = try Tensor(layout.keyStarts, on: device)
  }

  /// For keys and queries of this width and dtype; nil where only the way sample by sample is open.
  init?(lengths: [Int], runs: [[Range<Int>]], headDimension: Int, _ dtype: DType, on device: Device) throws {
    guard device != .cpu, lengths.contains(where: { $0 > 1 }), dtype == .bfloat16 || dtype == .float16, headDimension % 8 == 0,
      headDimension <= 256,
      runs.contains(where: { !$0.isEmpty })
    else { return nil }
    layout = Layout(lengths: lengths, runs: runs)
    queryStarts = try Tensor(layout.queryStarts, on: device)
    keyStarts = try Tensor(layout.keyStarts, on: device)
  }

  /// Queries [rows, heads, headDimension] of the runs end to end, keys and values [T, keyValueHeads, headDimension] of the whole batch;
  /// [rows, heads · headDimension].
  func callAsFunction(_ queries: Tensor, _ keys: Tensor, _ values: Tensor) throws -> Tensor {
    func seen(_ t: Tensor) throws -> Tensor {
      guard let columns = layout.columns else { return t }
      let pieces = try t.split(columns.sizes)
      return try concatenate(columns.pieces.map { pieces[$0] })
    }
    func longest(_ starts: [Int32]) -> Int { Int(zip(starts, starts.dropFirst()).map { $1 - $0 }.max() ?? 0) }
    return try queries.packedAttention(
      seen(keys), seen(values), queryStarts: queryStarts, keyStarts: keyStarts,
      longest: (queries: longest(layout.queryStarts), keys: longest(layout.keyStarts))
    ).reshaped([queries.size(0), queries.size(1) * queries.size(2)])
  }
}
