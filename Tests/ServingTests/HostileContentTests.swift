import ChatProtocol
import Engine
import Fetching
import Foundation
import Imaging
import LLaVA
import Serving
import Synchronization
import TestModels
import TestSupport
import Testing
import Torch

/// Rows of the table that are about fetched pictures and about what is kept of them.
@Suite struct HostileContentTests {
  private struct Names: NameResolver {
    let known: [String: [String]]
    func addresses(of host: String) async throws -> [NetworkAddress] {
      guard let found = known[host] else { throw FetchError.failedName }
      return found.compactMap { NetworkAddress($0) }
    }
  }

  private func fetcher(_ web: PictureWeb) -> PictureFetcher {
    var options = PictureFetcher.Options()
    options.domains = ["good.test:\(web.port)", "mixed.test:\(web.port)"]
    options.timeout = .seconds(5)
    options.maximumBytes = 100_000
    return PictureFetcher(
      options, resolver: Names(known: ["good.test": ["127.0.0.1"], "mixed.test": ["127.0.0.1", "10.0.0.1"]])
    ) {
      $0.description == "127.0.0.1"
    }
  }

  private func image(_ reply: HTTPReply, _ index: Int = 0) -> [String: Any]? {
    let report = reply.json?["visual_tokens"] as? [String: Any]
    return (report?["images"] as? [[String: Any]])?[index]
  }

  private func cached(_ reply: HTTPReply) -> Int? {
    ((reply.json?["usage"] as? [String: Any])?["prompt_tokens_details"] as? [String: Any])?["cached_tokens"] as? Int
  }

