import Basics
import Foundation
import Synchronization
import Torch

/// This process among those that train or evaluate together; a process that is alone is a communicator of one, for which nothing travels.
///
/// All ranks call the same functions in the same order, with tensors of one size and type. Results are the same bits on all ranks. Where ranks
/// differ, none goes on: a rank that gets more bytes than it has room for ends the program with one line, and the others throw
/// `CommunicatorError.lost`. What fits all the same is found by the next `gathered` of a `Codable` value, which compares what was called so far.
///
/// ```swift
/// let world = try Communicator.joined()
/// let everybody = try world.gathered(["rank": world.rank])
/// ```
public final class Communicator: Sendable {
  /// This process's number, from 0.
  public let rank: Int
  /// Processes in all.
  public let count: Int
  /// This process's number among those of its machine, from 0.
  public let localRank: Int
  private let group: ProcessGroup?
  private let calls = Mutex(Calls())

  /// What this rank has called so far.
  private struct Calls {
    var sentBytes = 0
    var number = 0
    /// Of each call's name, and its tensor's type and size.
    var hash = StableHash()
  }

  /// A process without others.
  public static let alone = Communicator(nil)

  private init(_ group: ProcessGroup?, localRank: Int = 0) {
    self.group = group
    (rank, count, self.localRank) = (group?.rank ?? 0, group?.count ?? 1, localRank)
  }

  /// Joins the processes that this one was started with; alone where it was started alone.
  ///
  /// - Parameter timeout: seconds that a rank may keep the others waiting.
  /// - Throws: `CommunicatorError`.
  public static func joined(
    _ environment: [String: String] = ProcessInfo.processInfo.environment, timeout: Double = 1800
  ) throws(CommunicatorError) -> Communicator {
    guard let launch = try Launch(environment) else { return alone }
    do {
      return Communicator(
        try ProcessGroup(
          host: launch.host, port: launch.port, serves: launch.rank == 0 && !launch.hasStore, rank: launch.rank,
          count: launch.count, prefix: "epic/attempt-\(launch.attempt)", timeout: timeout),
        localRank: launch.localRank)
    } catch {
      throw .notJoined(rank: launch.rank, count: launch.count, host: launch.host, port: launch.port, reason: "\(error)")
    }
  }

  /// The device of this process: several processes of a machine that are all told `cuda` take a GPU each, by their numbers there.
  ///
  /// - Parameter gpus: GPUs that the process sees. Where it sees one alone, as Slurm may arrange it, that is its own.
  public func deviceName(_ name: String, gpus: Int = Device.cudaCount) -> String {
    name == "cuda" && count > 1 && gpus != 1 ? "cuda:\(localRank)" : name
  }

  /// The device of this process; tensors of GPUs travel over NCCL from then on.
  ///
  /// - Parameter name: `cpu`, `cuda` or `cuda:1`, as `deviceName` takes it; the same on all ranks.
  /// - Throws: `TorchError.noSuchDevice` where a machine has fewer GPUs than processes; `.operatorFailed` where libtorch has no NCCL.
  public func device(named name: String) throws -> Device {
    let device = try Device(name: deviceName(name))
    if device != .cpu { try group?.joinGPUs() }
    return device
  }

  /// True on the rank that writes files and speaks to people.
  public var isFirst: Bool { rank == 0 }

  /// Bytes of tensors that this rank has sent to others; what `gathered` makes of `Codable` values does not count.
  ///
  /// To each of the N - 1 others a rank sends the whole tensor that is gathered, and an N-th of one that is exchanged.
  public var sentBytes: Int { calls.withLock(\.sentBytes) }

  /// Waits for all ranks.
  ///
  /// - Throws: `CommunicatorError.lost`.
  public func barrier() throws { _ = try maximum(0) }

  /// The largest of all ranks' numbers.
  ///
  /// - Throws: `CommunicatorError.lost`.
  public func maximum(_ value: Int) throws -> Int {
    guard let group else { return value }
    let own = try Tensor([value], [1])
    note("maximum", own)
    return try lost { try group.allReduce(own, .maximum).wait().array(Int.self)[0] }
  }

  /// The largest of all ranks' numbers, place by place; all have equally many.
  ///
  /// - Throws: `CommunicatorError.lost`.
  public func maximum(_ values: [Int]) throws -> [Int] {
    guard let group, !values.isEmpty else { return values }
    let own = try Tensor(values, [values.count])
    note("maximum", own)
    return try lost { try group.allReduce(own, .maximum).wait().array(Int.self) }
  }

