import Compression
import Imaging

extension ModelFamily {
  /// Qwen2.5-VL: native resolution, windows, cells of patches that become one token, positions of time, row and column.
  static let qwen25VL: ModelFamily = .init(
    type: "qwen2_5_vl", architecture: "Qwen2_5_VLForConditionalGeneration", weights: .visual,
    read: { reader in try Qwen25VLConfigurationReader(reader).read() },
    fields: { c, common in c.qwen25VLJSON(dtype: common["torch_dtype"]) },
    preprocessing: { c in
      var found = StoredPreprocessing(whole: c.vision)
      guard let w = c.windowed else { return found }
      found.image.merge([
        "image_processor_type": .string("Qwen2VLImageProcessor"), "patch_size": .int(c.vision.patchSize),
        "temporal_patch_size": .int(w.temporalPatchSize), "merge_size": .int(w.mergeSize),
        "size": .object([
          "shortest_edge": .int(w.resolution.minimumPixels), "longest_edge": .int(w.resolution.maximumPixels),
        ]),
      ]) { $1 }
      for name in ["crop_size", "do_center_crop"] { found.image[name] = nil }
      found.processor = ["processor_class": .string("Qwen2_5_VLProcessor")]
      return found
    },
    layout: { c, shape in
      let side = c.vision.patchSize * (c.windowed?.mergeSize ?? 1)
      let grid = TokenGrid(rows: shape.viewHeight / max(1, side), columns: shape.viewWidth / max(1, side))
      let depth = max(1, c.windowed?.temporalPatchSize ?? 1)
      return TokenLayout(
        grids: Array(repeating: grid, count: shape.isVideo ? (shape.views + depth - 1) / depth : 1), isVideo: shape.isVideo)
    },
    encoder: { root, c in
      guard let windowed = c.windowed else {
        throw ConfigurationError.missing(file: "the model's configuration", field: "vision_config.window_size")
      }
      return try NativePictureEncoder(root, c, windowed)
    },
    // The bounds of Qwen2VLVideoProcessor.
    video: VideoRules(
      fewestFrames: 4, multiple: 2,
      // Times come as differences of numbers, which may lack a last bit.
      begin: { group, c in Int(min(group.seconds * Double(c.windowed?.tokensPerSecond ?? 0) + 1e-4, Double(1 << 30))) }
    ) { c in
      let multiple = c.windowed?.resolution.multiple ?? 28
      return FramePreprocessor(
        size: .native(NativeResolution(multiple: multiple, minimumPixels: 128 * 28 * 28, maximumPixels: 28 * 28 * 768)))
    })
}

/// Reads Qwen2.5-VL's config.json, in which the decoder's fields stand at the root or in `text_config`.
private struct Qwen25VLConfigurationReader {
  let reader: ConfigurationReader
  init(_ reader: ConfigurationReader) { self.reader = reader }

  func read() throws -> LLaVAConfiguration {
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
    if try visionObject.int("out_hidden_size") ?? 3584 != text.hiddenSize {
      throw ConfigurationError.invalid(
        file: root.file, field: "vision_config.out_hidden_size",
        reason: "differs from the decoder's hidden_size \(text.hiddenSize)")
    }
    var configuration = LLaVAConfiguration(
      vision: vision, text: text, imageTokenID: try root.int("image_token_id") ?? 151_655)
    configuration.family = .qwen25VL
    configuration.windowed = windowed
    configuration.bosTokenID = try textObject.int("bos_token_id") ?? 151_643
    configuration.eosTokenIDs = Set(try textObject.ints("eos_token_id") ?? [151_645])
    configuration.padTokenID = try root.int("pad_token_id") ?? textObject.int("pad_token_id")
    return configuration
  }

  private func readVision(_ object: JSONObject) throws -> (VisionConfiguration, WindowedVision) {
    var vision = VisionConfiguration(
      hiddenSize: try object.int("hidden_size") ?? 3584, layers: try object.int("depth") ?? 32,
      heads: try object.int("num_heads") ?? 16, intermediateSize: try object.int("intermediate_size") ?? 3420,
      patchSize: try object.int("patch_size") ?? 14)
    vision.channels = try object.int("in_channels") ?? object.int("in_chans") ?? 3
    vision.featureLayer = -1
    if let name = try object.string("hidden_act"), name != "silu" {
      throw ConfigurationError.unsupported(
        file: object.file, field: object.prefix + "hidden_act", found: "\"\(name)\"", known: ["silu"])
    }
    let merge = try object.int("spatial_merge_size") ?? 2
    let root = reader.root
    let windowed = WindowedVision(
      mergeSize: merge, temporalPatchSize: try object.int("temporal_patch_size") ?? 2,
      windowSize: try object.int("window_size") ?? 112,
      fullAttentionLayers: try object.ints("fullatt_block_indexes") ?? [7, 15, 23, 31],
      tokensPerSecond: try object.int("tokens_per_second") ?? 4,
      resolution: try readResolution(patch: vision.patchSize, merge: merge),
      startTokenID: try root.int("vision_start_token_id") ?? 151_652, endTokenID: try root.int("vision_end_token_id") ?? 151_653,
      videoTokenID: try root.int("video_token_id") ?? 151_656)
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
  fileprivate func qwen25VLJSON(dtype: JSONValue?) -> [String: JSONValue] {
    guard let windowed else { return [:] }
    var fields = textJSON
    let vision: [String: JSONValue] = [
      "model_type": .string("qwen2_5_vl"), "depth": .int(self.vision.layers), "hidden_size": .int(self.vision.hiddenSize),
      "intermediate_size": .int(self.vision.intermediateSize), "num_heads": .int(self.vision.heads),
      "in_channels": .int(self.vision.channels), "patch_size": .int(self.vision.patchSize),
      "spatial_merge_size": .int(windowed.mergeSize), "temporal_patch_size": .int(windowed.temporalPatchSize),
      "window_size": .int(windowed.windowSize), "tokens_per_second": .int(windowed.tokensPerSecond),
      "out_hidden_size": .int(text.hiddenSize), "hidden_act": .string("silu"),
      "fullatt_block_indexes": .array(windowed.fullAttentionLayers.map(JSONValue.int)),
    ]
    fields.merge([
      "architectures": .array([.string(family.architecture)]), "model_type": .string(family.type),
      "image_token_id": .int(imageTokenID), "video_token_id": .int(windowed.videoTokenID),
      "vision_start_token_id": .int(windowed.startTokenID), "vision_end_token_id": .int(windowed.endTokenID),
      "vision_config": .object(vision),
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
