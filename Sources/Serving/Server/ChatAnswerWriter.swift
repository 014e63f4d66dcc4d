import ChatProtocol
import Engine
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// Hands an answer to the client, as a whole or piece by piece.
struct ChatAnswerWriter: Sendable {
  private let service: ChatService
  private let session: ChatSession
  private let exchange: Exchange
  private let signal: CloseSignal
  private let deadline: ContinuousClock.Instant
  private let options: ServerOptions

  init(
    _ service: ChatService, _ session: ChatSession, _ exchange: Exchange, _ signal: CloseSignal,
    _ deadline: ContinuousClock.Instant, _ options: ServerOptions
  ) {
    (self.service, self.session, self.exchange) = (service, session, exchange)
    (self.signal, self.deadline, self.options) = (signal, deadline, options)
  }

  private var headers: HTTPFields {
    var headers = HTTPFields()
    if let name = HTTPField.Name("x-epic-visual-tokens"), !session.budgets.counts.isEmpty {
      headers[name] = session.budgets.counts.map(String.init).joined(separator: ",")
    }
    return headers
  }

  private func note(_ outcome: Reply.Outcome) {
    service.metrics.note(
      outcome, finish: ChatSession.finish(outcome).rawValue, arrived: exchange.arrived, started: session.started)
  }

  /// The answer once it is complete.
  func whole(_ first: Reply.Event?) async throws -> Response {
    try await signal.cancelling(until: deadline) {
      defer { session.end() }
      var text = ""
      var event = first
      while let found = event {
        switch found {
        case .text(let piece): text += piece
        case .nothing: break
        case .finished(let outcome):
          note(outcome)
          return try .json(try await session.completion(text.trimmingCharacters(in: .whitespacesAndNewlines), outcome), headers)
        }
        event = try await session.next()
      }
      throw CancellationError()
    }
  }

  /// The answer as it is written.
  func stream(_ first: Reply.Event?) -> Response {
    let fields = EventStream.headers + headers
    return Response(
      status: .ok, headers: fields,
      body: ResponseBody { writer in
        let gone = signal.onClose { session.cancel() }
        let clock = Task {
          try await Task.sleep(until: deadline, clock: .continuous)
          session.cancel(CloseSignal.Expired())
        }
        defer {
          clock.cancel()
          signal.forget(gone)
          session.end()
        }
        do {
          try await send(first, to: &writer)
        } catch let error where !(error is CancellationError) && !(error is IOFailure) {
          try await write(EventStream.event(APIError(error)), to: &writer)
        }
        try await write(EventStream.done, to: &writer)
        try await writer.finish(nil)
      })
  }

  private func send(_ first: Reply.Event?, to writer: inout any ResponseBodyWriter) async throws {
    try await write(EventStream.event(session.chunk(.role)), to: &writer)
    var (event, isFirst) = (first, true)
    while let found = event {
      switch found {
      case .text(let text):
        // As the whole answer has it: no white space before the first word.
        let piece = isFirst ? String(text.drop { $0.isWhitespace }) : text
        if !piece.isEmpty {
          isFirst = false
          try await write(EventStream.event(session.chunk(.text(piece))), to: &writer)
        }
      case .nothing: try await write(EventStream.keepAlive, to: &writer)
      case .finished(let outcome):
        note(outcome)
        let report = try await session.report(outcome)
        let usage = session.chat.includesUsage
        try await write(EventStream.event(session.chunk(.finish(ChatSession.finish(outcome)), usage ? nil : report)), to: &writer)
        if usage { try await write(EventStream.event(session.chunk(.usage(session.usage(outcome)), report)), to: &writer) }
        return
      }
      event = try await session.next(within: .seconds(options.keepAliveSeconds))
    }
  }

  /// What was written does not reach the client.
  private struct IOFailure: Error {}

  /// Writes; a client that takes nothing for too long loses its connection, and holds up nobody else.
  private func write(_ buffer: ByteBuffer, to writer: inout any ResponseBodyWriter) async throws {
    let channel = exchange.channel
    let timer = channel.eventLoop.scheduleTask(in: .milliseconds(Int64(options.writeSeconds * 1000))) {
      channel.close(promise: nil)
    }
    defer { timer.cancel() }
    do {
      try await writer.write(buffer)
    } catch {
      throw IOFailure()
    }
  }
}

extension HTTPFields {
  fileprivate static func + (a: HTTPFields, b: HTTPFields) -> HTTPFields {
    var sum = a
    for field in b { sum.append(field) }
    return sum
  }
}
