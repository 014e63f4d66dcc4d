import Foundation
import Torch

/// LoRA adapters in PEFT's layout: `adapter_config.json` and `adapter_model.safetensors`.
public enum AdapterFolder {
  private static let prefix = "base_model.model."

  /// Writes the adapters of a model, the folder whole or not at all.
  ///
  /// Names are those of modules while the model runs, as PEFT wants them: transformers' `LlavaForConditionalGeneration` (4.52 and later)
  /// or, in the original layout, LLaVA's `LlavaLlamaForCausalLM`.
  ///
  /// - Parameters:
  ///   - folder: must not exist yet.
  ///   - base: where the checkpoint lies that the adapters belong to.
  /// - Throws: `LoRAError.none`, `CheckpointError.exists`, or the system's error.
  public static func write(
    _ model: LLaVAModel, to folder: URL, layout: CheckpointLayout = .huggingFace, base: String? = nil
  ) throws {
    guard let lora = model.lora else { throw LoRAError.none }
    let decoder = layout == .huggingFace ? "model.language_model." : "model."
    let items = model.parameters.parameters.filter { $0.group == .adapter }.map {
      SafetensorsItem(prefix + decoder + $0.name.dropFirst("decoder.".count), $0.tensor)
    }
    let targets = lora.targets.map(\.rawValue).sorted()
    // An expression and not a list, which would match the vision tower's projections as well.
    let expression = "\(decoder.replacing(".", with: "\\."))layers\\..*\\.(\(targets.joined(separator: "|")))"
    let fields: [String: JSONValue] = [
      "peft_type": .string("LORA"), "task_type": .string("CAUSAL_LM"), "r": .int(lora.rank), "lora_alpha": .double(lora.alpha),
      "lora_dropout": .double(0), "bias": .string("none"), "fan_in_fan_out": .bool(false), "inference_mode": .bool(true),
      "target_modules": .string(expression), "base_model_name_or_path": base.map(JSONValue.string) ?? .null,
    ]
    try writingFolder(folder) { temporary in
      try writeJSON(fields, to: temporary.appendingPathComponent("adapter_config.json"))
      try SafetensorsWriter.write(items, to: temporary.appendingPathComponent("adapter_model.safetensors"))
    }
  }

  /// The model with the adapters of a folder, written here or by PEFT.
  ///
  /// - Throws: `ConfigurationError` for adapters of another kind, `CheckpointError` for weights that are missing or have another shape,
  ///   `TensorFileError`, `LoRAError`.
  public static func read(_ folder: URL, into model: LLaVAModel) throws -> LLaVAModel {
    let config = try JSONObject(contentsOf: folder.appendingPathComponent("adapter_config.json"))
    func refuse(_ field: String, _ reason: String) -> ConfigurationError {
      .invalid(file: config.file, field: field, reason: reason)
    }
    let kind = try config.string("peft_type") ?? ""
    if kind != "LORA" { throw refuse("peft_type", "\(kind.isEmpty ? "missing" : kind), expected LORA") }
    for field in ["use_dora", "use_rslora", "lora_bias", "fan_in_fan_out"] where try config.bool(field) == true {
      throw refuse(field, "true, expected false: plain LoRA is what is read")
    }
    for field in ["rank_pattern", "alpha_pattern"] {
      if let pattern = try config.object(field), !pattern.fields.isEmpty {
        throw refuse(field, "not empty: one rank and alpha is what is read")
      }
    }
    if let bias = try config.string("bias"), bias != "none" { throw refuse("bias", "\(bias), expected none") }
    let file = try SafetensorsFile(folder.appendingPathComponent("adapter_model.safetensors"))
    var names: [String: String] = [:]
    var options = LoRAOptions()
    options.targets = []
    for name in file.entries.keys {
      guard name.hasPrefix(prefix), let own = KeyNames.own(String(name.dropFirst(prefix.count))),
        own.hasPrefix("decoder.layers."),
        let target = own.split(separator: ".").dropLast(2).last.flatMap({ LoRAOptions.Target(rawValue: String($0)) })
      else { throw refuse("target_modules", "\(name) in \(file.path) belongs to no linear layer of the decoder") }
      names[own] = name
      options.targets.insert(target)
    }
    options.rank = try config.require("r", config.int("r"))
    options.alpha = try config.require("lora_alpha", config.double("lora_alpha"))
    let source = StoredAdapters(file: file, names: names, dtype: model.dtype, device: model.device)
    return try model.addingLoRA(options, from: source)
  }
}

/// Adapters in a file, by the model's own names.
private struct StoredAdapters: ParameterSource {
  let file: SafetensorsFile
  let names: [String: String]
  let dtype: DType
  let device: Device

  func contains(_ name: String) -> Bool { names[name] != nil }

  func parameter(_ name: String, shape: [Int]) throws -> Tensor {
    guard let stored = names[name] else { throw CheckpointError.missing(parameter: name, folder: file.path) }
    let found = file.entries[stored]?.shape ?? []
    guard found == shape else { throw CheckpointError.shape(tensor: stored, file: file.path, found: found, expected: shape) }
    return try file.tensor(stored, as: dtype, on: device)
  }
}
