import ChatProtocol
import Foundation
import Language
import Testing

/// Requests are read as their documentation says, and nothing is silently without effect.
@Suite struct ProtocolTests {
  private static let limits = RequestLimits(contextLength: 4096)

  private func read(_ body: String) throws -> ChatRequest { try ChatRequest(Array(body.utf8), Self.limits) }

  private func failure(_ body: String) -> APIError? {
    do {
      _ = try read(body)
      return nil
    } catch {
      return error as? APIError
    }
  }

  @Test func aRequestIsReadAsAWhole() throws {
    let chat = try read(
      Body.chat(
        """
        "temperature":0.5,"top_p":0.9,"seed":-3,"stop":["a","b"],"stream":true,"stream_options":{"include_usage":true},
        "cache_salt":"mine","user":"somebody","n":1,"tools":[],"logit_bias":{},"presence_penalty":0.0,"response_format":{"type":"text"},
        "visual_tokens":{"budget":"auto","min":32,"max":576,"target_ttft_ms":400,"on_overload":"degrade","return":"overlay"}
        """.replacing("\"temperature\":0.5", with: "\"top_k\":5"),
        messages: """
          [{"role":"system","content":"be brief"},
           {"role":"user","content":[{"type":"image_url","image_url":{"url":"data:,","detail":"low","visual_tokens":128}},
                                     {"type":"text","text":"what?"}]},
           {"role":"assistant","content":"a cat","refusal":null,"tool_calls":null},
           {"role":"user","content":"sure?"}]
          """))
    #expect(chat.messages.map(\.role) == [.system, .user, .assistant, .user])
    #expect(
      chat.pictures == [
        ImageReference(url: "data:,", detail: .low, budget: VisualBudget(.tokens(128)), path: "messages[1].content[0].image_url")
      ])
    #expect(
      chat.maximumNewTokens == 3 && chat.temperature == 0 && chat.topP == 0.9 && chat.topK == 5 && chat.stops == ["a", "b"])
    #expect(chat.seed == UInt64(bitPattern: -3) && chat.isStreamed && chat.includesUsage && chat.cacheSalt == "mine")
    var options = VisualTokensOptions(budget: VisualBudget(.auto, minimum: 32, maximum: 576))
    (options.targetTTFT, options.onOverload, options.returned) = (400, .degrade, .overlay)
    #expect(chat.visualTokens == options)
    #expect(try read(Body.chat(#""mm_processor_kwargs":{"visual_tokens":64}"#)).visualTokens?.budget == VisualBudget(.tokens(64)))
    #expect(
      try read(#"{"messages":[{"role":"user","content":"hi"}],"visual_tokens":{"target_ttft_ms":1e12}}"#).visualTokens?.targetTTFT
        == 600_000)
  }

  /// What is nested, named twice or malformed is no JSON for us, whatever a decoder makes of it.
  @Test func jsonIsScannedBeforeItIsDecoded() throws {
    for depth in [65, 100, 511, 10_000, 200_000] {
      let deep = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
      #expect(failure(Body.chat(#""metadata":"# + deep))?.code == "invalid_json")
      #expect(failure(deep)?.code == "invalid_json")
    }
    let shallow = String(repeating: "[", count: 60) + "1" + String(repeating: "]", count: 60)
    #expect(failure(Body.chat(#""metadata":"# + shallow)) == nil)
    // Brackets in strings nest nothing.
    let words = "[" + String(repeating: #"{\"["#, count: 200)
    #expect(failure(Body.chat(messages: #"[{"role":"user","content":""# + words + #""}]"#)) == nil)
    for bad in [
      "", " ", "nope", "{", "[1,2", "{\"a\":}", "{\"a\":1,}", "{\"a\":01}", "{\"a\":+1}", "{\"a\":1.}", "{\"a\":.5}",
      "{\"a\":1e}", "{\"a\":NaN}",
      "{\"a\":Infinity}", "\u{FEFF}{}", "{\"a\":\"\\u0000\"}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\0\"}",
      "{\"model\":\"a\",\"model\":\"b\"}",
      "{\"\(String(repeating: "k", count: 300))\":1}", "{} {}", "{\"a\":\"\n\"}",
    ] {
      #expect(failure(bad)?.code == "invalid_json", "\(bad.prefix(40))")
      #expect(failure(bad)?.status == 400)
    }
    #expect(throws: APIError.self) { try ChatRequest([0x7B, 0x22, 0xFF, 0x22, 0x3A, 0x31, 0x7D], Self.limits) }
    let many = "{" + (0..<100_000).map { "\"k\($0)\":1" }.joined(separator: ",") + "}"
    #expect(failure(many)?.code == "invalid_json")
    for number in ["0", "-0", "1e5", "1E+5", "-1.5e-7", "123456789012345678901234567890"] {
      #expect(failure(Body.chat(#""metadata":{"a":"# + number + "}")) == nil, "\(number)")
    }
  }

  @Test func errorsAreInOpenAIsShape() throws {
    let error = APIError.invalidValue("messages[0].role", "no")
    let json = try JSONSerialization.jsonObject(with: JSONEncoder().encode(error)) as? [String: [String: Any]]
    #expect(json?["error"]?["message"] as? String == "no" && json?["error"]?["type"] as? String == "invalid_request_error")
    #expect(json?["error"]?["param"] as? String == "messages[0].role" && json?["error"]?["code"] as? String == "invalid_value")
    let bare =
      try JSONSerialization.jsonObject(with: JSONEncoder().encode(APIError(500, .server, "no"))) as? [String: [String: Any]]
    #expect(bare?["error"]?["param"] is NSNull && bare?["error"]?["code"] is NSNull)
  }

  private func ladder(_ allowsOthers: Bool) -> BudgetLadder {
    BudgetLadder(
      total: 576, rungs: [.init(64), .init(192), .init(36)], allowsOthers: allowsOthers, standard: VisualBudget(.tokens(192)))
  }

  /// A picture's own budget before the request's, before its detail, before the server's.
  @Test func precedence() throws {
    let options = VisualTokensOptions(budget: VisualBudget(.tokens(64)))
    func budget(_ picture: ImageReference, _ options: VisualTokensOptions?) throws -> (VisualBudget, BudgetLadder.Reason) {
      try ladder(true).budget(picture, options)
    }
    var picture = ImageReference(url: "", path: "p")
    #expect(try budget(picture, nil) == (VisualBudget(.tokens(192)), .server))
    picture.detail = .low
    #expect(try budget(picture, nil) == (VisualBudget(.tokens(64)), .detail))
    #expect(try budget(picture, VisualTokensOptions()) == (VisualBudget(.tokens(64)), .detail))
    picture.detail = .high
    #expect(try budget(picture, nil) == (VisualBudget(.tokens(576)), .detail))
    picture.detail = .auto
    #expect(try budget(picture, nil) == (VisualBudget(.tokens(192)), .server))
    #expect(try budget(picture, options) == (VisualBudget(.tokens(64)), .requested))
    picture.budget = VisualBudget(.tokens(100))
    #expect(try budget(picture, options) == (VisualBudget(.tokens(100)), .requested))
    #expect(throws: APIError.self) { try ladder(false).budget(picture, options) }
    picture.budget = VisualBudget(.auto, minimum: 65, maximum: 191)
    #expect(throws: APIError.self) { try ladder(false).budget(picture, options) }
  }

  @Test func autoTakesTheLargestRungThatFits() {
    let ladder = ladder(false)
    #expect(ladder.rungs.map(\.tokens) == [36, 64, 192, 576])
    #expect(ladder.tokens(for: VisualBudget(.auto)) { _ in true } == 576)
    #expect(ladder.tokens(for: VisualBudget(.auto)) { $0 <= 200 } == 192)
    #expect(ladder.tokens(for: VisualBudget(.auto, minimum: 64)) { _ in false } == 64)
    #expect(ladder.tokens(for: VisualBudget(.auto, maximum: 100)) { _ in true } == 64)
    #expect(ladder.degraded(VisualBudget(.tokens(192)), from: 192) { $0 <= 64 } == 64)
    #expect(ladder.degraded(VisualBudget(.tokens(192), minimum: 100), from: 192) { $0 <= 64 } == 192)
    #expect(BudgetLadder.usual(total: 576).map(\.tokens) == [576, 192, 64, 21])
  }
}
