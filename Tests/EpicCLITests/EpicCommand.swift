import Foundation
import TestModels
import TestSupport
import Testing

/// The built `epic`, run as a user runs it.
struct EpicCommand {
  typealias Outcome = Program.Outcome
  /// What a test does while the program runs.
  typealias During = @Sendable (Program.Running) async throws -> Void

  /// Lets a few programs run at a time: the tests' tasks wait for programs, so all of them would start at once.
  private actor Gate {
    private var free = 3
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func enter() async {
      if free > 0 {
        free -= 1
      } else {
        await withCheckedContinuation { waiting.append($0) }
      }
    }

    func leave() {
      if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
    }
  }

  private static let gate = Gate()

  /// The program beside the test bundle; `EPIC` names another one.
  static var program: URL {
    if let path = ProcessInfo.processInfo.environment["EPIC"], !path.isEmpty { return URL(filePath: path) }
    return URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: "epic")
  }

  /// Runs to the end, or ends it after `limit` seconds; `during` is called with the running program.
  static func run(
    _ arguments: [String], input: Data = Data(), environment: [String: String] = [:], program: URL = program,
    limit: Double = Patience.seconds,
    during: During? = nil
  ) async throws -> Outcome {
    await gate.enter()
    do {
      let outcome = try await Program.run(
        program, arguments, input: input, environment: environment, limit: limit, during: during)
      await gate.leave()
      return outcome
    } catch {
      await gate.leave()
      throw error
    }
  }

  /// A folder with a tiny checkpoint in `model` and a picture in `house.png`.
  static func workplace() throws -> Scratch {
    let scratch = try Scratch()
    try TestModel.write(TestModel.tiny(seed: 1), to: scratch.url.appending(path: "model"))
    try TestModel.drawing().writePNG(to: scratch.url.appending(path: "house.png"))
    return scratch
  }
}
