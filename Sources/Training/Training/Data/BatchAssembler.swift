/// Cuts the stream of samples into batches, by rules that look at nothing but the stream.
///
/// So the same batches come out whatever the timing of those who prepare the samples, and a stream that begins where a batch
/// begins continues like the whole one.
struct BatchAssembler {
  private let rule: BatchRule
  /// Samples of an epoch, skipped ones included.
  private let count: Int
  /// Whether slots are numbered: then one without a usable sample is an empty batch, and others may lie between two.
  private let keepsSlots: Bool
  private var start: SampleCursor
  private var samples: [Sample] = []
  private var rows = 0

  init(_ rule: BatchRule, count: Int, from cursor: SampleCursor, keepsSlots: Bool = false) {
    self.rule = rule
    self.count = count
    self.keepsSlots = keepsSlots
    start = cursor
  }

  /// Takes what became of the sample at `cursor` and returns the batches that are complete with it, at most two.
  mutating func take(_ outcome: Result<Sample, SampleFault>, at cursor: SampleCursor) -> [SampleBatch] {
    var complete: [SampleBatch] = []
    if keepsSlots, case .samples(let size) = rule, cursor.position % size == 0 { start = cursor }
    let position = cursor.position + 1
    let isLast = position == count
    let next = isLast ? SampleCursor(epoch: cursor.epoch + 1) : SampleCursor(epoch: cursor.epoch, position: position)
    switch outcome {
    case .failure: break
    case .success(let sample):
      if case .tokens(let budget) = rule, rows + sample.rows > budget { close(at: cursor, &complete) }
      samples.append(sample)
      rows += sample.rows
    }
    if case .samples(let size) = rule, position % size == 0 || isLast {
      close(at: next, &complete)
    } else if isLast {
      close(at: next, &complete)
    }
    return complete
  }

  /// Ends a batch, unless it would be empty and slots are not numbered.
  private mutating func close(at next: SampleCursor, _ complete: inout [SampleBatch]) {
    if samples.isEmpty, !keepsSlots { return }
    complete.append(SampleBatch(samples: samples, start: start, next: next))
    (samples, rows, start) = ([], 0, next)
  }
}
