import Demo
import Foundation

/// Runs this program again with other arguments, on the same terminal and in the same process group, so that Ctrl-C reaches both.
struct DemoProcess {
  private let folder: URL
  private let signals: StopSignals
  /// Held by this process alone, as long as it lives.
  private let lock: Int32
  /// Held by this process and by its children, so that a child that outlives it is found.
  private let childLock: Int32

  /// Takes a folder for this process.
  ///
  /// A child of an earlier run that was killed is asked to stop, and waited for.
  ///
  /// - Throws: `DemoError.inUse`, `.unusable`.
  init(in folder: URL, _ signals: StopSignals) throws {
    self.folder = folder
    self.signals = signals
    lock = try Self.open(folder.appending(path: ".lock"), flags: O_CLOEXEC)
    if flock(lock, LOCK_EX | LOCK_NB) != 0 { throw DemoError.inUse(folder: folder.relativePath) }
    let place = folder.appending(path: ".child")
    childLock = try Self.open(place, flags: 0)
    if flock(childLock, LOCK_EX | LOCK_NB) != 0 {
      try printLine("waiting for a step of an earlier run to stop")
      // Whoever holds the lock wrote the number, so it is that of no other process.
      if let text = try? String(contentsOf: place, encoding: .utf8), let child = pid_t(text), child > 0 { kill(child, SIGTERM) }
      while flock(childLock, LOCK_EX | LOCK_NB) != 0 {
        if signals.haveCome { throw DemoError.inUse(folder: folder.relativePath) }
        usleep(50_000)
      }
    }
  }

  private static func open(_ url: URL, flags: Int32) throws -> Int32 {
    let descriptor = Glibc.open(url.path, O_RDWR | O_CREAT | flags, 0o644)
    guard descriptor >= 0 else { throw DemoError.unusable(path: url.relativePath, reason: String(cString: strerror(errno))) }
    return descriptor
  }

  /// Runs to the end.
  ///
  /// - Returns: false where it was asked to stop.
  /// - Throws: `DemoError.failed`, `.unusable`.
  func run(_ arguments: [String]) throws -> Bool {
    let child = try spawn(arguments)
    try note(child)
    var (status, isAsked): (Int32, Bool) = (0, false)
    while true {
      let found = waitpid(child, &status, WNOHANG)
      if found == child || found < 0 && errno != EINTR { break }
      if signals.haveCome, !isAsked {
        // Where the signal came from no terminal, the child has not got it.
        kill(child, SIGTERM)
        isAsked = true
      }
      usleep(10_000)
    }
    if signals.haveCome { return false }
    let signal = status & 0x7f
    let code: Int32? = signal == 0 ? (status >> 8) & 0xff : nil
    guard code == 0 else { throw DemoError.failed(command: "epic \(arguments.first ?? "")", code: code) }
    return true
  }

  private func note(_ child: pid_t) throws {
    let text = Array(String(child).utf8)
    guard ftruncate(childLock, 0) == 0, pwrite(childLock, text, text.count, 0) == text.count else {
      throw DemoError.unusable(path: folder.appending(path: ".child").relativePath, reason: String(cString: strerror(errno)))
    }
  }
}

/// Starts this program again with other arguments.
///
/// - Parameter log: a file that its output is added to; this process's own output unless given.
/// - Throws: `DemoError.unusable`.
func spawn(_ arguments: [String], log: URL? = nil) throws -> pid_t {
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  defer { posix_spawn_file_actions_destroy(&actions) }
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
  if let log {
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.path, O_WRONLY | O_APPEND | O_CREAT, 0o644)
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
  }
  func list(_ words: [String]) -> [UnsafeMutablePointer<CChar>?] { words.map { strdup($0) } + [nil] }
  let (words, variables) = (list(["epic"] + arguments), list(childEnvironment()))
  defer { for word in words + variables { free(word) } }
  var child: pid_t = 0
  let program = "/proc/self/exe"
  let code = posix_spawn(&child, program, &actions, nil, words, variables)
  guard code == 0 else { throw DemoError.unusable(path: program, reason: String(cString: strerror(code))) }
  return child
}

/// This process's environment, with threads of a product that wait for each other asleep after a tenth of a millisecond.
///
/// By default they spin for so long that a program with as many threads as cores becomes ten times slower where another one is at work.
private func childEnvironment() -> [String] {
  var found = ProcessInfo.processInfo.environment
  if found["OMP_WAIT_POLICY"] == nil, found["GOMP_SPINCOUNT"] == nil { found["GOMP_SPINCOUNT"] = "30000" }
  return found.map { "\($0)=\($1)" }
}

/// A command line as one types it.
func shellLine(_ words: [String]) -> String {
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
