import ChatProtocol
import Engine
import Foundation
import HTTPTypes
import Hummingbird
import LLaVA
import Logging
import NIOCore
import NIOHTTP1

/// What is answered at which path.
///
/// Paths are compared as they were sent: nothing is decoded, folded or cleaned up, so no second spelling of a path gets around a check.
struct Routes: HTTPResponder {
  typealias Context = ServingContext

  let service: ChatService
  let options: ServerOptions
  let log: Logger
  private let access: Access

  init(_ service: ChatService, _ options: ServerOptions, _ log: Logger) {
    (self.service, self.options, self.log) = (service, options, log)
    access = Access(options)
  }

  func respond(to request: Request, context: ServingContext) async throws -> Response {
    let exchange = Exchange(request, context)
    var response: Response
    do {
      response = try await route(exchange)
    } catch let error as HTTPParserError {
      throw error
    } catch is CancellationError {
      // The client is gone, and this is for the log alone.
      response = exchange.closing(Response(status: .init(code: 499, reasonPhrase: "Client Closed Request")))
    } catch {
      let known = APIError(error)
      if known.status >= 500 { log.error("request failed", metadata: ["id": "\(exchange.id)", "error": "\(error)"]) }
      response = .error(known)
      // Whether its body was read is not known here.
      if exchange.hasBody { response = exchange.closing(response) }
    }
    if let name = HTTPField.Name("x-request-id") { response.headers[name] = exchange.id }
    for field in access.originHeaders(request.headers, isPreflight: request.method == .options) { response.headers.append(field) }
    service.metrics.note(status: response.status.code)
    log.info(
      "response",
      metadata: [
        "id": "\(exchange.id)", "method": "\(request.method.rawValue.shortened(16))",
        "path": "\(String(exchange.path).shortened(80))",
        "status": "\(response.status.code)", "ms": "\(Int((ContinuousClock.now - exchange.arrived) / .milliseconds(1)))",
      ])
    return response
  }

  private func route(_ exchange: Exchange) async throws -> Response {
    let request = exchange.request
    // A browser asks this before it knows whether it may bring a key.
    if request.method == .options, request.headers[.origin] != nil { return Response(status: .noContent) }
    let path = String(exchange.path)
    if path == "/health" { return try await allowing(.get, exchange, health) }
    try access.requireKey(request.headers)
    switch path {
    case "/": return try await allowing(.get, exchange) { Page.response }
    case "/v1/chat/completions": return try await allowing(.post, exchange) { try await chat(exchange) }
    case "/v1/models": return try await allowing(.get, exchange) { try .json(ModelList(data: [ModelDescription(service)])) }
    case "/v1/models/" + service.model.name: return try await allowing(.get, exchange) { try .json(ModelDescription(service)) }
    case "/tokenize": return try await allowing(.post, exchange) { try await tokenize(exchange) }
    case "/version": return try await allowing(.get, exchange) { try .json(["version": options.version]) }
    case "/metrics":
      return try await allowing(.get, exchange) {
        Response(
          status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
          body: .init(byteBuffer: ByteBuffer(string: service.metrics.text(service.engine))))
      }
    default:
      if path.hasPrefix("/v1/models/") { try service.requireModel(String(path.dropFirst("/v1/models/".count))) }
      throw APIError(404, code: "unknown_path", "there is nothing at this path; see /v1/models and /v1/chat/completions")
    }
  }

  private func allowing(
    _ method: HTTPRequest.Method, _ exchange: Exchange, _ answer: () async throws -> Response
  ) async throws -> Response {
    let found = exchange.request.method
    if found == method { return try await answer() }
    if method == .get, found == .head { return try await answer().createHeadResponse() }
    var response = Response.error(
      APIError(405, code: "method_not_allowed", "this path is asked with \(method.rawValue)"))
    response.headers[.allow] = method.rawValue
    return exchange.hasBody ? exchange.closing(response) : response
  }

  private func health() async throws -> Response {
    if service.engine.admission.load.isDraining { throw EngineError.draining }
    return try .json(["status": "ok"])
  }

  /// The JSON body of a request.
  private func body(_ exchange: Exchange) async throws -> [UInt8] {
    let type = exchange.request.headers[values: .contentType]
    let name = type.first?.prefix { $0 != ";" }.trimmingCharacters(in: .whitespaces).lowercased()
    guard type.count == 1, name == "application/json" else {
      throw APIError(415, code: "unsupported_media_type", "the body has to be announced as Content-Type: application/json")
    }
    return try await exchange.body(limit: options.maximumBodyBytes, seconds: options.bodySeconds)
  }

  private func tokenize(_ exchange: Exchange) async throws -> Response {
    let bytes = try await body(exchange)
    let tokens = try await service.reading { try TokenizeRequest(bytes, service).tokens }
    return try .json(TokenizeAnswer(tokens, maximum: service.limits.contextLength))
  }

  private func chat(_ exchange: Exchange) async throws -> Response {
    // Before anything is read: whoever is too many is told so at once.
    let pass = try service.engine.admission.enter()
    let signal = await ConnectionWatch.signal(of: exchange.channel)
    let deadline = exchange.arrived + .seconds(options.answerSeconds)
    do {
      let bytes = try await body(exchange)
      let (chat, prompt) = try await service.read(bytes)
      let beat = Duration.seconds(options.keepAliveSeconds)
      let (session, first) = try await signal.cancelling(until: deadline) {
        let session = try await service.start(chat, prompt, id: exchange.id, pass)
        // An answer that fails before its first word gets a status that says so.
        return (session, try await session.next(within: chat.isStreamed ? beat : nil))
      }
      if options.logsContent {
        log.info("request", metadata: ["id": "\(exchange.id)", "body": "\(String(decoding: bytes, as: UTF8.self))"])
      }
      let answer = ChatAnswerWriter(service, session, exchange, signal, deadline, options)
      return chat.isStreamed ? answer.stream(first) : try await answer.whole(first)
    } catch {
      pass.release()
      throw error
    }
  }
}
