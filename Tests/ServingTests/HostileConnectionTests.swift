import Engine
import Foundation
import Serving
import TestSupport
import Testing

/// Rows of the table that are about connections that go, stay or are too many.
@Suite struct HostileConnectionTests {
  private static let long = Body.chat("\"stream\":true,\"ignore_eos\":true").replacing(
    "\"max_tokens\":3", with: "\"max_tokens\":4000")

  private func checkWell(_ server: TestServer) async throws {
    #expect(try await server.isEmptied())
    #expect(try await server.ask("GET", "/health").status == 200)
    #expect(try await server.chat(Body.chat()).status == 200)
  }

  /// Row 47: the client goes, at every stage.
  @Test func row47ClientsThatGo() async throws {
    let web = try PictureWeb { _, _ in .never }
    try await withServer(fetcher: HostileConnectionTests.fetcher(web)) { server in
      let request = RawClient.request("POST", "/v1/chat/completions", [:], Array(Self.long.utf8))
      let whole = RawClient.request(
        "POST", "/v1/chat/completions", [:], Array(Self.long.replacing("\"stream\":true,", with: "").utf8))
      let fetching = RawClient.request(
        "POST", "/v1/chat/completions", [:], Array(Body.picture("http://good.test:\(web.port)/a.png").utf8))
      let decoding = RawClient.request("POST", "/v1/chat/completions", [:], Array(Body.picture(Body.uri(Body.house)).utf8))
      // Before the head is complete, in the middle of the body, at once, while a picture is fetched.
      for (bytes, pause) in [
        (Array(request.prefix(40)), 0), (Array(request.prefix(request.count - 20)), 1000), (request, 0), (whole, 0),
        (fetching, 50_000),
        (decoding, 0), (request, 20_000), (whole, 20_000),
      ] {
        try await RawClient.onThread { [port = server.port] in
          let client = try RawClient(port: port)
          try client.send(bytes)
          usleep(UInt32(pause))
          client.close()
        }
        #expect(try await server.isEmptied(), "after \(pause) µs")
      }
      // In the middle of a stream: far fewer tokens are written than were asked for.
      let clock = ContinuousClock.now
      try await RawClient.onThread { [port = server.port] in
        let client = try RawClient(port: port)
        try client.send(request)
        while !client.pending.contains("content\":\"") || client.pending.count < 2000 { if try !client.readMore(256) { break } }
        client.close()
      }
      #expect(try await server.isEmptied())
      #expect(ContinuousClock.now - clock < .seconds(20))
      // A client that closes its own direction has gone as well.
      try await RawClient.onThread { [port = server.port] in
        let client = try RawClient(port: port)
        try client.send(request)
        usleep(20_000)
        client.finishSending()
        while try client.readMore() {}
      }
      try await checkWell(server)
    }
  }

  private static func fetcher(_ web: PictureWeb) -> PictureFetcher {
    var options = PictureFetcher.Options()
    options.domains = ["good.test:\(web.port)"]
    return PictureFetcher(options, resolver: LocalNames()) { _ in true }
  }

  private struct LocalNames: NameResolver {
    func addresses(of host: String) async throws -> [NetworkAddress] { [NetworkAddress("127.0.0.1")].compactMap(\.self) }
  }

  /// Row 48: one that reads slowly holds up nobody and loses its connection in the end.
  @Test func row48SlowReaders() async throws {
    try await withServer(nil, { $0.writeSeconds = 0.5 }) { server in
      let overlay = Self.long.replacing("\"max_tokens\":4000", with: "\"max_tokens\":3500")
      let slow = try (0..<3).map { _ in try RawClient(port: server.port, receiveBuffer: 2048) }
      for client in slow { try client.send(RawClient.request("POST", "/v1/chat/completions", [:], Array(overlay.utf8))) }
      for _ in 0..<5 {
        for client in slow { try await RawClient.onThread { _ = try client.readMore(1) } }
        #expect(try await server.chat(Body.chat()).status == 200)
      }
      for client in slow { client.close() }
      try await checkWell(server)
    }
  }

