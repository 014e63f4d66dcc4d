/// A place in the order of a run's samples.
public struct SampleCursor: Codable, Sendable, Equatable, Comparable {
  /// Times that the data set has been gone through.
  public var epoch: Int
  /// Samples of this epoch that lie behind, skipped ones included.
  public var position: Int

  /// A place; the beginning unless given.
  public init(epoch: Int = 0, position: Int = 0) {
    self.epoch = epoch
    self.position = position
  }

  /// Whether one place lies before another.
  public static func < (left: SampleCursor, right: SampleCursor) -> Bool {
    (left.epoch, left.position) < (right.epoch, right.position)
  }
}

/// Which samples make a batch.
public enum BatchRule: Codable, Sendable, Equatable {
  /// Slots of this many samples, as fixed by the order.
  ///
  /// A skipped sample leaves its slot shorter, and an empty slot is passed over. It is not refilled: slots keep the lengths and
  /// the modality that the order gave them, the number of slots of an epoch is known beforehand, and one process need not know what
  /// another one skips.
  case samples(Int)
  /// As many samples, in order, as have together at most this many rows, visual tokens included.
  ///
  /// The place of a skipped sample is taken by the one that follows. The number of batches is not known beforehand; how far an epoch
  /// has come is, by ``SampleCursor/position``.
  case tokens(Int)
}

/// Order and batches of a run.
public struct BatchPlan: Codable, Sendable, Equatable {
  /// The order of samples.
  public var order: SampleOrder
  /// Which of them make a batch.
  public var batch: BatchRule

  /// A plan.
  public init(order: SampleOrder, batch: BatchRule) {
    self.order = order
    self.batch = batch
  }

  /// Checks that the plan can work with samples of up to `maximumLength` rows.
  ///
  /// - Throws: `DatasetError.setting`.
  func validate(maximumLength: Int) throws {
    switch batch {
    case .samples(let count) where count < 1:
      throw DatasetError.setting(name: "the batch", reason: "has \(count) samples; give at least 1")
    case .tokens(let budget) where budget < maximumLength:
      throw DatasetError.setting(
        name: "the token budget",
        reason: "of \(budget) is below the longest sample's \(maximumLength) tokens; raise it or lower the maximum length")
    default: break
    }
    _ = try order.indices(epoch: 0, lengths: [])
  }
}

/// Where a run stands in its data: what a checkpoint saves.
public struct DataState: Codable, Sendable, Equatable {
  /// Order and batches of the run.
  public var plan: BatchPlan
  /// `InstructionDataset.fingerprint` of the data.
  public var fingerprint: UInt64
  /// Where the next batch begins.
  public var cursor: SampleCursor

  /// A state.
  public init(plan: BatchPlan, fingerprint: UInt64, cursor: SampleCursor) {
    self.plan = plan
    self.fingerprint = fingerprint
    self.cursor = cursor
  }
}
