import Dispatch
import Synchronization

/// Says on a terminal what is under way, with the seconds so far, for work that cannot say how far it is.
///
/// What ends within two seconds shows nothing.
final class WaitingLine: Sendable {
  private let text: String
  private let start = ContinuousClock.now
  private let line = ProgressLine()
  private let queue = DispatchQueue(label: "epic.waiting-line")
  private let hasEnded = Mutex(false)

  /// Begins to wait for `text`, such as "reading weights".
  init(_ text: String) {
    self.text = text
    show(after: 2)
  }

  /// Takes the line away; further calls do nothing.
  func end() {
    // On the queue, so that no line appears after it was taken away.
    queue.sync {
      hasEnded.withLock { $0 = true }
      line.clear()
    }
  }

  private func show(after seconds: Int) {
    queue.asyncAfter(deadline: .now() + .seconds(seconds)) { [weak self] in
      guard let self, !hasEnded.withLock(\.self) else { return }
      line.show { "\(text), \(Int((ContinuousClock.now - start) / .seconds(1))) s" }
      show(after: 1)
    }
  }
}

/// Does something that may take a while, and says so on a terminal.
func waiting<Result>(for text: String, _ work: () throws -> Result) rethrows -> Result {
  let line = WaitingLine(text)
  defer { line.end() }
  return try work()
}
