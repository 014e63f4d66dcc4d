import Foundation
import TestSupport
import Testing
import Torch

@testable import Distributed

/// What a process of two does that is not what the other does.
private enum Difference: String, Codable, CaseIterable {
  /// Rank 1 gathers a larger tensor.
  case size
  /// Rank 1 gathers where rank 0 exchanges.
  case name
  /// Rank 1 gathers as many bytes of another type; both go on with what every step begins with.
  case type
  /// Rank 1 leaves a gathering out.
  case order
}

/// Ranks that do not call the same collectives; here each is a process of its own, as one may end in a thread that nobody waits for.
@Suite(.serialized) struct MismatchTests {
  /// Both end with exit code 1 and one line, in time.
  private func lines(_ difference: Difference, compares: Bool) async throws -> [String] {
    let port = try freePort()
    return try await withThrowingTaskGroup(of: (Int, String).self) { group in
      for rank in 0..<2 {
        group.addTask {
          let result = await #expect(processExitsWith: .exitCode(1), observing: [\.standardErrorContent]) {
            [
              rank = rank as Int, port = port as Int, difference = difference as Difference, compares = compares as Bool
            ] in
            if compares { setenv("TORCH_DISTRIBUTED_DEBUG", "DETAIL", 1) }
            do {
              try Self.work(rank, port, difference)
              exit(0)
            } catch {
              FileHandle.standardError.write(Data("epic: \(error)\n".utf8))
              exit(1)
            }
          }
          let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
          return (rank, text)
        }
      }
      var found = ["", ""]
      for try await (rank, text) in group {
        let own = text.split(separator: "\n").filter { $0.hasPrefix("epic: ") }
        #expect(own.count == 1, "\(difference), rank \(rank): \(text)")
        #expect(!text.contains("terminate called"), "\(text)")
        found[rank] = own.first.map(String.init) ?? ""
      }
      return found
    }
  }

  private static func work(_ rank: Int, _ port: Int, _ difference: Difference) throws {
    let environment = ["RANK": "\(rank)", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "\(port)"]
    // Long enough for two processes to come up on a busy machine; who waits for what never comes waits so long.
    let world = try Communicator.joined(environment, timeout: difference == .name ? 20 : 60)
    let own = try Tensor((0..<8).map { Float($0) }, [8])
    _ = try world.gathered(own)
    switch (difference, rank) {
    case (.size, 1): _ = try world.gathered(Tensor((0..<64).map { Float($0) }, [64]))
    case (.name, 1): _ = try world.exchanged(own)
    case (.type, 1): _ = try world.gathered(Tensor((0..<8).map { Int32($0) }, [8]))
    case (.order, 1): break
    default: _ = try world.gathered(own)
    }
    // What every step begins with.
    for step in 0..<2 { _ = try world.gathered(["step": step]) }
    // Whoever is done first must not look like one that is gone.
    try world.barrier()
  }

  @Test(arguments: Difference.allCases) fileprivate func allEndWithALine(_ difference: Difference) async throws {
    let found = try await lines(difference, compares: false)
    #expect(found.enumerated().allSatisfy { $1.hasPrefix("epic: rank \($0) of 2: ") && !$1.contains(".cc:") }, "\(found)")
    func says(_ text: String) -> Int { found.count { $0.contains(text) } }
    let (unfit, lost) = ("another process called another collective, or one of another size", "another process is late or gone")
    switch difference {
    case .size, .order: #expect(says(unfit) == 1 && says(lost) == 1, "\(found)")
    // Whoever waited first has ended before the other is late, where the machine is busy.
    case .name: #expect(says(lost) == 2 && says("Timed out") > 0, "\(found)")
    case .type: #expect(says("the processes do not do the same (its first 2 collectives are not those of rank") == 2, "\(found)")
    }
  }

  /// Compared beforehand, all say what differs.
  @Test(arguments: [Difference.size, .name]) fileprivate func comparedBeforehandAllNameIt(_ difference: Difference) async throws {
    let found = try await lines(difference, compares: true)
    for (rank, line) in found.enumerated() {
      #expect(line.hasPrefix("epic: rank \(rank) of 2: the processes do not do the same"), "\(line)")
    }
  }
}
