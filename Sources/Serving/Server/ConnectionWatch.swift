import NIOCore
import Synchronization

/// Tells whoever works for a connection that its client is gone.
final class CloseSignal: Sendable {
  private struct State {
    var isClosed = false
    var next = 0
    var actions: [Int: @Sendable () -> Void] = [:]
  }

  private let state = Mutex(State())

  /// Whether the client is gone.
  var isClosed: Bool { state.withLock { $0.isClosed } }

  func fire() {
    let actions = state.withLock { state in
      state.isClosed = true
      defer { state.actions = [:] }
      return state.actions.values.map(\.self)
    }
    for action in actions { action() }
  }

  /// Calls an action when the client goes, at once where it is gone.
  ///
  /// - Returns: by which the action is taken back.
  func onClose(_ action: @escaping @Sendable () -> Void) -> Int? {
    let number = state.withLock { state -> Int? in
      if state.isClosed { return nil }
      state.next += 1
      state.actions[state.next] = action
      return state.next
    }
    if number == nil { action() }
    return number
  }

  /// Takes an action back.
  func forget(_ number: Int?) {
    if let number { state.withLock { state in state.actions[number] = nil } }
  }

  /// Does work that is cancelled when the client goes, or at a deadline.
  ///
  /// - Throws: `Expired` at the deadline; `CancellationError`.
  func cancelling<R: Sendable>(
    until deadline: ContinuousClock.Instant, _ body: @escaping @Sendable () async throws -> R
  ) async throws -> R {
    let task = Task { try await body() }
    let number = onClose { task.cancel() }
    let watch = Task {
      try await Task.sleep(until: deadline, clock: .continuous)
      task.cancel()
    }
    defer {
      watch.cancel()
      forget(number)
    }
    do {
      return try await withTaskCancellationHandler {
        try await task.value
      } onCancel: {
        task.cancel()
      }
    } catch is CancellationError where ContinuousClock.now >= deadline {
      throw Expired()
    }
  }

  /// Time is up.
  struct Expired: Error {}
}

/// A connection's handler that sees the client go, also while nobody reads from it.
///
/// A client that closes its own direction is taken to be gone: nobody who wants an answer does that.
final class ConnectionWatch: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = NIOAny

  let signal = CloseSignal()

  func channelInactive(context: ChannelHandlerContext) {
    signal.fire()
    context.fireChannelInactive()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case ChannelEvent.inputClosed? = event as? ChannelEvent { signal.fire() }
    context.fireUserInboundEventTriggered(event)
  }

  /// The signal of a connection.
  static func signal(of channel: any Channel) async -> CloseSignal {
    let found = try? await channel.eventLoop.submit {
      try channel.pipeline.syncOperations.handler(type: ConnectionWatch.self).signal
    }.get()
    // A connection that is closed already has no handlers any more.
    let gone = CloseSignal()
    if found == nil { gone.fire() }
    return found ?? gone
  }
}
