import Basics
import Foundation
import Programs
import Training

/// The folder of a demonstration, taken by this process, and the commands that work in it.
struct DemoFolder: Sendable {
  let url: URL
  let console: any Console
  private let lock: FileLock
  /// Held by the commands as well, so that one that outlives this process is found.
  private let commandLock: FileLock

  /// Takes a folder.
  ///
  /// A command of an earlier run that was killed is asked to stop, and waited for.
  ///
  /// - Throws: `DemoError.inUse`; `ProgramError`.
  init(_ url: URL, _ console: any Console) async throws {
    (self.url, self.console) = (url, console)
    guard let lock = try FileLock(url.appending(path: ".lock")) else { throw DemoError.inUse(folder: url.relativePath) }
    self.lock = lock
    let place = url.appending(path: ".child")
    var found = try FileLock(place)
    if found == nil {
      try console.line("waiting for a step of an earlier run to stop")
      // Whoever holds the lock wrote the number, so it is that of no other process.
      let text = try demoFile(place) { try String(contentsOf: $0, encoding: .utf8) }
      if let program = pid_t(text), program > 0 { kill(program, SIGTERM) }
    }
    while found == nil {
      if console.isStopping { throw DemoError.inUse(folder: url.relativePath) }
      try await Task.sleep(for: .milliseconds(50))
      found = try FileLock(place)
    }
    commandLock = found ?? lock
  }

  /// A place in the folder, as one types it.
  func path(_ name: String) -> String { url.appending(path: name).relativePath }

  /// Prints a command line and runs it to the end.
  ///
  /// - Returns: false where it was asked to stop.
  /// - Throws: `DemoError.failed`; `ProgramError`.
  func epic(_ arguments: [String]) async throws -> Bool {
    try console.line("$ \(shellLine(["epic"] + arguments))")
    switch try await OwnProgram.run(arguments, holding: commandLock, console: console) {
    case .done: return true
    case .stopped: return false
    case .failed(let code): throw DemoError.failed(command: "epic \(arguments.first ?? "")", code: code)
    }
  }

  /// Copies a checkpoint into the folder, in place of what an earlier run put there.
  ///
  /// - Throws: `DemoError.unusable`.
  func copy(checkpoint source: URL, to name: String) throws {
    try console.line("$ \(shellLine(["cp", "-rL", source.relativePath, path(name)]))")
    try demoFile(url.appending(path: name)) { target in
      let files = FileManager.default
      let partial = url.appending(path: ".\(name).partial")
      for old in [partial, target] where files.fileExists(atPath: old.path) { try files.removeItem(at: old) }
      try files.copyItem(at: source.resolvingSymlinksInPath(), to: partial)
      try files.moveItem(at: partial, to: target)
    }
  }

  /// Trains with a configuration that is printed, or goes on with a run that has begun.
  ///
  /// - Parameter run: the folder that the configuration writes to.
  func train(_ yaml: String, run: String = "run") async throws -> Bool {
    let file = url.appending(path: run == "run" ? "train.yaml" : "\(run).yaml")
    try demoFile(file) { try Data(yaml.utf8).write(to: $0, options: .atomic) }
    try console.line(yaml)
    let isBegun = FileManager.default.fileExists(atPath: url.appending(path: "\(run)/metrics.jsonl").path)
    return try await epic(["train", "--config", file.relativePath] + (isBegun ? ["--resume"] : []))
  }

  /// The place of the run's checkpoint after a number of steps, seen from the folder.
  static func checkpoint(after step: Int, of run: String = "run") -> String { "\(run)/" + RunFolder.checkpointName(after: step) }
}

/// Does something with a file, whose errors become one line.
func demoFile<T>(_ url: URL, _ work: (URL) throws -> T) throws -> T {
  do {
    return try work(url)
  } catch let error as DemoError {
    throw error
  } catch {
    throw DemoError.unusable(path: url.relativePath, reason: error is CocoaError ? systemReason(error) : "\(error)")
  }
}
