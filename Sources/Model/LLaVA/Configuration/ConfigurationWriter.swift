import Basics
import Foundation

extension LLaVAConfiguration {
  /// The fields of `config.json` in a layout, for weights of the given dtype.
  ///
  /// - Throws: `ConfigurationError` where the layout cannot express the model: transformers' LLaVA knows only a projector of two
  ///   linear layers.
  func json(_ layout: CheckpointLayout, dtype: String) throws -> [String: JSONValue] {
    switch layout {
    case .huggingFace: try huggingFaceJSON(dtype)
    case .original: try originalJSON(dtype)
    }
  }

  private func huggingFaceJSON(_ dtype: String) throws -> [String: JSONValue] {
    guard projector.layers == 2 || windowed != nil || audio != nil else {
      throw ConfigurationError.unsupported(
        file: "config.json", field: "projector", found: projector.name, known: ["mlp2x_gelu in layout hf; use layout original"])
    }
    var fields: [String: JSONValue] = [
      "architectures": .array([.string(family.architecture)]), "model_type": .string(family.type),
      "image_token_index": .int(imageTokenID), "projector_hidden_act": .string("gelu"),
      "multimodal_projector_bias": .bool(projector.bias), "vision_feature_layer": .int(vision.featureLayer),
      "vision_feature_select_strategy": .string(vision.featureSelection.rawValue),
      "tie_word_embeddings": .bool(text.tiesEmbeddings),
      "torch_dtype": .string(dtype), "vision_config": .object(visionJSON), "text_config": .object(textJSON),
    ]
    if let padTokenID { fields["pad_token_id"] = .int(padTokenID) }
    return family.fields(self, fields)
  }

  private func originalJSON(_ dtype: String) throws -> [String: JSONValue] {
    guard vision.tower == .clip, family == .llava || family == .llavaNeXT else {
      throw ConfigurationError.unsupported(
        file: "config.json", field: "model_type", found: "\(family.type) with a \(vision.tower.rawValue)",
        known: ["llava and llava_next with a clip_vision_model in layout original; use layout hf"])
    }
    var fields = textJSON
    let kind =
      switch text.family {
      case .llama: ("LlavaLlamaForCausalLM", "llava_llama")
      case .qwen2: ("LlavaQwenForCausalLM", "llava_qwen")
      case .mistral: ("LlavaMistralForCausalLM", "llava_mistral")
      }
    fields["architectures"] = .array([.string(kind.0)])
    fields["model_type"] = .string(kind.1)
    fields["mm_vision_tower"] = .string("vision_tower")
    fields["mm_vision_select_layer"] = .int(vision.featureLayer)
    fields["mm_vision_select_feature"] = .string(vision.featureSelection == .patch ? "patch" : "cls_patch")
    fields["mm_projector_type"] = .string(projector.name)
    fields["mm_hidden_size"] = .int(vision.hiddenSize)
    fields["mm_use_im_start_end"] = .bool(false)
    fields["mm_use_im_patch_token"] = .bool(false)
    fields["mm_patch_merge_type"] = .string(tiling == nil ? "flat" : "spatial_unpad")
    if let tiling {
      fields["image_grid_pinpoints"] = .array(tiling.canvases.map { .array([.int($0.width), .int($0.height)]) })
    }
    fields["use_mm_proj"] = .bool(true)
    // The original has no such field and reads past it; with it a conversion back finds the same token.
    if imageTokenID < text.vocabularySize { fields["image_token_index"] = .int(imageTokenID) }
    fields["image_aspect_ratio"] = .string(tiling == nil ? imageAspect.rawValue : "anyres")
    fields["tokenizer_padding_side"] = .string("right")
    fields["torch_dtype"] = .string(dtype)
    return fields
  }

  /// The tower's fields, as transformers' configuration of its kind writes them.
  var visionJSON: [String: JSONValue] {
    var fields: [String: JSONValue] = [
      "model_type": .string(vision.tower.rawValue), "hidden_size": .int(vision.hiddenSize),
      "num_hidden_layers": .int(vision.layers),
      "num_attention_heads": .int(vision.heads), "intermediate_size": .int(vision.intermediateSize),
      "image_size": .int(vision.imageSize), "patch_size": .int(vision.patchSize), "num_channels": .int(vision.channels),
      "layer_norm_eps": .double(vision.layerNormEpsilon), "hidden_act": .string(vision.activation.rawValue),
    ]
    if vision.tower == .clip { fields["projection_dim"] = .int(vision.hiddenSize) }
    // A head for contrasting pictures with captions is no part of these models.
    if vision.tower == .siglip { fields["vision_use_head"] = .bool(false) }
    return fields
  }

  var textJSON: [String: JSONValue] {
    var fields: [String: JSONValue] = [
      "model_type": .string(text.family.rawValue), "vocab_size": .int(text.vocabularySize), "hidden_size": .int(text.hiddenSize),
      "num_hidden_layers": .int(text.layers), "num_attention_heads": .int(text.heads),
      "num_key_value_heads": .int(text.keyValueHeads), "intermediate_size": .int(text.intermediateSize),
      "head_dim": .int(text.headDimension), "hidden_act": .string("silu"), "rms_norm_eps": .double(text.rmsNormEpsilon),
      "max_position_embeddings": .int(text.maximumPositions), "rope_theta": .double(text.ropeTheta),
      "tie_word_embeddings": .bool(text.tiesEmbeddings), "eos_token_id": eosJSON,
    ]
    if let bosTokenID { fields["bos_token_id"] = .int(bosTokenID) }
    if let padTokenID { fields["pad_token_id"] = .int(padTokenID) }
    if text.family == .llama {
      fields["attention_bias"] = .bool(text.attentionBias)
      fields["mlp_bias"] = .bool(text.mlpBias)
    }
    if text.family == .mistral { fields["sliding_window"] = .null }
    switch text.ropeScaling {
    case .none: break
    case .linear(let factor): fields["rope_scaling"] = .object(["rope_type": .string("linear"), "factor": .double(factor)])
    case .dynamic(let factor): fields["rope_scaling"] = .object(["rope_type": .string("dynamic"), "factor": .double(factor)])
    case .llama3(let factor, let low, let high, let original):
      fields["rope_scaling"] = .object([
        "rope_type": .string("llama3"), "factor": .double(factor), "low_freq_factor": .double(low),
        "high_freq_factor": .double(high), "original_max_position_embeddings": .int(original),
      ])
    }
    return fields
  }

  /// End-of-answer tokens: a number where there is one, else a list, as transformers writes them.
  var eosJSON: JSONValue {
    let ids = eosTokenIDs.sorted()
    return ids.count == 1 ? .int(ids[0]) : .array(ids.map(JSONValue.int))
  }
}

/// Writes JSON with sorted keys, as part of a folder that appears whole or not at all.
func writeJSON(_ fields: [String: JSONValue], to url: URL) throws {
  try fields.jsonData(isPretty: true).write(to: url)
}