  /// What all ranks have, in the order of ranks.
  ///
  /// - Throws: `CommunicatorError.lost`, `.mismatched`; what encoding throws.
  public func gathered<Value: Codable>(_ value: Value) throws -> [Value] {
    guard let group else { return [value] }
    let own = try JSONEncoder().encode(value)
    let (number, hash) = calls.withLock { ($0.number, Int(truncatingIfNeeded: $0.hash.value)) }
    let heads = try lost { try group.allGather(Tensor([own.count, hash], [2])).wait().array(Int.self) }
    if let other = (0..<count).first(where: { heads[2 * $0 + 1] != hash }) {
      let hint = "TORCH_DISTRIBUTED_DEBUG=DETAIL names the first that differs"
      throw CommunicatorError.mismatched(
        rank: rank, count: count, reason: "its first \(number) collectives are not those of rank \(other); \(hint)")
    }
    let lengths = (0..<count).map { heads[2 * $0] }
    let room = lengths.max() ?? 0
    let padded = Array(own) + [UInt8](repeating: 0, count: room - own.count)
    let all = try lost { try group.allGather(Tensor(padded, [room])).wait().array(UInt8.self) }
    return try lengths.enumerated().map { rank, length in
      try JSONDecoder().decode(Value.self, from: Data(all[rank * room..<rank * room + length]))
    }
  }

  /// Throws on all ranks where one has another value than the first.
  ///
  /// - Throws: `CommunicatorError.unequal`, `.lost`.
  public func requireEqual<Value: Codable & Equatable>(_ value: Value, _ what: String) throws {
    let all = try gathered(value)
    if let rank = all.indices.first(where: { all[$0] != all[0] }) { throw CommunicatorError.unequal(what: what, rank: rank) }
  }

  /// What all ranks have of equal tensors, in the order of ranks: [count, n] from [n].
  ///
  /// - Throws: `CommunicatorError.lost`.
  public func gathered(_ tensor: Tensor) throws -> Tensor {
    guard let group else { return try tensor.reshaped([1, -1]) }
    note("gathered", tensor, sentBytes: tensor.byteCount * (count - 1))
    return try lost { try group.allGather(tensor).wait().reshaped([count, -1]) }
  }

  /// Part r of each rank's [count · n] at rank r, in the order of ranks: [count, n].
  ///
  /// - Throws: `CommunicatorError.lost`.
  public func exchanged(_ tensor: Tensor) throws -> Tensor {
    guard let group else { return try tensor.reshaped([1, -1]) }
    note("exchanged", tensor, sentBytes: tensor.byteCount / count * (count - 1))
    return try lost { try group.allToAll(tensor).wait().reshaped([count, -1]) }
  }

  /// Tensors on their way between ranks, which must not be touched before `wait`.
  public final class Transfer: Sendable {
    private let world: Communicator
    private let pending: ProcessGroup.Pending?
    private let result: Tensor

    fileprivate init(_ world: Communicator, _ pending: ProcessGroup.Pending?, _ result: Tensor) {
      (self.world, self.pending, self.result) = (world, pending, result)
    }

    /// What came of it.
    ///
    /// - Throws: `CommunicatorError.lost`.
    @discardableResult
    public func wait() throws -> Tensor {
      guard let pending else { return result }
      return try world.lost { try pending.wait() }
    }
  }

  /// Starts `gathered`, into a tensor that is there: [count · n] from [n].
  ///
  /// - Throws: `CommunicatorError.lost`.
  public func startGathering(_ tensor: Tensor, into whole: Tensor) throws -> Transfer {
    guard let group else { return Transfer(self, nil, try withoutGradient { try whole.copyInPlace(from: tensor) }) }
    note("gathered", tensor, sentBytes: tensor.byteCount * (count - 1))
    return Transfer(self, try lost { try group.allGather(tensor, into: whole) }, whole)
  }

  /// Starts `exchanged`: [count · n], one rank's after the other.
  ///
  /// - Throws: `CommunicatorError.lost`.
  public func startExchanging(_ tensor: Tensor) throws -> Transfer {
    guard let group else { return Transfer(self, nil, tensor) }
    note("exchanged", tensor, sentBytes: tensor.byteCount / count * (count - 1))
    return Transfer(self, try lost { try group.allToAll(tensor) }, tensor)
  }

  private func note(_ name: String, _ tensor: Tensor, sentBytes: Int = 0) {
    calls.withLock {
      $0.sentBytes += sentBytes
      $0.number += 1
      $0.hash.add("\(name) \(tensor.dtype.rawValue) \(tensor.count);".utf8)
    }
  }

  fileprivate func lost<Result>(_ work: () throws -> Result) throws -> Result {
    do {
      return try withoutGradient(work)
    } catch let error as TorchError {
      // Without places in Gloo's own source, and its advice to look at the other process.
      var reason = "\(error)".replacing(#/\[[^\]]*\.cc:[0-9]+\] /#, with: "")
      if let advice = reason.firstRange(of: " This is typically caused") { reason.removeSubrange(advice.lowerBound...) }
      // The words of libtorch's comparison under TORCH_DISTRIBUTED_DEBUG=DETAIL.
      if reason.contains("Detected mismatch between collectives") {
        throw CommunicatorError.mismatched(rank: rank, count: count, reason: reason)
      }
      throw CommunicatorError.lost(rank: rank, count: count, reason: reason)
    }
  }
}
