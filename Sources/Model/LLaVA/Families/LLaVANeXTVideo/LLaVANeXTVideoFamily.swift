import Imaging

extension ModelFamily {
  /// LLaVA-NeXT-Video: pictures are shown as LLaVA-NeXT shows them, of a video's frames neighbouring patches are pooled (``PooledVideo``).
  static let llavaNeXTVideo: ModelFamily = .init(
    type: "llava_next_video", architecture: "LlavaNextVideoForConditionalGeneration",
    read: { reader in
      var configuration = try reader.tiledModel(
        .llavaNeXTVideo, TowerModelDefaults(imageTokenID: 32_001, tiesEitherWay: true))
      configuration.pooledVideo = try PooledVideo(reader.root)
      configuration.videoTokenID = try reader.videoTokenID(imageTokenID: configuration.imageTokenID, standard: 32_000)
      return configuration
    },
    fields: { c, common in
      llavaNeXT.fields(c, common).merging(c.pooledVideo?.fields ?? [:]) { $1 }.merging(c.videoTokenFields) { $1 }
    },
    preprocessing: { c in
      var found = StoredPreprocessing(tiles: c, type: "LlavaNextImageProcessor", processor: "LlavaNextVideoProcessor")
      found.processor["video_token"] = .string("<video>")
      return found
    },
    layout: llavaOnevision.layout, encoder: llavaNeXT.encoder,
    video: VideoRules { c in
      FramePreprocessor(
        size: .cropped(shortestEdge: c.vision.imageSize, side: c.vision.imageSize), mean: c.vision.standardMean,
        std: c.vision.standardStd)
    })
}
