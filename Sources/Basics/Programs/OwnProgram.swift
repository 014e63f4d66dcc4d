import Basics
import Foundation
import Subprocess

/// Why a program cannot be started or a lock not be taken.
public struct ProgramError: Error, Equatable, CustomStringConvertible {
  /// What is concerned.
  public let path: String
  /// The system's words.
  public let reason: String

  /// One sentence for people.
  public var description: String { "\(path): \(reason); check the file and its permissions" }
}

/// This program, started again with other arguments, in the same process group, so that Ctrl-C reaches both.
public enum OwnProgram {
  /// How it ended.
  public enum Ending: Sendable, Equatable {
    /// With exit code 0.
    case done
    /// With another exit code, or by a signal.
    case failed(code: Int32?)
    /// It was asked to stop.
    case stopped
  }

  /// Runs to the end, or until the console hears that it should stop: then the program is asked to stop and waited for.
  ///
  /// - Parameters:
  ///   - lock: is held by the program too, so that one that outlives this process is found; its file then has the program's number. All
  ///     other descriptors are closed in the program, so it is its standard input.
  ///   - log: a file that its output is added to; this process's own output unless given.
  /// - Throws: `ProgramError`.
  public static func run(
    _ arguments: [String], holding lock: FileLock? = nil, log: URL? = nil, console: any Console
  ) async throws -> Ending {
    try await withThrowingTaskGroup(of: TerminationStatus?.self) { group in
      group.addTask { try await start(arguments, lock, log) }
      group.addTask {
        while !console.isStopping { try await Task.sleep(for: .milliseconds(20)) }
        return nil
      }
      defer { group.cancelAll() }
      let first = try await group.next() ?? nil
      guard let first, !console.isStopping else {
        // Where the signal came from no terminal, the program has not got it; cancelling sends it.
        group.cancelAll()
        while await group.nextResult() != nil {}
        return .stopped
      }
      return switch first {
      case .exited(0): .done
      case .exited(let code): .failed(code: code)
      case .signaled: .failed(code: nil)
      }
    }
  }

  private static func start(_ arguments: [String], _ lock: FileLock?, _ log: URL?) async throws -> TerminationStatus {
    let input = try lock == nil ? open(URL(filePath: "/dev/null"), O_RDONLY) : nil
    let output = try log.map { try open($0, O_WRONLY | O_APPEND | O_CREAT) }
    defer { for descriptor in [input, output] { if let descriptor { close(descriptor) } } }
    var options = PlatformOptions()
    // Whoever is asked to stop ends the step and saves, however long that takes.
    options.teardownSequence = [.send(signal: .terminate, allowedDurationToNextStep: .seconds(86_400))]
    let program = Configuration(
      executable: .path("/proc/self/exe"), arguments: Arguments(executablePathOverride: "epic", remainingValues: arguments),
      platformOptions: options)
    // Until the program's own is known, no number is better than that of one before it.
    try lock?.write("")
    do {
      return try await Subprocess.run(
        program,
        input: .fileDescriptor(.init(rawValue: lock?.descriptor ?? input ?? STDIN_FILENO), closeAfterSpawningProcess: false),
        output: .fileDescriptor(.init(rawValue: output ?? STDOUT_FILENO), closeAfterSpawningProcess: false),
        error: .fileDescriptor(.init(rawValue: output ?? STDERR_FILENO), closeAfterSpawningProcess: false)
      ) { execution in
        try lock?.write("\(execution.processIdentifier.value)")
      }.terminationStatus
    } catch let error as SubprocessError {
      throw ProgramError(path: "epic \(arguments.first ?? "")", reason: "\(error)")
    }
  }
}

/// Opens a file that programs which are started later do not see.
func open(_ url: URL, _ flags: Int32) throws -> Int32 {
  let descriptor = Glibc.open(url.path, flags | O_CLOEXEC, 0o644)
  guard descriptor >= 0 else { throw ProgramError(path: url.relativePath, reason: systemReason()) }
  return descriptor
}

/// A command line as one types it.
public func shellLine(_ words: [String]) -> String {
  let plain = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./,=:+")
  return words.map { word in
    if !word.isEmpty, word.allSatisfy(plain.contains) { return word }
    if word.contains("\n") {
      let escaped = word.replacing("\\", with: "\\\\").replacing("'", with: "\\'").replacing("\n", with: "\\n")
      return "$'\(escaped)'"
    }
    return "'" + word.replacing("'", with: "'\\''") + "'"
  }.joined(separator: " ")
}
