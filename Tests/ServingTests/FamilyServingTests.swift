import Foundation
import Imaging
import LLaVA
import TestModels
import TestSupport
import Testing

@testable import Engine

/// A server of a model whose pictures have tokens by their sizes.
@Suite struct FamilyServingTests {
  @Test func aPictureInTilesIsOneBudget() async throws {
    var configuration = try LLaVAConfiguration.preset("tiny-next")
    ByteTokenizer.adopt(into: &configuration)
    configuration.text.maximumPositions = 2048
    let pipeline = try TestServer.pipeline(of: .random(configuration, seed: 5))
    let model = try TestServer.model(pipeline)
    let server = try await TestServer.start(model)
    let picture = try RGBImage(data: Array(Body.house), name: "house")
    let shape = configuration.shape(height: picture.height, width: picture.width)
    let reply = try await server.chat(
      Body.picture(Body.uri(Body.house), #""visual_tokens":{"budget":6,"return":"indices"}"#))
    #expect(reply.status == 200)
    let images = (reply.json?["visual_tokens"] as? [String: Any])?["images"] as? [[String: Any]]
    let kept = try #require(images?.first?["kept_indices"] as? [Int])
    #expect(images?.first?["before"] as? Int == configuration.layout(of: shape).count)
    let places = Set(configuration.layout(of: shape).rowEnds.map(\.place))
    #expect(kept.count { !places.contains($0) } == 6)
    try await server.stop()
  }
}
