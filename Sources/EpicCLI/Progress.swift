import Basics
import Foundation
import Synchronization

/// One line on a terminal that is written over and over; nothing where standard error is no terminal, or one that cannot clear a line.
final class ProgressLine: Sendable {
  private let isTerminal = isatty(STDERR_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
  private let shownAt = Mutex<ContinuousClock.Instant?>(nil)

  /// Shows a text, ten times a second at most; longer ones than the terminal is wide are cut.
  func show(_ text: () -> String) {
    guard isTerminal else { return }
    let isTime = shownAt.withLock { shown in
      let now = ContinuousClock.now
      if let shown, now - shown < .milliseconds(100) { return false }
      shown = now
      return true
    }
    if !isTime { return }
    var size = winsize()
    let width = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 1 ? Int(size.ws_col) - 1 : 79
    write("\r\u{1b}[K" + oneLine(text()).prefix(width))
  }

  /// Takes the line away.
  func clear() {
    let wasShown = shownAt.withLock { shown in
      defer { shown = nil }
      return shown != nil
    }
    if wasShown { write("\r\u{1b}[K") }
  }

  // A terminal that is gone is no reason to stop.
  private func write(_ text: String) { try? FileHandle.standardError.write(contentsOf: Data(text.utf8)) }
}

/// The terminal of a long piece of work, whose end Ctrl-C asks for.
struct TerminalConsole: Console {
  private let progress = ProgressLine()
  private let signals = StopSignals()

  var isStopping: Bool { signals.haveCome }

  func line(_ text: String) throws {
    progress.clear()
    try printLine(text)
  }

  func status(_ text: () -> String) { progress.show(text) }
}
