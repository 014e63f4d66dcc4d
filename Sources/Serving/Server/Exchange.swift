import ChatProtocol
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import NIOHTTP1

/// What Hummingbird tells of a request beside the request.
struct ServingContext: RequestContext {
  var coreContext: CoreRequestContextStorage
  let channel: any Channel

  init(source: ApplicationRequestContextSource) {
    coreContext = .init(source: source)
    channel = source.channel
  }
}

/// A request and its connection.
struct Exchange: Sendable {
  let request: Request
  let channel: any Channel
  /// What it is called in logs and headers.
  let id: String
  let arrived: ContinuousClock.Instant

  init(_ request: Request, _ context: ServingContext) {
    self.request = request
    channel = context.channel
    id = Access.requestID(request.headers)
    arrived = .now
  }

  /// The path as it was sent, without the query.
  var path: Substring { (request.head.path ?? "").prefix { $0 != "?" } }

  /// Whether a body comes with it.
  var hasBody: Bool {
    request.headers[.transferEncoding] != nil || request.headers[.contentLength].map { $0 != "0" } ?? false
  }

  /// The body.
  ///
  /// - Parameters:
  ///   - limit: most bytes.
  ///   - seconds: in which all of it has to be there.
  /// - Throws: `APIError` with status 413, 408 or 400; `HTTPParserError`.
  func body(limit: Int, seconds: Double) async throws -> [UInt8] {
    let tooLarge = APIError(
      413, code: "request_too_large", "the body has more than \(limit) bytes; send less, or smaller pictures")
    let announced = request.headers[.contentLength].flatMap(Int.init)
    if let announced, announced > limit { throw tooLarge }
    let bytes = try await withThrowingTaskGroup(of: [UInt8].self) { group in
      group.addTask { [request] in
        var bytes: [UInt8] = []
        bytes.reserveCapacity(announced ?? 0)
        for try await part in request.body {
          bytes += part.readableBytesView
          if bytes.count > limit { throw tooLarge }
        }
        return bytes
      }
      group.addTask {
        try await Task.sleep(for: .seconds(seconds))
        throw APIError(408, code: "request_timeout", "the body was not complete within \(Int(seconds)) seconds")
      }
      defer { group.cancelAll() }
      guard let first = try await group.next() else { throw CancellationError() }
      return first
    }
    if let announced, bytes.count != announced {
      throw APIError(400, code: "invalid_body", "the body has \(bytes.count) bytes, and Content-Length says \(announced)")
    }
    return bytes
  }

  /// A response after which the connection is closed, since a body that nobody has read may still be coming.
  ///
  /// The client gets a moment to read it: closing a socket with unread bytes takes back what was written.
  func closing(_ response: Response) -> Response {
    var response = response
    response.headers[.connection] = "close"
    let body = response.body
    response.body = ResponseBody(contentLength: body.contentLength) { [channel] writer in
      try await body.write(writer)
      channel.close(mode: .output, promise: nil)
      channel.eventLoop.scheduleTask(in: .seconds(1)) { channel.close(promise: nil) }
    }
    return response
  }
}
