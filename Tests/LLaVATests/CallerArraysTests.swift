import Compression
import Language
import TestModels
import Testing
import Torch

@testable import LLaVA

/// Lists that a caller gives and that do not fit together are errors with a sentence, never traps.
@Suite struct CallerArraysTests {
  @Test func listsOfASpliceMustBeAsManyAsItsPrompts() throws {
    let model = try TestModel.tiny()
    let row = VisualSegment(rows: try .zeros([16, 64]), layout: model.pictureLayout)
    func refused(_ make: () throws -> PackedBatch) { #expect(throws: PromptError.self) { try make() } }
    refused { try model.splice([[1], [2]], [[]]) }
    refused { try model.splice([[1]], [[], []]) }
    refused { try model.splice([[1]], [[row]]) }
    refused { try model.splice([[1], [2]], [[], []], promptLengths: [1]) }
    refused { try model.splice([[1]], [[]], labels: [[1], [2]]) }
    refused { try model.splice([[1]], [[]], past: []) }
    let error = #expect(throws: PromptError.self) { try model.splice([[1], [2]], [[]]) }
    #expect(error?.description == "images were given for 1 prompts, expected 2: one entry for each prompt")
  }

  @Test func aDecoderTakesOneCacheForEachSampleAndLayersThatItHas() throws {
    let model = try TestModel.tiny()
    let batch = try model.splice([[1, 2, 3], [4]], [[], []])
    let (text, layers) = (model.configuration.text, 0..<4)
    var one = [try KeyValueCache(text, .float32, on: .cpu)]
    #expect(throws: GenerationError.cacheCount(caches: 1, samples: 2)) {
      try model.decoder.run(layers: layers, batch, caches: &one)
    }
    #expect(one.count == 1, "what the caller owns is still there")
    for range in [0..<5, -1..<2] {
      #expect(throws: CompressionError.self) { try model.decoder.run(layers: range, batch) }
    }
    var short = batch
    short.lengths = [3]
    #expect(throws: TorchError.self) { try model.decoder.run(layers: layers, short) }
    var still = batch
    still.positions = try Positions(.arange(0, 2), next: [2, 1])
    #expect(throws: TorchError.self) { try model.decoder.run(layers: layers, still) }
  }

  @Test func branchesMustBeOfSamplesThatThereAre() throws {
    let model = try TestModel.tiny()
    let batch = try model.splice([[1, 2, 3]], [[]])
    var none: [KeyValueCache]?
    for branches in [[Branch(sample: 1)], [], [Branch(sample: -1)]] {
      #expect(throws: GenerationError.self) { try BranchingDecoder.run(model.decoder, batch, caches: &none, branches) }
    }
  }
}
