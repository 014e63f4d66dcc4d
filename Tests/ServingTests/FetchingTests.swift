import Foundation
import TestSupport
import Testing

@testable import Fetching

/// What is fetched, and what is not: one parser, addresses that are checked and pinned, redirects by hand.
@Suite struct FetchingTests {
  @Test(arguments: [
    "http://127.0.0.1/a.png", "http://[::1]/", "http://0.0.0.0/", "http://10.1.2.3/", "http://169.254.169.254/latest/meta-data",
    "http://100.64.0.1/", "http://[fe80::1]/", "http://[fc00::1]/", "http://2130706433/", "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://127.1/", "http://[::ffff:127.0.0.1]/", "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/", "http://0x7f.1/",
    "http://good\\@evil.test/", "http://good@evil.test/", "http://good.test\\evil.test/", "http://go\tod.test/",
    "http://gööd.test/",
    "http://good.test./", "http://good..test/", "http://-good.test/", "gopher://good.test/", "ftp://good.test/",
    "javascript:alert(1)",
    "blob:x", "http:good.test", "http:///a.png", "http://", "https://good.test:0/", "https://good.test:99999/",
    "https://good.test:8a/",
    "https://good.test/%zz", "good.test/a.png", "/etc/passwd", "../x", "http://good.test\n/", "http://good .test/",
    "//good.test/a",
    "http://1.2.3.4.5/", "http://evil.test/", "https://good.test:444/", "http://user:pass@good.test/",
    "http://good.test:80@evil.test/",
    "http://\(String(repeating: "a", count: 300)).test/",
  ])
  func hostileAddressesAreRefused(_ address: String) {
    var options = PictureFetcher.Options()
    options.domains = ["good.test", "*.test"]
    #expect(throws: FetchError.self) { try PictureFetcher(options).check(address) }
  }

  @Test func addressesAreReadOnce() throws {
    let url = try PictureURL("HTTPS://Good.Test:8443/a%20b.png?x=1#part")
    #expect(url.scheme == "https" && url.host == "good.test" && url.port == 8443 && url.target == "/a%20b.png?x=1")
    #expect(url.text == "https://good.test:8443/a%20b.png?x=1")
    #expect(try PictureURL("http://good.test").text == "http://good.test:80/")
    #expect(try PictureURL("http://good.test?x").target == "/?x")
    #expect(try url.redirected(to: "/other").text == "https://good.test:8443/other")
    #expect(throws: FetchError.self) { try url.redirected(to: "//evil.test/") }
  }

  /// Against IANA's registries of special-purpose addresses.
  @Test func onlyPublicAddressesPass() throws {
    for text in [
      "1.1.1.1", "8.8.8.8", "93.184.216.34", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "2606:4700::1111",
      "2a00:1450::1",
    ] {
      #expect(try #require(NetworkAddress(text)).isPublic, "\(text)")
      #expect(NetworkAddress(text)?.description == text)
    }
    for text in [
      "0.0.0.0", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255",
      "192.0.0.1",
      "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1",
      "240.0.0.1",
      "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::808:808", "100::1", "2001::1",
      "2001:db8::1",
      "2002:808:808::1", "fc00::1", "fd12::1", "fe80::1", "ff02::1", "3fff::1",
    ] {
      #expect(try !#require(NetworkAddress(text)).isPublic, "\(text)")
    }
  }

  @Test func dataURIsAreStrict() async throws {
    let fetcher = PictureFetcher()
    #expect(try await fetcher.bytes("data:image/png;base64,AAEC") == [0, 1, 2])
    #expect(try await fetcher.bytes("DATA:image/PNG;charset=x;BASE64,AAEC") == [0, 1, 2])
    for bad in [
      "data:image/png;base64", "data:image/png,abc", "data:image/png;base64,", "data:image/png;base64,A",
      "data:image/png;base64,AA=",
      "data:image/png;base64,A A=", "data:image/png;base64,AAE*", "data:text/html;base64,AAEC", "data:;base64,AAEC", "data:,",
    ] {
      await #expect(throws: FetchError.self, "\(bad)") { _ = try await fetcher.bytes(bad) }
    }
    var options = PictureFetcher.Options()
    options.maximumBytes = 2
    await #expect(throws: FetchError.self) { _ = try await PictureFetcher(options).bytes("data:image/png;base64,AAEC") }
  }

