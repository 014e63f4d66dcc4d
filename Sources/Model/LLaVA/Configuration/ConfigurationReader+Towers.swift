import Imaging

/// What transformers takes for granted of a model with a tower of one size and a projector of two layers.
struct TowerModelDefaults {
  var imageTokenID = 32_000
  var featureLayer = -2
  var selection = VisionConfiguration.FeatureSelection.patch
  var text = TextConfiguration.Family.llama
  var tower = VisionConfiguration.Tower.clip
  /// Embeddings are tied where either the model or its decoder says so.
  var tiesEitherWay = false
}

extension ConfigurationReader {
  /// A model of transformers' layout with a tower of one size: LLaVA-1.5, LLaVA-NeXT, LLaVA-NeXT-Video, LLaVA-OneVision.
  func towerModel(_ family: ModelFamily, _ defaults: TowerModelDefaults) throws -> LLaVAConfiguration {
    let textObject = try root.require("text_config", root.object("text_config"))
    let visionObject = try root.require("vision_config", root.object("vision_config"))
    var vision = try Self.vision(visionObject, defaults.tower, known: VisionConfiguration.Tower.allCases)
    vision.featureLayer = defaults.featureLayer
    vision.featureSelection = defaults.selection
    if let layers = try root.ints("vision_feature_layer") {
      guard layers.count == 1 else {
        throw ConfigurationError.invalid(file: root.file, field: "vision_feature_layer", reason: "several layers are not read")
      }
      vision.featureLayer = layers[0]
    }
    if let name = try root.string("vision_feature_select_strategy") {
      guard let selection = VisionConfiguration.FeatureSelection(rawValue: name) else {
        throw ConfigurationError.unsupported(
          file: root.file, field: "vision_feature_select_strategy", found: name, known: ["default", "full"])
      }
      vision.featureSelection = selection
    }
    let type = try textObject.string("model_type") ?? defaults.text.rawValue
    guard let textFamily = TextConfiguration.Family(rawValue: type) else {
      throw ConfigurationError.unsupported(
        file: root.file, field: "text_config.model_type", found: "\"\(type)\"",
        known: TextConfiguration.Family.allCases.map(\.rawValue))
    }
    var text = try Self.text(textObject, family: textFamily, defaults: true)
    let (own, inner) = (try root.bool("tie_word_embeddings"), try textObject.bool("tie_word_embeddings"))
    text.tiesEmbeddings = defaults.tiesEitherWay ? own ?? false || inner ?? false : own ?? inner ?? false
    var configuration = LLaVAConfiguration(
      vision: vision, text: text,
      imageTokenID: try root.int("image_token_index") ?? root.int("image_token_id") ?? defaults.imageTokenID)
    configuration.family = family
    configuration.projector.bias = try root.bool("multimodal_projector_bias") ?? true
    if let activation = try root.string("projector_hidden_act"), activation != "gelu" {
      throw ConfigurationError.unsupported(file: root.file, field: "projector_hidden_act", found: activation, known: ["gelu"])
    }
    configuration.bosTokenID = try textObject.int("bos_token_id") ?? 1
    configuration.eosTokenIDs = Set(try textObject.ints("eos_token_id") ?? [2])
    configuration.padTokenID = try root.int("pad_token_id") ?? textObject.int("pad_token_id")
    return configuration
  }

  /// How pictures are cut into tiles.
  ///
  /// - Parameter standard: pairs of height and width that are meant where there are none.
  func tiling(_ configuration: LLaVAConfiguration, onlyAlone: Bool, standard: [(Int, Int)]) throws -> PictureTiling {
    let canvases = try root.pairs("image_grid_pinpoints") ?? standard
    return PictureTiling(
      canvases: canvases.map { PictureTiling.Size(height: $0.0, width: $0.1) }, side: configuration.vision.imageSize,
      onlyAlone: onlyAlone)
  }

  /// The id of the token that stands for a video; nil for the one behind the image token.
  func videoTokenID(imageTokenID: Int, standard: Int? = nil) throws -> Int? {
    let found = try root.int("video_token_index") ?? root.int("video_token_id") ?? standard
    return found == imageTokenID + 1 ? nil : found
  }
}

extension LLaVAConfiguration {
  /// Fields of config.json that say how pictures are cut into tiles.
  var tilingFields: [String: JSONValue] {
    guard let tiling else { return [:] }
    return ["image_grid_pinpoints": .array(tiling.canvases.map { .array([.int($0.height), .int($0.width)]) })]
  }

  /// The field of config.json that says which token stands for a video.
  var videoTokenFields: [String: JSONValue] { ["video_token_index": .int(videoTokenID ?? imageTokenID + 1)] }
}
