import Fetching
import Foundation
import LLaVA
import MadeVideos
import TestModels
import TestSupport
import Testing

/// A server of a model that takes videos, asked as vLLM's clients ask.
@Suite struct VideoServingTests {
  private struct Names: NameResolver {
    func addresses(of host: String) async throws -> [NetworkAddress] { [NetworkAddress("127.0.0.1")].compactMap(\.self) }
  }

  private static func body(_ url: String, _ video: String = "", type: String = "video_url") -> String {
    let part = #"{"type":"\#(type)","\#(type)":{"url":\#(Body.quoted(url))\#(video)}}"#
    return Body.chat(messages: #"[{"role":"user","content":[\#(part),{"type":"text","text":"what?"}]}]"#)
  }

  @Test func videosAreReadAsPicturesAre() async throws {
    let scratch = try Scratch()
    let film = scratch.url.appending(path: "film.mp4")
    var made = MadeVideo(frames: 20, fps: 10)
    (made.width, made.height) = (64, 32)
    try made.write(to: film)
    let bytes = try Data(contentsOf: film)
    var configuration = try LLaVAConfiguration.preset("tiny-onevision")
    ByteTokenizer.adopt(into: &configuration)
    configuration.text.maximumPositions = 2048
    let model = try TestServer.model(TestServer.pipeline(of: .random(configuration, seed: 5)))
    let web = try PictureWeb { path, _ in path == "/film.mp4" ? .body(Array(bytes)) : .redirect("http://169.254.169.254/") }
    var fetching = PictureFetcher.Options()
    fetching.domains = ["good.test:\(web.port)"]
    fetching.folder = try LocalFolder(scratch.url)
    fetching.maximumVideoBytes = bytes.count
    let fetcher = PictureFetcher(fetching, resolver: Names()) { $0.description == "127.0.0.1" }
    try await withServer(model, fetcher: fetcher) {
      $0.sampling.maximumFrames = 3
    } _: { server in
      let uri = Body.uri(bytes, type: "video/mp4")
      let reply = try await server.chat(Self.body(uri))
      #expect(reply.status == 200, "\(reply.text)")
      let usage = try #require(reply.json?["usage"] as? [String: Any])
      let prompt = try #require(usage["prompt_tokens"] as? Int)
      // 3 frames of 2 × 2 tokens and an end, in place of a picture's.
      let picture = try await server.chat(Body.picture(Body.uri(Body.house)))
      let other = try #require((picture.json?["usage"] as? [String: Any])?["prompt_tokens"] as? Int)
      let shape = configuration.shape(height: 180, width: 240)
      #expect(prompt - 13 == other - configuration.layout(of: shape).count)
      // The same file by another way is the same video, and so is the answer.
      let filed = try await server.chat(Self.body("file://" + film.resolvingSymlinksInPath().path))
      #expect(filed.status == 200 && filed.content == reply.content)
      let fetched = try await server.chat(Self.body("http://good.test:\(web.port)/film.mp4"))
      #expect(fetched.status == 200 && fetched.content == reply.content)
      let budget = try await server.chat(Self.body(uri, #","visual_tokens":4"#))
      #expect(budget.status == 200, "\(budget.text)")

      for (body, code) in [
        (Self.body(Body.uri(bytes)), "invalid_image"),
        (Self.body(Body.uri(bytes.prefix(700), type: "video/mp4")), "invalid_video"),
        (Self.body(Body.uri(Body.house, type: "video/mp4")), "unsupported_video_format"),
        (Self.body(Body.uri(bytes + Data([0]), type: "video/mp4")), "video_too_large"),
        (Self.body("http://good.test:\(web.port)/elsewhere"), "blocked_image_url"),
        (Self.body("http://example.org/film.mp4"), "blocked_image_url"), (Self.body(uri, #","fps":2"#), "unknown_parameter"),
      ] {
        let refused = try await server.chat(body)
        #expect(refused.status == 400 && refused.code == code, "\(refused.text)")
      }
    }
  }

  @Test func aModelWithoutVideosSaysSo() async throws {
    try await withServer { server in
      let reply = try await server.chat(Self.body("data:video/mp4;base64,AAAA"))
      #expect(reply.status == 400 && reply.text.contains("takes none"))
      #expect(reply.param == "messages[0].content[0].video_url")
    }
  }
}
