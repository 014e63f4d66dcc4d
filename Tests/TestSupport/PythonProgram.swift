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
    try await output(of: made(by: "python-env"), [root.appending(path: "Tests/Python/\(name)").path] + arguments)
  }

  /// The interpreter that has the packages; nil, and a printed line, where they cannot be had.
  ///
  /// - Parameter what: what is not tested then.
  /// - Throws: `Failure.failed`.
  public static func interpreter(for what: String) async throws -> URL? {
    do {
      return try await made(by: "python-env")
    } catch Failure.unavailable(let reason) {
      print("\(what): not tested, \(reason)")
      return nil
    }
  }

  /// The folder that `scripts/smollm2` makes.
  ///
  /// - Throws: as `run`.
  public static func smolLM2() async throws -> URL { try await made(by: "smollm2") }

  /// What a script makes where it is not there yet, whose path it prints.
  private static func made(by script: String) async throws -> URL {
    do {
      let path = try await output(of: root.appending(path: "scripts/\(script)"), [])
      return URL(filePath: path.trimmingCharacters(in: .whitespacesAndNewlines))
    } catch Failure.failed(_, 69, let message) {
      throw Failure.unavailable(message)
    }
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
