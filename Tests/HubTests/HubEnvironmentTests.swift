import Foundation
import TestSupport
import Testing

@testable import HubCache

@Suite struct HubEnvironmentTests {
  @Test(arguments: [
    ([:], "/home/x/.cache/huggingface/hub"), (["XDG_CACHE_HOME": "/xdg"], "/xdg/huggingface/hub"),
    (["XDG_CACHE_HOME": "/xdg", "HF_HOME": "/hf"], "/hf/hub"), (["HF_HOME": "~/hf"], "/home/x/hf/hub"),
    (["HF_HOME": "/hf", "HUGGINGFACE_HUB_CACHE": "/old"], "/old"),
    (["HF_HUB_CACHE": "/new", "HUGGINGFACE_HUB_CACHE": "/old"], "/new"),
    (["HF_HUB_CACHE": "", "HF_HOME": "/hf"], "/hf/hub"), (["HF_HUB_CACHE": "$DISK/a/${DISK}b", "DISK": "/d"], "/d/a//db"),
    (["HF_HUB_CACHE": "/a/$UNKNOWN"], "/a/$UNKNOWN"), (["HF_HUB_CACHE": "~"], "/home/x"),
  ])
  func theCacheIsWherePythonHasIt(_ variables: [String: String], _ expected: String) throws {
    let environment = try HubEnvironment(variables.merging(["HOME": "/home/x"]) { $1 })
    #expect(environment.cache.path == URL(fileURLWithPath: expected).standardizedFileURL.path)
  }

  @Test func tokensAreTakenInOrder() throws {
    let scratch = try Scratch()
    func token(_ variables: [String: String]) throws -> String? {
      try HubEnvironment(variables.merging(["HF_HOME": scratch.url.path]) { old, _ in old }).token
    }
    #expect(try token([:]) == nil)
    try Data("  hf_file\n".utf8).write(to: scratch.url.appending(path: "token"))
    #expect(try token([:]) == "hf_file")
    try Data("hf_other".utf8).write(to: scratch.url.appending(path: "elsewhere"))
    #expect(try token(["HF_TOKEN_PATH": scratch.url.appending(path: "elsewhere").path]) == "hf_other")
    #expect(try token(["HUGGING_FACE_HUB_TOKEN": "hf_old"]) == "hf_old")
    #expect(try token(["HUGGING_FACE_HUB_TOKEN": "hf_old", "HF_TOKEN": "hf_new\n"]) == "hf_new")
    #expect(try token(["HF_TOKEN": "", "HUGGING_FACE_HUB_TOKEN": "hf_old"]) == "hf_old")
    #expect(try token(["HF_TOKEN": "hf_new", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"]) == nil)
    try Data("\n".utf8).write(to: scratch.url.appending(path: "token"))
    #expect(try token([:]) == nil)
  }

  @Test(arguments: ["a b", "a\r\nX-Header: 1", "tökén", "a\0"]) func tokensThatCannotBeSentAreRefused(_ token: String) {
    let error = #expect(throws: HubError.self) { try HubEnvironment(["HF_TOKEN": token]) }
    #expect(error?.subject == "HF_TOKEN" && error?.description.contains(token) == false)
  }

  @Test(arguments: [
    ([:], false), (["HF_HUB_OFFLINE": "1"], true), (["HF_HUB_OFFLINE": "on"], true), (["HF_HUB_OFFLINE": "Yes"], true),
    (["TRANSFORMERS_OFFLINE": "true"], true), (["HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "1"], false),
    (["HF_HUB_OFFLINE": "", "TRANSFORMERS_OFFLINE": "1"], true), (["HF_HUB_OFFLINE": "2"], false),
  ])
  func offlineIsWhatPythonTakesForIt(_ variables: [String: String], _ expected: Bool) throws {
    #expect(try HubEnvironment(variables).isOffline == expected)
  }

  @Test func addresses() throws {
    #expect(try HubEnvironment([:]).endpoint == "https://huggingface.co")
    #expect(try HubEnvironment([:]).host == "huggingface.co")
    #expect(try HubEnvironment(["HF_ENDPOINT": "https://mirror.example/api/hub//"]).endpoint == "https://mirror.example/api/hub")
    for text in ["mirror.example", "ftp://x", "https://", "https://user@x", "https://x?y", "http://x y", "://"] {
      let error = #expect(throws: HubError.self) { try HubEnvironment(["HF_ENDPOINT": text]) }
      #expect(error?.subject == "HF_ENDPOINT", "\(text)")
    }
  }

  @Test func timeouts() throws {
    #expect(try HubEnvironment([:]).timeout == 10 && HubEnvironment(["HF_HUB_DOWNLOAD_TIMEOUT": "30"]).timeout == 30)
    #expect(try HubEnvironment(["HF_HUB_DOWNLOAD_TIMEOUT": "-1"]).timeout == 10)
    #expect(try !HubEnvironment(["HF_HUB_DISABLE_PROGRESS_BARS": "1"]).showsProgress && HubEnvironment([:]).showsProgress)
  }

  @Test(arguments: [
    ([:], "https://huggingface.co/x", nil), (["HTTPS_PROXY": "http://p:3128"], "https://huggingface.co/x", "p:3128"),
    (["HTTPS_PROXY": "http://p:3128"], "http://huggingface.co/x", nil), (["HTTP_PROXY": "p"], "http://h/x", "p:80"),
    (["https_proxy": "low:1", "HTTPS_PROXY": "up:2"], "https://h/", "low:1"),
    (["ALL_PROXY": "socks5://s"], "https://h/", "s:1080"),
    (["HTTPS_PROXY": "p:1", "NO_PROXY": "localhost, .example.com"], "https://a.example.com/", nil),
    (["HTTPS_PROXY": "p:1", "NO_PROXY": "example.com"], "https://example.com/", nil),
    (["HTTPS_PROXY": "p:1", "NO_PROXY": "example.com"], "https://anexample.com/", "p:1"),
    (["HTTPS_PROXY": "p:1", "NO_PROXY": "example.com:444"], "https://example.com/", "p:1"),
    (["HTTPS_PROXY": "p:1", "NO_PROXY": "example.com:443"], "https://example.com/", nil),
    (["HTTPS_PROXY": "p:1", "no_proxy": "*"], "https://example.com/", nil), (["HTTPS_PROXY": ""], "https://h/", nil),
  ])
  func proxies(_ variables: [String: String], _ address: String, _ expected: String?) throws {
    let proxy = try HubEnvironment(variables).proxies.proxy(for: #require(URL(string: address)))
    #expect(proxy.map { "\($0.host):\($0.port)" } == expected)
  }

  @Test func proxiesThatAreNoneAreRefused() {
    for text in ["https://p", "ftp://p", "http://", "://x"] {
      #expect(throws: HubError.self, "\(text)") { try HubEnvironment(["HTTPS_PROXY": text]) }
    }
  }
}
