import Foundation
import HubCache
import Imaging

/// The layouts in which LLaVA checkpoints come.
public enum CheckpointLayout: String, Sendable, CaseIterable {
  /// `LlavaForConditionalGeneration` of transformers: one folder holds tower, projector and decoder.
  case huggingFace = "hf"
  /// `LlavaLlamaForCausalLM` of the original code: the tower may lie in a CLIP folder of its own.
  case original
}

/// Reads `config.json` in both layouts.
///
/// 1. `model_type` decides the layout: `llava` is Hugging Face's; `llava_llama`, `llava_qwen` and `llava` with `mm_vision_tower` are
///    the original's, because early releases of the original called themselves `llava` too.
/// 2. In Hugging Face's layout an absent number has the default of transformers' configuration class, because transformers leaves
///    out what equals the default: the hub's llava-1.5-7b-hf does not say that its decoder has 32 layers.
/// 3. In the original layout every size must be there, because its writer always writes them.
struct ConfigurationReader {
  let folder: URL
  let root: JSONObject
  let layout: CheckpointLayout

  static let originalTypes = ["llava_llama": TextConfiguration.Family.llama, "llava_qwen": .qwen2, "llava": .llama]

  init(_ folder: URL) throws {
    self.folder = folder
    root = try JSONObject(contentsOf: folder.appendingPathComponent("config.json"))
    let type = try root.require("model_type", root.string("model_type"))
    if type == "llava", root.fields["mm_vision_tower"] == nil {
      layout = .huggingFace
    } else if Self.originalTypes[type] != nil {
      layout = .original
    } else if root.fields["vision_config"] == nil, root.fields["mm_vision_tower"] == nil, root.fields["vocab_size"] != nil {
      throw ConfigurationError.textOnly(file: root.file, type: type)
    } else {
      throw ConfigurationError.unsupported(
        file: root.file, field: "model_type", found: "\"\(type)\"", known: Self.originalTypes.keys.sorted())
    }
  }

  func read() throws -> LLaVAConfiguration {
    var configuration: LLaVAConfiguration
    switch layout {
    case .huggingFace: configuration = try readHuggingFace()
    case .original: configuration = try readOriginal()
    }
    try readGeneration(into: &configuration)
    try configuration.validate(root.file, textPrefix: layout == .huggingFace ? "text_config." : "")
    return configuration
  }

  private func readHuggingFace() throws -> LLaVAConfiguration {
    let textObject = try root.require("text_config", root.object("text_config"))
    let visionObject = try root.require("vision_config", root.object("vision_config"))
    var vision = try Self.vision(visionObject, defaults: true)
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
    let type = try textObject.string("model_type") ?? "llama"
    guard let family = TextConfiguration.Family(rawValue: type) else {
      throw ConfigurationError.unsupported(
        file: root.file, field: "text_config.model_type", found: "\"\(type)\"",
        known: TextConfiguration.Family.allCases.map(\.rawValue))
    }
    var text = try Self.text(textObject, family: family, defaults: true)
    text.tiesEmbeddings = try root.bool("tie_word_embeddings") ?? textObject.bool("tie_word_embeddings") ?? false
    var configuration = LLaVAConfiguration(
      vision: vision, text: text, imageTokenID: try root.int("image_token_index") ?? root.int("image_token_id") ?? 32_000)
    configuration.projector.bias = try root.bool("multimodal_projector_bias") ?? true
    if let activation = try root.string("projector_hidden_act"), activation != "gelu" {
      throw ConfigurationError.unsupported(file: root.file, field: "projector_hidden_act", found: activation, known: ["gelu"])
    }
    configuration.bosTokenID = try textObject.int("bos_token_id") ?? 1
    configuration.eosTokenIDs = Set(try textObject.ints("eos_token_id") ?? [2])
    configuration.padTokenID = try root.int("pad_token_id") ?? textObject.int("pad_token_id")
    return configuration
  }

