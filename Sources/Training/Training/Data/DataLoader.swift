import Imaging
import Synchronization

/// Prepares batches ahead of the training step.
///
/// Workers on threads of their own read, tokenise and decode samples in the plan's order. The batches that come out follow from plan,
/// data and cursor alone: neither the number of workers nor their timing shows. At most `ahead` samples are held; one with an image of
/// 336 pixels takes 1.4 MB.
///
/// ```swift
/// let loader = try DataLoader(preparer, plan: plan, epochs: 1, workers: 4)
/// while let batch = try loader.next() {
///   …
///   // The checkpoint saves loader.state(after: batch).
/// }
/// ```
public final class DataLoader: Sendable {
  private struct Consumer {
    var assembler: BatchAssembler
    let skipLog: SkipLog?
    var ready: [SampleBatch] = []
    /// Usable samples of this epoch, and its first fault.
    var usable = 0
    var firstFault: SampleFault?
    /// Whether this epoch is seen from its beginning.
    var isWhole: Bool
  }

  /// Order and batches.
  public let plan: BatchPlan
  private let preparer: SamplePreparer
  private let isStrict: Bool
  private let reader: ReadAhead<EpochStream, Prepared>
  private let consumer: Mutex<Consumer>

  /// Starts preparing.
  ///
  /// - Parameters:
  ///   - cursor: where to begin; `SampleBatch.next` of the last batch of a run that goes on.
  ///   - epochs: the epoch at whose beginning the batches end; without end unless given.
  ///   - workers: threads that prepare samples.
  ///   - ahead: samples that may be prepared beyond those handed over; at least one batch is sensible.
  ///   - skipLog: where skipped samples are listed, each when its turn comes.
  ///   - strict: take the first fault of a sample for an error.
  ///   - share: the slots that are prepared here, counted from `cursor` on; a slot without a usable sample is an empty batch then. Nil
  ///     prepares all, and leaves such slots out.
  /// - Throws: `DatasetError.setting` for a plan that cannot work.
  public init(
    _ preparer: SamplePreparer, plan: BatchPlan, from cursor: SampleCursor = SampleCursor(), epochs: Int? = nil, workers: Int = 2,
    ahead: Int = 64, skipLog: SkipLog? = nil, strict: Bool = false, share: DataShare? = nil
  ) throws {
    let lengths = preparer.dataset.lengths
    try plan.validate(maximumLength: preparer.options.maximumLength)
    guard cursor.epoch >= 0, (0..<lengths.count).contains(cursor.position) else {
      throw DatasetError.setting(
        name: "the place to begin at",
        reason: "is sample \(cursor.position) of epoch \(cursor.epoch); the data set has \(lengths.count)")
    }
    guard (1...1024).contains(workers), ahead >= 1 else {
      throw DatasetError.setting(
        name: "the data loader", reason: "has \(workers) workers, \(ahead) samples ahead; give 1...1024 and 1 or more")
    }
    self.plan = plan
    self.preparer = preparer
    isStrict = strict
    consumer = Mutex(
      Consumer(
        assembler: BatchAssembler(plan.batch, count: lengths.count, from: cursor, keepsSlots: share != nil), skipLog: skipLog,
        isWhole: cursor.position == 0 && share?.count ?? 1 == 1))
    var slots: DataSlots?
    if case .samples(let size) = plan.batch { slots = DataSlots(size: size, samples: lengths.count) }
    let stream = EpochStream(
      order: plan.order, lengths: lengths, from: cursor, epochs: epochs, slots: slots, share: share ?? .all)
    reader = ReadAhead(stream, workers: workers, ahead: ahead) { place in
      let place = try place.get()
      do {
        return Prepared(cursor: place.cursor, outcome: .success(try preparer.sample(at: place.index, epoch: place.cursor.epoch)))
      } catch let fault as SampleFault {
        return Prepared(cursor: place.cursor, outcome: .failure(fault))
      }
    }
  }

  /// Goes on with a run.
  ///
  /// - Throws: `DatasetError.changed` where the data are not those the run began with.
  public convenience init(
    _ preparer: SamplePreparer, resuming state: DataState, epochs: Int? = nil, workers: Int = 2, ahead: Int = 64,
    skipLog: SkipLog? = nil, strict: Bool = false, share: DataShare? = nil
  ) throws {
    guard state.fingerprint == preparer.dataset.fingerprint else { throw DatasetError.changed(file: preparer.dataset.path) }
    try self.init(
      preparer, plan: state.plan, from: state.cursor, epochs: epochs, workers: workers, ahead: ahead, skipLog: skipLog,
      strict: strict, share: share)
  }

