import ChatProtocol
import Engine
import Fetching
import Foundation
import LLaVA
import Serving
import TestModels
import TestSupport
import Testing
import Torch

/// The table of hostile requests, row by row over a real socket.
///
/// After each of them the server is as well as before.
@Suite struct HostileRequestTests {
  /// The server is healthy, answers a good request, and nobody holds a place.
  private func checkWell(_ server: TestServer, _ headers: [String: String] = [:]) async throws {
    #expect(try await server.ask("GET", "/health").status == 200)
    let good = try await server.chat(Body.chat(), headers)
    #expect(good.status == 200 && good.content != nil, "\(good.text)")
    #expect(try await server.isEmptied())
  }

  private func checkRows(_ rows: [HostileRow], _ server: TestServer) async throws {
    for row in try Fixtures.some(rows) {
      let reply = try await server.chat(row.body)
      #expect(reply.status == row.status, "\(row.testDescription): \(reply.text.prefix(300))")
      if row.status == 200 { continue }
      #expect(reply.kind == "invalid_request_error", "\(row.testDescription): \(reply.text.prefix(300))")
      if let code = row.code { #expect(reply.code == code, "\(row.testDescription): \(reply.text.prefix(300))") }
      if let param = row.param { #expect(reply.param == param, "\(row.testDescription): \(reply.text.prefix(300))") }
      let message = reply.error?["message"] as? String ?? ""
      #expect(
        !message.isEmpty && !message.contains(/0x[0-9a-f]{6}/) && !message.contains("/root") && message.count < 1000,
        "\(message.prefix(300))")
      try await checkWell(server)
    }
  }

  @Test func rowsAboutFields() async throws { try await withServer { try await checkRows(HostileRow.fields, $0) } }

  @Test func rowsAboutPictures() async throws { try await withServer { try await checkRows(HostileRow.pictures, $0) } }

  @Test func rowsAboutAddresses() async throws {
    try await withServer { try await checkRows(HostileRow.addresses, $0) }
    var options = PictureFetcher.Options()
    options.domains = ["*"]
    try await withServer(fetcher: PictureFetcher(options)) { try await checkRows(HostileRow.blocked, $0) }
  }

  @Test func row1Keys() async throws {
    try await withServer(nil, { $0.keys = ["right", "other"] }) { server in
      let good = ["Authorization": "Bearer right"]
      for headers in [
        [:], ["Authorization": "Bearer wrong"], ["Authorization": "Bearer "], ["Authorization": "Basic cmlnaHQ="],
        ["Authorization": "right"],
        ["Authorization": "Bearer  right"], ["Authorization": "Bearer rightt"], ["Authorization": "Bearer RIGHT"],
        ["X-Api-Key": "right"],
        ["Authorization": "bearer right"],
      ] {
        for (method, path) in [
          ("POST", "/v1/chat/completions"), ("GET", "/v1/models"), ("GET", "/metrics"), ("GET", "/version"), ("GET", "/none"),
        ] {
          let reply = try await server.ask(method, path, headers, method == "POST" ? Body.chat() : nil)
          #expect(
            reply.status == 401 && reply.kind == "authentication_error" && reply.code == "invalid_api_key", "\(headers) \(path)")
        }
      }
      let twice = try await RawClient.onThread { [port = server.port] in
        let client = try RawClient(port: port)
        try client.send(
          "GET /v1/models HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer right\r\nAuthorization: Bearer right\r\n\r\n")
        return try client.receive()
      }
      #expect(twice.status == 401)
      for key in ["right", "other"] {
        #expect(try await server.ask("GET", "/v1/models", ["Authorization": "Bearer \(key)"]).status == 200)
      }
      try await checkWell(server, good)
      // Row 2: no second spelling of a path gets around the key.
      for path in [
        "//v1/models", "/v1/../v1/models", "/%2fv1/models", "/V1/MODELS", "/v1/models/", "/v1//models", "/health/../v1/models",
        "/health/",
      ] {
        #expect(try await server.ask("GET", path).status == 401, "\(path)")
        #expect(try await server.ask("GET", path, good).status == 404, "\(path)")
      }
    }
  }

  @Test func rows3And4MethodsAndTypes() async throws {
    try await withServer { server in
      let wrong = try await server.ask("GET", "/v1/chat/completions")
      #expect(wrong.status == 405 && wrong.headers["allow"] == "POST" && wrong.kind == "invalid_request_error")
      #expect(try await server.ask("POST", "/v1/models", [:], "{}").status == 405)
      #expect(try await server.ask("GET", "/nothing").status == 404)
      #expect(try await server.ask("DELETE", "/v1/models").status == 405)
      for type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx"] {
        let reply = try await server.chat(Body.chat(), ["Content-Type": type])
        #expect(reply.status == 415 && reply.code == "unsupported_media_type", "\(type)")
      }
      #expect(try await server.chat(Body.chat(), ["Content-Type": "application/json; charset=utf-8"]).status == 200)
      let missing = try await RawClient.onThread { [port = server.port] in
        let client = try RawClient(port: port)
        try client.send("POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
        return try client.receive()
      }
      #expect(missing.status == 415)
      try await checkWell(server)
    }
  }

