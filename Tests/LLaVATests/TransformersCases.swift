import Foundation
import Language
import TestModels
import TestSupport
import Torch

@testable import LLaVA

/// What `compare_with_transformers.py` reads.
struct TransformersManifest: Encodable {
  struct Prompt: Encodable {
    let name: String
    let ids: [Int]
    let greedy: [Int]
  }
  struct Checkpoint: Encodable {
    let name: String
    let folder: String
    let dtype: String
    let outputs: String
    let prompts: [Prompt]
  }
  struct Text: Encodable {
    let text: String
    let ids: [Int]
    let idsWithSpecial: [Int]
    let decoded: String
  }
  struct TokenizerFile: Encodable {
    let name: String
    let file: String
    let texts: [Text]
  }
  var checkpoints: [Checkpoint] = []
  var tokenizers: [TokenizerFile] = []
}

/// Random weights that make every part of a model matter: biases are not zero, normalisations not one, attention not uniform.
struct LivelyParameters: ParameterSource {
  let generator: Generator

  func contains(_ name: String) -> Bool { true }

  func parameter(_ name: String, shape: [Int]) throws -> Tensor {
    let noise = try Tensor.randn(shape, .float32, generator: generator)
    if shape.count == 1 { return try noise * 0.2 + (name.hasSuffix("norm.weight") || name.contains("layernorm.weight") ? 1 : 0) }
    let fanIn = shape.dropFirst().reduce(1, *)
    return try noise * (name.contains("embed") ? 0.2 : 1.5 / Double(fanIn).squareRoot())
  }
}

/// A model of the tiny preset with something changed.
struct TransformersVariant: Sendable {
  let name: String
  var shardBytes = 5_000_000_000
  /// Longer than the variant's context, where its rotary embedding depends on that.
  var longPrompt = false
  let change: @Sendable (inout LLaVAConfiguration) -> Void

  static let all = [
    TransformersVariant(name: "grouped queries") { _ in },
    TransformersVariant(name: "one key head for each query head, in shards", shardBytes: 60_000) {
      $0.text.keyValueHeads = $0.text.heads
    },
    TransformersVariant(name: "qwen2 with attention biases, two ends") {
      $0.text.family = .qwen2
      $0.text.attentionBias = true
      $0.text.ropeTheta = 1_000_000
      $0.text.rmsNormEpsilon = 1e-6
      $0.eosTokenIDs = [2, 7]
    },
    TransformersVariant(name: "llama with biases everywhere") {
      $0.text.attentionBias = true
      $0.text.attentionOutputBias = true
      $0.text.mlpBias = true
    },
    TransformersVariant(name: "tied embeddings") { $0.text.tiesEmbeddings = true },
    TransformersVariant(name: "tied embeddings, qwen2, in shards", shardBytes: 60_000) {
      $0.text.family = .qwen2
      $0.text.attentionBias = true
      $0.text.tiesEmbeddings = true
    },
    TransformersVariant(name: "linear rope scaling") { $0.text.ropeScaling = .linear(factor: 2.5) },
    TransformersVariant(name: "dynamic rope scaling", longPrompt: true) {
      $0.text.ropeScaling = .dynamic(factor: 2)
      $0.text.maximumPositions = 48
    },
    TransformersVariant(name: "llama3 rope scaling") {
      $0.text.ropeScaling = .llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalPositions: 64)
      $0.text.ropeTheta = 500_000
    },
    TransformersVariant(name: "llama3 rope scaling with equal factors") {
      $0.text.ropeScaling = .llama3(factor: 8, lowFrequencyFactor: 2, highFrequencyFactor: 2, originalPositions: 64)
    },
    TransformersVariant(name: "llama3 rope scaling with swapped factors") {
      $0.text.ropeScaling = .llama3(factor: 8, lowFrequencyFactor: 6, highFrequencyFactor: 1, originalPositions: 64)
    },
    TransformersVariant(name: "heads wider than the decoder") { $0.text.headDimension = 24 },
    TransformersVariant(name: "class token, last layer, no projector bias, GELU") {
      $0.vision.featureSelection = .full
      $0.vision.featureLayer = -1
      $0.vision.activation = .gelu
      $0.projector.bias = false
    },
    TransformersVariant(name: "first tower layer, 8-pixel patches") {
      $0.vision.featureLayer = 1
      $0.vision.patchSize = 8
    },
    TransformersVariant(name: "image token outside the vocabulary") {
      $0.text.vocabularySize = 270
      $0.imageTokenID = 270
    },
  ]

  /// Writes the model, and what it makes of prompts with one image, several, and none.
  func write(to scratch: URL, seed: UInt64) throws -> TransformersManifest.Checkpoint {
    var configuration = try LLaVAConfiguration.preset("tiny")
    ByteTokenizer.adopt(into: &configuration)
    change(&configuration)
    let generator = try Generator(seed: seed)
    let model = try LLaVAModel(configuration, from: LivelyParameters(generator: generator))
    let folder = scratch.appending(path: "variant-\(seed)")
    try CheckpointWriter.write(model, to: folder, shardBytes: shardBytes)

    let size = configuration.vision.imageSize
    func text(_ count: Int) throws -> [Int] {
      try Tensor.randint(3..<min(configuration.text.vocabularySize, configuration.imageTokenID), [count], generator: generator)
        .array()
    }
    func images(_ count: Int) throws -> Tensor? {
      count == 0 ? nil : try Tensor.randn([count, configuration.vision.channels, size, size], generator: generator)
    }
    let image = [imagePlaceholderID]
    var prompts = [
      ("one-image", try text(4) + image + text(9), 1), ("text-only", try text(12), 0),
      ("three-images", try image + text(3) + image + image + text(2), 3),
    ]
    if longPrompt {
      // No answers: the two sides differ on purpose in how they turn tokens that were cached before the stretch changed.
      prompts = [("short", try text(12), 0), ("long", try text(60), 0)]
    }
    var items: [SafetensorsItem] = []
    var options = GenerationOptions()
    options.stopsAtEnd = false
    options.maximumNewTokens = 12
    let described = try prompts.map { name, ids, count in
      let request = GenerationRequest(ids: ids, pixels: try images(count))
      if let pixels = request.pixels { items.append(SafetensorsItem("\(name)/pixels", pixels)) }
      let logits = try inference {
        try model.logits(model.splice([ids], model.encode([PictureRequest(ids: ids, pixels: request.pixels)])))
      }
      items.append(SafetensorsItem("\(name)/logits", logits))
      let greedy = longPrompt ? [] : try model.generate([request], options).results[0].tokens
      return TransformersManifest.Prompt(name: name, ids: ids, greedy: greedy)
    }
    let outputs = scratch.appending(path: "variant-\(seed).safetensors")
    try SafetensorsWriter.write(items, to: outputs)
    return TransformersManifest.Checkpoint(
      name: name, folder: folder.path, dtype: "float32", outputs: outputs.path, prompts: described)
  }
}