  /// Row 49: idle connections, and more requests than there are places.
  @Test func row49Bursts() async throws {
    try await withServer(nil, { ($0.engine.maximumSequences, $0.engine.maximumQueued, $0.idleSeconds) = (2, 2, 5) }) { server in
      let idle = try (0..<200).map { _ in try RawClient(port: server.port) }
      let busy = try (0..<4).map { _ in try RawClient(port: server.port) }
      for client in busy { try client.send(RawClient.request("POST", "/v1/chat/completions", [:], Array(Self.long.utf8))) }
      while server.server.load.inside < 4 { try await Task.sleep(for: .milliseconds(2)) }
      // The body is not even waited for.
      for _ in 0..<5 {
        let refused = try await RawClient.onThread { [port = server.port] in
          let client = try RawClient(port: port)
          try client.send(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n")
          return try client.receive()
        }
        #expect(refused.status == 429 && refused.kind == "rate_limit_error" && refused.code == "queue_full")
        #expect(refused.headers["retry-after"] == "1")
      }
      for client in busy { client.close() }
      // Connections without a request are closed after a while.
      let isOpen = try await RawClient.onThread { try idle[0].readMore() }
      #expect(!isOpen)
      for client in idle { client.close() }
      try await checkWell(server)
    }
  }

  /// Row 50: running answers come to their ends, new ones are refused meanwhile.
  @Test func row50Shutdown() async throws {
    let server = try await TestServer.start { $0.drainSeconds = Patience.seconds }
    let open = try RawClient(port: server.port)
    try open.send(RawClient.request("GET", "/health"))
    let first = try await RawClient.onThread { try open.receive() }
    #expect(first.status == 200)
    let body = Body.chat("\"stream\":true,\"ignore_eos\":true").replacing("\"max_tokens\":3", with: "\"max_tokens\":1500")
    let running = try (0..<3).map { _ in try RawClient(port: server.port) }
    for client in running { try client.send(RawClient.request("POST", "/v1/chat/completions", [:], Array(body.utf8))) }
    while server.server.load.running < 3 { try await Task.sleep(for: .milliseconds(1)) }
    await server.triggerShutdown()
    await server.triggerShutdown()
    while try await server.ask("GET", "/health").status == 200 { try await Task.sleep(for: .milliseconds(2)) }
    // A connection that was open, and a new one.
    for client in [open, try RawClient(port: server.port)] {
      let reply = try await RawClient.onThread {
        try client.send(RawClient.request("POST", "/v1/chat/completions", [:], Array(Body.chat().utf8)))
        return try client.receive()
      }
      #expect(reply.status == 503 && reply.code == "shutting_down" && reply.headers["retry-after"] != nil)
    }
    for client in running {
      let reply = try await RawClient.onThread { try client.receive() }
      #expect(
        reply.events.last == "[DONE]" && reply.text.contains("\"finish_reason\":\"length\"") && !reply.text.contains("\"error\""))
    }
    try await server.wait()
    #expect(throws: RawClient.Failure.self) { try RawClient(port: server.port) }
  }

  /// What is not complete when the time for it is over ends with an error that its client can read.
  @Test func row50DrainBound() async throws {
    let server = try await TestServer.start { $0.drainSeconds = 0.1 }
    let stream = try RawClient(port: server.port)
    let whole = try RawClient(port: server.port)
    try stream.send(RawClient.request("POST", "/v1/chat/completions", [:], Array(Self.long.utf8)))
    try whole.send(
      RawClient.request("POST", "/v1/chat/completions", [:], Array(Self.long.replacing("\"stream\":true,", with: "").utf8)))
    while server.server.load.running < 2 { try await Task.sleep(for: .milliseconds(1)) }
    await server.triggerShutdown()
    let streamed = try await RawClient.onThread { try stream.receive() }
    #expect(streamed.events.last == "[DONE]" && streamed.events.dropLast().last?.contains("shutting_down") == true)
    let answered = try await RawClient.onThread { try whole.receive() }
    #expect(answered.status == 503 && answered.code == "shutting_down")
    try await server.wait()
  }