  private func readOriginal() throws -> LLaVAConfiguration {
    let type = try root.string("model_type") ?? ""
    let text = try Self.text(root, family: Self.originalTypes[type] ?? .llama, defaults: false)
    var vision = try Self.vision(try towerObject(), defaults: true)
    vision.featureLayer = try root.int("mm_vision_select_layer") ?? -2
    switch try root.string("mm_vision_select_feature") ?? "patch" {
    case "patch": vision.featureSelection = .patch
    case "cls_patch": vision.featureSelection = .full
    case let other:
      throw ConfigurationError.unsupported(
        file: root.file, field: "mm_vision_select_feature", found: other, known: ["patch", "cls_patch"])
    }
    if let width = try root.int("mm_hidden_size"), width != vision.hiddenSize {
      throw ConfigurationError.invalid(
        file: root.file, field: "mm_hidden_size", reason: "\(width) differs from the tower's hidden_size \(vision.hiddenSize)")
    }
    for field in ["mm_use_im_start_end", "mm_use_im_patch_token"] where try root.bool(field) == true {
      throw ConfigurationError.unsupported(file: root.file, field: field, found: "true", known: ["false, as in LLaVA-1.5"])
    }
    var configuration = LLaVAConfiguration(
      vision: vision, text: text, imageTokenID: try root.int("image_token_index") ?? text.vocabularySize)
    configuration.projector.layers = try projectorLayers()
    configuration.bosTokenID = try root.int("bos_token_id")
    configuration.eosTokenIDs = Set(try root.ints("eos_token_id") ?? [2])
    configuration.padTokenID = try root.int("pad_token_id")
    if let aspect = try root.string("image_aspect_ratio") {
      guard let known = ImageAspect(rawValue: aspect) else {
        throw ConfigurationError.unsupported(
          file: root.file, field: "image_aspect_ratio", found: aspect, known: ["pad", "square"])
      }
      configuration.imageAspect = known
    }
    return configuration
  }

  private func projectorLayers() throws -> Int {
    let name = try root.string("mm_projector_type") ?? "linear"
    if name == "linear" { return 1 }
    guard let match = name.wholeMatch(of: /mlp([1-9])x_gelu/), let layers = Int(match.1) else {
      throw ConfigurationError.unsupported(
        file: root.file, field: "mm_projector_type", found: "\"\(name)\"", known: ["linear", "mlp2x_gelu and other mlpNx_gelu"])
    }
    return layers
  }

  /// The CLIP folder that `mm_vision_tower` names: relative to the checkpoint, to where the program runs, or, as the name is often one
  /// of the hub, the folder of its last part beside the checkpoint, or what the hub's cache holds under it.
  func towerFolder() throws -> URL? {
    guard let name = try root.string("mm_vision_tower") else { return nil }
    let here = URL(fileURLWithPath: name)
    let beside = folder.standardizedFileURL.deletingLastPathComponent().appendingPathComponent(here.lastPathComponent)
    let candidates = [folder.appendingPathComponent(name), here, beside]
    let near = candidates.map(\.standardizedFileURL).first {
      FileManager.default.fileExists(atPath: $0.appendingPathComponent("config.json").path)
    }
    return try near ?? CachedRepository.folder(of: name)
  }

  private func towerObject() throws -> JSONObject {
    if let folder = try towerFolder() {
      let object = try JSONObject(contentsOf: folder.appendingPathComponent("config.json"))
      return try object.object("vision_config") ?? object
    }
    let name = try root.require("mm_vision_tower", root.string("mm_vision_tower"))
    // The tower of every released LLaVA-1.5, known by its hub name so that a checkpoint with the tower inside needs no other folder.
    guard name == "openai/clip-vit-large-patch14-336" else {
      throw ConfigurationError.invalid(
        file: root.file, field: "mm_vision_tower",
        reason: "\"\(name)\" is no folder with a config.json; put the CLIP folder there")
    }
    let fields: [String: JSONValue] = [
      "hidden_size": .int(1024), "intermediate_size": .int(4096), "num_hidden_layers": .int(24), "num_attention_heads": .int(16),
      "image_size": .int(336), "patch_size": .int(14),
    ]
    return JSONObject(file: root.file, prefix: "mm_vision_tower.", fields: fields)
  }

  /// End-of-answer tokens of `generation_config.json`, where there is one: it may name more than the configuration does.
  private func readGeneration(into configuration: inout LLaVAConfiguration) throws {
    let url = folder.appendingPathComponent("generation_config.json")
    guard FileManager.default.fileExists(atPath: url.path) else { return }
    if let ids = try JSONObject(contentsOf: url).ints("eos_token_id") { configuration.eosTokenIDs = Set(ids) }
  }
}
