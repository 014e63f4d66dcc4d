import Fetching
import Foundation
import LLaVA
import TestModels
import TestSupport
import Testing

/// A server of a model that listens, asked as vLLM's and OpenAI's clients ask.
@Suite struct AudioServingTests {
  private static func body(_ part: String) -> String {
    Body.chat(messages: #"[{"role":"user","content":[\#(part),{"type":"text","text":"what?"}]}]"#)
  }

  private static func url(_ url: String, _ extra: String = "", type: String = "audio_url") -> String {
    body(#"{"type":"\#(type)","\#(type)":{"url":\#(Body.quoted(url))\#(extra)}}"#)
  }

  private static func input(_ data: Data, _ fields: String = #","format":"wav""#) -> String {
    body(#"{"type":"input_audio","input_audio":{"data":"\#(data.base64EncodedString())"\#(fields)}}"#)
  }

  @Test func soundIsHeardByAddressAndInTheRequest() async throws {
    let scratch = try Scratch()
    let sound = MadeSound.wav(9000)
    let file = scratch.url.appending(path: "a.wav")
    try sound.write(to: file)
    var configuration = try LLaVAConfiguration.preset("tiny-qwen2-audio")
    ByteTokenizer.adopt(into: &configuration)
    let model = try TestServer.model(TestServer.pipeline(of: .random(configuration, seed: 5)))
    var fetching = PictureFetcher.Options()
    fetching.folder = try LocalFolder(scratch.url)
    fetching.maximumVideoBytes = sound.count
    try await withServer(model, fetcher: PictureFetcher(fetching)) { server in
      let uri = Body.uri(sound, type: "audio/wav")
      let reply = try await server.chat(Self.url(uri))
      #expect(reply.status == 200, "\(reply.text)")
      let prompt = try #require((reply.json?["usage"] as? [String: Any])?["prompt_tokens"] as? Int)
      // 57 frames of sound are 14 tokens, in place of none.
      let bare = try await server.chat(Body.chat(messages: #"[{"role":"user","content":"what?"}]"#))
      let words = try #require((bare.json?["usage"] as? [String: Any])?["prompt_tokens"] as? Int)
      #expect(prompt - words >= 14 && prompt - words <= 20, "\(prompt) and \(words)")
      // The same sound by other ways, and with a budget.
      for body in [Self.input(sound), Self.input(sound, ""), Self.url("file://" + file.resolvingSymlinksInPath().path)] {
        let other = try await server.chat(body)
        #expect(other.status == 200 && other.content == reply.content, "\(other.text)")
      }
      #expect(try await server.chat(Self.url(uri, #","visual_tokens":4"#)).status == 200)
      for (body, code) in [
        (Self.url(Body.uri(sound)), "invalid_image"),
        (Self.url(Body.uri(Body.house, type: "audio/wav")), "unsupported_audio_format"),
        (Self.url(Body.uri(MadeSound.wav(200), type: "audio/wav")), "invalid_audio"),
        (Self.url(Body.uri(sound + Data([0]), type: "audio/wav")), "audio_too_large"),
        (Self.input(Data(), #","format":"wav""#), "invalid_value"), (Self.input(sound, #","rate":2"#), "unknown_parameter"),
        (Self.url(uri, #","detail":"low""#), "unknown_parameter"), (Body.picture(Body.uri(Body.house)), "unsupported_parameter"),
        (Self.url(Body.uri(sound, type: "video/mp4"), type: "video_url"), "unsupported_parameter"),
      ] {
        let refused = try await server.chat(body)
        #expect(refused.status == 400 && refused.code == code, "\(code): \(refused.text)")
      }
    }
  }

  @Test func aModelThatSeesSaysSo() async throws {
    try await withServer { server in
      let reply = try await server.chat(Self.input(MadeSound.wav(9000)))
      #expect(reply.status == 400 && reply.text.contains("takes none"))
      #expect(reply.param == "messages[0].content[0].input_audio")
    }
  }
}
