import Compression
import Imaging

extension ModelFamily {
  /// Qwen2-VL: as Qwen2.5-VL, but every layer of the tower sees the whole picture, and each two frames of a video take one position of time.
  static let qwen2VL: ModelFamily = .init(
    type: "qwen2_vl", architecture: "Qwen2VLForConditionalGeneration", weights: .visual,
    read: { try QwenVLConfigurationReader($0, .plain).read(.qwen2VL) },
    fields: { c, common in
      c.qwenVLJSON(
        dtype: common["torch_dtype"],
        vision: [
          "model_type": .string("qwen2_vl"), "embed_dim": .int(c.vision.hiddenSize), "hidden_size": .int(c.text.hiddenSize),
          "mlp_ratio": .int(c.vision.intermediateSize / max(1, c.vision.hiddenSize)), "hidden_act": .string("quick_gelu"),
        ])
    },
    preprocessing: { c in
      var found = qwen25VL.preprocessing(c)
      found.processor = ["processor_class": .string("Qwen2VLProcessor")]
      return found
    },
    layout: qwen25VL.layout, encoder: qwen25VL.encoder,
    video: qwen25VL.video.map { rules in
      VideoRules(
        fewestFrames: rules.fewestFrames, multiple: rules.multiple, begin: { group, _ in group.number },
        preprocessing: rules.preprocessing)
    })
}
