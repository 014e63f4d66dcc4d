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

  /// Each sample's last row alone, and no image.
  func keepingLastRows() throws -> PackedBatch {
    let last = try Tensor(lastRowIndices, on: hidden.device)
    return PackedBatch(
      hidden: try hidden.rows(last), positions: try positions.rows(last), lengths: lengths.map { _ in 1 },
      visual: lengths.map { _ in [] }, originalLengths: originalLengths, labels: try labels.map { try $0.rows(last) })
  }
}
