import Audio
import Imaging

extension LLaVAConfiguration {
  /// Names of the presets, small to large.
  public static let presetNames = [
    "tiny", "tiny-next", "tiny-next-video", "tiny-onevision", "tiny-qwen2-vl", "tiny-qwen2.5-vl", "tiny-qwen2-audio", "small",
    "base", "base-next", "base-onevision", "base-qwen2.5-vl", "medium", "llava-1.5-7b", "llava-1.5-13b", "llava-next-7b",
    "llava-next-video-7b", "llava-onevision-0.5b", "llava-onevision-7b", "qwen2-vl-2b", "qwen2.5-vl-3b", "qwen2.5-vl-7b",
    "qwen2-audio-7b",
  ]

  /// A configuration by name: the sizes that benchmarks and examples use.
  ///
  /// - Throws: `ConfigurationError.unknownPreset`, which lists the known ones.
  public static func preset(_ name: String) throws -> LLaVAConfiguration {
    func make(_ v: (Int, Int, Int, Int), _ t: (Int, Int, Int, Int, Int, Int), image: Int = 336) -> LLaVAConfiguration {
      LLaVAConfiguration(
        vision: VisionConfiguration(hiddenSize: v.0, layers: v.1, heads: v.2, intermediateSize: v.3, imageSize: image),
        text: TextConfiguration(
          hiddenSize: t.0, layers: t.1, heads: t.2, keyValueHeads: t.3, intermediateSize: t.4, vocabularySize: t.5))
    }
    func tiling(_ c: LLaVAConfiguration, _ tiles: [(Int, Int)], onlyAlone: Bool) -> PictureTiling {
      let side = c.vision.imageSize
      let canvases = tiles.map { PictureTiling.Size(height: $0.0 * side, width: $0.1 * side) }
      return PictureTiling(canvases: canvases, side: side, onlyAlone: onlyAlone)
    }
    func next(_ made: LLaVAConfiguration, video: Int? = nil) -> LLaVAConfiguration {
      var found = made
      found.family = video == nil ? .llavaNeXT : .llavaNeXTVideo
      found.tiling = tiling(found, [(1, 2), (2, 1), (2, 2), (3, 1), (1, 3)], onlyAlone: false)
      guard let video else { return found }
      found.pooledVideo = PooledVideo()
      (found.videoTokenID, found.imageTokenID) = (video, video + 1)
      return found
    }
    func onevision(_ made: LLaVAConfiguration, steps: Int, limit: Int) -> LLaVAConfiguration {
      var found = made
      found.family = .llavaOnevision
      found.vision.tower = .siglip
      found.vision.activation = .tanhGELU
      found.vision.layerNormEpsilon = 1e-6
      (found.vision.featureLayer, found.vision.featureSelection) = (-1, .full)
      found.text.family = .qwen2
      found.text.attentionBias = true
      if found.text.vocabularySize > 151_646 { found.imageTokenID = 151_646 }
      (found.text.ropeTheta, found.text.rmsNormEpsilon, found.text.maximumPositions) = (1_000_000, 1e-6, 32_768)
      found.tiling = tiling(found, (1...steps).flatMap { row in (1...steps).map { (row, $0) } }, onlyAlone: true)
      found.tileLimit = limit
      return found
    }
    func qwen25VL(
      _ made: LLaVAConfiguration, full: [Int], window: Int, sections: [Int], tokens: ClosedRange<Int>, first: Int
    ) -> LLaVAConfiguration {
      var found = made
      found.family = .qwen25VL
      found.vision.featureLayer = -1
      found.text.family = .qwen2
      found.text.attentionBias = true
      (found.text.ropeTheta, found.text.rmsNormEpsilon, found.text.ropeSections) = (1_000_000, 1e-6, sections)
      found.windowed = WindowedVision(
        mergeSize: 2, temporalPatchSize: 2, windowSize: window, fullAttentionLayers: full, tokensPerSecond: 2,
        resolution: NativeResolution(
          multiple: 28, minimumPixels: 784 * tokens.lowerBound, maximumPixels: 784 * tokens.upperBound),
        startTokenID: first, endTokenID: first + 1, videoTokenID: first + 4)
      found.imageTokenID = first + 3
      return found
    }
    func qwen2Audio(_ made: LLaVAConfiguration, positions: Int, _ mel: MelSpectrogram, audioTokenID: Int) -> LLaVAConfiguration {
      var found = made
      found.family = .qwen2Audio
      (found.vision.imageSize, found.vision.patchSize, found.vision.channels) = (1, 1, 1)
      (found.vision.tower, found.vision.featureLayer, found.vision.featureSelection) = (.siglip, -1, .full)
      found.projector = Projector(layers: 1, bias: true)
      (found.text.family, found.text.attentionBias, found.text.maximumPositions) = (.qwen2, true, 8192)
      found.audio = AudioConfiguration(positions: positions, spectrogram: mel)
      found.imageTokenID = audioTokenID
      return found
    }
    switch name {
    case "tiny": return make((32, 3, 2, 64), (64, 4, 4, 2, 128, 512), image: 56)
    case "small": return make((256, 6, 4, 1024), (512, 8, 8, 8, 1408, 32_000))
    case "base": return make((512, 8, 8, 2048), (768, 12, 12, 12, 2048, 32_000))
    case "medium": return make((768, 12, 12, 3072), (1024, 16, 16, 16, 2816, 32_000))
    case "llava-1.5-7b": return make((1024, 24, 16, 4096), (4096, 32, 32, 32, 11_008, 32_064))
    case "tiny-next": return next(make((32, 3, 2, 64), (64, 4, 4, 2, 128, 512), image: 56))
    case "tiny-next-video":
      return next(make((32, 3, 2, 64), (64, 4, 4, 2, 128, 512), image: 56), video: 510)
    case "tiny-onevision":
      return onevision(make((32, 3, 2, 64), (64, 4, 4, 2, 128, 512), image: 56), steps: 4, limit: 3)
    case "base-next": return next(make((512, 8, 8, 2048), (768, 12, 12, 12, 2048, 32_000)))
    case "llava-next-7b": return next(make((1024, 24, 16, 4096), (4096, 32, 32, 32, 11_008, 32_064)))
    case "llava-next-video-7b": return next(make((1024, 24, 16, 4096), (4096, 32, 32, 32, 11_008, 32_064)), video: 32_000)
    case "tiny-qwen2.5-vl":
      return qwen25VL(
        make((32, 4, 2, 48), (64, 4, 4, 2, 128, 512)), full: [2], window: 56, sections: [2, 3, 3], tokens: 4...40, first: 500)
    case "base-onevision":
      return onevision(make((512, 8, 8, 2048), (768, 12, 12, 12, 2048, 32_000), image: 384), steps: 6, limit: 9)
    case "base-qwen2.5-vl":
      return qwen25VL(
        make((512, 8, 8, 1376), (768, 12, 12, 12, 2048, 32_000)), full: [3, 7], window: 112, sections: [8, 12, 12],
        tokens: 4...16_384, first: 31_990)
    case "tiny-qwen2-vl", "qwen2-vl-2b":
      let isTiny = name.hasPrefix("tiny")
      var found = qwen25VL(
        isTiny ? make((32, 3, 2, 64), (64, 4, 4, 2, 128, 512)) : make((1280, 32, 16, 5120), (1536, 28, 12, 2, 8960, 151_936)),
        full: Array(0..<(isTiny ? 3 : 32)), window: 112, sections: isTiny ? [2, 3, 3] : [16, 24, 24],
        tokens: isTiny ? 4...40 : 4...16_384, first: isTiny ? 500 : 151_652)
      found.family = .qwen2VL
      found.windowed?.block = .plain
      found.windowed?.tokensPerSecond = nil
      if !isTiny { (found.text.tiesEmbeddings, found.text.rmsNormEpsilon) = (true, 1e-6) }
      return found
    case "tiny-qwen2-audio":
      return qwen2Audio(
        make((32, 2, 2, 64), (64, 4, 4, 2, 128, 512)), positions: 50, MelSpectrogram(bands: 16, seconds: 1), audioTokenID: 503)
    case "qwen2-audio-7b":
      return qwen2Audio(
        make((1280, 32, 20, 5120), (4096, 32, 32, 32, 11_008, 156_032)), positions: 1500, MelSpectrogram(),
        audioTokenID: 151_646)
    case "qwen2.5-vl-3b", "qwen2.5-vl-7b":
      let text = name.hasSuffix("3b") ? (2048, 36, 16, 2, 11_008, 151_936) : (3584, 28, 28, 4, 18_944, 152_064)
      var found = qwen25VL(
        make((1280, 32, 16, 3420), text), full: [7, 15, 23, 31], window: 112, sections: [16, 24, 24], tokens: 4...16_384,
        first: 151_652)
      found.text.tiesEmbeddings = name.hasSuffix("3b")
      found.text.maximumPositions = 128_000
      return found
    case "llava-onevision-0.5b":
      return onevision(make((1152, 26, 16, 4304), (896, 24, 14, 2, 4864, 152_000), image: 384), steps: 6, limit: 9)
    case "llava-onevision-7b":
      return onevision(make((1152, 26, 16, 4304), (3584, 28, 28, 4, 18_944, 152_128), image: 384), steps: 6, limit: 9)
    case "llava-1.5-13b": return make((1024, 24, 16, 4096), (5120, 40, 40, 40, 13_824, 32_064))
    default: throw ConfigurationError.unknownPreset(name, known: presetNames)
    }
  }
}
