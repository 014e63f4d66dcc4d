import Torch

/// Samples of unequal length, end to end in one tensor, without padding.
public struct PackedBatch: Sendable {
  /// [T, hiddenSize]: the rows of all samples, T the sum of `lengths`.
  public var hidden: Tensor
  /// [T] int64: each row's original position in its sample; compression drops rows and never renumbers.
  public var positions: Tensor
  /// Rows of each sample now.
  public var lengths: [Int]
  /// Where each image's rows lie within its sample now.
  public var visual: [[Range<Int>]]
  /// For each image, the first row after it that belongs to an answer; the sample's length where none does.
  public var promptEnds: [[Int]]
  /// For each image, which of its tokens are left, [tokens] int64 indices; nil while all are.
  public var patches: [[Tensor?]]
  /// Positions that each sample had before any row was dropped; the next token's position.
  public var originalLengths: [Int]
  /// [T] int64 labels, not shifted, -100 where nothing is supervised; for training only.
  public var labels: Tensor?

  /// A batch of rows that know where they belong.
  public init(
    hidden: Tensor, positions: Tensor, lengths: [Int], visual: [[Range<Int>]], promptEnds: [[Int]]? = nil,
    originalLengths: [Int]? = nil, labels: Tensor? = nil
  ) {
    self.hidden = hidden
    self.positions = positions
    self.lengths = lengths
    self.visual = visual
    self.promptEnds = promptEnds ?? zip(visual, lengths).map { spans, length in spans.map { _ in length } }
    patches = visual.map { $0.map { _ in nil } }
    self.originalLengths = originalLengths ?? lengths
    self.labels = labels
  }

  /// First row of each sample.
  public var starts: [Int] {
    var next = 0
    return lengths.map { length in
      defer { next += length }
      return next
    }
  }

  /// Row number of each sample's last row.
  public var lastRowIndices: [Int] { zip(starts, lengths).map { $0 + $1 - 1 } }

  /// Each sample's last row, as `LlamaDecoder.run(layers:_:caches:only:)` wants it.
  public var lastRows: [[Range<Int>]] { lengths.map { [$0 - 1..<$0] } }

  /// Some rows of each sample alone, and no image; `indices` says where they lie in the batch.
  func keeping(_ rows: AskedRows) throws -> PackedBatch {
    PackedBatch(
      hidden: try hidden.rows(rows.indices), positions: try positions.rows(rows.indices),
      lengths: rows.ranges.map { $0.reduce(0) { $0 + $1.count } }, visual: lengths.map { _ in [] },
      originalLengths: originalLengths, labels: try labels?.rows(rows.indices))
  }

  /// Some of the samples, in ascending order.
  public func keepingSamples(_ samples: [Int]) throws -> PackedBatch {
    if samples == Array(lengths.indices) { return self }
    func pieces(_ tensor: Tensor) throws -> Tensor {
      let all = try tensor.split(lengths)
      return try concatenate(samples.map { all[$0] })
    }
    var result = self
    result.hidden = try pieces(hidden)
    result.positions = try pieces(positions)
    result.labels = try labels.map(pieces)
    result.lengths = samples.map { lengths[$0] }
    result.originalLengths = samples.map { originalLengths[$0] }
    result.visual = samples.map { visual[$0] }
    result.promptEnds = samples.map { promptEnds[$0] }
    result.patches = samples.map { patches[$0] }
    return result
  }
}

/// Rows of a batch that somebody wants of a layer: by sample, and by their numbers in the batch.
struct AskedRows: Sendable {
  let ranges: [[Range<Int>]]
  let indices: Tensor

  init(_ ranges: [[Range<Int>]], of batch: PackedBatch) throws {
    self.ranges = ranges
    let indices = zip(batch.starts, ranges).flatMap { start, ranges in ranges.flatMap { $0.map { start + $0 } } }
    self.indices = try Tensor(indices, on: batch.hidden.device)
  }
}
