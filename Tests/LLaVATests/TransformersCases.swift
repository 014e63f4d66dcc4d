import Compression
import Foundation
import Imaging
import Language
import TestModels
import TestSupport
import Torch

@testable import LLaVA

/// A model of a tiny preset with something changed.
struct TransformersVariant: Sendable {
  let name: String
  var preset = "tiny"
  var shardBytes = 5_000_000_000
  /// Longer than the variant's context, where its rotary embedding depends on that.
  var longPrompt = false
  /// Asked with fewer prompts, as there are many of them.
  var isDrawn = false
  let change: @Sendable (inout LLaVAConfiguration) -> Void

  static let all = chosen + drawn

  private static let chosen = [
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
    TransformersVariant(name: "SigLIP in LLaVA-1.5") {
      $0.vision.tower = .siglip
      $0.vision.activation = .tanhGELU
      $0.vision.featureSelection = .full
    },
    TransformersVariant(name: "LLaVA-NeXT", preset: "tiny-next") { _ in },
    TransformersVariant(name: "LLaVA-NeXT with Mistral, tied, in shards", preset: "tiny-next", shardBytes: 60_000) {
      $0.text.family = .mistral
      $0.text.tiesEmbeddings = true
    },
    TransformersVariant(name: "LLaVA-NeXT, last layer, odd patches", preset: "tiny-next") {
      $0.vision.featureLayer = -1
      $0.vision.patchSize = 18
      $0.imageTokenID = 512
    },
    TransformersVariant(name: "LLaVA-NeXT-Video", preset: "tiny-next-video") { _ in },
    TransformersVariant(name: "LLaVA-NeXT-Video, largest values, tied, in shards", preset: "tiny-next-video", shardBytes: 60_000)
    {
      $0.text.tiesEmbeddings = true
      // One of seven patches along a side is left over.
      $0.vision.patchSize = 8
      $0.pooledVideo?.mode = .max
      $0.pooledVideo?.stride = 3
    },
    TransformersVariant(name: "LLaVA-NeXT-Video with Qwen2, video token outside the vocabulary", preset: "tiny-next-video") {
      $0.text.family = .qwen2
      $0.text.attentionBias = true
      $0.vision.featureLayer = -1
      $0.videoTokenID = 512
    },
    TransformersVariant(name: "LLaVA-OneVision", preset: "tiny-onevision") { _ in },
    TransformersVariant(name: "LLaVA-OneVision, tied, in shards", preset: "tiny-onevision", shardBytes: 60_000) {
      $0.text.tiesEmbeddings = true
    },
    TransformersVariant(name: "LLaVA-OneVision with one tile's patches at most", preset: "tiny-onevision") {
      $0.tileLimit = 1
      $0.vision.featureLayer = 2
    },
    TransformersVariant(name: "Qwen2.5-VL", preset: "tiny-qwen2.5-vl") { _ in },
    TransformersVariant(name: "Qwen2.5-VL, tied, in shards, all layers in windows", preset: "tiny-qwen2.5-vl", shardBytes: 60_000)
    {
      $0.text.tiesEmbeddings = true
      $0.windowed?.fullAttentionLayers = []
      $0.text.ropeSections = [4, 2, 2]
    },
    TransformersVariant(name: "Qwen2.5-VL with large windows", preset: "tiny-qwen2.5-vl") {
      $0.windowed?.windowSize = 84
      $0.windowed?.fullAttentionLayers = [0, 3]
      $0.text.ropeScaling = .linear(factor: 2.5)
    },
    // The released transformers has another rule than the model's authors; all others are compared by its own.
    TransformersVariant(name: "Qwen2.5-VL with text behind the times of videos", preset: "tiny-qwen2.5-vl") {
      $0.windowed?.tokensPerSecond = 7
      $0.textAfterVideo = .afterAllPositions
    },
    TransformersVariant(name: "Qwen2-VL", preset: "tiny-qwen2-vl") { _ in },
    TransformersVariant(name: "Qwen2-VL, tied, in shards", preset: "tiny-qwen2-vl", shardBytes: 60_000) {
      $0.text.tiesEmbeddings = true
      $0.text.ropeSections = [4, 2, 2]
    },
    TransformersVariant(name: "Qwen2-VL with a wide MLP", preset: "tiny-qwen2-vl") {
      $0.vision.intermediateSize = 160
      $0.text.ropeScaling = .linear(factor: 2.5)
    },
    TransformersVariant(name: "Qwen2-Audio", preset: "tiny-qwen2-audio") { _ in },
    TransformersVariant(name: "Qwen2-Audio in shards", preset: "tiny-qwen2-audio", shardBytes: 60_000) {
      $0.vision.layers = 3
    },
    TransformersVariant(name: "Qwen2-Audio with other bands", preset: "tiny-qwen2-audio") {
      $0.audio?.spectrogram.bands = 11
      $0.vision.heads = 4
      $0.text.ropeTheta = 500_000
    },
    TransformersVariant(name: "LLaVA-OneVision with CLIP and LLaMA", preset: "tiny-onevision") {
      $0.vision.tower = .clip
      $0.vision.featureSelection = .patch
      $0.text.family = .llama
      $0.text.attentionBias = false
      $0.videoTokenID = $0.imageTokenID - 3
    },
  ]

