import Compression
import Torch

/// Samples of unequal length, end to end in one tensor, without padding.
public struct PackedBatch: Sendable {
  /// [T, hiddenSize]: the rows of all samples, T the sum of `lengths`.
  public var hidden: Tensor
  /// Where the rows stand.
  public var positions: Positions
  /// Rows of each sample now.
  public var lengths: [Int]
  /// The images of each sample, in the order of their rows.
  public var images: [[ImageRows]]
  /// [T] int64 labels, not shifted, -100 where nothing is supervised; for training only.
  public var labels: Tensor?

  /// A batch of rows that know where they belong.
  public init(hidden: Tensor, positions: Positions, lengths: [Int], images: [[ImageRows]]? = nil, labels: Tensor? = nil) {
    self.hidden = hidden
    self.positions = positions
    self.lengths = lengths
    self.images = images ?? lengths.map { _ in [] }
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

  /// Where each image's rows lie within its sample now.
  public var visual: [[Range<Int>]] { images.map { $0.map(\.span) } }

  /// Each sample's last row, as `LlamaDecoder.run` wants it; none of a sample without rows.
  public var lastRows: [[Range<Int>]] { lengths.map { [max(0, $0 - 1)..<$0] } }

  /// Some rows of each sample alone, and no image; `indices` says where they lie in the batch.
  func keeping(_ rows: AskedRows) throws -> PackedBatch {
    PackedBatch(
      hidden: try hidden.rows(rows.indices), positions: try positions.rows(rows.indices),
      lengths: rows.ranges.map { $0.reduce(0) { $0 + $1.count } }, labels: try labels?.rows(rows.indices))
  }
}

/// Where the rows of an image lie in a batch, and what they are.
public struct ImageRows: Sendable {
  /// Rows of its sample that hold its tokens now.
  public var span: Range<Int>
  /// The first row after it that belongs to an answer; nil where none does.
  public var promptEnd: Int?
  /// The position that follows its last token.
  public var end: Int
  /// Its tokens before any was dropped.
  public var layout: TokenLayout
  /// Which of them are left, [tokens] int64 indices into `layout`; nil while all are.
  ///
  /// A merged token is known by the one that it stands for.
  public var kept: Tensor?
  /// What the tower attended with, where a compressor needs it.
  public var tower: [Int: TowerTrace]
  /// How many tokens its stages leave, by the decoder layers before them, where a compressor has decided that on the way.
  var budgets: [Int: Int] = [:]

  /// An image of its parts.
  public init(
    span: Range<Int>, promptEnd: Int? = nil, end: Int? = nil, layout: TokenLayout, kept: Tensor? = nil,
    tower: [Int: TowerTrace] = [:]
  ) {
    self.span = span
    self.promptEnd = promptEnd
    self.end = end ?? span.upperBound
    self.layout = layout
    self.kept = kept
    self.tower = tower
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
