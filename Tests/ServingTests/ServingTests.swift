import ChatProtocol
import Engine
import Foundation
import Imaging
import LLaVA
import Language
import Serving
import TestModels
import TestSupport
import Testing

/// Answers over HTTP.
@Suite struct ServingTests {
  /// What `epic generate` answers.
  private func alone(_ prompt: String, picture: Bool, keep: Int?, maximum: Int) throws -> Answer {
    let pipeline = TestServer.pipeline
    let images = picture ? [try RGBImage(data: Body.house, name: "house")] : []
    let tagged = LLaVAPipeline.withImageTags(prompt, images: images.count)
    let request = try pipeline.request([Turn(.user, tagged), Turn(.assistant, "")], images: images)
    var options = GenerationOptions()
    options.maximumNewTokens = maximum
    options.compression = try keep.map { try TestServer.model().plan([$0]) } ?? nil
    return try pipeline.answer(request, options)
  }

  @Test func answersAreThoseOfGenerate() async throws {
    try await withServer { server in
      for keep in [nil, 4, 7, 16] {
        let budget = keep.map { "\"visual_tokens\":{\"budget\":\($0),\"return\":\"indices\"}" } ?? ""
        let reply = try await server.chat(Body.picture(Body.uri(Body.house), budget))
        let expected = try alone("what?", picture: true, keep: keep == 16 ? nil : keep, maximum: 3)
        #expect(reply.status == 200 && reply.content == expected.text)
        let usage = try #require(reply.json?["usage"] as? [String: Any])
        #expect(usage["prompt_tokens"] as? Int == expected.result.promptTokens)
        #expect(usage["completion_tokens"] as? Int == expected.result.tokens.count)
        let report = try #require(reply.json?["visual_tokens"] as? [String: Any])
        let image = try #require((report["images"] as? [[String: Any]])?.first)
        #expect(image["before"] as? Int == 16 && image["kept"] as? Int == keep ?? 16)
        if let keep {
          #expect(image["kept_indices"] as? [Int] == expected.result.cuts.last?.keptIndices[0] ?? Array(0..<16))
          #expect(report["reason"] as? String == "requested")
          // 2 of 4 layers see all tokens.
          #expect(image["average"] as? Double == Double(16 + keep) / 2)
        }
      }
      let text = try await server.chat(Body.chat())
      #expect(text.content == (try alone("hi", picture: false, keep: nil, maximum: 3).text))
      #expect(text.json?["visual_tokens"] == nil && text.json?["object"] as? String == "chat.completion")
    }
  }

  @Test func streamsSayTheSame() async throws {
    try await withServer { server in
      let options = "\"visual_tokens\":5,\"ignore_eos\":true"
      let whole = try await server.chat(Body.picture(Body.uri(Body.house), options))
      let reply = try await server.chat(
        Body.picture(Body.uri(Body.house), options + ",\"stream\":true,\"stream_options\":{\"include_usage\":true}"))
      #expect(reply.status == 200 && reply.headers["content-type"]?.hasPrefix("text/event-stream") == true)
      #expect(reply.headers["x-epic-visual-tokens"] == "5")
      #expect(reply.events.last == "[DONE]")
      let chunks = try reply.events.dropLast().map {
        try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
      }
      let deltas = chunks.compactMap { (($0["choices"] as? [[String: Any]])?.first?["delta"] as? [String: Any]) }
      #expect(deltas.first?["role"] as? String == "assistant")
      let text = deltas.compactMap { $0["content"] as? String }.joined()
      #expect(text.trimmingCharacters(in: .whitespacesAndNewlines) == whole.content)
      #expect(chunks.dropLast().allSatisfy { $0["usage"] is NSNull })
      let last = try #require(chunks.last)
      #expect((last["choices"] as? [Any])?.isEmpty == true)
      let usage = try #require(last["usage"] as? [String: Any])
      #expect(usage["completion_tokens"] as? Int == 3)
      #expect(((last["visual_tokens"] as? [String: Any])?["images"] as? [[String: Any]])?.first?["kept"] as? Int == 5)
      #expect(Set(chunks.compactMap { $0["id"] as? String }).count == 1)
      // Without the usage nothing announces it, and the last chunk tells of the pictures.
      let plain = try await server.chat(Body.picture(Body.uri(Body.house), options + ",\"stream\":true"))
      #expect(!plain.text.contains("\"usage\"") && plain.events.dropLast().last?.contains("\"visual_tokens\"") == true)
    }
  }

