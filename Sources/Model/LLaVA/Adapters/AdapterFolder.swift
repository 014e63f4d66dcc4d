import Foundation
import Torch

/// LoRA adapters in PEFT's layout: `adapter_config.json` and `adapter_model.safetensors`.
///
/// Parts of the model that were trained as a whole beside the adapters are in the folder too, PEFT's `modules_to_save`: the base model with
/// the folder is the trained model.
public enum AdapterFolder {
  private static let prefix = "base_model.model."

  /// Writes the adapters of a model, the folder whole or not at all.
  ///
  /// Names are those of modules while the model runs, as PEFT wants them: transformers' `LlavaForConditionalGeneration` (4.52 and later,
  /// with a trained tower 5.6 and later) or, in the original layout, LLaVA's `LlavaLlamaForCausalLM`.
  ///
  /// - Parameters:
  ///   - folder: must not exist yet.
  ///   - whole: the parts that were trained, of which tower and projector are written whole; the decoder has its adapters.
  ///   - base: where the checkpoint lies that the adapters belong to.
  /// - Throws: `LoRAError.none`, `CheckpointError.exists`, or the system's error.
  public static func write(
    _ model: LLaVAModel, to folder: URL, layout: CheckpointLayout = .huggingFace, whole: Set<ParameterGroup> = [],
    base: String? = nil
  ) throws {
    guard let lora = model.lora else { throw LoRAError.none }
    let saved = whole.intersection([.tower, .projector])
    let items = parameters(of: model, whole: saved).map { parameter in
      SafetensorsItem(
        name: prefix + KeyNames.running(parameter.name, layout, model.configuration.family.weights),
        dtype: parameter.tensor.dtype,
        shape: parameter.tensor.shape
      ) { try model.whole(parameter) }
    }
    let targets = lora.targets.map(\.rawValue).sorted()
    // An expression and not a list, which would match the vision tower's projections as well.
    let decoder = layout == .huggingFace ? "model.language_model." : "model."
    let expression = "\(decoder.replacing(".", with: "\\."))layers\\..*\\.(\(targets.joined(separator: "|")))"
    var fields: [String: JSONValue] = [
      "peft_type": .string("LORA"), "task_type": .string("CAUSAL_LM"), "r": .int(lora.rank), "lora_alpha": .double(lora.alpha),
      "lora_dropout": .double(0), "bias": .string("none"), "fan_in_fan_out": .bool(false), "inference_mode": .bool(true),
      "target_modules": .string(expression), "base_model_name_or_path": base.map(JSONValue.string) ?? .null,
    ]
    if !saved.isEmpty {
      fields["modules_to_save"] = .array(
        saved.flatMap { modules($0, layout, model.configuration) }.sorted().map(JSONValue.string))
    }
    try writingFolder(folder) { temporary in
      try writeJSON(fields, to: temporary.appendingPathComponent("adapter_config.json"))
      try SafetensorsWriter.write(items, to: temporary.appendingPathComponent("adapter_model.safetensors"))
    }
  }

  private static func parameters(of model: LLaVAModel, whole: Set<ParameterGroup>) -> [Parameter] {
    let saved = whole.intersection([.tower, .projector])
    return model.parameters.parameters.filter { $0.group == .adapter || saved.contains($0.group) }
  }

  /// The weights that a folder holds, by the model's own names, in the order in which `write` asks for them.
  public static func names(of model: LLaVAModel, whole: Set<ParameterGroup> = []) -> [String] {
    parameters(of: model, whole: whole).map(\.name)
  }

  /// The modules that PEFT saves for a part, by the ends of their names.
  private static func modules(_ part: ParameterGroup, _ layout: CheckpointLayout, _ c: LLaVAConfiguration) -> [String] {
    let style = c.family.weights
    // Qwen's merger is inside of what would be its tower, and PEFT wraps no list of blocks as a whole.
    if style == .visual {
      let blocks = (0..<c.vision.layers).map { "visual.blocks.\($0)" }
      return part == .tower ? ["visual.patch_embed"] + blocks : ["visual.merger"]
    }
    // The original's tower holds another module of the name, which must not match.
    let tower = style == .audioTower ? "model.audio_tower" : "model.vision_tower"
    return [part == .tower ? tower : layout == .huggingFace ? "multi_modal_projector" : "mm_projector"]
  }