  /// Waits for the next batch; nil after the last epoch.
  ///
  /// Errors come at the place in the order where they belong, after all batches before it.
  /// - Throws: ``SampleFault`` in a strict run; `DatasetError.nothingUsable` after a whole epoch without a usable sample;
  ///   `DatasetError.unwritable` for the list of skipped samples; `CancellationError` after ``cancel()``; what else reading and
  ///   preparing throw.
  public func next() throws -> SampleBatch? {
    try consumer.withLock { consumer in
      do {
        while consumer.ready.isEmpty {
          guard let prepared = try reader.next() else { return nil }
          try take(prepared, &consumer)
        }
        return consumer.ready.removeFirst()
      } catch {
        reader.cancel()
        throw error
      }
    }
  }

  /// Where a run stands after a batch, for its checkpoint.
  public func state(after batch: SampleBatch) -> DataState { state(at: batch.next) }

  /// Where a run stands at a place of the order.
  func state(at cursor: SampleCursor) -> DataState {
    DataState(plan: plan, fingerprint: preparer.dataset.fingerprint, cursor: cursor)
  }

  /// Stops the workers, each after the sample it has in hand; whoever waits for a batch gets a `CancellationError`.
  public func cancel() { reader.cancel() }

  private func take(_ prepared: Prepared, _ consumer: inout Consumer) throws {
    switch prepared.outcome {
    case .success: consumer.usable += 1
    case .failure(let fault):
      try consumer.skipLog?.append(fault)
      if isStrict { throw fault }
      consumer.firstFault = consumer.firstFault ?? fault
    }
    consumer.ready += consumer.assembler.take(prepared.outcome, at: prepared.cursor)
    guard prepared.cursor.position == preparer.dataset.count - 1 else { return }
    // A process that sees a part alone cannot tell.
    if consumer.isWhole, consumer.usable == 0, let fault = consumer.firstFault {
      throw DatasetError.nothingUsable(samples: preparer.dataset.count, first: fault.description)
    }
    (consumer.usable, consumer.firstFault, consumer.isWhole) = (0, nil, true)
  }
}

/// What became of the sample at a place of the order.
private struct Prepared: Sendable {
  let cursor: SampleCursor
  let outcome: Result<Sample, SampleFault>
}

/// The samples of all epochs, one after the other; the order of one epoch is in memory at a time.
private struct EpochStream: IteratorProtocol, Sendable {
  struct Place: Sendable {
    let cursor: SampleCursor
    let index: Int
  }

  private let order: SampleOrder
  private let lengths: [Int]
  private let epochs: Int?
  private let slots: DataSlots?
  private let share: DataShare
  private let firstSlot: Int
  private var cursor: SampleCursor
  private var indices: [Int] = []

  /// - Parameters:
  ///   - slots: nil where a share of all is the only one.
  ///   - share: whose slots are taken, counted from the first one on.
  init(
    order: SampleOrder, lengths: [Int], from cursor: SampleCursor, epochs: Int?, slots: DataSlots?, share: DataShare
  ) {
    (self.order, self.lengths, self.cursor, self.epochs) = (order, lengths, cursor, epochs)
    (self.slots, self.share) = (slots, share)
    firstSlot = slots?.slot(of: cursor) ?? 0
  }

  /// Goes on to the next slot of the share, where the place lies in another one's.
  private mutating func skipOthers() {
    guard let slots, share.count > 1 else { return }
    let slot = slots.slot(of: cursor)
    let missing = (share.rank - (slot - firstSlot) % share.count + share.count) % share.count
    if missing == 0 { return }
    let next = slots.cursor(of: slot + missing)
    if next.epoch != cursor.epoch { indices = [] }
    cursor = next
  }

  mutating func next() -> Result<Place, any Error>? {
    skipOthers()
    if let epochs, cursor.epoch >= epochs { return nil }
    do {
      if indices.isEmpty { indices = try order.indices(epoch: cursor.epoch, lengths: lengths) }
    } catch {
      return .failure(error)
    }
    let place = Place(cursor: cursor, index: indices[cursor.position])
    cursor.position += 1
    if cursor.position == lengths.count {
      cursor = SampleCursor(epoch: cursor.epoch + 1)
      indices = []
    }
    return .success(place)
  }
}
