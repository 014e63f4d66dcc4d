import Foundation
import Testing

@testable import HubCache

@Suite struct FileChoiceTests {
  private static func index(_ shards: [String], _ tensor: String = "t") throws -> Data {
    try JSONEncoder().encode(["weight_map": Dictionary(uniqueKeysWithValues: shards.enumerated().map { ("\(tensor).\($0)", $1) })]
    )
  }

  @Test(arguments: [
    (["model.safetensors", "pytorch_model.bin"], ["model.safetensors"]),
    (
      ["model.safetensors.index.json", "model.safetensors", "a.safetensors", "b.safetensors"], ["a.safetensors", "b.safetensors"]
    ),
    (["pytorch_model.bin", "pytorch_model.bin.index.json"], ["a.safetensors", "b.safetensors"]),
    (["pytorch_model.bin", "mm_projector.bin", "x.pt"], ["pytorch_model.bin", "mm_projector.bin"]),
    (["mm_projector.bin"], ["mm_projector.bin"]),
  ])
  func weightsAreChosenAsTheReaderChooses(_ paths: [String], _ expected: [String]) throws {
    let index = try Self.index(["a.safetensors", "b.safetensors", "a.safetensors"])
    #expect(try FileChoice.checkpoint.weights(in: Set(paths), of: "m") { _ in index } == expected)
    #expect(try FileChoice.tokenizer.weights(in: Set(paths), of: "m") { _ in index } == [])
  }

  @Test func descriptionsLieAtTheTop() {
    let paths = [
      "config.json", "sub/config.json", "vision_tower/config.json", "vision_tower/a/config.json", "tokenizer.model", "merges.txt",
      "chat_template.jinja", "trainer_state.json", "README.md",
      "x.py",
      "modeling.py", ".json", "video_preprocessor_config.json", "model.safetensors", "training_args.bin",
    ]
    let expected = [
      "chat_template.jinja", "config.json", "merges.txt", "tokenizer.model", "video_preprocessor_config.json",
      "vision_tower/config.json",
    ]
    #expect(FileChoice.checkpoint.descriptions(in: paths) == expected)
  }

  @Test func theTowerIsNeededWhereTheWeightsLackIt() throws {
    func tower(_ configuration: String, _ index: Data? = nil) -> String? {
      FileChoice.checkpoint.tower(configuration: Data(configuration.utf8), index: index)?.description
    }
    let named = #"{"mm_vision_tower": "openai/clip-vit-large-patch14-336"}"#
    #expect(tower(named) == "openai/clip-vit-large-patch14-336")
    #expect(tower(named, try Self.index(["a"], "model.layers")) == "openai/clip-vit-large-patch14-336")
    #expect(tower(named, try Self.index(["a"], "model.vision_tower.vision_tower.x")) == nil)
    for other in ["{}", #"{"mm_vision_tower": null}"#, #"{"mm_vision_tower": "../x"}"#, #"{"mm_vision_tower": "/a/b"}"#, "[", ""]
    {
      #expect(tower(other) == nil, "\(other)")
    }
  }

  @Test func listingsAreReadBack() throws {
    let hash = String(repeating: "a", count: 40)
    let files = [
      "config.json": ListedFile(size: 5, blobID: hash),
      "m.safetensors": ListedFile(
        size: 7, blobID: hash, sha256: String(repeating: "b", count: 64), xetHash: String(repeating: "c", count: 64)),
    ]
    let listing = try RepositoryListing(files, of: "m")
    #expect(RepositoryListing(try listing.jsonData(), of: "m") == listing)
    let text = String(decoding: try listing.jsonData(), as: UTF8.self)
    #expect(RepositoryListing(Data(text.replacing("\"format_version\":1", with: "\"format_version\":2").utf8), of: "m") == nil)
    #expect(RepositoryListing(Data(text.replacing("config.json", with: "../config.json").utf8), of: "m") == nil)
    #expect(RepositoryListing(Data(text.replacing("\"size\":5", with: "\"size\":-5").utf8), of: "m") == nil)
  }
}