  /// The model with the adapters of a folder, written here or by PEFT, and with what was trained whole beside them.
  ///
  /// - Throws: `ConfigurationError` for adapters of another kind, `CheckpointError` for weights that are missing, not finite or of another
  ///   shape, `TensorFileError`, `LoRAError`.
  public static func read(_ folder: URL, into model: LLaVAModel) throws -> LLaVAModel {
    let config = try JSONObject(contentsOf: folder.appendingPathComponent("adapter_config.json"))
    try requirePlainLoRA(config)
    let file = try SafetensorsFile(folder.appendingPathComponent("adapter_model.safetensors"))
    var names: [String: String] = [:]
    var options = LoRAOptions()
    options.targets = []
    for name in file.entries.keys.sorted() {
      let own = name.hasPrefix(prefix) ? KeyNames.own(String(name.dropFirst(prefix.count))) : nil
      if let own, model.parameters[own] != nil {
        names[own] = name
      } else if let own, own.hasPrefix("decoder.layers."),
        let target = own.split(separator: ".").dropLast(2).last.flatMap({ LoRAOptions.Target(rawValue: String($0)) })
      {
        names[own] = name
        options.targets.insert(target)
      } else if own?.hasPrefix(KeyNames.unusedNorm) != true {
        throw refusal(
          config, "target_modules", "\(name) in \(file.path) belongs to no linear layer of the decoder and to no part")
      }
    }
    try requireWholeParts(config, file, names, model)
    options.rank = try config.require("r", config.int("r"))
    options.alpha = try config.require("lora_alpha", config.double("lora_alpha"))
    let source = StoredAdapters(file: file, names: names, dtype: model.dtype, device: model.device)
    return try model.addingLoRA(options, from: source)
  }

  private static func refusal(_ config: JSONObject, _ field: String, _ reason: String) -> ConfigurationError {
    .invalid(file: config.file, field: field, reason: reason)
  }

  private static func requirePlainLoRA(_ config: JSONObject) throws {
    let kind = try config.string("peft_type") ?? ""
    if kind != "LORA" { throw refusal(config, "peft_type", "\(kind.isEmpty ? "missing" : kind), expected LORA") }
    for field in ["use_dora", "use_rslora", "lora_bias", "fan_in_fan_out"] where try config.bool(field) == true {
      throw refusal(config, field, "true, expected false: plain LoRA is what is read")
    }
    for field in ["rank_pattern", "alpha_pattern"] {
      if let pattern = try config.object(field), !pattern.fields.isEmpty {
        throw refusal(config, field, "not empty: one rank and alpha is what is read")
      }
    }
    if let bias = try config.string("bias"), bias != "none" { throw refusal(config, "bias", "\(bias), expected none") }
  }

  /// Throws unless all that the folder claims to save is there: a part of which some weights are missing would be half trained.
  private static func requireWholeParts(
    _ config: JSONObject, _ file: SafetensorsFile, _ names: [String: String], _ model: LLaVAModel
  ) throws {
    for module in try config.strings("modules_to_save") ?? [] where !names.values.contains(where: { $0.contains(module + ".") }) {
      throw CheckpointError.missing(parameter: module, folder: file.path)
    }
    for part in [ParameterGroup.tower, .projector] {
      let all = model.parameters.parameters.filter { $0.group == part }.map(\.name)
      if let missing = all.first(where: { names[$0] == nil }), all.contains(where: { names[$0] != nil }) {
        throw CheckpointError.missing(parameter: missing, folder: file.path)
      }
    }
    if model.configuration.text.tiesEmbeddings, names["decoder.embed_tokens.weight"] != nil {
      throw refusal(
        config, "modules_to_save", "holds the embedding table, which is the output layer of this model as well; merge it first")
    }
  }
}

/// Weights in a folder of adapters, by the model's own names.
private struct StoredAdapters: ParameterSource {
  let file: SafetensorsFile
  let names: [String: String]
  let dtype: DType
  let device: Device

  func contains(_ name: String) -> Bool { names[name] != nil }

  func parameter(_ name: String, shape: [Int]) throws -> Tensor {
    guard let entry = names[name].flatMap({ file.entries[$0] }) else {
      throw CheckpointError.missing(parameter: name, folder: file.path)
    }
    return try entry.weight(shape, in: file.path, as: dtype) { try file.tensor(entry.name, as: $0, on: device) }
  }
}