  @Test func picturesHaveTheirOwnBudgets() async throws {
    try await withServer { server in
      func part(_ more: String) -> String {
        "{\"type\":\"image_url\",\"image_url\":{\"url\":\"\(Body.uri(Body.house))\"\(more)}}"
      }
      let body = Body.chat(
        "\"visual_tokens\":{\"budget\":6,\"return\":\"overlay\"}",
        messages:
          "[{\"role\":\"user\",\"content\":[\(part(",\"visual_tokens\":3")),\(part("")),{\"type\":\"text\",\"text\":\"what?\"}]},"
          + "{\"role\":\"assistant\",\"content\":\"two\"},{\"role\":\"user\",\"content\":[\(part(",\"visual_tokens\":16"))]}]")
      let reply = try await server.chat(body)
      #expect(reply.status == 200, "\(reply.text)")
      let images = try #require((reply.json?["visual_tokens"] as? [String: Any])?["images"] as? [[String: Any]])
      #expect(images.map { $0["kept"] as? Int } == [3, 6, 16])
      #expect(reply.headers["x-epic-visual-tokens"] == "3,6,16")
      for image in images {
        let uri = try #require(image["overlay"] as? String)
        let data = try #require(Data(base64Encoded: String(uri.dropFirst("data:image/png;base64,".count))))
        #expect(try RGBImage(data: data, name: "overlay").width >= 336)
      }
    }
  }

  @Test func whatIsAskedForIsDone() async throws {
    try await withServer { server in
      let first = try await server.chat(Body.chat("\"ignore_eos\":true").replacing("\"max_tokens\":3", with: "\"max_tokens\":20"))
      let text = try #require(first.content)
      let stop = String(text.unicodeScalars.dropFirst(2).prefix(2))
      if !stop.isEmpty {
        let cut = try await server.chat(
          Body.chat("\"ignore_eos\":true,\"stop\":\(Body.quoted(stop))").replacing("\"max_tokens\":3", with: "\"max_tokens\":20"))
        #expect(cut.content.map { !$0.contains(stop) } == true)
        #expect(((cut.json?["choices"] as? [[String: Any]])?.first?["finish_reason"] as? String) == "stop")
      }
      let random = "\"seed\":7".appending(",\"ignore_eos\":true")
      func sample(_ seed: String) async throws -> String? {
        try await server.chat(Body.chat(seed).replacing("\"temperature\":0", with: "\"temperature\":1.5")).content
      }
      #expect(try await sample(random) == sample(random))
    }
  }

  @Test func otherRoutesAnswer() async throws {
    try await withServer { server in
      let models = try await server.ask("GET", "/v1/models")
      let model = try #require((models.json?["data"] as? [[String: Any]])?.first)
      #expect(model["id"] as? String == "tiny" && model["root"] as? String == "tiny" && model["max_model_len"] as? Int == 4096)
      let visual = try #require(model["visual_tokens"] as? [String: Any])
      #expect((visual["rungs"] as? [[String: Any]])?.map { $0["tokens"] as? Int } == [4, 8, 16])
      #expect(try await server.ask("GET", "/v1/models/tiny").json?["id"] as? String == "tiny")
      #expect(try await server.ask("GET", "/v1/models/other").status == 404)
      #expect(try await server.ask("GET", "/version").json?["version"] != nil)
      let tokens = try await server.ask("POST", "/tokenize", [:], #"{"prompt":"ab"}"#)
      #expect(tokens.json?["tokens"] as? [Int] == [1, 3 + 97, 3 + 98] && tokens.json?["count"] as? Int == 3)
      let head = try await RawClient.onThread { [port = server.port] in
        let client = try RawClient(port: port)
        try client.send(RawClient.request("HEAD", "/health"))
        let first = try client.receive(isHead: true)
        try client.send(RawClient.request("GET", "/health"))
        return [first.status, try client.receive().status]
      }
      #expect(head == [200, 200])
      _ = try await server.chat(Body.picture(Body.uri(Body.house), "\"visual_tokens\":4"))
      let metrics = try await server.ask("GET", "/metrics")
      #expect(metrics.headers["content-type"]?.hasPrefix("text/plain; version=0.0.4") == true)
      for line in [
        "vllm:num_requests_running{model_name=\"tiny\"} 0.0", "vllm:request_success_total{model_name=\"tiny\",finished_reason=",
        "vllm:time_to_first_token_seconds_bucket{model_name=\"tiny\",le=\"+Inf\"} 1", "vllm:generation_tokens_total",
        "epic:visual_token_budget_total{model_name=\"tiny\",budget=\"4\"} 1", "# TYPE vllm:prompt_tokens_total counter",
      ] {
        #expect(metrics.text.contains(line), "\(line)\n\(metrics.text)")
      }
    }
  }

  /// One connection serves many requests, one after the other.
  @Test func connectionsAreKept() async throws {
    try await withServer { server in
      let statuses = try await RawClient.onThread { [port = server.port] in
        let client = try RawClient(port: port)
        return try (0..<5).map { number in
          let body = number % 2 == 0 ? Body.chat() : Body.chat("\"stream\":true")
          try client.send(RawClient.request("POST", "/v1/chat/completions", [:], Array(body.utf8)))
          return try client.receive().status
        }
      }
      #expect(statuses == [200, 200, 200, 200, 200])
    }
  }

  /// A target that cannot be met: fewer tokens where that is allowed, down to the minimum, a refusal where that is wanted.
  @Test func overload() async throws {
    try await withServer { server in
      func ask(_ options: String) async throws -> HTTPReply {
        try await server.chat(Body.picture(Body.uri(Body.house), "\"visual_tokens\":{\(options),\"target_ttft_ms\":1}"))
      }
      func kept(_ reply: HTTPReply) -> Int? {
        ((reply.json?["visual_tokens"] as? [String: Any])?["images"] as? [[String: Any]])?.first?["kept"] as? Int
      }
      func reason(_ reply: HTTPReply) -> String? { (reply.json?["visual_tokens"] as? [String: Any])?["reason"] as? String }
      // Even the smallest is later than a millisecond on this machine, or else all fit; both are told.
      let queued = try await ask("\"budget\":16")
      #expect(queued.status == 200 && kept(queued) == 16 && reason(queued) == "requested")
      let rejected = try await ask("\"budget\":16,\"on_overload\":\"reject\"")
      #expect(
        rejected.status == 200
          || rejected.status == 429 && rejected.code == "overloaded" && rejected.headers["retry-after"] != nil)
      // Nobody else makes it wait, so it is answered however long it takes.
      let degraded = try await ask("\"budget\":16,\"min\":8,\"on_overload\":\"degrade\"")
      #expect(degraded.status == 200 && (kept(degraded) == 16 || kept(degraded) == 8 && reason(degraded) == "degraded"))
      let auto = try await ask("\"budget\":\"auto\",\"max\":8")
      #expect(auto.status == 200 && (kept(auto) ?? 0) <= 8 && reason(auto) == "auto")
    }
  }

  /// Behind others that keep it waiting too long a request is degraded, and refused where even that is too late, unless it would wait.
  @Test func whatWouldComeTooLateIsRefusedAtOnce() async throws {
    try await withServer { server in
      func ask(_ options: String) async throws -> HTTPReply {
        try await server.chat(Body.picture(Body.uri(Body.house), "\"visual_tokens\":{\(options),\"target_ttft_ms\":60000}"))
      }
      // Now it is known how long things take.
      #expect(try await ask("\"budget\":16").status == 200)
      var others: Backlog.Entry? = server.server.backlog.enter(.init(rows: 1e12, pictures: 0), expected: 1, isTelling: false)
      for options in [
        "\"budget\":16,\"on_overload\":\"degrade\"", "\"budget\":\"auto\",\"on_overload\":\"degrade\"",
        "\"budget\":4,\"on_overload\":\"reject\"",
      ] {
        let refused = try await ask(options)
        #expect(refused.status == 429 && refused.code == "overloaded", "\(options)")
        #expect(refused.headers["retry-after"].flatMap { Int($0) } == 60, "\(options)")
      }
      #expect(try await ask("\"budget\":16").status == 200 && others != nil)
      let auto = try await ask("\"budget\":\"auto\"")
      let images = (auto.json?["visual_tokens"] as? [String: Any])?["images"] as? [[String: Any]]
      #expect(auto.status == 200 && images?.first?["kept"] as? Int == 4)
      others = nil
      #expect(try await ask("\"budget\":4,\"on_overload\":\"degrade\"").status == 200)
      #expect(try await ask("\"budget\":4,\"on_overload\":\"reject\"").status == 200)
      #expect(try await server.isEmptied())
      #expect(server.server.backlog.total.requests == 0)
    }
  }
}
