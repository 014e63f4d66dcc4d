import Distributed
import Torch

/// Gradients of all processes' micro-batches, added in the order in which one process would add them.
///
/// After each round every process is sent all gradients of the weights that belong to it, and adds them in the order of ranks. So the sum does not
/// depend on the number of processes, nor on how the bytes travel.
final class GradientSum {
  private let world: Communicator
  private let weights: [Tensor]
  private let parts: WeightParts
  /// Of each bucket this process's part of the sum; nil before there is one.
  private var sums: [Tensor?]
  /// Which weights some process had a gradient of.
  private var present: [Bool]

  init(_ world: Communicator, _ weights: [Tensor], _ parts: WeightParts) {
    (self.world, self.weights, self.parts) = (world, weights, parts)
    sums = parts.buckets.map { _ in nil }
    present = weights.map { _ in false }
  }

  /// Adds the gradients that all processes have now, and takes them off the weights.
  ///
  /// - Throws: `CommunicatorError.lost`.
  func add() throws {
    try withoutGradient {
      let gradients = try weights.map { try $0.gradient() }
      let flags = try world.gathered(Tensor(gradients.map { UInt8($0 == nil ? 0 : 1) }, [gradients.count])).array(UInt8.self)
      let here = weights.indices.map { index in (0..<world.count).contains { flags[$0 * weights.count + index] != 0 } }
      for (index, isHere) in here.enumerated() where isHere { present[index] = true }
      for (index, bucket) in parts.buckets.enumerated() where bucket.members.joined().contains(where: { here[$0] }) {
        let flat = try concatenate((0..<world.count).map { try parts.flat(bucket, of: $0, weights) { gradients[$0] } })
        let found = try world.exchanged(flat)
        var sum = sums[index]
        for rank in 0..<world.count {
          let part = try found.selected(0, rank)
          sum = try sum.map { try $0 + part } ?? part
        }
        sums[index] = sum
      }
      for weight in weights { try weight.setGradient(nil) }
    }
  }

  /// Gives the sums to the weights: all of them on all processes, or each to the process that its weight belongs to.
  ///
  /// - Throws: `CommunicatorError.lost`.
  func finish(sharded: Bool) throws {
    try withoutGradient {
      for (bucket, sum) in zip(parts.buckets, sums) {
        guard let sum else { continue }
        let all = sharded ? nil : try world.gathered(sum.contiguous())
        for rank in 0..<world.count where !sharded || rank == world.rank {
          try parts.split(all?.selected(0, rank) ?? sum, bucket, of: rank, weights) { member, gradient in
            if present[member] { try weights[member].setGradient(gradient.copy()) }
          }
        }
      }
    }
  }

  /// Sends weights that their owners have changed to all processes.
  ///
  /// - Throws: `CommunicatorError.lost`.
  func shareWeights() throws {
    try withoutGradient {
      for bucket in parts.buckets where bucket.members.joined().contains(where: { present[$0] }) {
        let all = try world.gathered(parts.flat(bucket, of: world.rank, weights) { try weights[$0].detached() })
        for rank in 0..<world.count where rank != world.rank {
          try parts.split(all.selected(0, rank), bucket, of: rank, weights) { member, value in
            if present[member] { try weights[member].copyInPlace(from: value) }
          }
        }
      }
    }
  }
}
