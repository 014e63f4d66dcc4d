import AsyncHTTPClient
import Basics
import Foundation
import HubCache
import NIOCore
import NIOHTTP1
import NIOPosix

/// Why one request has no answer that can be used.
enum Trouble: Error {
  /// The connection failed, in words for people.
  case connection(String)
  /// The hub refuses.
  case status(Refusal)

  /// What a refusal says.
  struct Refusal: Sendable {
    let status: Int
    let path: String
    let code: String?
    let message: String
    let requestedPause: Duration?
    let commit: String?

    /// The file that was asked for, behind `/org/name/resolve/<commit>/`.
    var file: String {
      path.firstMatch(of: /\/resolve\/[^\/]+\/(.+)/).map { String($0.1) } ?? path
    }
  }

  /// Whether the same request may well be answered a little later.
  var isPassing: Bool {
    switch self {
    case .connection: true
    case .status(let refusal): [408, 429, 500, 502, 503, 504].contains(refusal.status)
    }
  }

  var requestedPause: Duration? {
    if case .status(let refusal) = self { refusal.requestedPause } else { nil }
  }

  /// The failure as people are told of it.
  func error(_ name: HubName, _ environment: HubEnvironment) -> HubError {
    let host = environment.host
    let hasToken = environment.token != nil
    let refusal: Refusal
    switch self {
    case .connection(let reason): return HubError(name.description, .unreachable(host: host, reason: reason))
    case .status(let found): refusal = found
    }
    let kind: HubError.Kind =
      switch (refusal.code, refusal.status) {
      case ("RevisionNotFound", _): .noRevision(host: host, revision: name.revision)
      case ("EntryNotFound", _),
        (nil, 404) where refusal.path.contains("/resolve/"):
        .noFile(refusal.file)
      case ("GatedRepo", _): .gated(page: "\(environment.endpoint)/\(name.repository)", hasToken: hasToken)
      case (_, 401) where refusal.message.hasPrefix("Invalid credentials"): .badToken(host: host)
      case ("RepoNotFound", _), (_, 401), (_, 404): .unknown(host: host, hasToken: hasToken)
      case (_, 403): .forbidden(host: host, message: refusal.message)
      default: .refused(host: host, path: refusal.path, status: refusal.status, message: refusal.message)
      }
    return HubError(name.description, kind)
  }
}

extension Trouble.Refusal {
  /// A refusal from an answer's head.
  init(_ response: HTTPClientResponse, path: String) {
    let headers = response.headers
    status = Int(response.status.code)
    self.path = path
    code = headers.first(name: "X-Error-Code")
    // It is shown on a line, and whoever answers may write anything.
    message = String((headers.first(name: "X-Error-Message") ?? "").prefix(200))
    commit = headers.first(name: "X-Repo-Commit")
    requestedPause = Self.pause(headers)
  }

  /// `Retry-After` in seconds, or what is left of an exhausted `RateLimit`: `"api";r=0;t=55`.
  private static func pause(_ headers: HTTPHeaders) -> Duration? {
    if let text = headers.first(name: "RateLimit"), let match = text.firstMatch(of: /;\s*r=0\s*;\s*t=([0-9]{1,6})/) {
      return Int(match.1).map { .seconds($0 + 1) }
    }
    let seconds = headers.first(name: "Retry-After").flatMap { Int($0.trimmingCharacters(in: .whitespaces)) }
    return seconds.flatMap { (0...1_000_000).contains($0) ? .seconds($0) : nil }
  }
}

extension Trouble {
  /// The failure of a connection; nil for errors that are none.
  init?(connecting error: any Error) {
    switch error {
    case let error as NIOConnectionError:
      if let reason = error.connectionErrors.first.flatMap({ $0.error as? IOError }) {
        self = .connection(systemReason(reason.errnoCode))
      } else {
        self = .connection(error.connectionErrors.isEmpty ? "the name \(error.host) cannot be looked up" : "no connection")
      }
    case let error as IOError: self = .connection(systemReason(error.errnoCode))
    case let error as HTTPClientError: self = .connection(Self.words(error))
    case let error as ChannelError: self = .connection("\(error)")
    case is HTTPParserError: self = .connection("what answers does not speak HTTP")
    default:
      // Errors of TLS have many types and say little; other errors are not the network's.
      guard String(reflecting: type(of: error)).hasPrefix("NIO") else { return nil }
      self = .connection("\(error)")
    }
  }

  private static func words(_ error: HTTPClientError) -> String {
    switch error {
    case .connectTimeout, .readTimeout, .deadlineExceeded, .tlsHandshakeTimeout, .getConnectionFromPoolTimeout:
      "no answer in time"
    case .remoteConnectionClosed, .uncleanShutdown: "the connection was cut"
    default: error.shortDescription
    }
  }
}
