import Foundation
import Imaging
import TestSupport
import Testing

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// The programs in `Examples` say what `epic` says of the same pictures.
@Suite struct ExampleTests {
  private static func example(_ name: String) -> URL {
    EpicCommand.program.deletingLastPathComponent().appending(path: name)
  }

  /// What `epic generate` answers with four visual tokens after layer 2.
  private static func reference(_ place: Scratch, _ picture: URL, _ prompt: String) async throws -> String {
    struct Answer: Decodable { let text: String }
    let outcome = try await EpicCommand.run([
      "generate", "--model", place.url.appending(path: "model").path, "--image", picture.path, "--prompt", prompt, "--max-tokens",
      "64", "--keep", "4", "--json",
    ])
    return try JSONDecoder().decode(Answer.self, from: Data(outcome.out.utf8)).text
  }

  @Test func aFolderIsCaptioned() async throws {
    struct Caption: Decodable, Equatable {
      let file, caption: String
      let visualTokens: Int
    }
    let place = try EpicCommand.workplace()
    let folder = place.url.appending(path: "pictures")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let house = place.url.appending(path: "house.png")
    try FileManager.default.copyItem(at: house, to: folder.appending(path: "a.png"))
    try Data("no picture".utf8).write(to: folder.appending(path: "b.jpg"))
    try Data("notes".utf8).write(to: folder.appending(path: "c.txt"))
    let outcome = try await EpicCommand.run(
      [place.url.appending(path: "model").path, folder.path, "--keep", "4", "--prompt", "What is it?", "--once"],
      program: Self.example("CaptionFolder"))
    #expect(outcome.code == 0 && outcome.err.contains("b.jpg"), "\(outcome.err)")
    let lines = try outcome.out.split(separator: "\n").map { try JSONDecoder().decode(Caption.self, from: Data($0.utf8)) }
    #expect(try await lines == [Caption(file: "a.png", caption: Self.reference(place, house, "What is it?"), visualTokens: 4)])
  }

  @Test func anUploadIsAnswered() async throws {
    let place = try EpicCommand.workplace()
    let house = place.url.appending(path: "house.png")
    let expected = try await Self.reference(place, house, "What is it?")
    let outcome = try await EpicCommand.run(
      [place.url.appending(path: "model").path, "--port", "0", "--keep", "4"], program: Self.example("AskServer")
    ) { running in
      // Ends it in any case, so that a failure is one line and no wait.
      defer { running.send(SIGTERM) }
      var port: Int?
      while port == nil, running.isRunning {
        port = try running.printed().firstMatch(of: /port (\d+)\n/).flatMap { Int($0.1) }
        if port == nil { try await Task.sleep(for: .milliseconds(5)) }
      }
      let address = "http://127.0.0.1:\(try #require(port))/ask"
      var request = URLRequest(url: try #require(URL(string: address + "?question=What%20is%20it%3F")))
      request.httpMethod = "POST"
      let (text, response) = try await URLSession.shared.upload(for: request, from: Data(contentsOf: house))
      #expect((response as? HTTPURLResponse)?.statusCode == 200)
      #expect(String(decoding: text, as: UTF8.self) == expected)
      for (query, body) in [("", try Data(contentsOf: house)), ("?question=What", Data("no picture".utf8))] {
        request.url = URL(string: address + query)
        let (_, response) = try await URLSession.shared.upload(for: request, from: body)
        #expect((response as? HTTPURLResponse)?.statusCode == 400)
      }
    }
    #expect(outcome.code == 0, "\(outcome.err)")
  }
}