  /// Row 51: pages of other origins.
  @Test func row51Origins() async throws {
    let preflight = [
      "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type,x-stainless-lang",
    ]
    try await withServer(nil, { $0.origins = ["https://good.example"] }) { server in
      for origin in ["https://evil.example", "null", "https://good.example.evil.example", "http://good.example"] {
        let reply = try await server.ask("OPTIONS", "/v1/chat/completions", preflight.merging(["Origin": origin]) { $1 })
        #expect(reply.headers["access-control-allow-origin"] == nil, "\(origin)")
        let asked = try await server.ask("GET", "/v1/models", ["Origin": origin])
        #expect(asked.headers["access-control-allow-origin"] == nil)
      }
      let good = try await server.ask(
        "OPTIONS", "/v1/chat/completions", preflight.merging(["Origin": "https://good.example"]) { $1 })
      #expect(good.status == 204 && good.headers["access-control-allow-origin"] == "https://good.example")
      #expect(good.headers["access-control-allow-headers"]?.contains("x-stainless-lang") == true)
      #expect(good.headers["access-control-allow-credentials"] == nil)
      let asked = try await server.ask("GET", "/v1/models", ["Origin": "https://good.example"])
      #expect(asked.headers["access-control-allow-origin"] == "https://good.example" && asked.headers["vary"] == "origin")
      try await checkWell(server)
    }
    try await withServer(nil, { $0.origins = ["*"] }) { server in
      let reply = try await server.ask("GET", "/v1/models", ["Origin": "https://any.example"])
      #expect(reply.headers["access-control-allow-origin"] == "*" && reply.headers["access-control-allow-credentials"] == nil)
    }
  }

  private static let fuzzed = Int(ProcessInfo.processInfo.environment["EPIC_SERVING_FUZZ"] ?? "") ?? 300

  /// Requests that are cut, spliced and flipped: no crash, no hang, no place lost.
  @Test func fuzzedRequests() async throws {
    let seeds =
      HostileRow.fields.map(\.body).filter { $0.utf8.count < 5000 } + [
        Body.chat(), Body.picture(Body.uri(Body.house), #""visual_tokens":{"budget":"auto","return":"overlay"}"#),
        Self.long.replacing("4000", with: "20"),
      ]
    try await withServer(nil, { ($0.bodySeconds, $0.answerSeconds) = (0.5, 5) }) { server in
      var random = SplitMix(seed: 52)
      for number in 0..<Self.fuzzed {
        var body = Array(seeds[random.next(below: seeds.count)].utf8)
        for _ in 0..<random.next(below: 6) {
          if body.isEmpty { break }
          let place = random.next(below: body.count)
          switch random.next(below: 5) {
          case 0: body[place] ^= UInt8(1 << random.next(below: 8))
          case 1: body.removeSubrange(place..<min(body.count, place + 1 + random.next(below: 20)))
          case 2:
            body.insert(contentsOf: Array(seeds[random.next(below: seeds.count)].utf8.prefix(random.next(below: 200))), at: place)
          case 3: body = Array(body.prefix(place))
          default: body[place] = Array("{}[]\",:0-e\\".utf8)[random.next(below: 11)]
          }
        }
        var request = RawClient.request("POST", "/v1/chat/completions", [:], body)
        if random.next(below: 8) == 0 {
          // The head as well.
          let place = random.next(below: min(request.count, 120))
          request[place] ^= UInt8(1 << random.next(below: 8))
        }
        let leaves = random.next(below: 6) == 0
        let bytes = request
        try await RawClient.onThread { [port = server.port] in
          let client = try RawClient(port: port)
          try client.send(bytes)
          // A head whose length was changed may wait for more.
          if !leaves { client.finishSending() }
          if leaves { client.close() } else { while try client.readMore() {} }
          if !client.pending.isEmpty { #expect(client.pending.hasPrefix("HTTP/1.1 "), "\(number)") }
        }
      }
      try await checkWell(server)
    }
  }
}

import Fetching
