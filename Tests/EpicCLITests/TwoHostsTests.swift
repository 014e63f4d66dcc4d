import Foundation
import TestSupport
import Testing

/// `epic train` on two hosts with a slow cable between them, 5 ms each way and 100 Mbit/s; `Tests/two-hosts` makes them of Linux namespaces.
@Suite(.serialized) struct TwoHostsTests {
  /// What `Tests/two-hosts` is told.
  private struct Task: Encodable {
    struct Cut: Encodable {
      let file: String
      let lines: Int
    }
    let commands: [[String]]
    var delay = 0.005
    var rate = 12.5e6
    var cut: Cut?
  }

  /// What it says.
  private struct Outcome: Decodable {
    let codes: [Int]
    let err: [String]
    let cutSeconds: Double?
    let bytes: Int
  }

  private static let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "two-hosts")

  /// Whether this machine lets its users make hosts.
  private static let areHostsMade: Bool = {
    let process = Process()
    process.executableURL = URL(filePath: "/bin/sh")
    process.arguments = [
      "-c", "python3 -c 0 && unshare --user --map-root-user --net --mount sh -c 'ip tuntap add dev t mode tun' 2>/dev/null",
    ]
    do {
      try process.run()
      process.waitUntilExit()
      return process.terminationStatus == 0
    } catch {
      return false
    }
  }()

  /// Trains one process on each host; each host's own name is the other's way to it.
  private func train(_ place: TrainingPlace, _ arguments: [String], cut: Task.Cut? = nil) async throws -> Outcome {
    let port = try freePort()
    let commands = (0..<2).map { rank in
      ["env", "RANK=\(rank)", "WORLD_SIZE=2", "MASTER_ADDR=host0", "MASTER_PORT=\(port)", EpicCommand.program.path] + arguments
    }
    let input = try JSONEncoder().encode(Task(commands: commands, cut: cut))
    let outcome = try await EpicCommand.run([], input: input, program: Self.script)
    #expect(outcome.code == 0, "\(outcome.err)")
    return try JSONDecoder().decode(Outcome.self, from: Data(outcome.out.utf8))
  }

  /// The bits of one process; where the cable is cut both end with a line, in the time they were given, and go on later.
  @Test(.enabled("needs Linux with python3, iproute2 and namespaces that users may make") { areHostsMade })
  func hostsTrainAsOneUntilTheCableIsCut() async throws {
    let place = try TrainingPlace()
    let (timeout, steps) = (8.0, 40)
    let keys = ["checkpoints.every=5", "distributed.shard=full", "distributed.timeout=\(timeout)", "steps=\(steps)"]
    try await place.alone("alone", accumulation: 2, keys)
    let arguments = place.arguments("together", accumulation: 1, keys)
    let metrics = place.path("together/metrics.jsonl")
    let cut = try await train(place, arguments, cut: .init(file: metrics, lines: 12))
    #expect(cut.codes == [1, 1])
    for line in cut.err {
      #expect(line.contains("late or gone"), "\(line)")
      #expect(line.split(separator: "\n").count { $0.hasPrefix("epic: ") } == 1, "\(line)")
    }
    // Not the time of anything that is computed, but that of giving up.
    #expect(try #require(cut.cutSeconds) < timeout + 20)
    #expect(try place.lines("together").count < steps)
    let again = try await train(place, arguments + ["--resume"])
    #expect(again.codes == [0, 0] && again.bytes > 1_000_000, "\(again)")
    #expect(try place.result("alone", step: steps) == place.result("together", step: steps))
  }
}
