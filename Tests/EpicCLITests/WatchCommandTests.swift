import Foundation
import LLaVA
import MadeVideos
import TestModels
import TestSupport
import Testing

/// `epic watch`.
@Suite struct WatchCommandTests {
  private struct Report: Decodable, Equatable {
    struct Item: Decodable, Equatable {
      let question: String
      let seconds: Double
      let tokens: [Int]
    }
    struct Stream: Decodable, Equatable { let frames, tokens, keptTokens, forgottenTokens, cachedTokens: Int }
    let answers: [Item]
    let stream: Stream
  }

  @Test func aFileAndAPipeAreWatched() async throws {
    let scratch = try Scratch()
    let model = scratch.url.appending(path: "model")
    var configuration = try LLaVAConfiguration.preset("tiny-onevision")
    ByteTokenizer.adopt(into: &configuration)
    try TestModel.write(LLaVAModel.random(configuration, seed: 3), to: model)
    let film = scratch.url.appending(path: "film.mkv")
    var made = MadeVideo(frames: 60, fps: 10)
    (made.width, made.height) = (112, 56)
    try made.write(to: film)
    func watch(_ arguments: [String], _ input: Data = Data(), code: Int32 = 0) async throws -> EpicCommand.Outcome {
      let fixed = ["watch", "--model", model.path, "--max-tokens", "3", "--threads", "1", "--pace", "free"]
      let outcome = try await EpicCommand.run(fixed + arguments, input: input)
      #expect(outcome.code == code, "\(outcome.err)")
      return outcome
    }
    func report(_ arguments: [String], _ input: Data = Data()) async throws -> Report {
      let asked = ["--ask", "Last?@99", "--ask", "What?@2.2", "--json", "--tokens-per-second", "3", "--window", "2s"]
      return try JSONDecoder().decode(Report.self, from: Data(try await watch(asked + arguments, input).out.utf8))
    }
    let found = try await report(["--video", film.path])
    // Twelve frames of four tokens; a whole one, and three a second from then on.
    #expect(found.stream.frames == 12 && found.stream.tokens == 48 && (19...20).contains(found.stream.keptTokens))
    #expect(found.stream.forgottenTokens > 8 && found.answers.map(\.question) == ["What?", "Last?"])
    #expect(found.answers.allSatisfy { $0.tokens.count <= 3 })
    #expect(try await report(["--video", "-"], Data(contentsOf: film)) == found)
    let text = try await watch(["--video", film.path, "--ask", "What?@1"]).out
    #expect(text.contains("1.0 s  What?") && text.contains("frames      12 in 5.5 s, 0 dropped") && text.contains("lag "))
    for (arguments, words) in [
      (["--ask", "What?"], "--ask"), (["--ask", "@3"], "--ask"), (["--ask", "What?@1", "--window", "0s"], "--window"),
      (["--ask", "What?@1", "--fps", "0"], "--fps"), (["--ask", "What?@1", "--threshold", "2"], "--threshold"),
      (["--ask", "What?@1", "--tokens-per-second", "-1"], "--tokens-per-second"),
    ] { #expect(try await watch(["--video", film.path] + arguments, code: 2).err.contains(words), "\(arguments)") }
    #expect(try await watch(["--video", "-", "--ask", "What?@1"], Data("text".utf8), code: 1).err.contains("standard input"))
  }
}
