import Compression
import LLaVA
import Language

/// The supervised tokens of a batch, in runs of neighbours, and the rows whose logits they need.
///
/// Worked out on the host from the samples before anything is dropped. Text is never dropped, so a run stays a run on all sides, and rows
/// of students and teacher are aligned by the tokens that they belong to: the row before a caption may be another patch on either side.
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

  /// - Parameter layouts: the tokens that each sample's images have before anything is dropped; they are never supervised.
  init(_ samples: [TrainingSample], _ layouts: [[TokenLayout]]) {
    var runs: [Run] = []
    var visual: [[Range<Int>]] = []
    for (index, sample) in samples.enumerated() {
      var images: [Range<Int>] = []
      // Of all rows; not asked of the device, which is at work on the tower.
      var labels: [Int] = []
      for (id, label) in zip(sample.ids, sample.labels) {
        if id == imagePlaceholderID {
          // Where there are more placeholders than images, putting them together says so; until then each counts as one row.
          let tokens = layouts[index].indices.contains(images.count) ? layouts[index][images.count].count : 1
          images.append(labels.count..<labels.count + tokens)
          labels += repeatElement(ignoredLabel, count: tokens)
        } else {
          labels.append(label)
        }
      }
      visual.append(images)
      var first = labels.startIndex
      while let begin = labels[first...].firstIndex(where: { $0 != ignoredLabel }) {
        let end = labels[begin...].firstIndex(of: ignoredLabel) ?? labels.endIndex
        runs.append(Run(sample: index, start: begin, labels: Array(labels[begin..<end])))
        first = end
      }
    }
    self.visual = visual
    self.runs = runs
  }

  /// The rows that the loss looks at: the same ones for all students and the teacher.
  ///
  /// - Parameter counts: for each way to see the samples, the tokens that budgets count and that are left of each image of each sample. A
  ///   token that no row precedes in one of them has no prediction.
  func lossRows(_ counts: [[[Int]]], _ positions: DivergencePositions) -> LossRows {
    var rows = LossRows()
    rows.visual = visual
    for run in runs {
      let starts = counts.map { run.start - dropped(before: run.start, visual[run.sample], $0[run.sample]) }
      let reads = ((starts.min() ?? run.start) > 0 ? -1 : 0)..<(positions == .holding ? run.labels.count : run.labels.count - 1)
      for row in reads {
        let isRead = row + 1 < run.labels.count
        rows.samples.append(run.sample)
        rows.targets.append(isRead ? run.labels[row + 1] : ignoredLabel)
        rows.diverges.append(positions == .predicting ? isRead : row >= 0)
      }
      if !reads.isEmpty { rows.runs.append((run.sample, run.start, reads)) }
    }
    return rows
  }
}

/// How many rows of images that end before `row` are no longer there.
private func dropped(before row: Int, _ visual: [Range<Int>], _ now: [Int]) -> Int {
  zip(visual, now).reduce(0) { $1.0.upperBound <= row ? $0 + $1.0.count - $1.1 : $0 }
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

  /// The numbers of a sample's rows.
  func rows(of sample: Int) -> [Int] { samples.indices.filter { samples[$0] == sample } }

  /// Where a sample's rows lie where its images have the rows `now`.
  func ranges(of sample: Int, _ now: [Range<Int>]) -> [Range<Int>] {
    runs.filter { $0.sample == sample }.map { run in
      let start = run.start - dropped(before: run.start, visual[sample], now.map(\.count))
      return start + run.reads.lowerBound..<start + run.reads.upperBound
    }
  }
}
