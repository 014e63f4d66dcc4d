import Basics

@testable import LLaVA

extension TransformersVariant {
  /// Odd sizes of each family, by seeds that their names have.
  static let drawn = [
    "tiny-next", "tiny-next-video", "tiny-onevision", "tiny-qwen2-vl", "tiny-qwen2.5-vl", "tiny-qwen2-audio",
  ].flatMap { preset in
    (1...9).map { seed in
      var variant = TransformersVariant(
        name: "\(preset), drawn with seed \(seed)", preset: preset, shardBytes: seed % 3 == 0 ? 60_000 : 5_000_000_000
      ) { draw(&$0, seed: UInt64(seed)) }
      variant.isDrawn = true
      return variant
    }
  }

  private static func draw(_ c: inout LLaVAConfiguration, seed: UInt64) {
    var random = SplitMix64(seed: seed)
    func one<T>(of values: [T]) -> T { values[Int.random(in: 0..<values.count, using: &random)] }
    c.text.layers = one(of: [3, 4, 5])
    c.text.keyValueHeads = one(of: [1, 2, 4])
    c.text.intermediateSize = one(of: [40, 72, 130])
    c.text.tiesEmbeddings = one(of: [true, false])
    c.text.ropeTheta = one(of: [10_000, 500_000])
    c.text.rmsNormEpsilon = one(of: [1e-6, 1e-5])
    c.vision.heads = one(of: [1, 2, 4])
    c.vision.layers = one(of: [2, 3, 5])
    c.vision.intermediateSize = one(of: [24, 50])
    if c.windowed?.block == .plain {
      c.vision.intermediateSize = 32 * one(of: [1, 3, 4])
      c.windowed?.fullAttentionLayers = Array(0..<c.vision.layers)
      c.text.ropeSections = one(of: [[2, 3, 3], [4, 2, 2], [0, 4, 4], [8, 0, 0]])
    } else if c.windowed != nil {
      c.windowed?.windowSize = one(of: [28, 56, 90, 140])
      c.windowed?.fullAttentionLayers = one(of: [[], [0], [1, 2], [0, 1, 2, 3, 4]])
      c.windowed?.tokensPerSecond = one(of: [1, 2, 5])
      c.text.ropeSections = one(of: [[2, 3, 3], [4, 2, 2], [0, 4, 4], [8, 0, 0]])
    } else if c.audio != nil {
      c.text.tiesEmbeddings = false
      c.audio?.spectrogram.bands = one(of: [1, 7, 20])
    } else {
      c.vision.patchSize = one(of: [8, 14, 18])
      c.vision.featureLayer = one(of: [-1, -2, 1])
      c.projector.bias = one(of: [true, false])
      c.pooledVideo?.mode = one(of: [.average, .max])
      c.pooledVideo?.stride = one(of: [1, 2, 3])
    }
  }
}
