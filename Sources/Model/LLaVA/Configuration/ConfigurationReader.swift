import Foundation
import HubCache
import Imaging

/// The layouts in which checkpoints come.
public enum CheckpointLayout: String, Sendable, CaseIterable {
  /// transformers': one folder holds tower, projector and decoder.
  case huggingFace = "hf"
  /// `LlavaLlamaForCausalLM` of the original code: the tower may lie in a CLIP folder of its own.
  case original
}

/// Reads `config.json` in both layouts.
///
/// 1. `model_type` decides the layout: a family's (`ModelFamily.all`) is Hugging Face's; `llava_llama`, `llava_qwen`, `llava_mistral` and
///    `llava` with `mm_vision_tower` are the original's, because early releases of the original called themselves `llava` too.
/// 2. In Hugging Face's layout an absent number has the default of transformers' configuration class, because transformers leaves
///    out what equals the default: the hub's llava-1.5-7b-hf does not say that its decoder has 32 layers.
/// 3. In the original layout every size must be there, because its writer always writes them.
struct ConfigurationReader {
  let folder: URL
  let root: JSONObject
  let layout: CheckpointLayout
  /// Which kind of model it is; in the original's layout its own fields tell.
  private let family: ModelFamily

  static let originalTypes = [
    "llava_llama": TextConfiguration.Family.llama, "llava_qwen": .qwen2, "llava_mistral": .mistral, "llava": .llama,
  ]

  init(_ folder: URL) throws {
    try self.init(folder, JSONObject(contentsOf: folder.appendingPathComponent("config.json")))
  }

  /// A reader of fields that stand in no file of that name.
  init(_ folder: URL, _ root: JSONObject) throws {
    (self.folder, self.root) = (folder, root)
    let found = try ModelFamily.of(root)
    let type = try found?.type ?? root.require("model_type", root.string("model_type"))
    if let found, root.fields["mm_vision_tower"] == nil {
      (layout, family) = (.huggingFace, found)
    } else if Self.originalTypes[type] != nil {
      (layout, family) = (.original, root.fields["image_grid_pinpoints"].map { _ in .llavaNeXT } ?? .llava)
    } else if root.fields["vision_config"] == nil, root.fields["mm_vision_tower"] == nil, root.fields["vocab_size"] != nil {
      throw ConfigurationError.textOnly(file: root.file, type: type)
    } else {
      throw ConfigurationError.unsupported(
        file: root.file, field: "model_type", found: "\"\(type)\"",
        known: Set(Self.originalTypes.keys).union(ModelFamily.all.map(\.type)).sorted())
    }
  }

  func read() throws -> LLaVAConfiguration {
    var configuration: LLaVAConfiguration
    switch layout {
    case .huggingFace: configuration = try family.read(self)
    case .original: configuration = try readOriginal()
    }
    try readGeneration(into: &configuration)
    try configuration.validate(root.file, textPrefix: root.fields["text_config"] == nil ? "" : "text_config.")
    return configuration
  }

  private func readOriginal() throws -> LLaVAConfiguration {
    let type = try root.string("model_type") ?? ""
    let text = try Self.text(root, family: Self.originalTypes[type] ?? .llama, defaults: false)
    var vision = try Self.vision(try towerObject(), .clip, known: [.clip])
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
    if family == .llavaNeXT {
      try readOriginalTiling(into: &configuration)
    } else if let aspect = try root.string("image_aspect_ratio") {
      guard let known = ImageAspect(rawValue: aspect) else {
        throw ConfigurationError.unsupported(
          file: root.file, field: "image_aspect_ratio", found: aspect, known: ["pad", "square"])
      }
      configuration.imageAspect = known
    }
    return configuration
  }

  /// LLaVA-1.6's tiles; its pairs are width and height, transformers' the other way round.
  private func readOriginalTiling(into configuration: inout LLaVAConfiguration) throws {
    for (field, known) in [("image_aspect_ratio", "anyres"), ("mm_patch_merge_type", "spatial_unpad")] {
      let found = try root.string(field) ?? "-"
      if found != known {
        throw ConfigurationError.unsupported(
          file: root.file, field: field, found: found, known: ["\(known), where there are image_grid_pinpoints"])
      }
    }
    configuration.family = .llavaNeXT
    let canvases = try root.pairs("image_grid_pinpoints") ?? []
    configuration.tiling = PictureTiling(
      canvases: canvases.map { PictureTiling.Size(height: $0.1, width: $0.0) }, side: configuration.vision.imageSize,
      onlyAlone: false)
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

extension LLaVAConfiguration {
  /// That of a checkpoint, whose weights need not be there.
  ///
  /// - Throws: `CheckpointError.noSuchFolder`, `ConfigurationError`.
  public init(ofCheckpoint folder: URL) throws {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: folder.path, isDirectory: &isFolder), isFolder.boolValue else {
      throw CheckpointError.noSuchFolder(folder.path)
    }
    self = try ConfigurationReader(folder).read()
  }
}