  @Test func rows30To33And41Fetching() async throws {
    let other = try TestModel.drawing().paddedToSquare(with: (0, 0, 0)).pngData()
    let isSecond = Mutex(false)
    let web = try PictureWeb { path, _ in
      switch path {
      case "/house.png": .body(Array(Body.house))
      case "/changing.png": .body(Array(isSecond.withLock { $0 } ? other : Body.house))
      case "/metadata": .redirect("http://169.254.169.254/")
      case "/file": .redirect("file:///etc/passwd")
      case "/loop": .redirect("/loop")
      case "/page": .body(Array("<html>".utf8))
      case "/never": .never
      case "/drip": .drip
      case "/endless": .endless
      case "/gzip": .raw("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc")
      case "/500": .raw("HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
      default: .raw("HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
      }
    }
    try await withServer(fetcher: fetcher(web)) { server in
      let base = "http://good.test:\(web.port)"
      #expect(try await server.chat(Body.picture(base + "/house.png")).status == 200)
      for path in ["/metadata", "/file", "/loop"] {
        let reply = try await server.chat(Body.picture(base + path))
        #expect(reply.status == 400 && reply.kind == "invalid_request_error", "\(path): \(reply.text)")
      }
      #expect(try await server.chat(Body.picture("http://mixed.test:\(web.port)/house.png")).code == "blocked_image_url")
      #expect(try await server.chat(Body.picture(base + "/page")).code == "unsupported_image_format")
      for path in ["/404", "/500", "/never", "/drip", "/gzip"] {
        let reply = try await server.chat(Body.picture(base + path))
        #expect(reply.status == 422 && reply.code == "image_fetch_failed", "\(path): \(reply.text)")
      }
      let large = try await server.chat(Body.picture(base + "/endless"))
      #expect(large.status == 422 && large.code == "image_too_large")
      // The same address, and other content the second time.
      let first = try await server.chat(Body.picture(base + "/changing.png", #""visual_tokens":{"budget":4,"return":"indices"}"#))
      isSecond.withLock { $0 = true }
      let second = try await server.chat(
        Body.picture(base + "/changing.png", #""visual_tokens":{"budget":4,"return":"indices"}"#))
      #expect(first.status == 200 && second.status == 200)
      #expect(image(second)?["cached"] as? Bool == false && cached(second) == 0)
      #expect(try await server.ask("GET", "/health").status == 200)
      #expect(try await server.isEmptied())
    }
  }

  /// The same bytes as 30 × 100 and as 100 × 30 pixels.
  @Test func row40SizesAreContent() async throws {
    var random = SplitMix(seed: 4)
    let pixels = (0..<9000).map { _ in UInt8(random.next(below: 256)) }
    let tall = try RGBImage(width: 30, height: 100, pixels: pixels).pngData()
    let wide = try RGBImage(width: 100, height: 30, pixels: pixels).pngData()
    try await withServer { server in
      let first = try await server.chat(Body.picture(Body.uri(tall)))
      let second = try await server.chat(Body.picture(Body.uri(wide)))
      let again = try await server.chat(Body.picture(Body.uri(tall)))
      #expect(image(first)?["cached"] as? Bool == false && image(second)?["cached"] as? Bool == false)
      #expect(image(again)?["cached"] as? Bool == true && again.content == first.content)
    }
  }

  /// Budgets of the same picture one after the other are as if each were alone.
  @Test func row42BudgetsDoNotMix() async throws {
    let budgets = ["4", "16", "\"auto\"", "8", "{\"budget\":\"auto\",\"max\":8}"]
    func ask(_ server: TestServer, _ budget: String) async throws -> HTTPReply {
      try await server.chat(Body.picture(Body.uri(Body.house), "\"visual_tokens\":\(budget)"))
    }
    var alone: [String: String] = [:]
    for budget in budgets { try await withServer { alone[budget] = try await ask($0, budget).content } }
    try await withServer { server in
      for budget in budgets + budgets.reversed() {
        let reply = try await ask(server, budget)
        #expect(reply.status == 200 && reply.content == alone[budget], "\(budget)")
        let kept = image(reply)?["kept"] as? Int
        #expect(image(reply)?["before"] as? Int == 16)
        if let number = Int(budget) { #expect(kept == number && reply.headers["x-epic-visual-tokens"] == budget) }
        let details = (reply.json?["usage"] as? [String: Any])?["prompt_tokens_details"] as? [String: Any]
        #expect(details?["image_tokens"] as? Int == 16)
      }
    }
  }

  @Test func row43SaltsKeepApart() async throws {
    try await withServer { server in
      func ask(_ salt: String?) async throws -> HTTPReply {
        try await server.chat(Body.picture(Body.uri(Body.house), salt.map { "\"cache_salt\":\"\($0)\"" } ?? ""))
      }
      let (first, second, other, again) = (try await ask("a"), try await ask("a"), try await ask("b"), try await ask(nil))
      #expect(cached(first) == 0 && cached(other) == 0 && cached(again) == 0)
      #expect(cached(second) ?? 0 > 16 && image(second)?["cached"] as? Bool == true)
      #expect(Set([first, second, other, again].map(\.content)).count == 1)
    }
  }

  /// Rungs that were not trained, where the server offers no others.
  @Test func row44UntrainedRungs() async throws {
    try await withServer(TestServer.model(rungs: [4, 8], allowsOthers: false)) { server in
      for budget in [4, 8, 16] {
        #expect(try await server.chat(Body.picture(Body.uri(Body.house), "\"visual_tokens\":\(budget)")).status == 200)
      }
      for budget in [1, 5, 15] {
        let reply = try await server.chat(Body.picture(Body.uri(Body.house), "\"visual_tokens\":\(budget)"))
        #expect(reply.status == 400 && reply.code == "invalid_value" && reply.text.contains("4, 8, 16"))
      }
      // Words for how closely to look go to the nearest rung.
      let low = try await server.chat(Body.picture(Body.uri(Body.house), "", #""detail":"low""#))
      #expect(image(low)?["kept"] as? Int == 4)
    }
  }

  /// Row 52 over a socket: one request's scores are not finite.
  @Test func row52OneOfEightFails() async throws {
    let model = try TestModel.tiny(seed: 2)
    // Whoever says "~" gets numbers that are none.
    _ = try withoutGradient {
      try #require(model.decoder.embedding.trainable).narrow(0, from: 3 + 0x7E, length: 1).copyInPlace(
        from: .full([1, model.configuration.text.hiddenSize], .nan))
    }
    let whole = TestServer.pipeline
    // Not by way of a checkpoint, which would be refused.
    let spoilt = LLaVAPipeline(
      model: model, tokenizer: whole.tokenizer, preprocessor: whole.preprocessor, template: whole.template)
    try await withServer(TestServer.model(spoilt)) { server in
      let replies = try await withThrowingTaskGroup(of: (Int, HTTPReply).self) { group in
        for index in 0..<8 {
          let text = index == 3 ? "bad ~ one" : "good \(index)"
          group.addTask { (index, try await server.chat(Body.chat(messages: "[{\"role\":\"user\",\"content\":\"\(text)\"}]"))) }
        }
        return try await group.reduce(into: [Int: HTTPReply]()) { $0[$1.0] = $1.1 }
      }
      for (index, reply) in replies { #expect(reply.status == (index == 3 ? 500 : 200), "\(index): \(reply.text)") }
      #expect(replies[3]?.kind == "server_error")
      // In a stream it is a status too, as nothing was said yet.
      let body = Body.chat("\"stream\":true", messages: #"[{"role":"user","content":"~"}]"#)
      #expect(try await server.chat(body).status == 500)
      #expect(try await server.isEmptied())
    }
  }
}

extension FetchError {
  static let failedName = FetchError(.failed, "image_fetch_failed", "the host's name is not known")
}
