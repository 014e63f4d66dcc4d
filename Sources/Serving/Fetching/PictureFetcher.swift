import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1

/// Gets the bytes of pictures, videos and sound that requests name: from the address itself, from a folder, from hosts that are allowed.
///
/// 1. One parser reads an address (`PictureURL`), and what is connected to is put together from its parts.
/// 2. The host has to be on the list. All its addresses have to be public ones.
/// 3. The connection goes to an address that was checked, whatever the name leads to a moment later.
/// 4. Redirects are followed by hand, each like a new address.
/// 5. Bytes, time and redirects are bounded; what is compressed on the way is refused.
public struct PictureFetcher: Sendable {
  /// What may be fetched.
  public struct Options: Sendable {
    /// Hosts, with or without a port; "*" for all that are public.
    ///
    /// None refuses all http and https addresses.
    public var domains: Set<String> = []
    /// The folder of `file:` addresses; nil refuses them.
    public var folder: LocalFolder?
    /// Most bytes of a picture.
    public var maximumBytes = 20 << 20
    /// Most bytes of a video, or of sound.
    public var maximumVideoBytes = 128 << 20
    /// The time that a picture may take, redirects included.
    public var timeout = Duration.seconds(5)
    /// Most redirects.
    public var maximumRedirects = 5

    /// Data URIs alone.
    public init() {}
  }

  private let options: Options
  private let resolver: any NameResolver
  private let isAllowed: @Sendable (NetworkAddress) -> Bool

  /// A fetcher.
  public init(_ options: Options = Options()) { self.init(options, resolver: SystemResolver()) { $0.isPublic } }

  /// A fetcher for tests, with another idea of names and addresses.
  package init(
    _ options: Options, resolver: any NameResolver, isAllowed: @escaping @Sendable (NetworkAddress) -> Bool
  ) {
    (self.options, self.resolver, self.isAllowed) = (options, resolver, isAllowed)
  }

  /// Refuses addresses that will not be fetched, before anything is.
  ///
  /// - Throws: `FetchError`.
  public func check(_ address: String) throws(FetchError) {
    if Self.hasScheme("data", address) { return }
    if Self.hasScheme("file", address) {
      if options.folder == nil { throw .unsupported("file: addresses are not allowed here (--allowed-local-media-path)") }
      return
    }
    _ = try checked(PictureURL(address))
  }

  /// The bytes of a picture, or of other content.
  ///
  /// - Throws: `FetchError`; `CancellationError`.
  public func bytes(_ address: String, _ content: FetchedContent = .picture) async throws -> [UInt8] {
    let kind: FetchedKind =
      switch content {
      case .picture: .picture(options.maximumBytes)
      case .video: .video(options.maximumVideoBytes)
      case .sound: .sound(options.maximumVideoBytes)
      }
    try check(address)
    if Self.hasScheme("data", address) { return try DataURI.bytes(address, kind) }
    if Self.hasScheme("file", address), let folder = options.folder { return try folder.bytes(address, kind) }
    let url = try PictureURL(address)
    return try await withThrowingTaskGroup(of: [UInt8].self) { group in
      group.addTask { try await fetch(url, kind) }
      group.addTask {
        try await Task.sleep(for: options.timeout)
        throw FetchError.failed("the \(kind.noun) was not there within \(options.timeout.components.seconds) seconds")
      }
      defer { group.cancelAll() }
      guard let first = try await group.next() else { throw CancellationError() }
      return first
    }
  }

  private static func hasScheme(_ scheme: String, _ address: String) -> Bool {
    address.utf8.count > scheme.utf8.count && address.prefix(scheme.count + 1).lowercased() == scheme + ":"
  }

  private func checked(_ url: PictureURL) throws(FetchError) -> PictureURL {
    if options.domains.isEmpty {
      throw .unsupported("http and https addresses are not fetched here (--allowed-media-domains); send a data URI")
    }
    let usual = url.port == (url.scheme == "http" ? 80 : 443)
    guard options.domains.contains("\(url.host):\(url.port)") || usual && !options.domains.isDisjoint(with: [url.host, "*"])
    else {
      throw .blocked("the host is not one from which pictures are fetched")
    }
    return url
  }

  private func fetch(_ first: PictureURL, _ kind: FetchedKind) async throws -> [UInt8] {
    var url = first
    for _ in 0...options.maximumRedirects {
      switch try await hop(checked(url), kind) {
      case .bytes(let bytes): return bytes
      case .redirect(let location):
        let next = try url.redirected(to: location)
        if url.scheme == "https", next.scheme == "http" { throw FetchError.blocked("the address redirects from https to http") }
        url = next
      }
    }
    throw FetchError.blocked("the address redirects more than \(options.maximumRedirects) times")
  }

  private enum Hop {
    case bytes([UInt8])
    case redirect(String)
  }

  /// One request, to an address that was checked.
  private func hop(_ url: PictureURL, _ kind: FetchedKind) async throws -> Hop {
    let addresses = try await resolver.addresses(of: url.host)
    guard let address = addresses.first else { throw FetchError.failed("the host's name is not known") }
    // One that is not public among others is how a name is turned against its reader.
    guard addresses.allSatisfy(isAllowed) else {
      throw FetchError.blocked("the host's name leads to an address that is not public")
    }
    var configuration = HTTPClient.Configuration(
      redirectConfiguration: .disallow, timeout: .init(connect: .seconds(3), read: .seconds(5)), decompression: .disabled)
    configuration.httpVersion = .http1Only
    configuration.dnsOverride = [url.host: "\(address)"]
    configuration.maximumUsesPerConnection = 1
    let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    let result: Result<Hop, any Error>
    do {
      result = .success(try await ask(client, url, kind))
    } catch {
      result = .failure(error)
    }
    try await client.shutdown()
    do {
      return try result.get()
    } catch let error as FetchError {
      throw error
    } catch {
      try Task.checkCancellation()
      // The client's words may hold addresses.
      throw FetchError.failed("the host could not be reached, or broke off")
    }
  }

  private func ask(_ client: HTTPClient, _ url: PictureURL, _ kind: FetchedKind) async throws -> Hop {
    var request = HTTPClientRequest(url: url.text)
    request.headers = ["accept": kind.accepted, "accept-encoding": "identity", "user-agent": "epic-serve"]
    let seconds = options.timeout.components.seconds
    let response = try await client.execute(request, timeout: .seconds(max(1, seconds)))
    switch response.status.code {
    case 200: break
    case 301, 302, 303, 307, 308:
      guard let location = response.headers.first(name: "location") else { throw FetchError.failed("the redirect leads nowhere") }
      return .redirect(location)
    default: throw FetchError.failed("the host answered with status \(response.status.code)")
    }
    if let coding = response.headers.first(name: "content-encoding"), coding.lowercased() != "identity" {
      throw FetchError.failed("the host sent a compressed body, which was not asked for")
    }
    if let length = response.headers.first(name: "content-length").flatMap({ Int($0) }), length > kind.limit {
      throw kind.tooLarge(.failed)
    }
    var bytes: [UInt8] = []
    for try await part in response.body {
      bytes += part.readableBytesView
      if bytes.count > kind.limit { throw kind.tooLarge(.failed) }
    }
    return .bytes(bytes)
  }
}
