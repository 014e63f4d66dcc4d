import Compression
import Imaging

extension ModelFamily {
  /// LLaVA-OneVision: a picture that is alone is shown whole and in tiles, whose patches are resampled where they are too many; of several
  /// pictures each is shown whole.
  public static let llavaOnevision: ModelFamily = .init(
    type: "llava_onevision", architecture: "LlavaOnevisionForConditionalGeneration",
    read: { reader in
      let steps = (1...6).map { 384 * $0 }
      let canvases = steps.flatMap { height in steps.map { (height, $0) } }
      var configuration = try reader.towerModel(
        .llavaOnevision,
        TowerModelDefaults(
          imageTokenID: 151_646, featureLayer: -1, selection: .full, text: .qwen2, tower: .siglip, tiesEitherWay: true))
      configuration.tiling = try reader.tiling(configuration, onlyAlone: true, standard: canvases)
      configuration.tileLimit = try tileLimit(reader.root)
      configuration.videoTokenID = try reader.videoTokenID(imageTokenID: configuration.imageTokenID)
      return configuration
    },
    fields: { c, common in
      common.merging(c.tilingFields) { $1 }.merging(c.videoTokenFields) { $1 }
        .merging(["vision_aspect_ratio": .string("\(aspectPrefix)\(c.tileLimit ?? 9)")]) { $1 }
    },
    preprocessing: { c in
      var found = StoredPreprocessing(tiles: c, type: "LlavaOnevisionImageProcessor", processor: "LlavaOnevisionProcessor")
      found.processor["num_image_tokens"] = .int(c.vision.tokens)
      found.processor["vision_aspect_ratio"] = .string("\(aspectPrefix)\(c.tileLimit ?? 9)")
      found.processor["video_token"] = .string("<video>")
      return found
    },
    layout: { c, shape in shape.isVideo ? FrameLayout.tokens(c, frames: shape.views) : TiledLayout(c, shape).tokens },
    encoder: { root, c in try TiledPictureEncoder(root, c) },
    video: VideoRules { c in
      FramePreprocessor(
        size: .exact(height: c.vision.imageSize, width: c.vision.imageSize), mean: c.vision.standardMean,
        std: c.vision.standardStd)
    })

  private static let aspectPrefix = "anyres_max_"

  /// As many patches as this many tiles have are shown of a picture at most.
  private static func tileLimit(_ root: JSONObject) throws -> Int {
    guard let text = try root.string("vision_aspect_ratio") else { return 9 }
    guard text.hasPrefix(aspectPrefix), let limit = Int(text.dropFirst(aspectPrefix.count)), (1...10_000).contains(limit) else {
      throw ConfigurationError.unsupported(
        file: root.file, field: "vision_aspect_ratio", found: "\"\(text)\"", known: ["anyres_max_9 and other anyres_max_N"])
    }
    return limit
  }
}