  /// Writes the model, and what it makes of prompts with one image, several, and none.
  func write(to scratch: URL, seed: UInt64) throws -> TransformersManifest.Checkpoint {
    var configuration = try LLaVAConfiguration.preset(preset)
    ByteTokenizer.adopt(into: &configuration)
    configuration.textAfterVideo = .afterRowsAndColumns
    change(&configuration)
    let generator = try Generator(seed: seed)
    let model = try LLaVAModel(configuration, from: LivelyParameters(generator: generator))
    let folder = scratch.appending(path: "variant-\(seed)")
    try CheckpointWriter.write(model, to: folder, shardBytes: shardBytes)

    func text(_ count: Int) throws -> [Int] {
      try Tensor.randint(3..<min(configuration.text.vocabularySize, configuration.imageTokenID), [count], generator: generator)
        .array()
    }
    // Wide, small, tall and square ones by turns.
    var sizes = [(90, 200), (30, 31), (301, 77), (112, 112), (5, 160)][...]
    func pictures(_ count: Int) throws -> [PicturePixels] {
      try (0..<count).map { _ in
        let (height, width) = sizes.removeFirst()
        sizes.append((height, width))
        let shape = configuration.shape(height: height, width: width, isAlone: count == 1)
        return try PicturePixels(
          views: Tensor.randn(configuration.pixelShape(of: shape), generator: generator), height: height, width: width)
      }
    }
    let videos = configuration.family.video == nil ? [] : isDrawn ? [3] : [1, 2, 3, 7]
    /// Of another height and another pace each.
    func video(_ frames: Int) throws -> PicturePixels {
      let height = configuration.windowed == nil ? 56 : 28 * (1 + frames % 3)
      let width = configuration.windowed == nil ? 56 : 84
      return try PicturePixels(
        views: Tensor.randn([frames, 3, height, width], generator: generator), height: height, width: width,
        secondsPerFrame: 0.3 + Double(frames) / 4)
    }
    let image = configuration.windowed.map { [$0.startTokenID, imagePlaceholderID, $0.endTokenID] } ?? [imagePlaceholderID]
    var prompts = [
      ("one-image", try text(4) + image + text(9), 1), ("text-only", try text(12), 0),
      ("three-images", try image + text(3) + image + image + text(2), 3),
    ]
    if longPrompt {
      // No answers: the two sides differ on purpose in how they turn tokens that were cached before the stretch changed.
      prompts = [("short", try text(12), 0), ("long", try text(60), 0)]
    } else if isDrawn {
      prompts.remove(at: 1)
    } else if configuration.picturesVary {
      for name in ["small-image", "narrow-image"] { prompts.append((name, try text(2) + image + text(5), 1)) }
    }
    for frames in videos { prompts.append(("video-\(frames)", try text(3) + image + text(7), 1)) }
    if !videos.isEmpty { prompts.append(("picture-and-videos", try image + text(3) + image + text(1) + image + text(4), 3)) }
    var items: [SafetensorsItem] = []
    var options = GenerationOptions()
    options.stopsAtEnd = false
    options.maximumNewTokens = 12
    let described = try prompts.map { name, ids, count in
      let shown =
        if name == "picture-and-videos" {
          // Where videos are given as one tensor they are equally long.
          try [video(3)] + pictures(1) + [video(configuration.windowed == nil ? 3 : 2)]
        } else if let frames = videos.first(where: { name == "video-\($0)" }) {
          try [video(frames)]
        } else {
          try pictures(count)
        }
      let request = GenerationRequest(ids: ids, pictures: shown)
      items += try TransformersInputs.items(name, request.pictures, configuration)
      let batch = try inference {
        try model.splice([ids], model.encode([PictureRequest(ids: ids, pictures: request.pictures)]))
      }
      items.append(SafetensorsItem("\(name)/logits", try inference { try model.logits(batch) }))
      let greedy = longPrompt ? [] : try model.generate([request], options).results[0].tokens
      var prompt = TransformersManifest.Prompt(name: name, ids: ids, greedy: greedy)
      prompt.tokens = batch.images[0].map(\.layout.count)
      prompt.videos = request.pictures.map(\.shape.isVideo)
      if count == 1, !isDrawn {
        let (drop, dropped) = try Self.drop(model, request, batch, options)
        prompt.drop = drop
        items.append(SafetensorsItem("\(name)/dropped", dropped))
      }
      return prompt
    }
    let outputs = scratch.appending(path: "variant-\(seed).safetensors")
    try SafetensorsWriter.write(items, to: outputs)
    return TransformersManifest.Checkpoint(
      name: name, folder: folder.path, dtype: "float32", outputs: outputs.path, prompts: described,
      textIsBehindTimes: configuration.textAfterVideo == .afterAllPositions, saved: folder.path + "-saved")
  }

  /// What is left of the only picture after two layers, chosen by DART, and the scores and the answer then.
  private static func drop(
    _ model: LLaVAModel, _ request: GenerationRequest, _ batch: PackedBatch, _ options: GenerationOptions
  ) throws -> (TransformersManifest.Drop, Tensor) {
    let (layer, image) = (2, batch.images[0][0])
    var options = options
    options.compression = try CompressionPlan("dart:\(max(1, image.layout.counted / 3))@\(layer)")
    let result = try model.generate([request], options).results[0]
    let kept = result.cuts[0].keptIndices[0]
    let logits = try inference {
      let half = try model.decoder.run(layers: 0..<layer, batch).picking([Pick(sample: 0, reductions: [.keep(Tensor(kept))])])
      return try model.decoder.logits(model.decoder.run(layers: layer..<model.configuration.text.layers, half).hidden)
    }
    let rows =
      Array(0..<image.span.lowerBound) + kept.map { image.span.lowerBound + $0 } + (image.span.upperBound..<batch.lengths[0])
    return (TransformersManifest.Drop(layer: layer, rows: rows, greedy: result.tokens), logits)
  }
}
