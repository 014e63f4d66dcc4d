import Compression
import Imaging

extension ModelFamily {
  /// LLaVA-NeXT (LLaVA-1.6): every picture is shown whole and in tiles, and rows of tiles' patches have ends.
  static let llavaNeXT: ModelFamily = .init(
    type: "llava_next", architecture: "LlavaNextForConditionalGeneration",
    read: { try $0.tiledModel(.llavaNeXT, TowerModelDefaults()) },
    fields: { c, common in
      common.merging(c.tilingFields) { $1 }.merging(["image_seq_length": .int(c.vision.tokens)]) { $1 }
    },
    preprocessing: { StoredPreprocessing(tiles: $0, type: "LlavaNextImageProcessor", processor: "LlavaNextProcessor") },
    layout: { c, shape in TiledLayout(c, shape).tokens },
    encoder: { root, c in try TiledPictureEncoder(root, c) })
}

extension ConfigurationReader {
  /// A model that is shown every picture whole and in tiles: LLaVA-NeXT, LLaVA-NeXT-Video.
  func tiledModel(_ family: ModelFamily, _ defaults: TowerModelDefaults) throws -> LLaVAConfiguration {
    let canvases = [(336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008)]
    var configuration = try towerModel(family, defaults)
    configuration.tiling = try tiling(configuration, onlyAlone: false, standard: canvases)
    return configuration
  }
}
