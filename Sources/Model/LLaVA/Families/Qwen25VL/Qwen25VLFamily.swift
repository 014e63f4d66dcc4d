import Compression
import Imaging

extension ModelFamily {
  /// Qwen2.5-VL: native resolution, windows, cells of patches that become one token, positions of time, row and column.
  static let qwen25VL: ModelFamily = .init(
    type: "qwen2_5_vl", architecture: "Qwen2_5_VLForConditionalGeneration", weights: .visual,
    read: { try QwenVLConfigurationReader($0, .gated).read(.qwen25VL) },
    fields: { c, common in
      c.qwenVLJSON(
        dtype: common["torch_dtype"],
        vision: [
          "model_type": .string("qwen2_5_vl"), "hidden_size": .int(c.vision.hiddenSize),
          "intermediate_size": .int(c.vision.intermediateSize), "out_hidden_size": .int(c.text.hiddenSize),
          "window_size": .int(c.windowed?.windowSize ?? 0), "tokens_per_second": .int(c.windowed?.tokensPerSecond ?? 0),
          "fullatt_block_indexes": .array((c.windowed?.fullAttentionLayers ?? []).map(JSONValue.int)),
          "hidden_act": .string("silu"),
        ])
    },
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
