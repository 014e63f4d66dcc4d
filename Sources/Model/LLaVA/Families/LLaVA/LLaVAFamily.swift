import Compression

extension ModelFamily {
  /// LLaVA-1.5 and its relatives: pictures of one size, each shown whole.
  static let llava: ModelFamily = .init(
    type: "llava", architecture: "LlavaForConditionalGeneration",
    read: { reader in try reader.towerModel(.llava, TowerModelDefaults()) },
    fields: { c, common in common.merging(["image_seq_length": .int(c.vision.tokens)]) { $1 } },
    preprocessing: { StoredPreprocessing(whole: $0.vision) },
    layout: { c, _ in TokenLayout(c.vision.grid) },
    encoder: { root, c in
      WholePictureEncoder(tower: try VisionTower(root / "tower", c.vision), projector: try Projector(root / "projector", c))
    })
}
