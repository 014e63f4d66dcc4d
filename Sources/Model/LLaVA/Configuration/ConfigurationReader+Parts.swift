extension ConfigurationReader {
  /// A tower; the defaults are those of transformers' `CLIPVisionConfig` and `SiglipVisionConfig`.
  ///
  /// - Parameters:
  ///   - standard: what it is where it does not say it.
  ///   - known: what it may be.
  static func vision(
    _ object: JSONObject, _ standard: VisionConfiguration.Tower, known: [VisionConfiguration.Tower]
  ) throws -> VisionConfiguration {
    var tower = standard
    if let type = try object.string("model_type"), type != "clip" {
      guard let found = VisionConfiguration.Tower(rawValue: type), known.contains(found) else {
        throw ConfigurationError.unsupported(
          file: object.file, field: object.prefix + "model_type", found: "\"\(type)\"", known: known.map(\.rawValue))
      }
      tower = found
    }
    let isCLIP = tower == .clip
    var vision = VisionConfiguration(
      hiddenSize: try object.int("hidden_size") ?? 768, layers: try object.int("num_hidden_layers") ?? 12,
      heads: try object.int("num_attention_heads") ?? 12, intermediateSize: try object.int("intermediate_size") ?? 3072,
      imageSize: try object.int("image_size") ?? 224, patchSize: try object.int("patch_size") ?? (isCLIP ? 32 : 16))
    vision.tower = tower
    vision.activation = isCLIP ? .quickGELU : .tanhGELU
    vision.channels = try object.int("num_channels") ?? 3
    vision.layerNormEpsilon = try object.double("layer_norm_eps") ?? (isCLIP ? 1e-5 : 1e-6)
    if let name = try object.string("hidden_act") {
      guard let activation = VisionConfiguration.Activation(rawValue: name) else {
        throw ConfigurationError.unsupported(
          file: object.file, field: object.prefix + "hidden_act", found: "\"\(name)\"",
          known: VisionConfiguration.Activation.allCases.map(\.rawValue))
      }
      vision.activation = activation
    }
    return vision
  }

  /// A decoder; the defaults are those of transformers' `LlamaConfig` and `Qwen2Config`.
  static func text(_ object: JSONObject, family: TextConfiguration.Family, defaults: Bool) throws -> TextConfiguration {
    let (qwen, mistral) = (family == .qwen2, family == .mistral)
    func size(_ name: String, _ standard: Int) throws -> Int {
      if let found = try object.int(name) { return found }
      return defaults ? standard : try object.require(name, nil)
    }
    let heads = try size("num_attention_heads", 32)
    var text = TextConfiguration(
      hiddenSize: try size("hidden_size", 4096), layers: try size("num_hidden_layers", 32), heads: heads,
      keyValueHeads: try object.int("num_key_value_heads") ?? (qwen ? min(heads, 32) : mistral ? min(heads, 8) : heads),
      intermediateSize: try size("intermediate_size", qwen ? 22_016 : mistral ? 14_336 : 11_008),
      vocabularySize: try size("vocab_size", qwen ? 151_936 : 32_000))
    text.family = family
    if let width = try object.int("head_dim") {
      text.headDimension = width
    } else if heads > 0, text.hiddenSize % heads != 0 {
      throw ConfigurationError.invalid(
        file: object.file, field: object.prefix + "hidden_size",
        reason: "\(text.hiddenSize) is not a multiple of num_attention_heads \(heads), and there is no head_dim")
    }
    text.rmsNormEpsilon = try object.double("rms_norm_eps") ?? 1e-6
    text.maximumPositions = try object.int("max_position_embeddings") ?? (qwen ? 32_768 : mistral ? 131_072 : 2048)
    // Mistral's attention sees no further than its window, so within it all is as in LLaMA.
    if mistral, object.fields["sliding_window"] != .null {
      text.maximumPositions = min(text.maximumPositions, try object.int("sliding_window") ?? 4096)
    }
    text.tiesEmbeddings = try object.bool("tie_word_embeddings") ?? false
    let bias = try object.bool("attention_bias") ?? qwen
    text.attentionBias = bias
    text.attentionOutputBias = bias && !qwen
    text.mlpBias = try object.bool("mlp_bias") ?? false
    if let name = try object.string("hidden_act"), name != "silu" {
      throw ConfigurationError.unsupported(
        file: object.file, field: object.prefix + "hidden_act", found: "\"\(name)\"", known: ["silu"])
    }
    if try object.bool("use_sliding_window") == true {
      throw ConfigurationError.unsupported(
        file: object.file, field: object.prefix + "use_sliding_window", found: "true", known: ["false"])
    }
    // transformers 5 keeps base and scaling together; earlier versions keep the base beside the scaling.
    let parameters = try object.object("rope_parameters")
    text.ropeTheta = try parameters?.double("rope_theta") ?? object.double("rope_theta") ?? 10_000
    if let scaling = try parameters ?? object.object("rope_scaling") { text.ropeScaling = try ropeScaling(scaling) }
    return text
  }

  private static func ropeScaling(_ object: JSONObject) throws -> RotaryScaling {
    func factor() throws -> Double { try object.require("factor", object.double("factor")) }
    switch try object.string("rope_type") ?? object.string("type") ?? "default" {
    case "default", "mrope": return .none
    case "linear": return .linear(factor: try factor())
    case "dynamic": return .dynamic(factor: try factor())
    case "llama3":
      return .llama3(
        factor: try factor(), lowFrequencyFactor: try object.require("low_freq_factor", object.double("low_freq_factor")),
        highFrequencyFactor: try object.require("high_freq_factor", object.double("high_freq_factor")),
        originalPositions: try object.require(
          "original_max_position_embeddings", object.int("original_max_position_embeddings")))
    case let other:
      throw ConfigurationError.unsupported(
        file: object.file, field: object.prefix + "rope_type", found: "\"\(other)\"",
        known: ["default", "mrope", "linear", "dynamic", "llama3"])
    }
  }
}
