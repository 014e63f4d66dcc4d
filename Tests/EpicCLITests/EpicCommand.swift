import Foundation
import TestModels
import TestSupport
import Testing

/// The built `epic`, run as a user runs it.
struct EpicCommand {
  /// What a run left behind.
  struct Outcome {
    let out: String
    let err: String
    /// Exit code, or nil where a signal ended the process.
    let code: Int32?
  }

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

  /// Runs to the end, or ends it after `limit` seconds; `during` is called with the running process.
  static func run(
    _ arguments: [String], input: Data = Data(), program: URL = program, limit: Double = 60,
    during: (@Sendable (Process, FileHandle, URL) async throws -> Void)? = nil
  ) async throws -> Outcome {
    await gate.enter()
    do {
      let outcome = try await runNow(arguments, input, program, limit, during)
      await gate.leave()
      return outcome
    } catch {
      await gate.leave()
      throw error
    }
  }

  private static func runNow(
    _ arguments: [String], _ input: Data, _ program: URL, _ limit: Double,
    _ during: (@Sendable (Process, FileHandle, URL) async throws -> Void)?
  ) async throws -> Outcome {
    let scratch = try Scratch()
    let (out, err, input_) = (
      scratch.url.appending(path: "out"), scratch.url.appending(path: "err"), scratch.url.appending(path: "in")
    )
    try Data().write(to: out)
    try Data().write(to: err)
    try input.write(to: input_)
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    let pipe = Pipe()
    let handles = [try FileHandle(forWritingTo: out), try FileHandle(forWritingTo: err), try FileHandle(forReadingFrom: input_)]
    // Foundation keeps finished processes for a while, and hears of no process's end through descriptors above 1023.
    defer {
      for handle in handles + [pipe.fileHandleForReading, pipe.fileHandleForWriting] { try? handle.close() }
    }
    (process.standardOutput, process.standardError) = (handles[0], handles[1])
    process.standardInput = during == nil ? handles[2] : pipe
    let watch = Task {
      try await Task.sleep(for: .seconds(limit))
      kill(process.processIdentifier, SIGKILL)
    }
    async let ended: Void = withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
      process.terminationHandler = { _ in continuation.resume() }
      do { try process.run() } catch { continuation.resume(throwing: error) }
    }
    if let during {
      try await during(process, pipe.fileHandleForWriting, out)
      try pipe.fileHandleForWriting.close()
    }
    try await ended
    watch.cancel()
    return Outcome(
      out: String(decoding: try Data(contentsOf: out), as: UTF8.self),
      err: String(decoding: try Data(contentsOf: err), as: UTF8.self),
      code: process.terminationReason == .exit ? process.terminationStatus : nil)
  }

  /// A folder with a tiny checkpoint in `model` and a picture in `house.png`.
  static func workplace() throws -> Scratch {
    let scratch = try Scratch()
    try TestModel.write(TestModel.tiny(seed: 1), to: scratch.url.appending(path: "model"))
    try TestModel.drawing().writePNG(to: scratch.url.appending(path: "house.png"))
    return scratch
  }
}
