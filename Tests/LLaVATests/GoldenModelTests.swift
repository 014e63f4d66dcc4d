import Foundation
import Imaging
import Language
import TestSupport
import Testing
import Torch

@testable import LLaVA

/// The model against transformers and the original LLaVA, on every checkpoint layout of the golden data.
@Suite struct GoldenModelTests {
  struct Index: Decodable {
    struct Prompt: Decodable {
      let id: String
      let text: String
      let ids: [Int]
      let images: [String]
      let expanded_length: Int
    }
    struct Batch: Decodable {
      let batch: Int
      let images: [String?]
      let loss: Double
    }
    struct Configuration: Decodable {
      struct Vision: Decodable { let image_size: Int }
      let vocab: Int
      let vision: Vision
    }
    let prompts: [Prompt]
    let sft: [Batch]
    let config: Configuration
  }

  static let layouts = ["hf5", "hf_old", "official", "official_full_bf16"]

  let index: Index
  let expected: SafetensorsFile
  let images: SafetensorsFile

  init() throws {
    index = try JSONDecoder().decode(Index.self, from: Data(contentsOf: Fixtures.url("model/index.json")))
    expected = try SafetensorsFile(Fixtures.url("model/expected.safetensors"))
    images = try SafetensorsFile(Fixtures.url("images/expected.safetensors"))
    _ = try (Fixtures.some(index.prompts), Fixtures.some(index.sft))
  }

  private func model(_ layout: String) throws -> LLaVAModel {
    try LLaVAModel.load(from: Fixtures.url("model/\(layout)"), dtype: .float32)
  }

  private func pixels(_ files: [String]) throws -> Tensor? {
    if files.isEmpty { return nil }
    return try stack(files.map { try images.tensor("pixel_values/\(index.config.vision.image_size)/pad/\($0)") })
  }

  private func distance(_ a: Tensor, _ b: Tensor) throws -> Double {
    try a.requireShape(b.shape.map(Optional.some), "result")
    return try (a - b).abs().max().item()
  }

  @Test(arguments: layouts) func featuresAndLogitsAreThoseOfTheReference(_ layout: String) throws {
    let model = try model(layout)
    for prompt in index.prompts {
      let request = try GenerationRequest(ids: prompt.ids, pictures: PicturePixels.each(pixels(prompt.images)))
      try inference {
        if !request.pictures.isEmpty {
          let encoder = try #require(model.encoder as? WholePictureEncoder)
          let features = try encoder.tower(concatenate(request.pictures.map(\.views)))
          #expect(try distance(features, expected.tensor("\(prompt.id)/vision_features")) < 5e-5)
          #expect(try distance(encoder.projector(features), expected.tensor("\(prompt.id)/projected_features")) < 5e-5)
        }
        let batch = try model.splice([prompt.ids], model.encode([PictureRequest(ids: [], pictures: request.pictures)]))
        #expect(batch.lengths == [prompt.expanded_length])
        let logits = try model.logits(batch).narrow(1, from: 0, length: index.config.vocab)
        #expect(try distance(logits, expected.tensor("\(prompt.id)/logits")) < 5e-5, "\(prompt.id)")
      }
    }
  }

  @Test func hiddenStatesOfEveryLayerAreThoseOfTheReference() throws {
    let model = try model("hf5")
    for prompt in try Fixtures.some(index.prompts.filter { expected.entries["\($0.id)/hidden_0"] != nil }) {
      try inference {
        let request = try GenerationRequest(ids: prompt.ids, pictures: PicturePixels.each(pixels(prompt.images)))
        let start = try model.splice([prompt.ids], model.encode([PictureRequest(ids: [], pictures: request.pictures)]))
        let layers = model.configuration.text.layers
        for depth in 0...layers {
          var hidden = try model.decoder.run(layers: 0..<depth, start).hidden
          if depth == layers { hidden = try model.decoder.norm(hidden) }
          #expect(try distance(hidden, expected.tensor("\(prompt.id)/hidden_\(depth)")) < 5e-5, "after \(depth) layers")
        }
      }
    }
  }

  @Test(arguments: layouts) func greedyTokensAreThoseOfTheReference(_ layout: String) throws {
    let model = try model(layout)
    var options = GenerationOptions()
    options.stopsAtEnd = false
    let requests = try index.prompts.map { try GenerationRequest(ids: $0.ids, pictures: PicturePixels.each(pixels($0.images))) }
    let tokens = try index.prompts.map { try expected.tensor("\($0.id)/greedy").array(Int.self) }
    options.maximumNewTokens = tokens[0].count
    for (request, wanted) in zip(requests, tokens) {
      #expect(try model.generate([request], options).results[0].tokens == wanted)
    }
    // All prompts in one packed batch of unequal lengths, images and none.
    #expect(try model.generate(requests, options).results.map(\.tokens) == tokens)
  }

  /// From files and text to tokens, through everything that lies between.
  @Test func aFolderAPictureAndAPromptGiveTheReferenceTokens() throws {
    let pipeline = try LLaVAPipeline.load(from: Fixtures.url("model/official"), dtype: .float32)
    #expect(pipeline.template.name == "vicuna_v1")
    var options = GenerationOptions()
    options.stopsAtEnd = false
    for prompt in index.prompts {
      let pictures = try prompt.images.map { try RGBImage(contentsOf: Fixtures.url("images/\($0)")) }
      let request = try pipeline.request(prompt.text, pictures: pipeline.pictures(pictures))
      #expect(request.ids == prompt.ids)
      let tokens = try expected.tensor("\(prompt.id)/greedy").array(Int.self)
      options.maximumNewTokens = tokens.count
      var shown = ""
      let answer = try pipeline.answer(request, options) { piece in
        shown += piece
        return true
      }
      #expect(answer.result.tokens == tokens)
      #expect(answer.text == shown.trimmingCharacters(in: .whitespacesAndNewlines))
      #expect(answer.result.promptTokens == prompt.expanded_length)
    }
  }

  @Test(arguments: layouts) func trainingLossIsThatOfTheReference(_ layout: String) throws {
    let model = try model(layout)
    for batch in index.sft {
      let name = "sft_\(batch.batch)"
      let shape = try #require(expected.entries["\(name)/input_ids"]).shape
      let ids = try expected.tensor("\(name)/input_ids").array(Int.self)
      let labels = try expected.tensor("\(name)/labels").array(Int.self)
      let mask = try expected.tensor("\(name)/attention_mask").array(UInt8.self)
      func rows(_ values: [Int]) -> [[Int]] {
        (0..<shape[0]).map { row in
          (0..<shape[1]).compactMap { mask[row * shape[1] + $0] == 1 ? values[row * shape[1] + $0] : nil }
        }
      }
      try inference {
        let requests = try zip(rows(ids), batch.images).map { ids, image in
          try GenerationRequest(
            ids: ids, pictures: PicturePixels.each(ids.contains(imagePlaceholderID) ? try pixels([image ?? ""]) : nil))
        }
        let packed = try model.splice(
          requests.map(\.ids), model.encode(requests.map { PictureRequest(ids: [], pictures: $0.pictures) }), labels: rows(labels)
        )
        var targets = try #require(packed.labels).array(Int.self)
        // The next token's label; the last row of a sample predicts nothing.
        targets = Array(targets.dropFirst()) + [ignoredLabel]
        for (start, length) in zip(packed.starts, packed.lengths) { targets[start + length - 1] = ignoredLabel }
        let loss = try model.logits(packed).narrow(1, from: 0, length: index.config.vocab).crossEntropy(Tensor(targets))
        #expect(abs(try loss.item() - batch.loss) < 1e-5)
      }
    }
  }
}
