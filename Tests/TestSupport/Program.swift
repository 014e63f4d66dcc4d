import Foundation
import Programs
import Subprocess
import Synchronization

/// A program that a test runs to its end.
public enum Program {
  /// Tests that compute hold the threads that tasks run on, for a minute at times; what stops a program at a certain moment would come too
  /// late.
  private static let ownThread = OwnThread()

  /// What it left behind.
  public struct Outcome: Sendable {
    /// Standard output and standard error.
    public let out, err: String
    /// Exit code, or nil where a signal ended it.
    public let code: Int32?
  }

  /// A program that took too long and was ended.
  public struct Overdue: Error, CustomStringConvertible {
    /// Which one, and what it printed.
    public let description: String
  }

  /// A program that is at work, or has ended and is still known by its number.
  public struct Running: Sendable {
    fileprivate let execution: Execution<CustomWriteInput, FileDescriptorOutput, FileDescriptorOutput>
    private let output: URL

    fileprivate init(_ execution: Execution<CustomWriteInput, FileDescriptorOutput, FileDescriptorOutput>, _ output: URL) {
      (self.execution, self.output) = (execution, output)
    }

    /// What it has printed so far.
    public func printed() throws -> String { String(decoding: try Data(contentsOf: output), as: UTF8.self) }

    /// Whether it has not ended.
    public var isRunning: Bool {
      var info = siginfo_t()
      return waitid(P_PID, id_t(execution.processIdentifier.value), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_signo == 0
    }

    /// Sends it a signal.
    public func send(_ signal: Int32) { kill(execution.processIdentifier.value, signal) }

    /// Writes to its standard input, which ends when the test lets go of the program.
    public func write(_ text: String) async throws { _ = try await execution.standardInputWriter.write(text) }

    /// Sends it a signal as soon as something holds, and none where it ends before.
    ///
    /// A thread of its own waits: other tests can hold up a task for as long as the program takes.
    public func send(_ signal: Int32, once holds: @escaping @Sendable () throws -> Bool) async throws {
      try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
        Thread.detachNewThread {
          done.resume(
            with: Result {
              while isRunning {
                if try holds() { return send(signal) }
                usleep(2000)
              }
            })
        }
      }
    }

    /// Sends it a signal as soon as it has printed a text.
    public func send(_ signal: Int32, oncePrinted text: String) async throws {
      try await send(signal) { try printed().contains(text) }
    }

    /// Sends it a signal after so many milliseconds.
    public func send(_ signal: Int32, after delay: Int) async throws {
      let end = ContinuousClock.now + .milliseconds(delay)
      try await send(signal) { ContinuousClock.now >= end }
    }
  }

  /// Runs a program to its end.
  ///
  /// - Parameters:
  ///   - changes: variables that its environment has besides, or has not.
  ///   - limit: seconds after which it is ended.
  ///   - during: is called with the running program, whose standard input it may write; else that is `input`.
  /// - Throws: `Overdue`, errors of `during`, and what hinders the start.
  public static func run(
    _ program: URL, _ arguments: [String], input: Data = Data(), environment changes: [String: String] = [:],
    limit: Double = Patience.seconds, during: (@Sendable (Running) async throws -> Void)? = nil
  ) async throws -> Outcome {
    try await withTaskExecutorPreference(ownThread) {
      try await start(program, arguments, input, changes, limit, during)
    }
  }

  private static func start(
    _ program: URL, _ arguments: [String], _ input: Data, _ changes: [String: String], _ limit: Double,
    _ during: (@Sendable (Running) async throws -> Void)?
  ) async throws -> Outcome {
    let scratch = try Scratch()
    let (out, err, given) = (
      scratch.url.appending(path: "out"), scratch.url.appending(path: "err"), scratch.url.appending(path: "in")
    )
    for url in [out, err] { try Data().write(to: url) }
    try input.write(to: given)
    let files = [try FileHandle(forWritingTo: out), try FileHandle(forWritingTo: err), try FileHandle(forReadingFrom: given)]
    let variables = changes.map { (Environment.Key(stringLiteral: $0.key), $0.value as String?) }
    let configuration = Configuration(
      executable: .path(.init(program.path)), arguments: Arguments(arguments),
      environment: .inherit.updating(Dictionary(uniqueKeysWithValues: variables)))
    // Files and not pipes, which block a program that prints more than they hold.
    let (output, error) = (
      FileDescriptorOutput.fileDescriptor(.init(rawValue: files[0].fileDescriptor), closeAfterSpawningProcess: false),
      FileDescriptorOutput.fileDescriptor(.init(rawValue: files[1].fileDescriptor), closeAfterSpawningProcess: false)
    )
    let watch = Mutex<Task<Void, any Error>?>(nil)
    let last = ContinuousClock.now + .seconds(limit)
    func end(_ number: pid_t) {
      let task = Task {
        try await Task.sleep(for: .seconds(limit))
        kill(number, SIGKILL)
      }
      watch.withLock { $0 = task }
    }
    defer { watch.withLock { $0?.cancel() } }
    let status: TerminationStatus
    if let during {
      status = try await Subprocess.run(configuration, input: .inputWriter, output: output, error: error) { execution in
        end(execution.processIdentifier.value)
        try await during(Running(execution, out))
        try await execution.standardInputWriter.finish()
      }.terminationStatus
    } else {
      let source = FileDescriptorInput.fileDescriptor(.init(rawValue: files[2].fileDescriptor), closeAfterSpawningProcess: false)
      status = try await Subprocess.run(configuration, input: source, output: output, error: error) { execution in
        end(execution.processIdentifier.value)
      }.terminationStatus
    }
    func text(_ url: URL) throws -> String { String(decoding: try Data(contentsOf: url), as: UTF8.self) }
    let code: Int32? = if case .exited(let code) = status { code } else { nil }
    if code == nil, ContinuousClock.now >= last {
      let printed = "\(try text(out))\(try text(err))"
      throw Overdue(description: "\(program.lastPathComponent) was not at its end after \(limit) s: \(printed)")
    }
    return Outcome(out: try text(out), err: try text(err), code: code)
  }
}
