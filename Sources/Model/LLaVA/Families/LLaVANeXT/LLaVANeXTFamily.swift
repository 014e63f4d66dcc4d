import Compression
import Imaging

extension ModelFamily {
  /// LLaVA-NeXT (LLaVA-1.6): every picture is shown whole and in tiles, and rows of tiles' patches have ends.
  static let llavaNeXT: ModelFamily = .init(
    type: "llava_next", architecture: "LlavaNextForConditionalGeneration",
    read: { reader in
      let canvases = [(336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008)]
      var configuration = try reader.towerModel(.llavaNeXT, TowerModelDefaults())
      configuration.tiling = try reader.tiling(configuration, onlyAlone: false, standard: canvases)
      return configuration
    },
    fields: { c, common in
      common.merging(c.tilingFields) { $1 }.merging(["image_seq_length": .int(c.vision.tokens)]) { $1 }
    },
    preprocessing: { StoredPreprocessing(tiles: $0, type: "LlavaNextImageProcessor", processor: "LlavaNextProcessor") },
    layout: { c, shape in TiledLayout(c, shape).tokens },
    encoder: { root, c in try TiledPictureEncoder(root, c) })
}
