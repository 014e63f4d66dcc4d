import Foundation

/// A Python program of `Tests/Python`, run with the packages that tests compare with.
public enum PythonProgram {
  /// Why a program gave no answer.
  public enum Failure: Error, CustomStringConvertible {
    /// The packages cannot be had on this machine: no python3, or no package index that answers.
    case unavailable(String)
    /// A program ended with an error.
    case failed(program: String, status: Int32, message: String)

    /// One sentence for people.
    public var description: String {
      switch self {
      case .unavailable(let reason): reason
      case .failed(let program, let status, let message): "\(program) ended with status \(status): \(message)"
      }
    }
  }

  private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  /// Runs a program by its file name and returns what it prints on standard output.
  ///
  /// - Throws: `Failure.unavailable` where a test should be skipped, `.failed` where it should not.
  public static func run(_ name: String, _ arguments: [String]) async throws -> String {
    let python: String
    do {
      python = try await output(of: root.appending(path: "scripts/python-env"), [])
    } catch Failure.failed(_, 69, let message) {
      throw Failure.unavailable(message)
    }
    return try await output(
      of: URL(filePath: python.trimmingCharacters(in: .whitespacesAndNewlines)),
      [root.appending(path: "Tests/Python/\(name)").path] + arguments)
  }

  private static func output(of program: URL, _ arguments: [String]) async throws -> String {
    let scratch = try Scratch()
    // Files and not pipes, which block a program that prints more than they hold.
    let (out, err) = (scratch.url.appending(path: "out"), scratch.url.appending(path: "err"))
    for url in [out, err] { try Data().write(to: url) }
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(["HF_HUB_OFFLINE": "1"]) { $1 }
    let handles = [try FileHandle(forWritingTo: out), try FileHandle(forWritingTo: err)]
    defer { for handle in handles { try? handle.close() } }
    (process.standardOutput, process.standardError) = (handles[0], handles[1])
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
      process.terminationHandler = { _ in continuation.resume() }
      do { try process.run() } catch { continuation.resume(throwing: error) }
    }
    guard process.terminationStatus == 0 else {
      let message = try String(contentsOf: err, encoding: .utf8).split(separator: "\n").suffix(5).joined(separator: "\n")
      throw Failure.failed(program: program.lastPathComponent, status: process.terminationStatus, message: message)
    }
    return try String(contentsOf: out, encoding: .utf8)
  }
}
