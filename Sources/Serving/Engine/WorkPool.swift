import Foundation

/// A few threads for work that takes the processor for long, or blocks, such as decoding pictures.
///
/// The threads of Swift's pool belong to everybody and there are as few as there are cores.
public final class WorkPool: Sendable {
  /// What the threads share; a class of its own, so that they do not keep their owner alive.
  ///
  /// Sendable by hand: every access to a variable happens between `condition.lock()` and `unlock()`.
  private final class Shared: @unchecked Sendable {
    let condition = NSCondition()
    var work: [@Sendable () -> Void] = []
    var isClosed = false

    func run() {
      while let next = take() { next() }
    }

    private func take() -> (@Sendable () -> Void)? {
      condition.lock()
      defer { condition.unlock() }
      while work.isEmpty, !isClosed { condition.wait() }
      return work.isEmpty ? nil : work.removeFirst()
    }

    func add(_ item: @escaping @Sendable () -> Void) {
      condition.lock()
      defer { condition.unlock() }
      work.append(item)
      condition.signal()
    }

    func close() {
      condition.lock()
      defer { condition.unlock() }
      isClosed = true
      condition.broadcast()
    }
  }

  private let shared = Shared()

  /// Starts the threads.
  public init(threads: Int, name: String) {
    for number in 0..<max(1, threads) {
      let thread = Thread { [shared] in shared.run() }
      thread.name = "\(name)-\(number)"
      thread.stackSize = 8 << 20
      thread.start()
    }
  }

  deinit { shared.close() }

  /// Does work on one of the threads.
  public func run<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
    try await withCheckedThrowingContinuation { continuation in
      shared.add { continuation.resume(with: Result { try body() }) }
    }
  }
}
