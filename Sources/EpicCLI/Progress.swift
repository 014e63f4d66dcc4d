import Foundation

/// One line on a terminal that is written over and over; nothing where standard error is no terminal.
final class ProgressLine {
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private let clock = ContinuousClock()
  private var shownAt: ContinuousClock.Instant?

  /// Shows a text, ten times a second at most; longer ones than the terminal is wide are cut.
  func show(_ text: () -> String) {
    guard isTerminal else { return }
    let now = clock.now
    if let shownAt, now - shownAt < .milliseconds(100) { return }
    shownAt = now
    var size = winsize()
    let width = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 1 ? Int(size.ws_col) - 1 : 79
    write("\r\u{1b}[K" + oneLine(text()).prefix(width))
  }

  /// Takes the line away.
  func clear() {
    if shownAt != nil { write("\r\u{1b}[K") }
    shownAt = nil
  }

  private func write(_ text: String) { try? FileHandle.standardError.write(contentsOf: Data(text.utf8)) }
}

/// How far something has come, and how long it will take.
struct ProgressRate {
  let total: Int
  private let start = ContinuousClock.now

  init(total: Int) { self.total = total }

  /// "1,200 of 5,000 (24 %), 310/s, 12 s left".
  func text(_ done: Int) -> String {
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    let share = "\(formatCount(done)) of \(formatCount(total)) (\(done * 100 / max(1, total)) %)"
    guard seconds > 1, done > 0 else { return share }
    let rate = Double(done) / seconds
    let perSecond = rate < 10 ? String(format: "%.1f", rate) : formatCount(Int(rate))
    return share + ", \(perSecond)/s, \(formatDuration(Double(total - done) / rate)) left"
  }
}

/// A duration for people: 45 s, 12 min, 3 h 20 min.
func formatDuration(_ seconds: Double) -> String {
  let whole = Int(max(0, min(seconds, 1e9)).rounded(.up))
  if whole < 100 { return "\(whole) s" }
  let minutes = (whole + 30) / 60
  return minutes < 100 ? "\(minutes) min" : "\(minutes / 60) h \(minutes % 60) min"
}
