import ChatProtocol
import Compression
import Foundation
import LLaVA
import Serving
import TestModels
import TestSupport
import Testing

/// Budgets on which pictures decide.
@Suite struct AverageBudgetTests {
  /// A rule of which some numbers are known, such that half of the tokens stay on average.
  private func model(allowsAverages: Bool = true) throws -> ServedModel {
    let measured = (0..<40).map { picture in (0..<16).map { Double($0 * 7 + picture) / 200 } }
    let fit = try BudgetFit(.byVariety, layer: 2, measured: measured)
    let ladder = BudgetLadder(
      total: 16, rungs: [.init(4), .init(8)], allowsOthers: true, allowsAverages: allowsAverages)
    return try ServedModel(name: "tiny", TestServer.pipeline, compressor: "dart", layer: 2, ladder: ladder, fit: fit)
  }

  @Test func aPictureKeepsWhatItsRuleSays() async throws {
    let model = try model()
    let threshold = try #require(model.fit).threshold(forShare: 0.5)
    var options = GenerationOptions()
    options.maximumNewTokens = 3
    options.compression = try CompressionPlan("dart:8:rule=by-variety:threshold=\(String(format: "%.6g", threshold))@2")
    let request = try TestServer.pipeline.request([.init(.user, "<image>\nwhat?")], images: [TestModel.drawing()])
    let expected = try TestServer.pipeline.answer(request, options)
    let kept = try #require(expected.result.cuts.first?.keptIndices.first)
    try await withServer(model) { server in
      let reply = try await server.chat(
        Body.picture(Body.uri(Body.house), #""visual_tokens":{"budget":"auto:8","return":"indices"}"#))
      #expect(reply.status == 200, "\(reply.text)")
      #expect(reply.content?.trimmingCharacters(in: .whitespacesAndNewlines) == expected.text)
      let told = try #require(reply.json?["visual_tokens"] as? [String: Any])
      #expect(told["reason"] as? String == "average")
      let images = try #require(told["images"] as? [[String: Any]])
      #expect(images.first?["kept_indices"] as? [Int] == kept)
      for (extra, words) in [
        (#""visual_tokens":"auto:0""#, "auto:64"), (#""visual_tokens":"auto:17""#, "auto:16"),
        (#""visual_tokens":{"budget":"auto:8","min":4}"#, "min and max"), (#""visual_tokens":"auto:""#, "auto:64"),
      ] {
        let refused = try await server.chat(Body.picture(Body.uri(Body.house), extra))
        #expect(refused.status == 400 && refused.text.contains(words), "\(refused.text)")
      }
    }
  }

  @Test func whatIsNotFittedIsNotOffered() async throws {
    try await withServer(model(allowsAverages: false)) { server in
      let reply = try await server.chat(Body.picture(Body.uri(Body.house), #""visual_tokens":"auto:8""#))
      #expect(reply.status == 400 && reply.text.contains("epic fit") && reply.param == "visual_tokens", "\(reply.text)")
    }
  }
}
