import AsyncHTTPClient
import Foundation
import HubCache
import NIOCore
import NIOHTTP1

/// One request and its answer, redirects followed.
///
/// The token goes to the hub alone. A redirect elsewhere, as to the storage that holds large files, is followed without it, and never from
/// https to http.
struct HubConnection: Sendable {
  let environment: HubEnvironment
  /// One for each proxy, and one without.
  private let clients: [ProxySettings.Proxy?: HTTPClient]
  /// Who may see the token.
  private let hubs: Set<Origin>
  private let base: URL

  private static let redirects = 10
  private static let userAgent = "epic; swift"

  init(_ environment: HubEnvironment) throws(HubError) {
    guard let base = URL(string: environment.endpoint), let own = Origin(base) else {
      throw HubError("HF_ENDPOINT", .setting("\(environment.endpoint) is no address of a hub; correct or unset it"))
    }
    (self.environment, self.base) = (environment, base)
    hubs = Set([own] + [HubEnvironment.publicEndpoint, "https://hf.co"].compactMap { URL(string: $0).flatMap(Origin.init) })
    var configuration = HTTPClient.Configuration()
    configuration.redirectConfiguration = .disallow
    let timeout = TimeAmount.seconds(Int64(environment.timeout))
    configuration.timeout = .init(connect: timeout, read: timeout)
    // Several large files at a time want several connections, which HTTP/2 would make one.
    configuration.httpVersion = .http1Only
    configuration.connectionPool.retryConnectionEstablishment = false
    var clients: [ProxySettings.Proxy?: HTTPClient] = [:]
    for proxy in environment.proxies.all.map(Optional.some) + [nil] {
      configuration.proxy = proxy.map(HTTPClient.Configuration.Proxy.init)
      clients[proxy] = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }
    self.clients = clients
  }

  /// Ends all connections.
  func close() async throws { for client in clients.values { try await client.shutdown() } }

  /// A URL of the hub.
  func url(_ path: String) throws(HubError) -> URL {
    guard let url = URL(string: environment.endpoint + path) else {
      throw HubError(path, .answer(path: path, reason: "has no address"))
    }
    return url
  }

  /// The place that an answer points to; an address of the public hub becomes one of the mirror that is asked in its place.
  func url(_ text: String, from page: URL) -> URL? {
    let own = environment.endpoint
    let isMirrored = own != HubEnvironment.publicEndpoint && text.hasPrefix(HubEnvironment.publicEndpoint + "/")
    let target = isMirrored ? own + text.dropFirst(HubEnvironment.publicEndpoint.count) : text
    return URL(string: target, relativeTo: page)?.absoluteURL
  }

  /// Whether the token may be sent to an address.
  func isHub(_ url: URL) -> Bool { Origin(url).map(hubs.contains) ?? false }

  /// Sends a request.
  ///
  /// - Parameter stopsOffHub: return a redirect that leads away from the hub, which carries what is to be known about a file.
  /// - Returns: the answer, its body still to be read, its status 2xx, or 3xx where it `stopsOffHub`.
  /// - Throws: `Trouble`; `HubError` with `.answer` for redirects that are not followed.
  func send(
    _ method: HTTPMethod, _ url: URL, headers: HTTPHeaders = [:], stopsOffHub: Bool = false, of name: HubName
  ) async throws -> HTTPClientResponse {
    var place = url
    for _ in 0...Self.redirects {
      var request = HTTPClientRequest(url: place.absoluteString)
      request.method = method
      request.headers = headers
      request.headers.add(name: "User-Agent", value: Self.userAgent)
      // A compressed answer has another length and cannot be gone on with.
      request.headers.add(name: "Accept-Encoding", value: "identity")
      if let token = environment.token, isHub(place) { request.headers.add(name: "Authorization", value: "Bearer \(token)") }
      let response = try await answer(request, from: place)
      let status = response.status.code
      if (200..<300).contains(status) { return response }
      guard (300..<400).contains(status), let location = response.headers.first(name: "Location") else {
        throw Trouble.status(.init(response, path: url.path))
      }
      guard let target = URL(string: location, relativeTo: place)?.absoluteURL, let origin = Origin(target) else {
        throw HubError(name.description, .answer(path: url.path, reason: "leads to no address of http or https"))
      }
      if stopsOffHub, !isHub(target), Origin(place) != origin { return response }
      if Origin(place)?.scheme == "https", origin.scheme != "https" {
        throw HubError(name.description, .answer(path: url.path, reason: "leads from https to http, which is not followed"))
      }
      place = target
    }
    throw HubError(name.description, .answer(path: url.path, reason: "leads from address to address without an end"))
  }

  private func answer(_ request: HTTPClientRequest, from url: URL) async throws -> HTTPClientResponse {
    guard let client = clients[environment.proxies.proxy(for: url)] else { throw Trouble.connection("no client for its proxy") }
    do {
      // A bound on the head; what follows it is bounded by its pauses.
      return try await client.execute(request, timeout: .seconds(Int64(3 * environment.timeout)))
    } catch {
      if Task.isCancelled { throw CancellationError() }
      throw Trouble(connecting: error) ?? error
    }
  }

  /// Reads a short answer.
  ///
  /// - Throws: `Trouble`; `HubError` with `.answer` for a longer one.
  func body(of response: HTTPClientResponse, limit: Int, path: String, of name: HubName) async throws -> Data {
    do {
      let buffer = try await response.body.collect(upTo: limit)
      return Data(buffer.readableBytesView)
    } catch is NIOTooManyBytesError {
      throw HubError(name.description, .answer(path: path, reason: "is far too long"))
    } catch {
      if Task.isCancelled { throw CancellationError() }
      throw Trouble(connecting: error) ?? error
    }
  }
}

extension HTTPClient.Configuration.Proxy {
  fileprivate init(_ proxy: ProxySettings.Proxy) {
    if proxy.isSOCKS {
      self = .socksServer(host: proxy.host, port: proxy.port)
    } else if let user = proxy.user {
      self = .server(
        host: proxy.host, port: proxy.port, authorization: .basic(username: user, password: proxy.password ?? ""))
    } else {
      self = .server(host: proxy.host, port: proxy.port)
    }
  }
}