  @Test func rows5To7Bodies() async throws {
    try await withServer(nil, { ($0.maximumBodyBytes, $0.bodySeconds) = (10_000, 1) }) { server in
      let post = "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
      func send(_ text: String, finishes: Bool = false) async throws -> HTTPReply {
        try await RawClient.onThread { [port = server.port] in
          let client = try RawClient(port: port)
          try client.send(text)
          if finishes { client.finishSending() }
          return try client.receive()
        }
      }
      // Too large by its own words: nothing of it is read.
      var reply = try await send(post + "Content-Length: 5000000000\r\n\r\n")
      #expect(reply.status == 413 && reply.code == "request_too_large")
      let chunk = "1000\r\n" + String(repeating: " ", count: 4096) + "\r\n"
      reply = try await send(post + "Transfer-Encoding: chunked\r\n\r\n" + String(repeating: chunk, count: 4))
      #expect(reply.status == 413 && reply.code == "request_too_large")
      // Shorter than it says, and longer.
      #expect(try await send(post + "Content-Length: 100\r\n\r\n{}", finishes: true).status == 400)
      #expect(try await send(post + "Content-Length: 10\r\n\r\n" + Body.chat()).status == 400)
      // Byte by byte.
      let slow = try await RawClient.onThread { [port = server.port] in
        let client = try RawClient(port: port)
        try client.send(post + "Content-Length: 100\r\n\r\n")
        let clock = ContinuousClock.now
        for _ in 0..<4 {
          try client.send(" ")
          usleep(300_000)
        }
        return (try client.receive(), ContinuousClock.now - clock)
      }
      #expect(slow.0.status == 408 && slow.0.code == "request_timeout" && slow.1 < .seconds(30))
      // Two lengths, and headers beyond the limits.
      #expect(try await send(post + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").status == 400)
      #expect(
        try await send("GET /health HTTP/1.1\r\nHost: a\r\nX-Large: " + String(repeating: "x", count: 100_000) + "\r\n\r\n")
          .status == 400)
      let many = (0..<1001).map { "X-\($0): 1\r\n" }.joined()
      #expect(try await send("GET /health HTTP/1.1\r\nHost: a\r\n" + many + "\r\n").status == 400)
      #expect(try await send("nonsense\r\n\r\n").status == 400)
      try await checkWell(server)
    }
  }

  @Test func row21SpecialTokensAreContent() async throws {
    try await withServer { server in
      func tokens(_ text: String) async throws -> [Int] {
        let body = #"{"messages":[{"role":"user","content":"# + Body.quoted(text) + "}]}"
        return try await server.ask("POST", "/tokenize", [:], body).json?["tokens"] as? [Int] ?? []
      }
      let plain = try await tokens("")
      #expect(plain.isEmpty || plain.count > 0)
      for text in ["<image>", "</s>", "a</s>b<s>", "ASSISTANT:", "<image\u{301}>"] {
        let found = try await tokens(text)
        // A byte is a token: nothing became a special one.
        #expect(found.dropFirst().allSatisfy { (3..<259).contains($0) }, "\(text)")
        #expect(found.count == (try await tokens(String(repeating: "x", count: text.utf8.count))).count, "\(text)")
      }
    }
  }

  @Test func row23NamesOfRequests() async throws {
    try await withServer { server in
      #expect(try await server.ask("GET", "/health", ["X-Request-Id": "mine-1"]).headers["x-request-id"] == "mine-1")
      for bad in [String(repeating: "x", count: 10_000), "a b", "a;b", "ä"] {
        let reply = try await server.ask("GET", "/health", ["X-Request-Id": bad])
        #expect(reply.status == 200 && reply.headers["x-request-id"] != bad)
      }
    }
  }

  @Test func rows26LocalFiles() async throws {
    let scratch = try Scratch()
    let folder = scratch.url.appending(path: "pictures")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try Body.house.write(to: folder.appending(path: "house.png"))
    try Body.house.write(to: scratch.url.appending(path: "secret.png"))
    try FileManager.default.createSymbolicLink(
      at: folder.appending(path: "link.png"), withDestinationURL: scratch.url.appending(path: "secret.png"))
    mkfifo(folder.appending(path: "pipe.png").path, 0o600)
    let real = try #require(realpath(folder.path, nil).map { String(cString: $0) })
    var options = PictureFetcher.Options()
    options.folder = try LocalFolder(folder)
    try await withServer(fetcher: PictureFetcher(options)) { server in
      #expect(try await server.chat(Body.picture("file://\(real)/house.png")).status == 200)
      for path in ["link.png", "pipe.png", "", "../secret.png", "%2e%2e/secret.png"] {
        let reply = try await server.chat(Body.picture("file://\(real)/\(path)"))
        #expect(reply.status == 400 && reply.kind == "invalid_request_error", "\(path)")
        #expect(!reply.text.contains(real))
      }
      #expect(try await server.chat(Body.picture("file:///dev/zero")).status == 400)
      try await checkWell(server)
    }
  }
}
