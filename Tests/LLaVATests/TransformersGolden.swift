import Foundation
import TestSupport
import Testing
import Torch

@testable import LLaVA

/// The golden checkpoints after conversion by us, with the golden data's own logits and tokens as what they must give.
struct TransformersGolden {
  private let index: GoldenModelTests.Index
  private let expected: SafetensorsFile
  private let images: SafetensorsFile

  init() throws {
    index = try JSONDecoder().decode(GoldenModelTests.Index.self, from: Data(contentsOf: Fixtures.url("model/index.json")))
    expected = try SafetensorsFile(Fixtures.url("model/expected.safetensors"))
    images = try SafetensorsFile(Fixtures.url("images/expected.safetensors"))
  }

  /// Every layout to Hugging Face's, directly and by way of the original one.
  func write(to scratch: URL) throws -> [TransformersManifest.Checkpoint] {
    let outputs = scratch.appending(path: "golden.safetensors")
    try writeOutputs(to: outputs)
    let prompts = try index.prompts.map {
      TransformersManifest.Prompt(name: $0.id, ids: $0.ids, greedy: try expected.tensor("\($0.id)/greedy").array())
    }
    return try GoldenModelTests.layouts.flatMap { layout in
      let source = try CheckpointReader(Fixtures.url("model/\(layout)"))
      let dtype = try #require(source.weights.first { $0.name.hasPrefix("decoder.") }?.dtype)
      let (direct, original, back) = (
        scratch.appending(path: "\(layout)-hf"), scratch.appending(path: "\(layout)-original"),
        scratch.appending(path: "\(layout)-original-hf")
      )
      try CheckpointWriter.convert(source, to: direct, layout: .huggingFace)
      try CheckpointWriter.convert(CheckpointReader(direct), to: original, layout: .original)
      try CheckpointWriter.convert(CheckpointReader(original), to: back, layout: .huggingFace, shardBytes: 200_000)
      let (once, twice) = (try CheckpointReader(direct).configuration, try CheckpointReader(back).configuration)
      #expect(once.text == twice.text && once.vision == twice.vision && once.imageTokenID == twice.imageTokenID)
      return [("\(layout) to hf", direct), ("\(layout) to hf to original to hf", back)].map { name, folder in
        TransformersManifest.Checkpoint(
          name: name, folder: folder.path, dtype: dtype.rawValue, outputs: outputs.path, prompts: prompts,
          textIsBehindTimes: false)
      }
    }
  }

  private func writeOutputs(to url: URL) throws {
    let items = try index.prompts.flatMap { prompt in
      var items = [SafetensorsItem("\(prompt.id)/logits", try expected.tensor("\(prompt.id)/logits"))]
      if !prompt.images.isEmpty {
        let size = index.config.vision.image_size
        let pixels = try stack(prompt.images.map { try images.tensor("pixel_values/\(size)/pad/\($0)") })
        items.append(SafetensorsItem("\(prompt.id)/pixels", pixels))
      }
      return items
    }
    try SafetensorsWriter.write(items, to: url)
  }
}
