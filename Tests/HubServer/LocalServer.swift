import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// What somebody asks a server of this machine.
public struct ServedRequest: Sendable {
  /// GET or HEAD.
  public let method: HTTPMethod
  /// The path with its query, as they came.
  public let uri: String
  /// All headers.
  public let headers: HTTPHeaders

  /// The path without escapes and query.
  public var path: String { (uri.split(separator: "?").first.map(String.init) ?? "").removingPercentEncoding ?? uri }

  /// A header.
  public subscript(_ name: String) -> String? { headers.first(name: name) }
}

/// What the server answers.
public struct Reply: Sendable {
  /// The status.
  public var status: HTTPResponseStatus
  /// Headers; the body's length is added where they do not say one.
  public var headers: HTTPHeaders
  /// The body.
  public var body: [UInt8]
  /// Bytes of the body after which the connection is cut; nil for none.
  public var cutAfter: Int?
  /// Bytes of the body after which nothing more comes, and the connection stays; nil for none.
  public var stallAfter: Int?
  /// Send the body without its length.
  public var isChunked = false
  /// Wait before the answer.
  public var delay = TimeAmount.zero

  /// An answer.
  public init(_ status: HTTPResponseStatus, _ headers: HTTPHeaders = [:], _ body: [UInt8] = []) {
    (self.status, self.headers, self.body) = (status, headers, body)
  }
}

/// An HTTP server on a free port of this machine, in this process.
public final class LocalServer: Sendable {
  /// Answers a request.
  public typealias Answer = @Sendable (ServedRequest) -> Reply

  private final class Log: Sendable { let requests = Mutex<[ServedRequest]>([]) }

  private let channel: any Channel
  private let log: Log
  /// Where it listens.
  public let port: Int

  /// Starts.
  public init(_ answer: @escaping Answer) async throws {
    let log = Log()
    self.log = log
    channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.configureHTTPServerPipeline()
          try channel.pipeline.syncOperations.addHandler(
            Handler { request in
              log.requests.withLock { $0.append(request) }
              return answer(request)
            })
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    port = channel.localAddress?.port ?? 0
  }

  /// Its address.
  public var address: String { "http://127.0.0.1:\(port)" }

  /// What was asked so far.
  public var requests: [ServedRequest] { log.requests.withLock { $0 } }

  /// Ends listening.
  public func stop() async throws { try await channel.close() }
}

private final class Handler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let answer: LocalServer.Answer
  private var head: HTTPRequestHead?

  init(_ answer: @escaping LocalServer.Answer) { self.answer = answer }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head): self.head = head
    case .body: break
    case .end:
      guard let head else { return }
      let reply = answer(ServedRequest(method: head.method, uri: head.uri, headers: head.headers))
      let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
      let isHead = head.method == .HEAD
      if reply.delay == .zero { return Self.send(reply, isHead: isHead, context) }
      context.eventLoop.scheduleTask(in: reply.delay) { Self.send(reply, isHead: isHead, bound.value) }
    }
  }

  private static func send(_ reply: Reply, isHead: Bool, _ context: ChannelHandlerContext) {
    func part(_ part: HTTPServerResponsePart) -> NIOAny { NIOAny(part) }
    var headers = reply.headers
    if !reply.isChunked, !headers.contains(name: "Content-Length") {
      headers.add(name: "Content-Length", value: "\(reply.body.count)")
    }
    context.write(part(.head(.init(version: .http1_1, status: reply.status, headers: headers))), promise: nil)
    if !isHead {
      let bytes = reply.body.prefix(reply.cutAfter ?? reply.stallAfter ?? reply.body.count)
      let written = context.eventLoop.makePromise(of: Void.self)
      context.writeAndFlush(part(.body(.byteBuffer(ByteBuffer(bytes: bytes)))), promise: written)
      if reply.cutAfter != nil {
        let channel = context.channel
        return written.futureResult.whenComplete { _ in channel.close(promise: nil) }
      }
      if reply.stallAfter != nil { return }
    }
    context.writeAndFlush(part(.end(nil)), promise: nil)
  }
}
