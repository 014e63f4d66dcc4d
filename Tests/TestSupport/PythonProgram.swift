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
    let found = try await Program.run(program, arguments, environment: ["HF_HUB_OFFLINE": "1"], limit: 3600)
    guard found.code == 0 else {
      let message = found.err.split(separator: "\n").suffix(5).joined(separator: "\n")
      throw Failure.failed(program: program.lastPathComponent, status: found.code ?? -1, message: message)
    }
    return found.out
  }
}
