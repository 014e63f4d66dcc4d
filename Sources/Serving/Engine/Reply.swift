import LLaVA
import Synchronization

/// An answer on its way from the engine to whoever asked.
///
/// The engine never waits for a reader: what has not been read is kept, up to a number of bytes, beyond which the answer ends. A reader gets
/// all text that there is at once.
public final class Reply: Sendable {
  /// Something new.
  public enum Event: Sendable {
    /// More text.
    case text(String)
    /// Nothing more will come.
    case finished(Outcome)
    /// Nothing has come within the time.
    case nothing
  }

  /// A complete answer.
  public struct Outcome: Sendable {
    /// Tokens, and what became of the pictures'.
    public var result: GenerationResult
    /// Rows of the prompt whose keys and values were there already.
    public var cachedRows = 0
    /// For each picture whether it was computed before.
    public var cachedPictures: [Bool] = []
    /// When the engine took it, read its prompt to the end, and wrote its last token.
    public var started, firstToken, ended: ContinuousClock.Instant
  }

  private struct State {
    var text = ""
    var end: Result<Outcome, any Error>?
    var isDelivered = false
    var isCancelled = false
    var waiter: CheckedContinuation<Void, Never>?
  }

  private let limit: Int
  private let state = Mutex(State())
  private let wake: @Sendable () -> Void

  /// - Parameter wake: is called when nobody wants more.
  init(limit: Int, wake: @escaping @Sendable () -> Void) { (self.limit, self.wake) = (limit, wake) }

  /// What is new, for one reader; nil after the end.
  ///
  /// - Parameter time: after which `nothing` is new; nil to wait as long as it takes.
  /// - Throws: why there is no answer; `CancellationError`, after which the engine stops.
  public func next(within time: Duration? = nil) async throws -> Event? {
    let deadline = time.map { ContinuousClock.now + $0 }
    let timer = deadline.map { deadline in
      Task { [weak self] in
        try await Task.sleep(until: deadline, clock: .continuous)
        self?.resume { _ in }
      }
    }
    defer { timer?.cancel() }
    return try await withTaskCancellationHandler {
      while true {
        try Task.checkCancellation()
        let found = state.withLock { state -> Result<Event?, any Error>? in
          if !state.text.isEmpty {
            defer { state.text = "" }
            return .success(.text(state.text))
          }
          guard let end = state.end else { return nil }
          if state.isDelivered { return .success(nil) }
          state.isDelivered = true
          return end.map { .finished($0) }
        }
        if let found { return try found.get() }
        if let deadline, ContinuousClock.now >= deadline { return .nothing }
        await withCheckedContinuation { continuation in
          let isThere = state.withLock { state in
            if !state.text.isEmpty || state.end != nil || state.isCancelled { return true }
            state.waiter = continuation
            return false
          }
          if isThere { continuation.resume() }
        }
      }
    } onCancel: {
      cancel()
    }
  }

  /// Ends the answer: nobody wants more.
  ///
  /// - Parameter reason: what the reader is told.
  public func cancel(_ reason: any Error = CancellationError()) {
    resume { state in
      state.isCancelled = true
      if state.end == nil { state.end = .failure(reason) }
    }
    wake()
  }

  /// Whether nobody wants more.
  var isCancelled: Bool { state.withLock { $0.isCancelled } }

  /// - Returns: false where more waits for the reader than may.
  func append(_ text: String) -> Bool {
    if text.isEmpty { return true }
    return resume { state in
      state.text += text
      return state.text.utf8.count <= limit
    }
  }

  func finish(_ end: Result<Outcome, any Error>) { resume { state in state.end = state.end ?? end } }

  @discardableResult
  private func resume<R: Sendable>(_ change: (inout State) -> R) -> R {
    let (result, waiter) = state.withLock { state in
      let result = change(&state)
      return (result, state.waiter.take())
    }
    waiter?.resume()
    return result
  }
}
