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
  /// Positions that each sample had before any row was dropped; the next token's position.
  public var originalLengths: [Int]
  /// [T] int64 labels, not shifted, -100 where nothing is supervised; for training only.
  public var labels: Tensor?

  /// A batch of rows that know where they belong.
  public init(
    hidden: Tensor, positions: Tensor, lengths: [Int], visual: [[Range<Int>]], originalLengths: [Int]? = nil,
    labels: Tensor? = nil
  ) {
    self.hidden = hidden
    self.positions = positions
    self.lengths = lengths
    self.visual = visual
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
}
