import Foundation
import MadeVideos
import TestSupport
import Testing

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// Requests of the documents, sent as they stand there to a server that was started as it stands there, on a port that is free.
@Suite(.serialized) struct DocumentedRequestTests {
  /// What the server answers.
  private struct Answer: Decodable {
    struct Choice: Decodable {
      struct Message: Decodable { let content: String }
      let message: Message
    }
    struct VisualTokens: Decodable {
      struct Image: Decodable { let kept: Int }
      let images: [Image]
    }
    let choices: [Choice]
    let visualTokens: VisualTokens?

    /// Visual tokens that each picture was read with.
    var kept: [Int] { visualTokens?.images.map(\.kept) ?? [] }
    var text: String? { choices.first?.message.content }

    private enum CodingKeys: String, CodingKey {
      case choices
      case visualTokens = "visual_tokens"
    }
  }

  /// The block of a page that has a text.
  private func block(_ page: String, _ text: String) throws -> String {
    let blocks = try Document("Documentation/Epic.docc/\(page).md").blocks.map { $0.lines.joined(separator: "\n") }
    return try #require(blocks.first { $0.contains(text) }, "\(page).md has no block with \(text)")
  }

  /// Starts a server by a line of a document, asks it something, and ends it.
  private func serve(
    _ lines: String, prepare: (URL) throws -> Void = { _ in }, ask: @escaping @Sendable (_ port: Int) async throws -> Void
  ) async throws {
    let stage = try await DocumentStage.shared.value
    // The shell has to be gone, so that the signal reaches the server.
    let script = lines.replacing("epic serve", with: "exec epic serve") + " --port 0"
    let outcome = try await stage.type(
      block: script, prepare: prepare,
      during: { running in
        defer { running.send(SIGTERM) }
        var port: Int?
        while port == nil, running.isRunning {
          port = try running.printed().firstMatch(of: #/https?://[0-9.]+:([0-9]+)/#).flatMap { Int($0.1) }
          if port == nil { try await Task.sleep(for: .milliseconds(5)) }
        }
        try await ask(#require(port))
      })
    #expect(outcome.code == 0, "\(outcome.err)")
  }

  private static func answer(_ request: String, _ port: Int) async throws -> Answer {
    let stage = try await DocumentStage.shared.value
    let outcome = try await stage.type(block: request.replacing("127.0.0.1:8000", with: "127.0.0.1:\(port)"))
    #expect(outcome.code == 0, "\(outcome.err)")
    return try JSONDecoder().decode(Answer.self, from: Data(outcome.out.utf8))
  }

  /// From curl, and from the client of Python.
  @Test func requestsToServe() async throws {
    let (curl, client) = try (block("Serve", "curl "), block("Serve", "from openai"))
    let python = try await PythonProgram.interpreter(for: "the page's Python")
    let line = try #require(try block("Serve", "epic serve --model").split(separator: "\n").first)
    try await serve(String(line)) { port in
      let answer = try await Self.answer(curl, port)
      #expect(answer.kept == [64] && answer.text != nil)
      guard let python else { return }
      let stage = try await DocumentStage.shared.value
      let outcome = try await stage.type(
        block: "\(python.path) client.py",
        prepare: { folder in
          let text = client.replacing("127.0.0.1:8000", with: "127.0.0.1:\(port)")
          try Data(text.utf8).write(to: folder.appending(path: "client.py"))
        })
      #expect(outcome.code == 0, "\(outcome.err)")
      #expect(outcome.out.hasSuffix("\n"), "\(outcome.out)")
    }
  }

  /// The last step of the tutorial.
  @Test func requestOfTheTutorial() async throws {
    let (line, curl) = try (block("OneHour", "epic serve"), block("OneHour", "curl "))
    try await serve(line) { port in
      let answer = try await Self.answer(curl, port)
      #expect(answer.kept == [64] && answer.text?.isEmpty == false)
    }
  }

  /// Parts of a request with videos and sound are read by the models that take them.
  @Test(arguments: [("video_url", "Qwen/Qwen2.5-VL-3B-Instruct"), ("audio", "Qwen/Qwen2-Audio-7B-Instruct")])
  func partsOfRequests(_ kind: String, _ model: String) async throws {
    let film = try base64 { try MadeVideo(frames: 4, fps: 2).write(to: $0.appending(path: "a.mp4")) }
    let sound = try base64 { try MadeSound.wav(8_000).write(to: $0.appending(path: "a.wav")) }
    let parts = try block("VideoAndSound", "input_audio").split(separator: "\n").filter { $0.contains(kind) }
    #expect(parts.count == (kind == "audio" ? 2 : 1))
    try await serve("epic serve --model \(model)") { port in
      for part in parts {
        let whole = part.replacing("…", with: part.contains("video") ? film : sound)
        let body = #"{"messages": [{"role": "user", "content": [\#(whole), {"type": "text", "text": "What is it?"}]}]}"#
        var request = URLRequest(url: try #require(URL(string: "http://127.0.0.1:\(port)/v1/chat/completions")))
        request.httpMethod = "POST"
        request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        let (data, response) = try await URLSession.shared.upload(for: request, from: Data(body.utf8))
        #expect((response as? HTTPURLResponse)?.statusCode == 200, "\(part): \(String(decoding: data, as: UTF8.self))")
        #expect(try JSONDecoder().decode(Answer.self, from: data).text != nil)
      }
    }
  }

  private func base64(_ write: (URL) throws -> Void) throws -> String {
    try withTemporaryFolder { folder in
      try write(folder)
      let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
      return try Data(contentsOf: folder.appending(path: #require(names.first))).base64EncodedString()
    }
  }

  /// Nobody without the key, and nothing in the clear.
  @Test func theHardenedServer() async throws {
    let lines = try block("HardenServer", "openssl rand")
    try await serve(
      lines,
      prepare: { folder in
        let names = ["chain.pem", "key.pem"].map { folder.appending(path: $0).path }
        let maker = Process()
        maker.executableURL = URL(filePath: "/usr/bin/env")
        maker.arguments = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
        maker.arguments? += ["-out", names[0], "-keyout", names[1]]
        maker.standardError = FileHandle.nullDevice
        try maker.run()
        maker.waitUntilExit()
        try #require(maker.terminationStatus == 0)
      }
    ) { port in
      let stage = try await DocumentStage.shared.value
      for (url, status) in [
        ("https://127.0.0.1:\(port)/health", "200"), ("https://127.0.0.1:\(port)/v1/models", "401"),
        ("http://127.0.0.1:\(port)/health", "000"),
      ] {
        let ask = "curl --silent --insecure --output /dev/null --write-out '%{http_code}'"
        let outcome = try await stage.type(block: "\(ask) \(url) || true")
        #expect(outcome.out == status, "\(url): \(outcome.out)")
      }
    }
  }
}
