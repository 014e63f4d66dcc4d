/// Which part of the data one of several processes prepares: every so-manieth slot of a run's order, so that all of them together see what one
/// process alone would.
///
/// A slot holds the samples of a micro-batch, broken ones included; slots are numbered through all epochs, and the last one of an epoch may
/// be shorter.
public struct DataShare: Sendable, Equatable {
  /// The process's number, from 0, and the number of processes.
  public let rank: Int, count: Int

  /// All of it.
  public static let all = DataShare(rank: 0, count: 1)

  /// The part of a process.
  public init(rank: Int, count: Int) { (self.rank, self.count) = (rank, count) }
}

/// Slots of an order, and where they lie.
struct DataSlots: Sendable {
  /// Samples of a slot, and of an epoch.
  let size: Int, samples: Int

  private var perEpoch: Int { (samples + size - 1) / size }

  /// The slot that a place lies in.
  func slot(of cursor: SampleCursor) -> Int { cursor.epoch * perEpoch + cursor.position / size }

  /// Where a slot begins.
  func cursor(of slot: Int) -> SampleCursor { SampleCursor(epoch: slot / perEpoch, position: slot % perEpoch * size) }
}
