import LLaVA
import Language

/// The supervised tokens of a batch, in runs of neighbours, and the rows whose logits they need.
///
/// Worked out on the host from the batch before anything is dropped. Text is never dropped, so a run stays a run on both sides and rows
/// of student and teacher are aligned by the tokens that they belong to: the row before a caption may be another patch on either side.
struct SupervisedTokens {
  private struct Run {
    let sample: Int
    /// Row in its sample before anything was dropped.
    let start: Int
    let labels: [Int]
  }

  private let runs: [Run]
  /// Images before anything was dropped.
  private let visual: [[Range<Int>]]

  /// - Parameter visual: rows of each sample's images; an image's rows are never supervised.
  init(_ samples: [TrainingSample], visual: [[Range<Int>]]) {
    self.visual = visual
    var runs: [Run] = []
    for (index, sample) in samples.enumerated() {
      var images = visual[index][...]
      // Of all rows; not asked of the device, which is at work on the tower.
      let labels = zip(sample.ids, sample.labels).flatMap { id, label in
        id == imagePlaceholderID ? Array(repeating: ignoredLabel, count: images.popFirst()?.count ?? 0) : [label]
      }
      var first = labels.startIndex
      while let begin = labels[first...].firstIndex(where: { $0 != ignoredLabel }) {
        let end = labels[begin...].firstIndex(of: ignoredLabel) ?? labels.endIndex
        runs.append(Run(sample: index, start: begin, labels: Array(labels[begin..<end])))
        first = end
      }
    }
    self.runs = runs
  }

  /// The rows that the loss looks at.
  ///
  /// - Parameter student: the batch after the student's tokens were dropped. A token that no row precedes there has no prediction.
  func lossRows(_ student: PackedBatch, _ positions: DivergencePositions) -> LossRows {
    var rows = LossRows()
    for run in runs {
      let start = run.start - dropped(before: run.start, visual[run.sample], student.visual[run.sample])
      let reads = (start > 0 ? -1 : 0)..<(positions == .holding ? run.labels.count : run.labels.count - 1)
      for row in reads {
        let isRead = row + 1 < run.labels.count
        rows.samples.append(run.sample)
        rows.targets.append(isRead ? run.labels[row + 1] : ignoredLabel)
        rows.diverges.append(positions == .predicting ? isRead : row >= 0)
      }
      if !reads.isEmpty { rows.runs.append((run.sample, run.start, reads)) }
    }
    rows.visual = visual
    return rows
  }
}

/// How many rows of images that end before `row` are no longer there.
private func dropped(before row: Int, _ visual: [Range<Int>], _ now: [Range<Int>]) -> Int {
  zip(visual, now).reduce(0) { $1.0.upperBound <= row ? $0 + $1.0.count - $1.1.count : $0 }
}

/// Rows that a loss looks at, in the order of their samples.
struct LossRows {
  /// The sample of each row.
  var samples: [Int] = []
  /// The token that each row is to predict, `ignoredLabel` for none.
  var targets: [Int] = []
  /// Whether student and teacher are compared at each row.
  var diverges: [Bool] = []
  fileprivate var runs: [(sample: Int, start: Int, reads: Range<Int>)] = []
  fileprivate var visual: [[Range<Int>]] = []

  /// Where the rows lie in a batch that lost tokens.
  ///
  /// - Parameter samples: which samples the batch holds.
  func ranges(in batch: PackedBatch, samples: [Int]) -> [[Range<Int>]] {
    zip(samples, batch.visual).map { sample, now in
      runs.filter { $0.sample == sample }.map { run in
        let start = run.start - dropped(before: run.start, visual[sample], now)
        return start + run.reads.lowerBound..<start + run.reads.upperBound
      }
    }
  }
}
