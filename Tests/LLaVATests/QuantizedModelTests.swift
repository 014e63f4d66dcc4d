import Foundation
import TestModels
import TestSupport
import Testing
import Torch

@testable import LLaVA

/// Models whose decoder is held in few bits against the same model with the numbers that the bits stand for.
@Suite struct QuantizedModelTests {
  private let base: LLaVAModel

  init() throws { base = try TestModel.tiny(seed: 4) }

  private func quantized(_ bits: Int) throws -> LLaVAModel {
    try LLaVAModel(
      base.configuration, from: QuantizingSource(source: Weights(model: base), options: QuantizationOptions(bits: bits)))
  }

  /// The weights of a model, matrices in few bits as the numbers that they stand for.
  private struct Weights: ParameterSource {
    let model: LLaVAModel
    func contains(_ name: String) -> Bool { model.parameters[name] != nil || model.parameters.quantized[name] != nil }
    func parameter(_ name: String, shape: [Int]) throws -> Tensor {
      if let matrix = model.parameters.quantized[name] { return try matrix.dense() }
      return try #require(model.parameters[name]).tensor
    }
  }

  private func dense(_ model: LLaVAModel) throws -> LLaVAModel {
    try LLaVAModel(model.configuration, from: Weights(model: model))
  }

  @Test(arguments: [4, 8]) func predictionsAreThoseOfTheNumbers(bits: Int) throws {
    let model = try quantized(bits)
    let names = model.parameters.quantized.keys
    // Seven matrices of every layer, embeddings and output layer; nothing of tower and projector.
    #expect(names.count == 7 * base.configuration.text.layers + (base.configuration.text.tiesEmbeddings ? 1 : 2))
    #expect(names.allSatisfy { $0.hasPrefix("decoder.") })
    #expect(model.parameters.count() == base.parameters.count())
    #expect(model.parameters.byteCount < base.parameters.byteCount)
    let same = try dense(model)
    for ids in [Array(3..<40), Array(3..<103), [7]] {
      let logits = try [model, same].map { try $0.logits($0.splice([ids], features: [[]])) }
      #expect(try (logits[0] - logits[1]).abs().max().item() < 1e-4 * logits[1].abs().max().item())
    }
    let answers = try [model, same, base].map { model in
      var options = GenerationOptions()
      options.maximumNewTokens = 12
      return try model.generate([GenerationRequest(ids: Array(3..<30))], options).results[0].tokens
    }
    #expect(answers[0] == answers[1])
  }

  @Test(arguments: [4, 8], [false, true]) func adaptersLearnBesideThem(bits: Int, recomputes: Bool) throws {
    var options = LoRAOptions()
    (options.rank, options.alpha) = (3, 12)
    let model = try quantized(bits)
    let gradients = try [model, dense(model)].map { base -> [String: [Float]] in
      let model = try base.addingLoRA(options, seed: 1)
      let generator = try Generator(seed: 2)
      for parameter in model.parameters.parameters where parameter.name.contains(".lora_B.") {
        try parameter.tensor.copyInPlace(from: Tensor.randn(parameter.tensor.shape, generator: generator) * 0.1)
      }
      for parameter in model.parameters.parameters { try parameter.tensor.requiringGradient(parameter.group == .adapter) }
      let batch = try model.splice([Array(3..<40)], features: [[]])
      let rows = try model.decoder.run(layers: 0..<model.configuration.text.layers, batch, recomputing: recomputes)
      try model.decoder.logits(rows.hidden).power(2).sum().backward()
      return try Dictionary(
        uniqueKeysWithValues: model.parameters.parameters.filter { $0.group == .adapter }.map {
          let gradient = try $0.tensor.gradient()
          return ($0.name, try #require(gradient).array(Float.self))
        })
    }
    #expect(gradients[0].count == 14 * base.configuration.text.layers)
    for (name, own) in gradients[0] {
      let expected = try #require(gradients[1][name])
      let most = expected.map(abs).max() ?? 0
      #expect(most > 0 && zip(own, expected).allSatisfy { abs($0 - $1) <= 1e-4 * most }, "\(name)")
    }
  }

  @Test func mergedAdaptersAndFilesAreDense() throws {
    let model = try quantized(4).addingLoRA(LoRAOptions(), seed: 1)
    for parameter in model.parameters.parameters where parameter.name.contains(".lora_B.") {
      try parameter.tensor.copyInPlace(from: Tensor.randn(parameter.tensor.shape, generator: Generator(seed: 2)) * 0.1)
    }
    let merged = try model.mergingLoRA()
    #expect(merged.parameters.quantized.isEmpty)
    func logits(_ model: LLaVAModel) throws -> Tensor { try model.logits(model.splice([Array(3..<40)], features: [[]])) }
    #expect(try (logits(model) - logits(merged)).abs().max().item() < 1e-4 * logits(merged).abs().max().item())
    try withTemporaryFolder { folder in
      let place = folder.appending(path: "merged")
      try TestModel.write(model, to: place)
      let read = try LLaVAModel.load(from: place)
      #expect(read.parameters.parameters.map(\.name) == base.parameters.parameters.map(\.name))
      #expect(try logits(read).array(Float.self) == logits(merged).array(Float.self))
    }
  }

  /// Written in few bits, read so, and written dense again.
  @Test(arguments: [4, 8]) func filesHoldThem(bits: Int) throws {
    try withTemporaryFolder { folder in
      let (plain, packed) = (folder.appending(path: "plain"), folder.appending(path: "packed"))
      try TestModel.write(base, to: plain)
      let options = try QuantizationOptions(bits: bits)
      try CheckpointWriter.convert(
        CheckpointReader(plain), to: packed, layout: .huggingFace, dtype: .bfloat16, quantization: options)
      let read = try LLaVAModel.load(from: packed)
      #expect(read.dtype == .bfloat16)
      #expect(read.parameters.quantized.count == 7 * base.configuration.text.layers)
      let direct = try LLaVAModel.load(from: plain, dtype: .bfloat16, quantization: options)
      for (name, matrix) in read.parameters.quantized {
        let own = try #require(direct.parameters.quantized[name])
        #expect(matrix.bits == bits && matrix.group == own.group)
        #expect(try matrix.codes.array(UInt8.self) == own.codes.array(UInt8.self), "\(name)")
        #expect(try (matrix.dense(.float32) - own.dense(.float32)).abs().max().item() < 2e-5)
      }
      let weights = try CheckpointReader(packed).weights
      #expect(weights.reduce(0) { $0 + $1.count } == base.parameters.count() + postNorm(base))
      #expect(weights.count { $0.storedType == "I\(bits)" } == read.parameters.quantized.count)
      let again = folder.appending(path: "dense")
      try CheckpointWriter.convert(CheckpointReader(packed), to: again, layout: .huggingFace, dtype: .bfloat16)
      let dense = try LLaVAModel.load(from: again)
      #expect(dense.parameters.quantized.isEmpty)
      for (name, matrix) in read.parameters.quantized {
        #expect(try (#require(dense.parameters[name]).tensor - matrix.dense()).abs().max().item() == 0)
      }
    }
  }

  /// What is added to files for transformers alone.
  private func postNorm(_ model: LLaVAModel) -> Int {
    model.parameters["tower.post_layernorm.weight"] == nil ? 2 * model.configuration.vision.hiddenSize : 0
  }

  @Test func otherBitsAreRefused() {
    for bits in [0, 3, 16, -4] { #expect(throws: CheckpointError.bits(bits)) { try QuantizationOptions(bits: bits) } }
  }
}
