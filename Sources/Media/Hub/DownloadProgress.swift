import HubCache
import Synchronization

/// How far a download is.
public struct DownloadProgress: Sendable {
  /// What is downloaded.
  public let name: HubName
  /// Bytes of the missing files that are there.
  public let done: Int
  /// Bytes of the missing files; it grows once, when it is known which files hold the weights.
  public let total: Int
  /// Bytes that came over the network.
  public let received: Int
}

/// Counts what several transfers bring.
final class Tally: Sendable {
  private let counts: Mutex<DownloadProgress>
  private let report: @Sendable (DownloadProgress) -> Void

  init(_ name: HubName, _ report: @escaping @Sendable (DownloadProgress) -> Void) {
    counts = Mutex(DownloadProgress(name: name, done: 0, total: 0, received: 0))
    self.report = report
  }

  /// Bytes that came over the network.
  var received: Int { counts.withLock { $0.received } }

  /// There is so much more to do.
  func expect(_ bytes: Int) { add(total: bytes) }

  /// Bytes were there already.
  func found(_ bytes: Int) { add(done: bytes) }

  /// Bytes came.
  func came(_ bytes: Int) { add(done: bytes, received: bytes) }

  /// Bytes turned out to be of no use.
  func lost(_ bytes: Int) { add(done: -bytes) }

  private func add(done: Int = 0, total: Int = 0, received: Int = 0) {
    report(
      counts.withLock { counts in
        counts = DownloadProgress(
          name: counts.name, done: counts.done + done, total: counts.total + total, received: counts.received + received)
        return counts
      })
  }
}
