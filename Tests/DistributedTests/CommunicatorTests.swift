import Foundation
import Synchronization
import TestSupport
import Testing
import Torch

@testable import Distributed

/// What ranks brought about.
private final class Found<Value: Sendable>: Sendable {
  let values = Mutex([Int: Result<Value, any Error>]())
}

/// What ranks tell each other; here they are threads of one process.
@Suite(.serialized) struct CommunicatorTests {
  /// What each rank's work returns, in the order of ranks.
  private func ranks<Value: Sendable>(
    _ count: Int, _ work: @escaping @Sendable (Communicator) throws -> Value
  ) throws -> [Value] {
    let port = try freePort()
    let found = Found<Value>()
    let finished = DispatchGroup()
    // A rank waits for the others, so each needs a thread of its own.
    for rank in 0..<count {
      finished.enter()
      Thread.detachNewThread {
        let environment = [
          "RANK": "\(rank)", "WORLD_SIZE": "\(count)", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "\(port)",
          "LOCAL_RANK": "\(rank)",
        ]
        let value = Result { try work(Communicator.joined(environment, timeout: 60)) }
        found.values.withLock { $0[rank] = value }
        finished.leave()
      }
    }
    finished.wait()
    return try (0..<count).map { rank in try #require(found.values.withLock { $0[rank] }).get() }
  }

  /// Each result is what its definition says, and what was sent is the number of bytes that had to travel.
  @Test func whatTravelsIsWhatIsSaid() throws {
    let count = 3
    let found = try ranks(count) { world in
      let own = (0..<count * 5).map { Float(100 * world.rank + $0) }
      let gathered = try world.gathered(Tensor(own, [own.count])).array(Float.self)
      let afterGather = world.sentBytes
      let exchanged = try world.exchanged(Tensor(own, [own.count])).array(Float.self)
      let names = try world.gathered("rank \(world.rank)")
      return (
        gathered: gathered, exchanged: exchanged, names: names, most: try world.maximum(7 * world.rank), afterGather: afterGather,
        all: world.sentBytes
      )
    }
    for (rank, one) in found.enumerated() {
      let others = (0..<count).map { other in (0..<count * 5).map { Float(100 * other + $0) } }
      #expect(one.gathered == others.flatMap(\.self))
      #expect(one.exchanged == others.flatMap { $0[rank * 5..<rank * 5 + 5] })
      #expect(one.names == (0..<count).map { "rank \($0)" } && one.most == 7 * (count - 1))
      #expect(one.afterGather == (count - 1) * count * 5 * 4 && one.all - one.afterGather == (count - 1) * 5 * 4)
    }
  }

  @Test func unequalValuesAreToldOnAllRanks() throws {
    let told = try ranks(2) { world in
      do {
        try world.requireEqual(world.rank == 1 ? "b" : "a", "setting")
        return ""
      } catch let error as CommunicatorError {
        return "\(error)"
      }
    }
    #expect(told.allSatisfy { $0.contains("setting") } && told[0] == told[1])
  }

  /// Each of a machine's processes takes a GPU of its own; where it sees one alone, that is the one.
  @Test func processesTakeAGPUEach() throws {
    let found = try ranks(2) { world in
      [
        world.deviceName("cuda", gpus: 8), world.deviceName("cuda", gpus: 1), world.deviceName("cuda:3", gpus: 8),
        world.deviceName("cpu"),
      ]
    }
    #expect(found == (0..<2).map { ["cuda:\($0)", "cuda", "cuda:3", "cpu"] })
    #expect(Communicator.alone.deviceName("cuda", gpus: 8) == "cuda")
  }

  /// With a GPU a group of one gives back what it was given; without, the reason is named and the CPU's tensors go on travelling.
  @Test func tensorsOfGPUsTravelOverNCCL() throws {
    let group = try ProcessGroup(host: "127.0.0.1", port: 0, serves: true, rank: 0, count: 1, prefix: "gpu", timeout: 60)
    let values = (0..<8).map(Float.init)
    if Device.cudaCount > 0 {
      try group.joinGPUs()
      try group.joinGPUs()
      let own = try Tensor(values, [8]).to(.cuda(0))
      #expect(try group.allGather(own).wait().array(Float.self) == values)
      #expect(try group.allToAll(own).wait().array(Float.self) == values)
      #expect(try group.broadcast(own, from: 0).wait().array(Float.self) == values)
      #expect(try group.allReduce(own, .maximum).wait().array(Float.self) == values)
    } else {
      // A CPU build has no NCCL; a build for CUDA looks for a GPU itself.
      let error = #expect(throws: TorchError.self) { try group.joinGPUs() }
      let text = error.map { "\($0)" } ?? ""
      #expect(text.contains("has no NCCL") || text.contains("no GPUs found"), "\(text)")
    }
    #expect(try group.allReduce(Tensor(values, [8]), .sum).wait().array(Float.self) == values)
  }

  @Test func oneProcessIsACommunicatorOfOne() throws {
    let world = try Communicator.joined([:])
    #expect(world.count == 1 && world.isFirst && world.sentBytes == 0)
    #expect(try world.gathered(Tensor([Float(1), 2], [2])).array(Float.self) == [1, 2] && world.maximum(3) == 3)
    try world.barrier()
  }
}
