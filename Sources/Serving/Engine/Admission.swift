import Synchronization

/// Who may be inside, and who may take memory.
///
/// A request takes a pass when its head has come, before its body is read: beyond a number there is none, at once. With it, it waits for its
/// turn and memory, in the order of arrival, before its pictures are decoded.
public final class Admission: Sendable {
  /// A place inside; it is free again when this is released or gone.
  public final class Pass: Sendable {
    private let admission: Admission
    private let held = Mutex<(isInside: Bool, bytes: Int?)>((true, nil))

    fileprivate init(_ admission: Admission) { self.admission = admission }

    deinit { release() }

    /// Leaves, once.
    public func release() {
      let (isInside, bytes) = held.withLock { held in
        defer { held = (false, nil) }
        return held
      }
      if isInside { admission.leave(bytes) }
    }

    fileprivate func take(_ bytes: Int) -> Bool {
      held.withLock { held in
        if held.isInside { held.bytes = bytes }
        return held.isInside
      }
    }
  }

  private struct Waiter {
    let number: Int
    let bytes: Int
    let continuation: CheckedContinuation<Void, any Error>
  }

  private struct State {
    var inside = 0
    var running = 0
    var bytes = 0
    var waiting: [Waiter] = []
    var cancelled: Set<Int> = []
    var nextNumber = 0
    var isDraining = false
  }

  private let maximumInside: Int
  private let maximumRunning: Int
  private let maximumBytes: Int
  private let state = Mutex(State())

  /// Nobody is inside.
  public init(_ options: EngineOptions) {
    maximumRunning = max(1, options.maximumSequences)
    maximumInside = maximumRunning + max(0, options.maximumQueued)
    maximumBytes = options.cacheBytes
  }

  /// A place inside.
  ///
  /// - Throws: `EngineError.full`, `.draining`.
  public func enter() throws(EngineError) -> Pass {
    let refusal: EngineError? = state.withLock { state in
      if state.isDraining { return .draining }
      if state.inside >= maximumInside { return .full }
      state.inside += 1
      return nil
    }
    if let refusal { throw refusal }
    return Pass(self)
  }

  /// Waits for its turn, and for memory.
  ///
  /// - Throws: `EngineError.tooLarge`; `CancellationError`.
  public func wait(_ pass: Pass, bytes: Int) async throws {
    if bytes > maximumBytes { throw EngineError.tooLarge(bytes: bytes, limit: maximumBytes) }
    let number = state.withLock { state in
      state.nextNumber += 1
      return state.nextNumber
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let isCancelled = state.withLock { state in
          if state.cancelled.remove(number) != nil { return true }
          state.waiting.append(Waiter(number: number, bytes: bytes, continuation: continuation))
          return false
        }
        if isCancelled { continuation.resume(throwing: CancellationError()) } else { admit() }
      }
    } onCancel: {
      let waiter = state.withLock { state -> Waiter? in
        if let index = state.waiting.firstIndex(where: { $0.number == number }) { return state.waiting.remove(at: index) }
        // Not there yet, or through already; the number of the latter is taken out below.
        state.cancelled.insert(number)
        return nil
      }
      waiter?.continuation.resume(throwing: CancellationError())
      // Who was behind it may fit where it did not.
      if waiter != nil { admit() }
    }
    _ = state.withLock { $0.cancelled.remove(number) }
    // Gone meanwhile: what it was given goes back.
    if !pass.take(bytes) {
      giveBack(bytes)
      throw CancellationError()
    }
  }

  /// Lets in whoever is first and fits.
  private func admit() {
    while true {
      let next = state.withLock { state -> Waiter? in
        guard let first = state.waiting.first, state.running < maximumRunning, state.bytes + first.bytes <= maximumBytes else {
          return nil
        }
        state.running += 1
        state.bytes += first.bytes
        return state.waiting.removeFirst()
      }
      guard let next else { return }
      next.continuation.resume()
    }
  }

  private func giveBack(_ bytes: Int) {
    state.withLock { state in
      state.running -= 1
      state.bytes -= bytes
    }
    admit()
  }

  private func leave(_ bytes: Int?) {
    state.withLock { $0.inside -= 1 }
    if let bytes { giveBack(bytes) }
  }

  /// Takes no new ones.
  public func drain() { state.withLock { $0.isDraining = true } }

  /// How many are inside, have their turn, wait for it, and what memory they hold.
  public var load: (inside: Int, running: Int, waiting: Int, bytes: Int, isDraining: Bool) {
    state.withLock { ($0.inside, $0.running, $0.waiting.count, $0.bytes, $0.isDraining) }
  }
}
