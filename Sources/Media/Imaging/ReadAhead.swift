import Foundation

/// Does work for a stream of inputs on several threads and hands the results over in the inputs' order.
///
/// Threads of their own and not tasks, because decoding and reading block, and the few threads of Swift's pool belong to others. At most
/// `ahead` results are finished or under way beyond those handed over; then the workers wait.
package final class ReadAhead<Inputs: IteratorProtocol & Sendable, Output: Sendable>: Sendable where Inputs.Element: Sendable {
  /// What the threads share; a class of its own, so that they do not keep their owner alive.
  ///
  /// Sendable by hand: every access to a variable happens between `condition.lock()` and `unlock()`.
  private final class Shared: @unchecked Sendable {
    let condition = NSCondition()
    let ahead: Int
    let work: @Sendable (Inputs.Element) throws -> Output
    var inputs: Inputs
    var results: [Int: Result<Output, any Error>] = [:]
    var taken = 0
    var delivered = 0
    var isExhausted = false
    var isCancelled = false
    var workers: Int

    init(_ inputs: Inputs, ahead: Int, workers: Int, work: @escaping @Sendable (Inputs.Element) throws -> Output) {
      (self.inputs, self.ahead, self.workers, self.work) = (inputs, ahead, workers, work)
    }

    func locked<R>(_ body: () throws -> R) rethrows -> R {
      condition.lock()
      defer { condition.unlock() }
      return try body()
    }

    func run() {
      while let (ticket, input) = take() {
        let result = Result { try work(input) }
        locked {
          results[ticket] = result
          condition.broadcast()
        }
      }
      locked {
        workers -= 1
        condition.broadcast()
      }
    }

    private func take() -> (Int, Inputs.Element)? {
      locked {
        while !isCancelled, !isExhausted, taken - delivered >= ahead { condition.wait() }
        if isCancelled || isExhausted { return nil }
        guard let input = inputs.next() else {
          isExhausted = true
          condition.broadcast()
          return nil
        }
        taken += 1
        return (taken - 1, input)
      }
    }

    func cancel() {
      locked {
        isCancelled = true
        results = [:]
        condition.broadcast()
      }
    }
  }

  private let shared: Shared

  /// Starts the workers.
  package init(
    _ inputs: Inputs, workers: Int, ahead: Int, stackSize: Int = 8 << 20,
    work: @escaping @Sendable (Inputs.Element) throws -> Output
  ) {
    let shared = Shared(inputs, ahead: max(1, ahead), workers: max(1, workers), work: work)
    self.shared = shared
    for _ in 0..<shared.workers {
      let thread = Thread { shared.run() }
      thread.stackSize = stackSize
      thread.start()
    }
  }

  deinit { shared.cancel() }

  /// Waits for the next result; nil after the last.
  ///
  /// - Throws: what the work threw; `CancellationError` after `cancel()`.
  package func next() throws -> Output? {
    try shared.locked {
      while true {
        if shared.isCancelled { throw CancellationError() }
        if let result = shared.results.removeValue(forKey: shared.delivered) {
          shared.delivered += 1
          shared.condition.broadcast()
          return try result.get()
        }
        if shared.isExhausted, shared.delivered == shared.taken { return nil }
        shared.condition.wait()
      }
    }
  }

  /// Stops the workers after the input that each has in hand, and whoever waits in `next()`.
  package func cancel() { shared.cancel() }

  /// Waits until no worker is left: after the last result, or after `cancel()`.
  package func join() {
    shared.locked { while shared.workers > 0 { shared.condition.wait() } }
  }

  /// Inputs that workers have taken so far.
  package var taken: Int { shared.locked { shared.taken } }
}
