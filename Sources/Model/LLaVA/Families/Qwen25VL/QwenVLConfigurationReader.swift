import Imaging

/// Reads config.json of Qwen2-VL or Qwen2.5-VL, in which the decoder's fields stand at the root or in `text_config`.
struct QwenVLConfigurationReader {
  let reader: ConfigurationReader
  let block: WindowedVision.Block
  init(_ reader: ConfigurationReader, _ block: WindowedVision.Block) { (self.reader, self.block) = (reader, block) }

  func read(_ family: ModelFamily) throws -> LLaVAConfiguration {
    let root = reader.root
    let visionObject = try root.require("vision_config", root.object("vision_config"))
    let textObject = try root.object("text_config") ?? root
    let (vision, windowed) = try readVision(visionObject)
    var text = try ConfigurationReader.text(textObject, family: .qwen2, defaults: false)
    let rope = try textObject.object("rope_parameters") ?? textObject.object("rope_scaling")
    text.ropeTheta = try rope?.double("rope_theta") ?? textObject.double("rope_theta") ?? 1_000_000
    text.ropeSections = try rope?.ints("mrope_section") ?? [16, 24, 24]
    if case .dynamic = text.ropeScaling {
      throw ConfigurationError.unsupported(
        file: root.file, field: "rope_scaling.rope_type", found: "\"dynamic\"", known: ["mrope", "linear", "llama3"])
    }
    text.rmsNormEpsilon = try textObject.double("rms_norm_eps") ?? 1e-5
    text.maximumPositions = try textObject.int("max_position_embeddings") ?? 32_768
    text.tiesEmbeddings =
      try root.bool("tie_word_embeddings") == true || textObject.bool("tie_word_embeddings") == true
    let output = block == .gated ? "out_hidden_size" : "hidden_size"
    if try visionObject.int(output) ?? 3584 != text.hiddenSize {
      throw ConfigurationError.invalid(
        file: root.file, field: "vision_config." + output,
        reason: "differs from the decoder's hidden_size \(text.hiddenSize)")
    }
    var configuration = LLaVAConfiguration(
      vision: vision, text: text, imageTokenID: try root.int("image_token_id") ?? 151_655)
    configuration.family = family
    configuration.windowed = windowed
    configuration.bosTokenID = try textObject.int("bos_token_id") ?? 151_643
    configuration.eosTokenIDs = Set(try textObject.ints("eos_token_id") ?? [151_645])
    configuration.padTokenID = try root.int("pad_token_id") ?? textObject.int("pad_token_id")
    return configuration
  }

  private func readVision(_ object: JSONObject) throws -> (VisionConfiguration, WindowedVision) {
    let isGated = block == .gated
    let width = try isGated ? object.int("hidden_size") ?? 3584 : object.int("embed_dim") ?? 1280
    let (inner, overflow) = width.multipliedReportingOverflow(by: isGated ? 0 : try object.int("mlp_ratio") ?? 4)
    var vision = VisionConfiguration(
      hiddenSize: width, layers: try object.int("depth") ?? 32, heads: try object.int("num_heads") ?? 16,
      intermediateSize: isGated ? try object.int("intermediate_size") ?? 3420 : overflow ? 0 : inner,
      patchSize: try object.int("patch_size") ?? 14)
    vision.channels = try object.int("in_channels") ?? object.int("in_chans") ?? 3
    vision.featureLayer = -1
    let known = isGated ? "silu" : "quick_gelu"
    if let name = try object.string("hidden_act"), name != known {
      throw ConfigurationError.unsupported(
        file: object.file, field: object.prefix + "hidden_act", found: "\"\(name)\"", known: [known])
    }
    let merge = try object.int("spatial_merge_size") ?? 2
    let root = reader.root
    var windowed = WindowedVision(
      mergeSize: merge, temporalPatchSize: try object.int("temporal_patch_size") ?? 2,
      windowSize: try object.int("window_size") ?? 112,
      fullAttentionLayers: try object.ints("fullatt_block_indexes") ?? [7, 15, 23, 31],
      tokensPerSecond: try object.int("tokens_per_second") ?? 4,
      resolution: try readResolution(patch: vision.patchSize, merge: merge),
      startTokenID: try root.int("vision_start_token_id") ?? 151_652, endTokenID: try root.int("vision_end_token_id") ?? 151_653,
      videoTokenID: try root.int("video_token_id") ?? 151_656)
    if !isGated {
      // Every layer sees the whole picture, and each grid of a film has one position.
      (windowed.block, windowed.tokensPerSecond) = (.plain, nil)
      windowed.fullAttentionLayers = Array(0..<max(0, min(vision.layers, maximumSize)))
    }
    return (vision, windowed)
  }

  /// Bounds of a picture's area, from the checkpoint's image processor; it has to see the same patches as the tower.
  private func readResolution(patch: Int, merge: Int) throws -> NativeResolution {
    let (side, overflow) = patch.multipliedReportingOverflow(by: merge)
    var (least, most) = (56 * 56, 28 * 28 * 1280)
    if let url = try reader.preprocessingFile() {
      let file = try JSONObject(contentsOf: url)
      let object = try file.object("image_processor") ?? file
      for (field, value) in [("patch_size", patch), ("merge_size", merge)] {
        if let found = try object.int(field), found != value {
          throw ConfigurationError.invalid(
            file: url.path, field: field, reason: "\(found) differs from the tower's \(value)")
        }
      }
      if case .object? = object.fields["size"], let size = try object.object("size") {
        least = try size.int("shortest_edge") ?? size.int("min_pixels") ?? least
        most = try size.int("longest_edge") ?? size.int("max_pixels") ?? most
      }
      least = try object.int("min_pixels") ?? least
      most = try object.int("max_pixels") ?? most
    }
    return NativeResolution(multiple: overflow ? 0 : side, minimumPixels: least, maximumPixels: most)
  }
}

extension LLaVAConfiguration {
  /// config.json as the hub's checkpoints have it: the decoder's fields at the root.
  ///
  /// - Parameter own: what `vision_config` says beside the fields that both versions have.
  func qwenVLJSON(dtype: JSONValue?, vision own: [String: JSONValue]) -> [String: JSONValue] {
    guard let windowed else { return [:] }
    var fields = textJSON
    let vision: [String: JSONValue] = [
      "depth": .int(self.vision.layers), "num_heads": .int(self.vision.heads), "in_channels": .int(self.vision.channels),
      "patch_size": .int(self.vision.patchSize), "spatial_merge_size": .int(windowed.mergeSize),
      "temporal_patch_size": .int(windowed.temporalPatchSize),
    ]
    fields.merge([
      "architectures": .array([.string(family.architecture)]), "model_type": .string(family.type),
      "image_token_id": .int(imageTokenID), "video_token_id": .int(windowed.videoTokenID),
      "vision_start_token_id": .int(windowed.startTokenID), "vision_end_token_id": .int(windowed.endTokenID),
      "vision_config": .object(vision.merging(own) { $1 }),
    ]) { $1 }
    var scaling: [String: JSONValue] = ["type": .string("mrope")]
    if case .object(let other)? = fields["rope_scaling"] { scaling = other }
    scaling["mrope_section"] = .array((text.ropeSections ?? []).map(JSONValue.int))
    fields["rope_scaling"] = .object(scaling)
    fields["head_dim"] = nil
    fields["torch_dtype"] = dtype
    return fields
  }
}