  @Test func nothingLeadsOutOfTheFolder() async throws {
    let scratch = try Scratch()
    let root = scratch.url.appending(path: "pictures")
    let files = FileManager.default
    try files.createDirectory(at: root.appending(path: "inner"), withIntermediateDirectories: true)
    try Data([1, 2, 3]).write(to: root.appending(path: "inner/a.png"))
    try Data([9]).write(to: scratch.url.appending(path: "secret.png"))
    try files.createSymbolicLink(
      at: root.appending(path: "link.png"), withDestinationURL: scratch.url.appending(path: "secret.png"))
    try files.createSymbolicLink(at: root.appending(path: "out"), withDestinationURL: scratch.url)
    mkfifo(root.appending(path: "pipe.png").path, 0o600)
    var options = PictureFetcher.Options()
    options.folder = try LocalFolder(root)
    options.maximumBytes = 8
    let real = try #require(realpath(root.path, nil).map { String(cString: $0) })
    let fetcher = PictureFetcher(options)
    #expect(try await fetcher.bytes("file://\(real)/inner/a.png") == [1, 2, 3])
    for path in [
      "link.png", "out/secret.png", "pipe.png", "inner", "inner/../inner/a.png", "../secret.png", "inner/%61.png",
      "%2e%2e/secret.png",
      "inner//a.png", "./inner/a.png", "absent.png", "", "inner/a.png/", "inner\\a.png",
    ] {
      await #expect(throws: FetchError.self, "\(path)") { _ = try await fetcher.bytes("file://\(real)/\(path)") }
    }
    for address in [
      "file:///etc/passwd", "FILE:///etc/passwd", "file:/etc/passwd", "file://host/etc/passwd", "file:///dev/zero",
      real + "/inner/a.png",
    ] {
      await #expect(throws: FetchError.self, "\(address)") { _ = try await fetcher.bytes(address) }
    }
    try Data(repeating: 0, count: 9).write(to: root.appending(path: "large.png"))
    await #expect(throws: FetchError.self) { _ = try await fetcher.bytes("file://\(real)/large.png") }
    await #expect(throws: FetchError.self) { _ = try await PictureFetcher().bytes("file://\(real)/inner/a.png") }
  }

  // MARK: Over a socket

  /// Names as a test wants them.
  private struct Names: NameResolver {
    let known: [String: [String]]
    func addresses(of host: String) async throws -> [NetworkAddress] {
      guard let found = known[host] else { throw FetchError.failed("the host's name is not known") }
      return found.compactMap { NetworkAddress($0) }
    }
  }

  /// A fetcher for which this machine's first address is the internet, and nothing else is.
  private func fetcher(_ web: PictureWeb, _ change: (inout PictureFetcher.Options) -> Void = { _ in }) -> PictureFetcher {
    var options = PictureFetcher.Options()
    options.domains = ["good.test:\(web.port)", "mixed.test:\(web.port)", "private.test:\(web.port)", "absent.test:\(web.port)"]
    options.maximumBytes = 1000
    // Long, for busy machines; what is to run out of time has a shorter one.
    options.timeout = .seconds(30)
    change(&options)
    let names = Names(known: [
      "good.test": ["127.0.0.1"], "mixed.test": ["127.0.0.1", "127.0.0.2"], "private.test": ["10.0.0.1"],
      "evil.test": ["127.0.0.1"],
    ])
    return PictureFetcher(options, resolver: names) { $0.description == "127.0.0.1" }
  }

  private func failure(_ fetcher: PictureFetcher, _ address: String) async -> FetchError? {
    do {
      _ = try await fetcher.bytes(address)
      return nil
    } catch {
      return error as? FetchError ?? FetchError(.failed, "other", "\(error)")
    }
  }

  @Test func picturesComeFromAllowedHostsAlone() async throws {
    let web = try PictureWeb { path, host in
      switch path {
      case "/a.png": .body([1, 2, 3])
      case "/host": .body(Array(host.utf8))
      case "/moved": .redirect("/a.png")
      case "/absolute": .redirect("http://good.test:\(host.split(separator: ":").last ?? "")/a.png")
      case "/metadata": .redirect("http://169.254.169.254/latest")
      case "/file": .redirect("file:///etc/passwd")
      case "/elsewhere": .redirect("http://evil.test:\(host.split(separator: ":").last ?? "")/a.png")
      case "/loop": .redirect("/loop")
      case "/gzip": .raw("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc")
      case "/large": .body(Array(repeating: 0, count: 1001))
      case "/endless": .endless
      case "/never": .never
      case "/drip": .drip
      case "/500": .raw("HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
      case "/half": .raw("HTTP/1.1 200 OK\r\nContent-Length: 500\r\nConnection: close\r\n\r\nabc")
      default: .raw("HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
      }
    }
    let fetcher = fetcher(web)
    let base = "http://good.test:\(web.port)"
    #expect(try await fetcher.bytes(base + "/a.png") == [1, 2, 3])
    #expect(try await fetcher.bytes(base + "/host") == Array("good.test:\(web.port)".utf8))
    #expect(try await fetcher.bytes(base + "/moved") == [1, 2, 3])
    #expect(try await fetcher.bytes(base + "/absolute") == [1, 2, 3])
    for path in ["/metadata", "/file", "/elsewhere", "/loop"] {
      #expect(await failure(fetcher, base + path)?.kind == .refused, "\(path)")
    }
    for path in ["/gzip", "/500", "/404", "/half"] {
      #expect(await failure(fetcher, base + path)?.code == "image_fetch_failed", "\(path)")
    }
    let hasty = self.fetcher(web) { $0.timeout = .seconds(1) }
    for path in ["/never", "/drip"] {
      #expect(await failure(hasty, base + path)?.code == "image_fetch_failed", "\(path)")
    }
    for path in ["/large", "/endless"] { #expect(await failure(fetcher, base + path)?.code == "image_too_large", "\(path)") }
    let asked = web.asked
    for host in ["mixed.test", "private.test", "evil.test"] {
      #expect(await failure(fetcher, "http://\(host):\(web.port)/a.png")?.code == "blocked_image_url", "\(host)")
    }
    #expect(await failure(fetcher, "http://absent.test:\(web.port)/a.png")?.kind == .failed)
    // Nothing was even connected to.
    #expect(web.asked == asked)
  }
}
